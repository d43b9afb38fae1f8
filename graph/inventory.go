package graph

import (
	"context"
	"sync"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// partsOfFields are the parts of an inventory that a computer's fields show.
var partsOfFields = map[string]glpiproxy.Parts{
	"memoryBytes": glpiproxy.Devices, "processors": glpiproxy.Devices, "batteries": glpiproxy.Devices, "simCards": glpiproxy.Devices,
	"disks": glpiproxy.Disks, "networkPorts": glpiproxy.NetworkPorts, "installedApplications": glpiproxy.Software,
}

func partsOf(fields []string) (parts glpiproxy.Parts) {
	for _, field := range fields {
		parts |= partsOfFields[field]
	}
	return parts
}

// inventoryLoaders read what inventories tell of computers, and what the parts are that they name.
type inventoryLoaders struct {
	systems       *loader[*model.OperatingSystem] // by the computer's id
	inventories   *keyed[inventoryKey, *glpiproxy.Inventory]
	pageComputers *pageOfComputers

	processorModels *loader[*glpiproxy.DeviceProcessor]
	batteryModels   *loader[*model.BatteryModel]
	simCardTypes    *loader[*glpiproxy.DeviceSimcard]
	lines           *loader[*model.PhoneLine]
	software        *loader[*glpiproxy.SoftwareVersion]
}

// inventoryKey is a computer with the parts that are wanted of it.
type inventoryKey struct {
	computerID int
	parts      glpiproxy.Parts
}

func newInventoryLoaders(s *glpiproxy.Session) inventoryLoaders {
	return inventoryLoaders{
		systems: newKeyed(func(ctx context.Context, computerIDs []int) (map[int]*model.OperatingSystem, error) {
			return operatingSystems(ctx, s, computerIDs)
		}),
		inventories: newKeyed(func(ctx context.Context, keys []inventoryKey) (map[inventoryKey]*glpiproxy.Inventory, error) {
			return inventoriesOf(ctx, s, keys)
		}),
		pageComputers: &pageOfComputers{},

		processorModels: newLoader(s, func(m glpiproxy.DeviceProcessor) *glpiproxy.DeviceProcessor { return &m }),
		batteryModels:   newLoader(s, func(m glpiproxy.DeviceBattery) *model.BatteryModel { return &model.BatteryModel{DeviceBattery: m} }),
		simCardTypes:    newLoader(s, func(t glpiproxy.DeviceSimcard) *glpiproxy.DeviceSimcard { return &t }),
		lines:           newLoader(s, func(line glpiproxy.Line) *model.PhoneLine { return &model.PhoneLine{Line: line} }),
		software:        newLoader(s, func(v glpiproxy.SoftwareVersion) *glpiproxy.SoftwareVersion { return &v }),
	}
}

func systems(l *loaders) *loader[*model.OperatingSystem]             { return l.systems }
func processorModels(l *loaders) *loader[*glpiproxy.DeviceProcessor] { return l.processorModels }
func batteryModels(l *loaders) *loader[*model.BatteryModel]          { return l.batteryModels }
func simCardTypes(l *loaders) *loader[*glpiproxy.DeviceSimcard]      { return l.simCardTypes }
func lines(l *loaders) *loader[*model.PhoneLine]                     { return l.lines }
func software(l *loaders) *loader[*glpiproxy.SoftwareVersion]        { return l.software }

// operatingSystems reads what runs on computers, by their ids.
func operatingSystems(ctx context.Context, s *glpiproxy.Session, computerIDs []int) (map[int]*model.OperatingSystem, error) {
	found, err := glpiproxy.SystemsOf(ctx, s, computerIDs)
	if err != nil {
		return nil, err
	}
	shown := make(map[int]*model.OperatingSystem, len(computerIDs))
	for _, id := range computerIDs {
		shown[id] = nil
		if system := found[id]; system != (glpiproxy.System{}) {
			shown[id] = &model.OperatingSystem{System: system}
		}
	}
	return shown, nil
}

// inventoriesOf reads the inventories of computers; mostly the same parts are wanted of all of them.
func inventoriesOf(ctx context.Context, s *glpiproxy.Session, keys []inventoryKey) (map[inventoryKey]*glpiproxy.Inventory, error) {
	byParts := map[glpiproxy.Parts][]int{}
	for _, key := range keys {
		byParts[key.parts] = append(byParts[key.parts], key.computerID)
	}
	all := make(map[inventoryKey]*glpiproxy.Inventory, len(keys))
	for parts, computerIDs := range byParts {
		found, err := glpiproxy.InventoriesOf(ctx, s, computerIDs, parts)
		if err != nil {
			return nil, err
		}
		for id, inventory := range found {
			all[inventoryKey{id, parts}] = &inventory
		}
	}
	return all, nil
}

// pageOfComputers are computers whose inventories, if any, are asked for together.
type pageOfComputers struct {
	mu  sync.Mutex
	ids []int
}

// expect takes note of a page's computers.
func (p *pageOfComputers) expect(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id > 0 {
		p.ids = append(p.ids, id)
	}
}

// keys are the page's inventories, the first time that one is wanted.
func (p *pageOfComputers) keys(parts glpiproxy.Parts) []inventoryKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []inventoryKey
	for _, id := range p.ids {
		keys = append(keys, inventoryKey{id, parts})
	}
	p.ids = nil
	return keys
}

// computerOf reads a device's computer. Where the client asks for its inventory too, that is read at the same time.
func computerOf(ctx context.Context, computerID int) (*model.Computer, error) {
	if parts := partsOf(selectedBelow(ctx, "Computer")); parts != 0 && computerID > 0 {
		l, err := load(ctx)
		if err != nil {
			return nil, err
		}
		l.inventories.expect(l.pageComputers.keys(parts)...)
		l.inventories.begin(ctx, inventoryKey{computerID, parts})
	}
	return related(ctx, computers, computerID)
}
