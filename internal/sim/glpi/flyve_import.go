package glpi

import (
	"maps"
	"slices"
	"strings"
)

// importSystem keeps what runs on a computer.
func (tx *Tx) importSystem(computer *Row, i inventory) {
	name := firstOf(i.OS.Name, i.Hardware.OS)
	if name == "" {
		return
	}
	link := tx.partOf(computer, "Item_OperatingSystem")
	link.Set("operatingsystems_id", tx.word("OperatingSystem", name))
	link.Set("operatingsystemversions_id", tx.word("OperatingSystemVersion", firstOf(i.OS.Version, i.Hardware.OSVer)))
	link.Set("operatingsystemarchitectures_id", tx.word("OperatingSystemArchitecture", firstOf(i.Hardware.Arch)))
	if kernel := tx.word("OperatingSystemKernelVersion", firstOf(i.OS.Kernel)); kernel != 0 {
		link.Set("operatingsystemkernelversions_id", kernel)
	}
	if pack := tx.word("OperatingSystemServicePack", firstOf(i.OS.Pack)); pack != 0 {
		link.Set("operatingsystemservicepacks_id", pack)
	}
	link.Set("entities_id", computer.Int("entities_id"))
	link.Set("date_mod", tx.Date())
}

// partOf is a computer's only row of a class, made when there is none.
func (tx *Tx) partOf(computer *Row, itemtype string) *Row {
	if rows := tx.linked(itemtype, computer); len(rows) > 0 {
		return rows[0]
	}
	return tx.Insert(itemtype, map[string]any{
		"items_id": computer.ID(), "itemtype": "Computer", "is_dynamic": 1, "date_creation": tx.Date(),
	})
}

// keepParts makes a computer's parts of a class, as far as an inventory made them, what the inventory says, and returns
// them. One that says nothing of the class changes nothing.
func (tx *Tx) keepParts(computer *Row, itemtype string, parts []map[string]any) []*Row {
	if len(parts) == 0 {
		return nil
	}
	var rows []*Row
	for _, row := range tx.linked(itemtype, computer) {
		switch {
		case row.Int("is_dynamic") == 0:
		case len(rows) == len(parts):
			_ = tx.Delete(row) // no part's class refuses
		default:
			rows = append(rows, row)
		}
	}
	for i, values := range parts {
		if i == len(rows) {
			rows = append(rows, tx.Insert(itemtype, map[string]any{
				"items_id": computer.ID(), "itemtype": "Computer", "is_dynamic": 1, "date_creation": tx.Date(),
			}))
		}
		for column, v := range values {
			rows[i].Set(column, v)
		}
		rows[i].Set("date_mod", tx.Date())
	}
	return rows
}

// designated is the id of a model of parts, which is added for all entities when it is new.
func (tx *Tx) designated(itemtype string, values map[string]any) int {
	row := tx.only(itemtype, values)
	row.Set("is_recursive", 1)
	return row.ID()
}

// importDevices keeps the parts. The memory is known from the hardware's size where its modules are not listed.
func (tx *Tx) importDevices(computer *Row, i inventory) {
	if version := firstOf(i.BIOS.Version); version != "" || len(tx.linked("Item_DeviceFirmware", computer)) == 0 {
		tx.keepParts(computer, "Item_DeviceFirmware", []map[string]any{
			{"devicefirmwares_id": tx.designated("DeviceFirmware", map[string]any{"designation": version})},
		})
	}
	var processors, memories, batteries, simcards []map[string]any
	for _, p := range i.Processors {
		processors = append(processors, map[string]any{
			"deviceprocessors_id": tx.designated("DeviceProcessor", map[string]any{"designation": firstOf(p.Name)}),
			"frequency":           phpInt(p.Speed), "nbcores": phpInt(p.Cores), "nbthreads": phpInt(p.Threads),
		})
	}
	for _, m := range i.Memories {
		memories = append(memories, tx.memory(firstOf(m.Description), phpInt(m.Capacity)))
	}
	if size := phpInt(i.Hardware.Memory); size > 0 && len(memories) == 0 {
		memories = append(memories, tx.memory("", size))
	}
	for _, b := range i.Batteries {
		batteries = append(batteries, map[string]any{"devicebatteries_id": tx.designated("DeviceBattery", map[string]any{
			"designation": firstOf(b.Name, b.Chemistry), "voltage": phpInt(b.Voltage), "capacity": phpInt(b.Capacity),
			"devicebatterytypes_id": tx.word("DeviceBatteryType", firstOf(b.Chemistry)),
		})})
	}
	for _, s := range i.Simcards {
		simcards = append(simcards, map[string]any{
			"devicesimcards_id": tx.designated("DeviceSimcard", map[string]any{"designation": "Simcard"}),
			"serial":            firstOf(s.Serial), "msin": firstOf(s.Subscriber),
		})
	}
	tx.keepParts(computer, "Item_DeviceProcessor", processors)
	tx.keepParts(computer, "Item_DeviceMemory", memories)
	tx.keepParts(computer, "Item_DeviceBattery", batteries)
	tx.keepParts(computer, "Item_DeviceSimcard", simcards)
}

