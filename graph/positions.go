package graph

import (
	"context"
	"slices"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// recentReports is how many of a device's latest reports are read to find a position: the latest may say no more
// than that the GPS is off.
const recentReports = 10

// newestFirst is the order in which a device's reports are read.
func newestFirst(window glpiproxy.Range) glpiproxy.ListOptions {
	return glpiproxy.ListOptions{Sort: "date", Descending: true, Range: window}
}

// lastPositionOf is where a device was last: what it said over MQTT, or GLPI's latest record of a place.
func (r *Resolver) lastPositionOf(ctx context.Context, a *model.Agent) (*model.Position, error) {
	if a.ComputerID <= 0 {
		return nil, nil
	}
	s, err := readable[glpiproxy.Geolocation](ctx)
	if err != nil {
		return nil, err
	}
	window := glpiproxy.Range{Count: recentReports}
	if besideAny(ctx, "positions") { // read the same then: it is one call
		window.Count = chunk
	}
	latest, err := glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](ctx, s, a.ComputerID, newestFirst(window))
	if err != nil {
		return nil, err
	}
	var stored *model.Position
	if place := slices.IndexFunc(latest.Items, func(g glpiproxy.Geolocation) bool { return g.Available }); place >= 0 {
		stored = storedPosition(latest.Items[place])
	}
	serial, err := serialOf(ctx, a)
	if err != nil {
		return nil, err
	}
	device := bridge.DeviceKey{EntityID: a.EntityID, Serial: serial}
	heard, _ := r.Bridge.Device(device)
	r.showsDevice(ctx, device, time.Time{})
	if said := heard.Position; said != nil && said.Available && (stored == nil || said.At.After(stored.At)) {
		return presentPosition(said), nil
	}
	return stored, nil
}

func presentPosition(p *bridge.Position) *model.Position {
	if p == nil || !p.Available {
		return nil
	}
	return &model.Position{Latitude: p.Latitude, Longitude: p.Longitude, At: p.At}
}

func storedPosition(g glpiproxy.Geolocation) *model.Position {
	return &model.Position{Latitude: g.Latitude, Longitude: g.Longitude, At: g.At}
}

// positionPage reads a page of where a device has been, newest first, within a time range.
func positionPage(ctx context.Context, agent *model.Agent, from, to *time.Time, a pageArguments) (*model.PositionConnection, error) {
	s, err := readable[glpiproxy.Geolocation](ctx)
	if err != nil {
		return nil, err
	}
	if from != nil && to != nil && !from.Before(*to) {
		return nil, badInput("from: it is not before to")
	}
	reports, err := reportsSince(ctx, s, agent.ComputerID, from)
	if err != nil {
		return nil, err
	}
	reports = slices.DeleteFunc(reports, func(g glpiproxy.Geolocation) bool {
		return !g.Available || from != nil && g.At.Before(*from) || to != nil && !g.At.Before(*to)
	})
	kept := inMemory(reports, func(g glpiproxy.Geolocation) int { return g.ID })
	c, err := connect[model.PositionEdge](ctx, kept, a, func(_ *loaders, g glpiproxy.Geolocation) *model.Position { return storedPosition(g) })
	return (*model.PositionConnection)(c), err
}

// reportsSince reads a device's reports, newest first, at least down to a moment. GLPI can't filter them by time: the
// older ones are not read, where from is given.
func reportsSince(ctx context.Context, s *glpiproxy.Session, computerID int, from *time.Time) ([]glpiproxy.Geolocation, error) {
	if computerID <= 0 {
		return nil, nil
	}
	var reports []glpiproxy.Geolocation
	for {
		p, err := glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](ctx, s, computerID,
			newestFirst(glpiproxy.Range{Start: len(reports), Count: chunk}))
		if err != nil {
			return nil, err
		}
		reports = append(reports, p.Items...)
		last := len(reports) - 1
		switch {
		case len(p.Items) == 0, len(reports) >= p.Total, from != nil && reports[last].At.Before(*from):
			// One that came in meanwhile moves the others into the next window.
			return slices.CompactFunc(reports, func(a, b glpiproxy.Geolocation) bool { return a.ID == b.ID }), nil
		case len(reports) >= mostRows:
			return nil, tooMany("later from")
		}
	}
}
