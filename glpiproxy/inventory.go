package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Parts are kinds of parts of a computer, to be read with it.
type Parts uint8

// The kinds of parts.
const (
	Devices      Parts = 1 << iota // memory, processors, batteries, SIM cards
	Disks                          // volumes
	NetworkPorts                   // with their addresses
	Software                       // what is installed
)

// partsNames are GLPI's words for the kinds of parts.
var partsNames = []struct {
	part Parts
	name string
}{{Devices, "devices"}, {Disks, "disks"}, {NetworkPorts, "networkports"}, {Software, "softwares"}}

// Inventory is what a computer is made of, as far as it was asked for. PIN and PUK of SIM cards, and the subscriber's
// number in the network (MSIN), have no field here.
type Inventory struct {
	ComputerID   int
	Denied       Parts // asked for, and not for this viewer's profile
	Memory       []MemoryModule
	Processors   []Processor
	Batteries    []Battery
	SimCards     []SimCard
	Disks        []Disk
	NetworkPorts []NetworkPort
	Software     []Installation // in the order of their names
}

// MemoryModule is a piece of main memory.
type MemoryModule struct {
	Size int `json:"size"` // MiB
}

// Processor is a processor of a computer.
type Processor struct {
	ModelID   int `json:"deviceprocessors_id"` // of a DeviceProcessor
	Frequency int `json:"frequency"`           // MHz, 0: unknown
	Cores     int `json:"nbcores"`             // 0: unknown
	Threads   int `json:"nbthreads"`           // 0: unknown
}

// Battery is a battery of a computer.
type Battery struct {
	ModelID int       `json:"devicebatteries_id"` // of a DeviceBattery
	MadeAt  time.Time `json:"manufacturing_date"` // zero: unknown
}

// SimCard is a SIM card in a computer.
type SimCard struct {
	ModelID int    `json:"devicesimcards_id"` // of a DeviceSimcard
	ICCID   string `json:"serial"`            // on 20 digits GLPI's API loses the last ones
	LineID  int    `json:"lines_id"`          // 0: none is known
}

// Disk is a volume of a computer.
type Disk struct {
	Name       string `json:"name"`
	MountPoint string `json:"mountpoint"`
	FileSystem string `json:"fsname"`
	Total      int    `json:"totalsize"` // MiB
	Free       int    `json:"freesize"`  // MiB
}

// NetworkPort is a way of a computer into a network.
type NetworkPort struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac"`
	Speed     int      `json:"speed"` // Mbit/s, 0: unknown
	Addresses []string `json:"-"`     // IPv4 and IPv6
}

// Installation is an application on a computer.
type Installation struct {
	VersionID int `json:"softwareversions_id"` // of a SoftwareVersion
}

// inventoriesPerCall keeps an answer with hundreds of applications for each computer within bounds.
const inventoriesPerCall = 20

// InventoriesOf reads the parts of computers, some computers a call, by the computer's id. A computer that the viewer
// can't see has no entry.
func InventoriesOf(ctx context.Context, s *Session, computerIDs []int, parts Parts) (map[int]Inventory, error) {
	ids := slices.Sorted(slices.Values(computerIDs))
	ids = slices.Compact(ids)
	for _, id := range ids {
		if err := checkID("inventory", traits{}, id); err != nil {
			return nil, err
		}
	}
	chunks := slices.Collect(slices.Chunk(ids, inventoriesPerCall))
	found := make([][]Inventory, len(chunks))
	group, within := errgroup.WithContext(ctx)
	for i, chunk := range chunks {
		group.Go(func() (err error) {
			found[i], err = readInventories(within, s, chunk, parts)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make(map[int]Inventory, len(ids))
	for _, inventory := range slices.Concat(found...) {
		all[inventory.ComputerID] = inventory
	}
	return all, nil
}

// readInventories makes one call. GLPI refuses it for one computer out of reach: then those in sight are found first.
func readInventories(ctx context.Context, s *Session, ids []int, parts Parts) ([]Inventory, error) {
	inventories, err := cachedInventories(ctx, s, ids, parts)
	if !outOfReach(err) {
		return inventories, err
	}
	results, err := getSome[Computer](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	var inSight []int
	for i, result := range results {
		if result.Err == nil {
			inSight = append(inSight, ids[i])
		}
	}
	if len(inSight) == 0 {
		return nil, nil
	}
	return cachedInventories(ctx, s, inSight, parts)
}

func cachedInventories(ctx context.Context, s *Session, ids []int, parts Parts) ([]Inventory, error) {
	itemtype := Computer{}.itemtype()
	var query strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&query, "items[%d][itemtype]=%s&items[%[1]d][items_id]=%[3]d&", i, itemtype, id)
	}
	for _, p := range partsNames {
		if parts&p.part != 0 {
			query.WriteString("with_" + p.name + "=true&")
		}
	}
	query.WriteString("get_hateoas=false")
	k := call{operation: "getMultipleItems", path: "/getMultipleItems", query: query.String()}
	r := reading{operation: k.operation, itemtype: itemtype, tag: listTag(itemtype), key: k.path + "?" + k.query}
	return cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) ([]Inventory, error) {
		a, raw, err := s.callJSON(ctx, k)
		if err != nil {
			return nil, err
		}
		inventories, err := decodeInventories(raw, ids, parts, scope.location)
		if err != nil {
			return nil, unexpected(k.operation, a.status, err)
		}
		return inventories, nil
	})
}

