package glpi

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"regexp"
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
	} `xml:"CONTENT>OPERATINGSYSTEM"`
	Software []struct {
		Name      string `xml:"NAME"`
		Version   string `xml:"VERSION"`
		Publisher string `xml:"PUBLISHER"`
	} `xml:"CONTENT>SOFTWARES"`
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
	tx.importSystem(computer, firstOf(i.OS.Name, i.Hardware.OS), firstOf(i.OS.Version, i.Hardware.OSVer), i.Hardware.Arch)
	tx.importDevices(computer, firstOf(i.BIOS.Version), phpInt(i.Hardware.Memory))
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
	for column := range values {
		for _, row := range tx.Find(itemtype, column, values[column]) {
			if hasAll(row, values) {
				return row
			}
		}
		break
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

func (tx *Tx) importSystem(computer *Row, name, version, arch string) {
	if name == "" {
		return
	}
	link := tx.partOf(computer, "Item_OperatingSystem")
	link.Set("operatingsystems_id", tx.word("OperatingSystem", name))
	link.Set("operatingsystemversions_id", tx.word("OperatingSystemVersion", version))
	link.Set("operatingsystemarchitectures_id", tx.word("OperatingSystemArchitecture", arch))
	link.Set("entities_id", computer.Int("entities_id"))
	link.Set("date_mod", tx.Date())
}

// importDevices keeps the firmware and, where its size is known, the memory.
func (tx *Tx) importDevices(computer *Row, firmware string, memory int) {
	tx.partOf(computer, "Item_DeviceFirmware").Set("devicefirmwares_id", tx.only("DeviceFirmware", map[string]any{"name": firmware}).ID())
	if memory > 0 {
		part := tx.partOf(computer, "Item_DeviceMemory")
		part.Set("devicememories_id", tx.only("DeviceMemory", map[string]any{"name": ""}).ID())
		part.Set("size", memory)
	}
}

// partOf is a computer's only row of a class, made when there is none.
func (tx *Tx) partOf(computer *Row, itemtype string) *Row {
	for _, row := range tx.Find(itemtype, "items_id", computer.ID()) {
		if row.Str("itemtype") == "Computer" {
			return row
		}
	}
	return tx.Insert(itemtype, map[string]any{
		"items_id": computer.ID(), "itemtype": "Computer", "is_dynamic": 1, "date_creation": tx.Date(),
	})
}

// importSoftware makes what is installed what the inventory names, if it names anything.
func (tx *Tx) importSoftware(computer *Row, i inventory) {
	if len(i.Software) == 0 {
		return
	}
	installed := map[int]bool{}
	for _, s := range i.Software {
		name := firstOf(s.Name)
		if name == "" {
			continue
		}
		software := tx.only("Software", map[string]any{"name": name})
		software.Set("is_recursive", 1)
		software.Set("manufacturers_id", tx.word("Manufacturer", firstOf(s.Publisher)))
		version := tx.only("SoftwareVersion", map[string]any{
			"softwares_id": software.ID(), "name": firstOf(s.Version),
		})
		installed[version.ID()] = true
		tx.only("Computer_SoftwareVersion", map[string]any{
			"computers_id": computer.ID(), "softwareversions_id": version.ID(), "is_dynamic": 1,
			"entities_id": computer.Int("entities_id"),
		})
	}
	for _, link := range tx.Find("Computer_SoftwareVersion", "computers_id", computer.ID()) {
		if link.Int("is_dynamic") == 1 && !installed[link.Int("softwareversions_id")] {
			tx.Remove(link)
		}
	}
}
