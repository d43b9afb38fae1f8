package glpi

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// partsEach is how many ids every seeded computer has of each class of parts, so that they do not depend on who is looked
// at first.
const partsEach = 48

// furnish makes the parts of a seeded computer, if nobody looked at it yet. Ten thousand devices have hundreds of thousands
// of parts, of which a demonstration shows few.
func (tx *Tx) furnish(computer int) {
	if make, unseen := tx.s.unseen[computer]; unseen {
		delete(tx.s.unseen, computer)
		make(tx)
	}
}

// furnishFor makes those parts to which an id of a class belongs.
func (tx *Tx) furnishFor(tab *table, id int) {
	if tab.typ.Seeded && len(tx.s.unseen) > 0 && id > 0 {
		tx.furnish((id-1)/partsEach + 1)
	}
}

// furnishAll makes the parts of all computers, where a class is one of parts.
func (tx *Tx) furnishAll(tab *table) {
	if !tab.typ.Seeded || len(tx.s.unseen) == 0 {
		return
	}
	for _, computer := range slices.Sorted(maps.Keys(tx.s.unseen)) {
		tx.furnish(computer)
	}
}

// leaveRoom keeps the ids of seeded parts for them.
func (g *seeder) leaveRoom() {
	last := g.tx.table("Computer").next
	for _, tab := range g.tx.s.schema.byName {
		if tab.typ.Seeded {
			tab.next = max(tab.next, last*partsEach+1)
		}
	}
}

// furnisher makes the parts of one computer.
type furnisher struct {
	tx       *Tx
	rand     *rand.Rand
	computer *Row
	model    *model
	goods    *catalogue
	made     map[string]int // rows so far by class
	domain   string
}

// furnishLater promises the parts of a computer.
func (g *seeder) furnishLater(computer *Row, m *model, domain string) {
	seed, goods := g.seed, g.goods
	g.tx.s.unseen[computer.ID()] = func(tx *Tx) {
		f := &furnisher{
			tx: tx, rand: rand.New(rand.NewPCG(seed, uint64(computer.ID()))), computer: computer, model: m, goods: goods,
			made: map[string]int{}, domain: domain,
		}
		f.devices()
		f.disks()
		f.simcards()
		f.port()
		f.applications()
	}
}

// add inserts a row with the next of the computer's ids.
func (f *furnisher) add(itemtype string, values map[string]any) *Row {
	values["id"] = (f.computer.ID()-1)*partsEach + 1 + f.made[itemtype]
	f.made[itemtype]++
	tab := f.tx.table(itemtype)
	row := tab.newRow()
	for column, v := range values {
		row.Set(column, v)
	}
	if row.Has("date_creation") {
		row.Set("date_creation", f.computer.Str("date_creation"))
		row.Set("date_mod", f.computer.Str("date_mod"))
	}
	next := tab.next // beyond the ids of all seeded parts
	tab.insert(row)
	tab.next = max(next, tab.next)
	return row
}

// part adds what hangs on the computer by itemtype and items_id. An inventory leaves the entity of devices at 0.
func (f *furnisher) part(itemtype string, values map[string]any) *Row {
	values["items_id"], values["itemtype"] = f.computer.ID(), "Computer"
	if _, given := values["is_dynamic"]; !given {
		values["is_dynamic"] = 1
	}
	return f.add(itemtype, values)
}

func (f *furnisher) devices() {
	parts := f.goods.parts[f.model]
	f.part("Item_DeviceFirmware", map[string]any{"devicefirmwares_id": parts.firmware})
	f.part("Item_DeviceProcessor", map[string]any{
		"deviceprocessors_id": parts.processor, "frequency": f.model.frequency, "nbcores": f.model.cores, "nbthreads": f.model.cores,
	})
	f.part("Item_DeviceMemory", map[string]any{"devicememories_id": f.goods.memory, "size": f.model.memory})
	f.part("Item_DeviceBattery", map[string]any{"devicebatteries_id": parts.battery})
}