func (tx *Tx) memory(designation string, size int) map[string]any {
	return map[string]any{"devicememories_id": tx.designated("DeviceMemory", map[string]any{"designation": designation}), "size": size}
}

func (tx *Tx) importDisks(computer *Row, i inventory) {
	var disks []map[string]any
	for _, d := range i.Drives {
		disks = append(disks, map[string]any{
			"name": firstOf(d.Label, d.Volume, d.Mountpoint), "device": firstOf(d.Volume), "mountpoint": firstOf(d.Mountpoint),
			"filesystems_id": tx.word("Filesystem", firstOf(d.Filesystem)), "totalsize": phpInt(d.Total), "freesize": phpInt(d.Free),
			"entities_id": computer.Int("entities_id"),
		})
	}
	tx.keepParts(computer, "Item_Disk", disks)
}

// importPorts keeps the network ports, each with a name that has none and at most one address.
func (tx *Tx) importPorts(computer *Row, i inventory) {
	var ports []map[string]any
	for n, network := range i.Networks {
		ports = append(ports, map[string]any{
			"logical_number": n + 1, "name": firstOf(network.Description), "instantiation_type": "NetworkPortEthernet",
			"mac": strings.ToLower(firstOf(network.MAC)), "entities_id": computer.Int("entities_id"),
		})
	}
	for n, port := range tx.keepParts(computer, "NetworkPort", ports) {
		kind := tx.only("NetworkPortEthernet", map[string]any{"networkports_id": port.ID()})
		kind.Set("speed", phpInt(i.Networks[n].Speed))
		tx.giveAddress(computer, port, firstOf(i.Networks[n].Address))
	}
}

// giveAddress gives a port its address; "" takes it away.
func (tx *Tx) giveAddress(computer, port *Row, address string) {
	below := func(itemtype string, of *Row) *Row {
		if rows := tx.linked(itemtype, of); len(rows) > 0 {
			return rows[0]
		}
		return tx.Insert(itemtype, map[string]any{
			"items_id": of.ID(), "itemtype": of.Type().Name, "entities_id": computer.Int("entities_id"), "is_dynamic": 1,
		})
	}
	name := below("NetworkName", port)
	if address == "" {
		for _, row := range tx.linked("IPAddress", name) {
			tx.Remove(row)
		}
		return
	}
	row := below("IPAddress", name)
	for column, v := range map[string]any{"name": address, "version": 4, "mainitems_id": computer.ID(), "mainitemtype": "Computer"} {
		row.Set(column, v)
	}
}

// importSoftware makes what is installed what the inventory names, if it names anything. The system counts as one of the
// applications.
func (tx *Tx) importSoftware(computer *Row, i inventory) {
	if len(i.Software) == 0 {
		return
	}
	found := append(i.Software, installed{Name: firstOf(i.OS.Name, i.Hardware.OS), Version: firstOf(i.OS.Version, i.Hardware.OSVer)})
	current := map[int]bool{}
	for _, s := range found {
		if name := firstOf(s.Name); name != "" {
			current[tx.version(name, firstOf(s.Version), firstOf(s.Publisher))] = true
		}
	}
	for _, link := range tx.Find("Computer_SoftwareVersion", "computers_id", computer.ID()) {
		version := link.Int("softwareversions_id")
		if link.Int("is_dynamic") == 1 && !current[version] {
			tx.Remove(link)
		}
		delete(current, version)
	}
	for _, version := range slices.Sorted(maps.Keys(current)) {
		tx.Insert("Computer_SoftwareVersion", map[string]any{
			"computers_id": computer.ID(), "softwareversions_id": version, "is_dynamic": 1, "entities_id": computer.Int("entities_id"),
		})
	}
}

// version is the id of an application's version; both are added when they are new.
func (tx *Tx) version(name, version, publisher string) int {
	software := tx.only("Software", map[string]any{"name": name})
	software.Set("is_recursive", 1)
	if publisher != "" {
		software.Set("manufacturers_id", tx.word("Manufacturer", publisher))
	}
	row := tx.only("SoftwareVersion", map[string]any{"softwares_id": software.ID(), "name": version})
	row.Set("is_recursive", 1)
	return row.ID()
}
