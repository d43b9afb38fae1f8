package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// inventoryOf reads those parts of a computer that the client asks for, all at once; an error where the viewer may
// not read the parts that the field being resolved shows.
func inventoryOf(ctx context.Context, c *model.Computer, part glpiproxy.Parts) (*glpiproxy.Inventory, error) {
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	inventory, err := l.inventories.load(ctx, inventoryKey{c.ID, partsOf(selectedBeside(ctx))})
	if err != nil {
		return nil, err
	}
	if inventory.Denied&part != 0 {
		return nil, forbidden()
	}
	return inventory, nil
}

// hardware reads the parts of one kind of a computer.
func hardware[P, M any](ctx context.Context, c *model.Computer, part glpiproxy.Parts, pick func(*glpiproxy.Inventory) []P, wrap func(P) *M) ([]*M, error) {
	inventory, err := inventoryOf(ctx, c, part)
	if err != nil {
		return nil, err
	}
	shown := []*M{}
	for _, part := range pick(inventory) {
		shown = append(shown, wrap(part))
	}
	return shown, nil
}

func processorsOf(ctx context.Context, c *model.Computer) ([]*model.Processor, error) {
	return hardware(ctx, c, glpiproxy.Devices,
		func(i *glpiproxy.Inventory) []glpiproxy.Processor { return i.Processors },
		func(p glpiproxy.Processor) *model.Processor { return &model.Processor{Processor: p} })
}

func batteriesOf(ctx context.Context, c *model.Computer) ([]*model.Battery, error) {
	return hardware(ctx, c, glpiproxy.Devices,
		func(i *glpiproxy.Inventory) []glpiproxy.Battery { return i.Batteries },
		func(b glpiproxy.Battery) *model.Battery { return &model.Battery{Battery: b} })
}

func simCardsOf(ctx context.Context, c *model.Computer) ([]*model.SimCard, error) {
	return hardware(ctx, c, glpiproxy.Devices,
		func(i *glpiproxy.Inventory) []glpiproxy.SimCard { return i.SimCards },
		func(card glpiproxy.SimCard) *model.SimCard { return &model.SimCard{SimCard: card} })
}

func disksOf(ctx context.Context, c *model.Computer) ([]*model.Disk, error) {
	return hardware(ctx, c, glpiproxy.Disks,
		func(i *glpiproxy.Inventory) []glpiproxy.Disk { return i.Disks },
		func(d glpiproxy.Disk) *model.Disk { return &model.Disk{Disk: d} })
}

func networkPortsOf(ctx context.Context, c *model.Computer) ([]*model.NetworkPort, error) {
	return hardware(ctx, c, glpiproxy.NetworkPorts,
		func(i *glpiproxy.Inventory) []glpiproxy.NetworkPort { return i.NetworkPorts },
		func(p glpiproxy.NetworkPort) *model.NetworkPort { return &model.NetworkPort{NetworkPort: p} })
}

func memoryOf(ctx context.Context, c *model.Computer) (*float64, error) {
	inventory, err := inventoryOf(ctx, c, glpiproxy.Devices)
	if err != nil || len(inventory.Memory) == 0 {
		return nil, err
	}
	size := 0.0
	for _, module := range inventory.Memory {
		size += model.Bytes(module.Size)
	}
	return &size, nil
}

// installedPage is a page of what is installed on a computer. Names are read for the page alone.
func installedPage(ctx context.Context, c *model.Computer, a pageArguments) (*model.InstalledApplicationConnection, error) {
	inventory, err := inventoryOf(ctx, c, glpiproxy.Software)
	if err != nil {
		return nil, err
	}
	software := inMemory(inventory.Software, func(i glpiproxy.Installation) int { return i.VersionID })
	shown, err := connect[model.InstalledApplicationEdge](ctx, software, a, func(l *loaders, i glpiproxy.Installation) *model.InstalledApplication {
		l.software.expect(i.VersionID)
		return &model.InstalledApplication{Installation: i}
	})
	return (*model.InstalledApplicationConnection)(shown), err
}

// told is a text of what a foreign key points to; null where GLPI has none.
func told[M any](ctx context.Context, pick func(*loaders) *loader[*M], id int, tell func(*M) string) (*string, error) {
	item, err := related(ctx, pick, id)
	if err != nil || item == nil {
		return nil, err
	}
	return orNull(tell(item)), nil
}

// measured is a number of what a foreign key points to; null where GLPI has none.
func measured[M any](ctx context.Context, pick func(*loaders) *loader[*M], id int, measure func(M) *int) (*int, error) {
	item, err := related(ctx, pick, id)
	if err != nil || item == nil {
		return nil, err
	}
	return measure(*item), nil
}

// lineOf is the telephone line of a SIM card.
func lineOf(ctx context.Context, card *model.SimCard) (*model.PhoneLine, error) {
	if card.LineID <= 0 {
		return nil, nil
	}
	if _, err := readable[glpiproxy.Line](ctx); err != nil {
		return nil, err
	}
	return related(ctx, lines, card.LineID)
}
