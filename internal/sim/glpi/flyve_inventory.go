package glpi

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// inventoryRecord is FusionInventory's note of the last inventory of a computer.
const inventoryRecord = "PluginFusioninventoryInventoryComputerComputer"

// inventory is what the plugin reads of an XML inventory.
type inventory struct {
	XMLName  xml.Name `xml:"REQUEST"`
	DeviceID string   `xml:"DEVICEID"`
	Hardware struct {
		Name   string `xml:"NAME"`
		UUID   string `xml:"UUID"`
		OS     string `xml:"OSNAME"`
		OSVer  string `xml:"OSVERSION"`
		Arch   string `xml:"ARCHNAME"`
		Memory string `xml:"MEMORY"`
	} `xml:"CONTENT>HARDWARE"`
	BIOS struct {
		Serial  string `xml:"SSN"`
		System  string `xml:"SMANUFACTURER"`
		Board   string `xml:"MMANUFACTURER"`
		Maker   string `xml:"BMANUFACTURER"`
		Model   string `xml:"SMODEL"`
		Version string `xml:"BVERSION"`
	} `xml:"CONTENT>BIOS"`
	OS struct {
		Name    string `xml:"NAME"`
		Version string `xml:"VERSION"`
		Kernel  string `xml:"KERNEL_VERSION"`
		Pack    string `xml:"SERVICE_PACK"`
	} `xml:"CONTENT>OPERATINGSYSTEM"`
	Processors []struct {
		Name    string `xml:"NAME"`
		Speed   string `xml:"SPEED"` // MHz
		Cores   string `xml:"CORE"`
		Threads string `xml:"THREAD"`
	} `xml:"CONTENT>CPUS"`
	Memories []struct {
		Description string `xml:"DESCRIPTION"`
		Capacity    string `xml:"CAPACITY"` // MB
	} `xml:"CONTENT>MEMORIES"`
	Batteries []struct {
		Name      string `xml:"NAME"`
		Chemistry string `xml:"CHEMISTRY"`
		Voltage   string `xml:"VOLTAGE"`  // mV
		Capacity  string `xml:"CAPACITY"` // mAh
	} `xml:"CONTENT>BATTERIES"`
	Drives []struct {
		Label      string `xml:"LABEL"`
		Volume     string `xml:"VOLUMN"` // sic
		Mountpoint string `xml:"TYPE"`
		Filesystem string `xml:"FILESYSTEM"`
		Total      string `xml:"TOTAL"` // MB
		Free       string `xml:"FREE"`  // MB
	} `xml:"CONTENT>DRIVES"`
	Simcards []struct {
		Serial     string `xml:"SERIAL"` // the ICCID
		Subscriber string `xml:"SUBSCRIBER_ID"`
	} `xml:"CONTENT>SIMCARDS"`
	Networks []struct {
		Description string `xml:"DESCRIPTION"`
		MAC         string `xml:"MACADDR"`
		Address     string `xml:"IPADDRESS"`
		Speed       string `xml:"SPEED"`
	} `xml:"CONTENT>NETWORKS"`
	Software []installed `xml:"CONTENT>SOFTWARES"`
}

// installed is an application on a device.
type installed struct {
	Name      string `xml:"NAME"`
	Version   string `xml:"VERSION"`
	Publisher string `xml:"PUBLISHER"`
}

var notBase64 = regexp.MustCompile(`[^A-Za-z0-9+/]`)

// decodeInventory reads base64 as PHP does, passing over what does not belong, and checks that XML is inside, maybe with
// its brackets encoded.
func decodeInventory(text string) ([]byte, error) {
	raw, err := base64.RawStdEncoding.DecodeString(notBase64.ReplaceAllString(text, ""))
	if err != nil {
		return nil, fmt.Errorf("decoding the inventory: %w", err)
	}
	if strings.HasPrefix(strings.TrimSpace(string(raw)), "&lt;") {
		raw = []byte(html.UnescapeString(string(raw)))
	}
	_, err = readInventory(raw)
	return raw, err
}

