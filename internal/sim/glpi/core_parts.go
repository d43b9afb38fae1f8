package glpi

import "strings"

// assetTypes are what hangs on a computer, and the words that describe it.
func assetTypes() []*Itemtype {
	types := []*Itemtype{diskType(), systemType(), kernelVersionType()}
	types = append(types, partTypes()...)
	types = append(types, modelTypes()...)
	types = append(types, softwareTypes()...)
	types = append(types, lineTypes()...)
	return append(types, portTypes()...)
}

// devices are the kinds of parts that the simulator keeps of a computer, in the order in which GLPI shows them.
var devices = []string{"Item_DeviceFirmware", "Item_DeviceProcessor", "Item_DeviceMemory", "Item_DeviceBattery", "Item_DeviceSimcard"}

// inComputer lets whoever may do something with a computer do it with its parts. Lists go by the entity of the part alone,
// which an inventory leaves at 0: there only the root's administrators find them.
func inComputer(tx *Tx, row *Row, right Rights) bool {
	parent := tx.s.schema.byName[row.Str("itemtype")]
	if parent == nil || parent.rows[row.Int("items_id")] == nil {
		return tx.canType(row.Type(), right)
	}
	return tx.canItem(parent.rows[row.Int("items_id")], parentRight(right))
}

// partTypes are the links between computers and models of parts.
func partTypes() []*Itemtype {
	part := func(name, title, table, before, after string) *Itemtype {
		return &Itemtype{
			Name: name, Title: title, Table: table, Right: "computer", Entity: Local, Seeded: true, Hooks: Hooks{CanItem: inComputer},
			Columns: columns("id int\nitems_id int\nitemtype text null\n" + before + `
				is_deleted    int
				is_dynamic    int
				entities_id   int
				is_recursive  int` + "\n" + after),
		}
	}
	const rest = "otherserial text null\nlocations_id int\nstates_id int"
	return []*Itemtype{
		part("Item_DeviceFirmware", "Firmware", "glpi_items_devicefirmwares", "devicefirmwares_id int", "serial text\n"+rest),
		part("Item_DeviceProcessor", "Processor", "glpi_items_deviceprocessors", "deviceprocessors_id int\nfrequency int\nserial text",
			"nbcores int null\nnbthreads int null\nbusID text\n"+rest),
		part("Item_DeviceMemory", "Memory", "glpi_items_devicememories", "devicememories_id int\nsize int\nserial text", "busID text\n"+rest),
		part("Item_DeviceBattery", "Battery", "glpi_items_devicebatteries", "devicebatteries_id int\nmanufacturing_date date", "serial text\n"+rest),
		part("Item_DeviceSimcard", "Simcard", "glpi_items_devicesimcards", "devicesimcards_id int",
			"serial text\n"+rest+"\nlines_id int\npin text\npin2 text\npuk text\npuk2 text\nmsin text"),
	}
}

// modelTypes are the models of parts, which have a designation where others have a name.
func modelTypes() []*Itemtype {
	model := func(name, title, table, own string) *Itemtype {
		return &Itemtype{
			Name: name, Title: title, Table: table, Right: "device", Entity: Recursive, NameField: "designation",
			Columns: columns(`
				id               int
				designation      text null
				comment          text null
				manufacturers_id int
				entities_id      int
				is_recursive     int
				date_mod         datetime
				date_creation    datetime` + "\n" + strings.ReplaceAll(own, ", ", "\n")),
		}
	}
	return []*Itemtype{
		model("DeviceFirmware", "Firmware", "glpi_devicefirmwares", "date date, version text null, devicefirmwaretypes_id int"),
		model("DeviceProcessor", "Processor", "glpi_deviceprocessors",
			"frequence int, frequency_default int, nbcores_default int null, nbthreads_default int null"),
		model("DeviceMemory", "Memory", "glpi_devicememories", "frequence text null, size_default int, devicememorytypes_id int"),
		model("DeviceBattery", "Battery", "glpi_devicebatteries", "voltage int null, capacity int null, devicebatterytypes_id int"),
		model("DeviceSimcard", "Simcard", "glpi_devicesimcards", "voltage int null, devicesimcardtypes_id int, allow_voip int"),
	}
}

