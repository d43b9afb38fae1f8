package graph

import (
	"cmp"
	"context"
	"strings"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// agentPage reads a page of devices, of one fleet where fleetID is not 0.
func (r *Resolver) agentPage(ctx context.Context, a pageArguments, fleetID int, filter *model.AgentFilter, order *model.AgentOrder) (*model.AgentConnection, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	demands, err := demandsOf(filter, fleetID)
	if err != nil {
		return nil, err
	}
	if order == nil {
		order = &model.AgentOrder{Field: model.AgentOrderFieldDatabaseID, Direction: model.OrderDirectionAsc}
	}
	agents := listAgents(s, demands.columns(), *order)
	if demands.beyondColumns() {
		chosen, err := r.choose(ctx, s, demands, *order)
		if err != nil {
			return nil, err
		}
		agents = inMemory(chosen, agentID)
	}
	c, err := connect[model.AgentEdge](ctx, agents, a, presentAgent)
	return (*model.AgentConnection)(c), err
}

func presentAgent(l *loaders, a glpiproxy.Agent) *model.Agent {
	l.computers.expect(a.ComputerID)
	l.pageComputers.expect(a.ComputerID)
	l.fleets.expect(a.FleetID)
	l.entities.expect(a.EntityID)
	l.agentTasks.expect(membership{a.ID, a.FleetID})
	l.agentStatuses.expect(a.ID)
	return &model.Agent{Agent: a}
}

func agentID(a glpiproxy.Agent) int { return a.ID }

// agentOrder is a way to sort devices: by a column in GLPI, and by the same in memory.
type agentOrder struct {
	column  string
	compare func(a, b glpiproxy.Agent) int
}

var agentOrders = map[model.AgentOrderField]agentOrder{
	model.AgentOrderFieldDatabaseID: {"id", func(a, b glpiproxy.Agent) int { return 0 }},
	model.AgentOrderFieldName:       {"name", func(a, b glpiproxy.Agent) int { return compareFold(a.Name, b.Name) }},
	model.AgentOrderFieldVersion:    {"version", func(a, b glpiproxy.Agent) int { return compareFold(a.Version, b.Version) }},
	model.AgentOrderFieldLastContact: {"last_contact", func(a, b glpiproxy.Agent) int {
		return a.LastContact.Compare(b.LastContact)
	}},
}

// ordered compares devices the way asked; equal ones by their ids.
func (o agentOrder) ordered(direction model.OrderDirection) func(a, b glpiproxy.Agent) int {
	return func(a, b glpiproxy.Agent) int {
		order := cmp.Or(o.compare(a, b), cmp.Compare(a.ID, b.ID))
		if direction == model.OrderDirectionDesc {
			return -order
		}
		return order
	}
}

// compareFold compares texts as GLPI's database does, whatever the case.
func compareFold(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// listAgents reads devices from GLPI's plain list, which pages in the database: cheap whatever the size.
func listAgents(s *glpiproxy.Session, columns map[string]string, order model.AgentOrder) listing[glpiproxy.Agent] {
	return listed(s, glpiproxy.ListOptions{
		Filter:     columns,
		Sort:       agentOrders[order.Field].column,
		Descending: order.Direction == model.OrderDirectionDesc,
	}, agentID)
}

// serialOf is the serial number of a device, which its computer knows.
func serialOf(ctx context.Context, a *model.Agent) (string, error) {
	computer, err := related(ctx, computers, a.ComputerID)
	if err != nil || computer == nil {
		return "", err
	}
	return computer.Computer.Serial, nil
}

// presenceOf weighs what the broker and GLPI say of a device. A device whose serial the viewer may not read
// is judged by GLPI's word alone.
func (r *Resolver) presenceOf(ctx context.Context, a *model.Agent) (*model.Presence, error) {
	serial, err := serialOf(ctx, a)
	if err != nil && !isUnreadable(err) {
		return nil, err
	}
	return presentPresence(r.weigh(ctx, a.Agent, serial)), nil
}

// weigh decides what a device's presence is.
func (r *Resolver) weigh(ctx context.Context, a glpiproxy.Agent, serial string) bridge.Presence {
	device := bridge.DeviceKey{EntityID: a.EntityID, Serial: serial}
	presence := r.Bridge.Presence(device, bridge.Record{Online: a.Online, LastContact: a.LastContact})
	r.showsDevice(ctx, device, r.Bridge.PresenceHolds(presence))
	return presence
}

func presentPresence(p bridge.Presence) *model.Presence {
	shown := &model.Presence{
		State: model.PresenceState(p.State), Since: model.Moment(p.Since), LastContact: model.Moment(p.LastContact), Ambiguous: p.Ambiguous,
	}
	if p.Source != bridge.NoSource {
		source := model.PresenceSource(p.Source)
		shown.Source = &source
	}
	return shown
}