func decodeInventories(raw json.RawMessage, ids []int, parts Parts, server *time.Location) ([]Inventory, error) {
	list, ok := members(raw)
	if !ok || len(list) != len(ids) {
		return nil, errors.New("GLPI answered with fewer or more computers")
	}
	var inventories []Inventory
	for _, m := range list {
		computer, err := parseRow(m.value)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, computer.int("id")) {
			return nil, errors.New("GLPI answered with other computers")
		}
		inventories = append(inventories, decodeInventory(computer, parts, server))
	}
	return inventories, nil
}

func decodeInventory(computer row, parts Parts, server *time.Location) Inventory {
	i := Inventory{ComputerID: computer.int("id")}
	for _, p := range partsNames {
		if refused, err := parseRow(computer["_"+p.name]); parts&p.part != 0 && err == nil && len(refused["error"]) > 0 {
			i.Denied |= p.part
			delete(computer, "_"+p.name)
		}
	}
	devices, _ := parseRow(computer["_devices"]) // an empty list where there are none
	i.Memory = decodeParts[MemoryModule](devices["Item_DeviceMemory"], server)
	i.Processors = decodeParts[Processor](devices["Item_DeviceProcessor"], server)
	i.Batteries = decodeParts[Battery](devices["Item_DeviceBattery"], server)
	i.SimCards = decodeParts[SimCard](devices["Item_DeviceSimcard"], server)
	i.Software = decodeParts[Installation](computer["_softwares"], server)
	i.Disks = decodeParts[Disk](unwrapped(computer["_disks"]), server)
	kinds, _ := members(computer["_networkports"])
	for _, kind := range kinds {
		i.NetworkPorts = append(i.NetworkPorts, decodePorts(kind.value, server)...)
	}
	return i
}

// unwrapped takes volumes out of the objects, each with the only key "name", that GLPI 9.3 puts around them.
func unwrapped(raw json.RawMessage) json.RawMessage {
	list, _ := members(raw)
	volumes := make([]json.RawMessage, 0, len(list))
	for _, m := range list {
		if wrapped, err := parseRow(m.value); err == nil && len(wrapped) == 1 && leading(wrapped["name"]) == '{' {
			m.value = wrapped["name"]
		}
		volumes = append(volumes, m.value)
	}
	text, err := json.Marshal(volumes)
	if err != nil { // raw was valid JSON
		return nil
	}
	return text
}

func decodePorts(raw json.RawMessage, server *time.Location) []NetworkPort {
	ports := decodeParts[NetworkPort](raw, server)
	list, _ := members(raw)
	for i := range ports {
		port, _ := parseRow(list[i].value)
		name, _ := parseRow(port["NetworkName"])
		addresses, _ := members(name["IPAddress"])
		for _, address := range addresses {
			if a, err := parseRow(address.value); err == nil && a.text("name") != "" {
				ports[i].Addresses = append(ports[i].Addresses, a.text("name"))
			}
		}
	}
	return ports
}

// decodeParts reads a list of parts, keyed by their ids or not.
func decodeParts[P any](raw json.RawMessage, server *time.Location) []P {
	list, _ := members(raw)
	columns := columnsOf(reflect.TypeFor[P]())
	parts := make([]P, 0, len(list))
	for _, m := range list {
		r, err := parseRow(m.value)
		if err != nil {
			r = row{}
		}
		var part P
		target := reflect.ValueOf(&part).Elem()
		for _, c := range columns {
			setField(target.FieldByIndex(c.index), r[c.name], server)
		}
		parts = append(parts, part)
	}
	return parts
}