func diskType() *Itemtype {
	return &Itemtype{
		Name: "Item_Disk", Title: "Volume", Table: "glpi_items_disks", Right: "computer", Entity: Local, Seeded: true,
		Columns: columns(`
			id             int
			entities_id    int
			itemtype       text null
			items_id       int
			name           text null
			device         text null
			mountpoint     text null
			filesystems_id int
			totalsize      int
			freesize       int
			is_deleted     int
			is_dynamic     int
			date_mod       datetime
			date_creation  datetime`),
		Hooks: Hooks{CanItem: inComputer},
	}
}

func systemType() *Itemtype {
	return &Itemtype{
		Name: "Item_OperatingSystem", Title: "Item operating system", Table: "glpi_items_operatingsystems", Right: "computer",
		Entity: Recursive,
		Columns: columns(`
			id                               int
			items_id                         int
			itemtype                         text null
			operatingsystems_id              int
			operatingsystemversions_id       int
			operatingsystemservicepacks_id   int
			operatingsystemarchitectures_id  int
			operatingsystemkernelversions_id int
			license_number                   text null
			license_id                       text null
			operatingsystemeditions_id       int
			date_mod                         datetime
			date_creation                    datetime
			is_deleted                       int
			is_dynamic                       int
			entities_id                      int
			is_recursive                     int`),
	}
}

func kernelVersionType() *Itemtype {
	return &Itemtype{
		Name: "OperatingSystemKernelVersion", Title: "Kernel version", Table: "glpi_operatingsystemkernelversions", Right: "dropdown",
		Columns: columns(`
			id                        int
			operatingsystemkernels_id int
			name                      text null
			comment                   text null
			date_mod                  datetime
			date_creation             datetime`),
	}
}

// softwareTypes are applications, their versions, and where those are installed.
func softwareTypes() []*Itemtype {
	return []*Itemtype{
		{
			Name: "Software", Title: "Software", Table: "glpi_softwares", Right: "software", Entity: Recursive,
			Columns: columns(`
				id                    int
				entities_id           int
				is_recursive          int
				name                  text null
				comment               text null
				softwarecategories_id int
				manufacturers_id      int
				is_deleted            int
				is_template           int
				date_mod              datetime
				date_creation         datetime
				is_valid              int 1`),
			Options: softwareOptions(),
		},
		{
			Name: "SoftwareVersion", Title: "Version", Table: "glpi_softwareversions", Right: "software", Entity: Recursive,
			Columns: columns(`
				id                  int
				entities_id         int
				is_recursive        int
				softwares_id        int
				states_id           int
				name                text null
				comment             text null
				operatingsystems_id int
				date_mod            datetime
				date_creation       datetime`),
		},
		{
			Name: "Computer_SoftwareVersion", Title: "Installation", Table: "glpi_computers_softwareversions", Right: "computer",
			Entity: Local, Seeded: true,
			Columns: columns(`
				id                   int
				computers_id         int
				softwareversions_id  int
				is_deleted_computer  int
				is_template_computer int
				entities_id          int
				is_deleted           int
				is_dynamic           int
				date_install         date`),
		},
	}
}

// softwareOptions are those by which dashboards look for applications.
func softwareOptions() []SearchOption {
	options := plainOptions(&Itemtype{Name: "Software", Table: "glpi_softwares", Entity: Recursive, Columns: columns("name text")})
	return append(options,
		SearchOption{
			ID: 23, Name: "Publisher", Table: "glpi_manufacturers", Field: "name", DataType: "dropdown", UID: "Software.Manufacturer.name",
			Types: []string{"contains", "equals", "notequals"},
		},
		SearchOption{
			ID: 5, Name: "Versions - Name", Table: "glpi_softwareversions", Field: "name", DataType: "dropdown",
			UID: "Software.SoftwareVersion.name", Types: []string{"contains", "equals", "notequals"}, Values: versionsOf,
		},
		SearchOption{
			ID: 72, Name: "Number of installations", Table: "glpi_computers_softwareversions", Field: "id", DataType: "count",
			UID: "Software.SoftwareVersion.Computer_SoftwareVersion.id", Types: []string{"contains"}, Values: installationsOf,
		},
	)
}

