package glpi

import "strings"

func computerType() *Itemtype {
	children := []string{"ReservationItem", "Document_Item", "Contract_Item", "Infocom", "Item_Ticket", "Item_Project", "NetworkPort"}
	for _, device := range strings.Fields(`Motherboard Firmware Processor Memory HardDrive NetworkCard Drive Battery GraphicCard
		SoundCard Control Pci Case PowerSupply Generic Simcard Sensor`) {
		children = append(children, "Item_Device"+device)
	}
	return &Itemtype{
		Name: "Computer", Title: "Computer", Table: "glpi_computers", Right: "computer", Entity: Recursive,
		Children: children, Display: []int{31, 23, 5, 4, 40, 45, 3, 19, 17},
		Columns: columns(`
			id                   int
			entities_id          int
			name                 text null
			serial               text null
			otherserial          text null
			contact              text null
			contact_num          text null
			users_id_tech        int
			groups_id_tech       int
			comment              text null
			date_mod             datetime
			autoupdatesystems_id int
			locations_id         int
			domains_id           int
			networks_id          int
			computermodels_id    int
			computertypes_id     int
			is_template          int
			template_name        text null
			manufacturers_id     int
			is_deleted           int
			is_dynamic           int
			users_id             int
			groups_id            int
			states_id            int
			ticket_tco           float
			uuid                 text null
			date_creation        datetime
			is_recursive         int`),
		Options: loadOptions("Computer", map[int]func(*Tx, *Row) []Value{
			45:  namesOf("Item_OperatingSystem", "operatingsystems_id", "OperatingSystem", "name"),
			46:  namesOf("Item_OperatingSystem", "operatingsystemversions_id", "OperatingSystemVersion", "name"),
			41:  namesOf("Item_OperatingSystem", "operatingsystemservicepacks_id", "OperatingSystemServicePack", "name"),
			61:  namesOf("Item_OperatingSystem", "operatingsystemarchitectures_id", "OperatingSystemArchitecture", "name"),
			48:  namesOf("Item_OperatingSystem", "operatingsystemkernelversions_id", "OperatingSystemKernelVersion", "name"),
			63:  namesOf("Item_OperatingSystem", "operatingsystemeditions_id", "OperatingSystemEdition", "name"),
			17:  namesOf("Item_DeviceProcessor", "deviceprocessors_id", "DeviceProcessor", "designation"),
			36:  valuesOf("Item_DeviceProcessor", "frequency"),
			10:  namesOf("Item_DeviceMemory", "devicememories_id", "DeviceMemory", "designation"),
			35:  valuesOf("Item_DeviceMemory", "size"),
			156: valuesOf("Item_Disk", "name"),
			150: valuesOf("Item_Disk", "totalsize"),
			151: valuesOf("Item_Disk", "freesize"),
			153: valuesOf("Item_Disk", "mountpoint"),
			154: valuesOf("Item_Disk", "device"),
			155: namesOf("Item_Disk", "filesystems_id", "Filesystem", "name"),
			21:  valuesOf("NetworkPort", "mac"),
			126: addressesOf,
		}),
		Hooks: Hooks{PostDelete: forgetComputer},
	}
}

// valuesOf is a column of a computer's parts of a class.
func valuesOf(itemtype, column string) func(*Tx, *Row) []Value {
	return func(tx *Tx, computer *Row) []Value {
		var values []Value
		for _, part := range tx.linked(itemtype, computer) {
			values = append(values, part.Get(column))
		}
		return values
	}
}

// namesOf is what a computer's parts of a class point at by a key, as a column of that shows it.
func namesOf(itemtype, key, target, column string) func(*Tx, *Row) []Value {
	return func(tx *Tx, computer *Row) []Value {
		var names []Value
		for _, part := range tx.linked(itemtype, computer) {
			if row := tx.Row(target, part.Int(key)); row != nil {
				names = append(names, row.Get(column))
			}
		}
		return names
	}
}

func addressesOf(tx *Tx, computer *Row) []Value {
	var addresses []Value
	for _, port := range tx.linked("NetworkPort", computer) {
		for _, name := range tx.linked("NetworkName", port) {
			for _, address := range tx.linked("IPAddress", name) {
				addresses = append(addresses, address.Get("name"))
			}
		}
	}
	return addresses
}

// forgetComputer removes what hung on a purged computer. Lines stay: they are things of their own.
func forgetComputer(tx *Tx, computer *Row) error {
	for _, port := range tx.linked("NetworkPort", computer) {
		if err := tx.Delete(port); err != nil {
			return err
		}
	}
	for _, itemtype := range append([]string{"Item_OperatingSystem", "Item_Disk", "Document_Item"}, devices...) {
		for _, row := range tx.linked(itemtype, computer) {
			tx.Remove(row)
		}
	}
	for _, row := range tx.Find("Computer_SoftwareVersion", "computers_id", computer.ID()) {
		tx.Remove(row)
	}
	return nil
}
