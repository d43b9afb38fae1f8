package enrolment

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

const largestInventory = 2 << 20 // bytes of XML

// minimal is the least inventory of which FusionInventory makes a computer.
type minimal struct {
	XMLName  xml.Name `xml:"REQUEST"`
	Query    string   `xml:"QUERY"`
	Client   string   `xml:"VERSIONCLIENT"`
	DeviceID string   `xml:"DEVICEID"`
	Hardware struct {
		Name      string `xml:"NAME"`
		UUID      string `xml:"UUID,omitempty"`
		OSName    string `xml:"OSNAME"`
		OSVersion string `xml:"OSVERSION,omitempty"`
	} `xml:"CONTENT>HARDWARE"`
	BIOS struct {
		SSN    string `xml:"SSN"`
		SModel string `xml:"SMODEL,omitempty"`
	} `xml:"CONTENT>BIOS"`
	OS struct {
		Name    string `xml:"NAME"`
		Version string `xml:"VERSION,omitempty"`
	} `xml:"CONTENT>OPERATINGSYSTEM"`
}

// systems are the operating systems of the types of devices.
var systems = map[string]string{"android": "Android", "apple": "iOS"}

// inventory is the device's own, when it is sound and of this device, or the least one.
func (r Request) inventory(serial string) ([]byte, *Failure) {
	if r.Inventory == "" {
		return r.build(serial)
	}
	text := []byte(r.Inventory)
	if !strings.HasPrefix(strings.TrimSpace(r.Inventory), "<") {
		compact := strings.Join(strings.Fields(r.Inventory), "")
		decoded, err := base64.StdEncoding.DecodeString(compact)
		if err != nil {
			return nil, failure(InventoryInvalid)
		}
		text = decoded
	}
	if len(text) > largestInventory {
		return nil, bad("inventory", "It has more than 2 MiB.")
	}
	switch uuid, err := inspect(text, serial); {
	case errors.Is(err, errOtherSerial):
		return nil, bad("inventory", "It is of a device with another serial number.")
	case errors.Is(err, errSeveral), err == nil && uuid != "" && uuid != r.UUID:
		return nil, bad("inventory", "It has not the UUID of the device: give that one in uuid.")
	case err != nil:
		return nil, failure(InventoryInvalid)
	}
	return text, nil
}

func (r Request) build(serial string) ([]byte, *Failure) {
	m := minimal{Query: "INVENTORY", Client: "Fleetgate", DeviceID: serial}
	// The name is the device's own: GLPI finds computers by their names too, unless its rules were changed.
	m.Hardware.Name, m.Hardware.UUID = strings.TrimSpace(r.Model+" "+serial), r.UUID
	m.Hardware.OSName, m.Hardware.OSVersion = systems[r.Type], r.OSVersion
	m.OS.Name, m.OS.Version = systems[r.Type], r.OSVersion
	m.BIOS.SSN, m.BIOS.SModel = serial, r.Model
	text, err := xml.Marshal(m)
	if err != nil {
		return nil, failure(InventoryInvalid)
	}
	return append([]byte(xml.Header), text...), nil
}

var (
	errOtherSerial = errors.New("the inventory names another serial")
	errSeveral     = errors.New("the inventory names several UUIDs")
)

// deepestInventory is how many elements may lie within each other: those of FusionInventory have half as many levels.
const deepestInventory = 12

// inspect reads an inventory to its end: it must name a DEVICEID, no serial but the device's, since GLPI would give the
// account of that one away, and one UUID at most, by which GLPI finds computers too. A DTD has no place in it.
func inspect(text []byte, serial string) (uuid string, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var path []string
	var value strings.Builder
	named, found := false, false
	for {
		token, err := decoder.Token()
		if err == io.EOF && named && found {
			return uuid, nil
		}
		if err == io.EOF {
			return "", errors.New("the inventory names no device")
		}
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.Directive:
			return "", errors.New("the inventory has a DTD")
		case xml.StartElement:
			if len(path) == deepestInventory {
				return "", errors.New("the inventory is nested too deeply")
			}
			path = append(path, strings.ToUpper(token.Name.Local))
			value.Reset()
		case xml.CharData:
			value.Write(token)
		case xml.EndElement:
			at, said := place(path), strings.TrimSpace(value.String())
			path = path[:len(path)-1]
			value.Reset()
			switch {
			case at == "DEVICEID":
				named = named || said != ""
			case at == "SSN" && said != serial:
				return "", errOtherSerial
			case at == "SSN":
				found = true
			case at == "UUID" && uuid != "" && said != uuid:
				return "", errSeveral
			case at == "UUID":
				uuid = said
			}
		}
	}
}

// place is the name of the element at the end of a path where that says which device it is; "" elsewhere. It looks at the
// last names only: to put a path together for each element, however long, would keep the gateway busy for minutes.
func place(path []string) string {
	if len(path) == 2 && path[0] == "REQUEST" && path[1] == "DEVICEID" {
		return "DEVICEID"
	}
	if len(path) < 3 {
		return ""
	}
	switch parent, name := path[len(path)-2], path[len(path)-1]; {
	case parent == "BIOS" && name == "SSN", parent == "HARDWARE" && name == "UUID":
		return name
	}
	return ""
}