func versionsOf(tx *Tx, software *Row) []Value {
	var names []Value
	for _, version := range tx.Find("SoftwareVersion", "softwares_id", software.ID()) {
		names = append(names, version.Get("name"))
	}
	return names
}

func installationsOf(tx *Tx, software *Row) []Value {
	return []Value{Val(len(tx.computersWith(software)))}
}

// lineTypes are telephone lines and who runs them.
func lineTypes() []*Itemtype {
	return []*Itemtype{
		{
			Name: "Line", Title: "Line", Table: "glpi_lines", Right: "line", Entity: Recursive, Seeded: true,
			Columns: columns(`
				id               int
				name             text
				entities_id      int
				is_recursive     int
				is_deleted       int
				caller_num       text
				caller_name      text
				users_id         int
				groups_id        int
				lineoperators_id int
				locations_id     int
				states_id        int
				linetypes_id     int
				date_creation    datetime
				date_mod         datetime
				comment          text null`),
		},
		{
			Name: "LineOperator", Title: "Line operator", Table: "glpi_lineoperators", Right: "lineoperator", Entity: Recursive,
			Columns: columns(`
				id            int
				name          text
				comment       text null
				mcc           int null
				mnc           int null
				entities_id   int
				is_recursive  int
				date_mod      datetime
				date_creation datetime`),
		},
	}
}

// portTypes are a computer's network ports, what kind each is, and its addresses.
func portTypes() []*Itemtype {
	below := func(name, title, table, own string) *Itemtype {
		return &Itemtype{
			Name: name, Title: title, Table: table, Right: "internet", Entity: Local, Seeded: true,
			Columns: columns("id int\nentities_id int\nitems_id int\nitemtype text null\n" + strings.ReplaceAll(own, ", ", "\n") + `
				is_deleted    int
				is_dynamic    int`),
		}
	}
	return []*Itemtype{
		{
			Name: "NetworkPort", Title: "Network port", Table: "glpi_networkports", Right: "networking", Entity: Recursive, Seeded: true,
			Columns: columns(`
				id                 int
				items_id           int
				itemtype           text null
				entities_id        int
				is_recursive       int
				logical_number     int
				name               text null
				instantiation_type text null
				mac                text null
				comment            text null
				is_deleted         int
				is_dynamic         int
				date_mod           datetime
				date_creation      datetime`),
			Hooks: Hooks{CanItem: inComputer, PostDelete: forgetPort},
		},
		{
			Name: "NetworkPortEthernet", Title: "Ethernet port", Table: "glpi_networkportethernets", Right: "networking", Seeded: true,
			Columns: columns(`
				id                            int
				networkports_id               int
				items_devicenetworkcards_id   int
				netpoints_id                  int
				type                          text
				speed                         int
				date_mod                      datetime
				date_creation                 datetime`),
		},
		below("NetworkName", "Network name", "glpi_networknames", "name text null, comment text null, fqdns_id int"),
		below("IPAddress", "IP address", "glpi_ipaddresses", "version int, name text null, binary_0 int, mainitems_id int, mainitemtype text null"),
	}
}

// forgetPort removes what hung on a port.
func forgetPort(tx *Tx, port *Row) error {
	for _, row := range tx.Find("NetworkPortEthernet", "networkports_id", port.ID()) {
		tx.Remove(row)
	}
	for _, name := range tx.linked("NetworkName", port) {
		for _, address := range tx.linked("IPAddress", name) {
			tx.Remove(address)
		}
		tx.Remove(name)
	}
	return nil
}

// linked is the rows of a class that point at a row by itemtype and items_id and are not in the trash.
func (tx *Tx) linked(itemtype string, to *Row) []*Row {
	var rows []*Row
	for _, row := range tx.Find(itemtype, "items_id", to.ID()) {
		if row.Str("itemtype") == to.Type().Name && row.Int("is_deleted") == 0 {
			rows = append(rows, row)
		}
	}
	return rows
}