// disks are the storage inside, and sometimes a card. Sizes are in MB.
func (f *furnisher) disks() {
	disk := func(name, device, mountpoint string, filesystem, total int) {
		f.part("Item_Disk", map[string]any{
			"name": name, "device": device, "mountpoint": mountpoint, "filesystems_id": filesystem, "totalsize": total,
			"freesize": total / 100 * (5 + f.rand.IntN(85)), "entities_id": f.computer.Int("entities_id"),
		})
	}
	disk("Internal storage", "/dev/block/dm-2", "/data", f.goods.ext4, f.model.storage)
	if !f.model.apple && f.rand.IntN(100) < 25 {
		disk("SD card", "/dev/block/vold/public:179,1", "/storage/9C33-6BBD", f.goods.vfat, 29_800<<f.rand.IntN(3))
	}
}

// simcards are one or two cards, with the lines that an administrator noted. A third of the lines' numbers are written
// without spaces, so that JSON shows them as numbers, without their zeros.
func (f *furnisher) simcards() {
	for range 1 + f.rand.IntN(4)/3 {
		operator := f.goods.operators[f.domain][f.rand.IntN(2)]
		line := f.add("Line", map[string]any{
			"name": "Mobile " + operator.name, "entities_id": f.computer.Int("entities_id"), "caller_num": f.number(operator),
			"users_id": f.computer.Int("users_id"), "lineoperators_id": operator.id, "linetypes_id": f.goods.mobile,
		})
		f.part("Item_DeviceSimcard", map[string]any{
			"devicesimcards_id": f.goods.simcard, "entities_id": f.computer.Int("entities_id"), "is_dynamic": 0, "lines_id": line.ID(),
			"serial": fmt.Sprintf("89%s%02d%013d", operator.prefix[1:], operator.network, f.rand.Int64N(1e13)), // the ICCID
			"msin":   fmt.Sprintf("%010d", f.rand.Int64N(1e10)),
			"pin":    fmt.Sprintf("%04d", f.rand.IntN(10_000)), "puk": fmt.Sprintf("%08d", f.rand.IntN(100_000_000)),
		})
	}
}

func (f *furnisher) number(operator operator) string {
	n := f.rand.IntN(100_000_000)
	if f.rand.IntN(3) == 0 {
		return fmt.Sprintf("0%d%08d", operator.mobile, n)
	}
	return fmt.Sprintf("%s %d %02d %02d %02d %02d", operator.prefix, operator.mobile, n/1e6, n/1e4%100, n/100%100, n%100)
}

// port is the wireless one, which an inventory calls Ethernet.
func (f *furnisher) port() {
	entity := f.computer.Int("entities_id")
	port := f.part("NetworkPort", map[string]any{
		"entities_id": entity, "logical_number": 1, "name": "wlan0", "instantiation_type": "NetworkPortEthernet",
		"mac": fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", 2+4*f.rand.IntN(63), f.rand.IntN(256), f.rand.IntN(256), f.rand.IntN(256), f.rand.IntN(256), f.rand.IntN(256)),
	})
	f.add("NetworkPortEthernet", map[string]any{"networkports_id": port.ID(), "speed": []int{65, 144, 433, 866}[f.rand.IntN(4)]})
	name := f.add("NetworkName", map[string]any{
		"items_id": port.ID(), "itemtype": "NetworkPort", "entities_id": entity, "is_dynamic": 1,
	})
	f.add("IPAddress", map[string]any{
		"items_id": name.ID(), "itemtype": "NetworkName", "entities_id": entity, "is_dynamic": 1, "version": 4,
		"name":         fmt.Sprintf("10.%d.%d.%d", entity%256, f.rand.IntN(256), 1+f.rand.IntN(254)),
		"mainitems_id": f.computer.ID(), "mainitemtype": "Computer",
	})
}

// applications are those that come with the system and some more, five to forty in all.
func (f *furnisher) applications() {
	optional := f.rand.Perm(len(f.goods.applications) - preinstalled)[:f.rand.IntN(40-preinstalled)]
	for i := range preinstalled + len(optional) {
		at := i
		if i >= preinstalled {
			at = preinstalled + optional[i-preinstalled]
		}
		versions := f.goods.applications[at]
		values := map[string]any{
			"computers_id": f.computer.ID(), "softwareversions_id": versions[f.rand.IntN(len(versions))], "is_dynamic": 1,
			"entities_id": f.computer.Int("entities_id"),
		}
		if f.rand.IntN(2) == 0 {
			values["date_install"] = f.tx.Now().Add(-time.Duration(f.rand.IntN(400*24)) * time.Hour).Format(time.DateOnly)
		}
		f.add("Computer_SoftwareVersion", values)
	}
}