func readInventory(raw []byte) (inventory, error) {
	var i inventory
	if err := xml.Unmarshal(raw, &i); err != nil {
		return i, fmt.Errorf("reading the inventory: %w", err)
	}
	if i.DeviceID == "" {
		return i, errors.New("reading the inventory: it has no DEVICEID")
	}
	return i, nil
}

// landing is the entity where FusionInventory puts a device that was invited to one: there only if its administrator made
// the import rule (here: `entity_rule` of the configuration), otherwise the root entity.
func (tx *Tx) landing(invitedTo int) int {
	if truthy(tx.Config("fusioninventory", "entity_rule")) {
		return invitedTo
	}
	return 0
}

// importInventory makes or updates the computer of an inventory: the one with the same serial number, else with the same
// UUID. An owner of 0 leaves it its owner.
func (tx *Tx) importInventory(raw []byte, entity, owner int) (*Row, error) {
	i, err := readInventory(raw)
	if err != nil {
		return nil, Refuse("Inventory XML is not well formed")
	}
	computer := tx.knownComputer(i)
	if computer == nil {
		computer = tx.Insert("Computer", map[string]any{
			"entities_id": tx.landing(entity), "date_creation": tx.Date(), "is_dynamic": 1,
			"computertypes_id": tx.Config("flyvemdm", "computertypes_id"),
		})
	}
	computer.Set("date_mod", tx.Date())
	if owner != 0 {
		computer.Set("users_id", owner)
	}
	tx.importIdentity(computer, i)
	tx.importSystem(computer, i)
	tx.importDevices(computer, i)
	tx.importDisks(computer, i)
	tx.importPorts(computer, i)
	tx.importSoftware(computer, i)
	sum := sha1.Sum(raw)
	record := tx.only(inventoryRecord, map[string]any{"computers_id": computer.ID()})
	record.Set("last_fusioninventory_update", tx.Date())
	record.Set("serialized_inventory", hex.EncodeToString(sum[:]))
	return computer, nil
}

// importIdentity sets what the inventory names and leaves the rest.
func (tx *Tx) importIdentity(computer *Row, i inventory) {
	for column, text := range map[string]string{
		"name": firstOf(i.Hardware.Name), "serial": firstOf(i.BIOS.Serial), "uuid": firstOf(i.Hardware.UUID),
	} {
		if text != "" {
			computer.Set(column, text)
		}
	}
	if id := tx.word("ComputerModel", firstOf(i.BIOS.Model)); id != 0 {
		computer.Set("computermodels_id", id)
	}
	if id := tx.word("Manufacturer", firstOf(i.BIOS.System, i.BIOS.Board, i.BIOS.Maker)); id != 0 {
		computer.Set("manufacturers_id", id)
	}
}

func (tx *Tx) knownComputer(i inventory) *Row {
	if serial := firstOf(i.BIOS.Serial); serial != "" {
		if computer := tx.First("Computer", "serial", serial); computer != nil {
			return computer
		}
	}
	if uuid := firstOf(i.Hardware.UUID); uuid != "" {
		return tx.First("Computer", "uuid", uuid)
	}
	return nil
}

// firstOf is the first text that is not empty, as the store holds it.
func firstOf(texts ...string) string {
	for _, text := range texts {
		if text := strings.TrimSpace(text); text != "" {
			return cleaner.Replace(text)
		}
	}
	return ""
}

// word is the id of a dropdown's word, which is added when it is new; 0 for none.
func (tx *Tx) word(itemtype, name string) int {
	if name == "" {
		return 0
	}
	return tx.only(itemtype, map[string]any{"name": name}).ID()
}

// only is the row with the given values, which is made when there is none.
func (tx *Tx) only(itemtype string, values map[string]any) *Row {
	column := slices.Min(slices.Collect(maps.Keys(values))) // any would do, but the same every time
	for _, row := range tx.Find(itemtype, column, values[column]) {
		if hasAll(row, values) {
			return row
		}
	}
	row := tx.Insert(itemtype, values)
	row.Set("date_creation", tx.Date())
	row.Set("date_mod", tx.Date())
	return row
}

func hasAll(row *Row, values map[string]any) bool {
	for column, v := range values {
		if row.Get(column) != Val(v) {
			return false
		}
	}
	return true
}
