package graph

import (
	"context"
	"maps"
	"slices"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
)

// scopeCheck is how often a stream asks GLPI whether its viewer still sees what it saw at first.
const scopeCheck = 30 * time.Second

// kinds are the events of the bridge that the schema has a type for.
var kinds = map[bridge.Kind]model.DeviceEventKind{
	bridge.PresenceChanged:   model.DeviceEventKindPresenceChanged,
	bridge.PositionReported:  model.DeviceEventKindPositionReported,
	bridge.CommandSent:       model.DeviceEventKindCommandSent,
	bridge.CommandAnswered:   model.DeviceEventKindCommandAnswered,
	bridge.InventoryReceived: model.DeviceEventKindInventoryReceived,
	bridge.AgentUnenrolled:   model.DeviceEventKindAgentUnenrolled,
	bridge.AgentEnrolled:     model.DeviceEventKindAgentEnrolled,
	bridge.AgentDeleted:      model.DeviceEventKindAgentDeleted,
	bridge.TaskStatusChanged: model.DeviceEventKindTaskStatusChanged,
}

// deviceEvents streams what happens to the devices of the viewer's entities. What the viewer may see is asked
// of GLPI again while the stream runs: rights that are taken away end it.
func (r *Resolver) deviceEvents(ctx context.Context, filter *model.DeviceEventFilter, after *string) (<-chan model.DeviceEvent, error) {
	execution, shared := executionIn(ctx)
	if shared && execution.begun {
		return execution.events, nil
	}
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	asked := &eventRequest{resolver: r, session: s}
	if asked.wanted, err = newEventFilter(ctx, s, filter); err != nil {
		return nil, err
	}
	asked.after = goOnAfter(ctx, after)
	if shared {
		execution.request = asked
		return execution.events, nil
	}
	return asked.alone(ctx)
}

// goOnAfter is the cursor that a subscription goes on after: that of the last event which its client says it has had over
// a connection before, as an event source does that asks with the same words again; else the one that it names; "": it
// begins now.
func goOnAfter(ctx context.Context, after *string) string {
	if last := delivery.LastCursor(ctx); last != "" || after == nil {
		return last
	}
	return *after
}

// eventFilter is a DeviceEventFilter in terms of the bridge.
type eventFilter struct {
	entities map[int]struct{} // nil: all that the viewer sees
	devices  map[bridge.DeviceKey]struct{}
	fleets   map[int]struct{}
	kinds    map[bridge.Kind]struct{}
}

func newEventFilter(ctx context.Context, s *glpiproxy.Session, f *model.DeviceEventFilter) (eventFilter, error) {
	if f == nil {
		f = &model.DeviceEventFilter{}
	}
	wanted := eventFilter{kinds: wantedKinds(f.Kinds)}
	if len(wanted.kinds) == 0 {
		return wanted, badInput("filter.kinds: give at least one")
	}
	var err error
	if wanted.entities, err = idSet("filter.entityIds", "Entity", f.EntityIds); err != nil {
		return wanted, err
	}
	if wanted.fleets, err = idSet("filter.fleetIds", "Fleet", f.FleetIds); err != nil {
		return wanted, err
	}
	agentIDs, err := idSet("filter.agentIds", "Agent", f.AgentIds)
	if err != nil || agentIDs == nil {
		return wanted, err
	}
	wanted.devices, err = deviceKeys(ctx, s, agentIDs)
	return wanted, err
}

// visible narrows the wish to what GLPI lets the viewer see now.
func (w eventFilter) visible(ctx context.Context, s *glpiproxy.Session) (bridge.Filter, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return bridge.Filter{}, err
	}
	kinds := kindsWithin(scope, w.kinds)
	if !glpiproxy.Can[glpiproxy.Agent](scope, glpiproxy.Read) || len(kinds) == 0 {
		return bridge.Filter{}, forbidden()
	}
	f := bridge.Filter{Entities: map[int]struct{}{}, Devices: w.devices, Kinds: kinds}
	for _, id := range scope.EntityIDs {
		if _, asked := w.entities[id]; asked || w.entities == nil {
			f.Entities[id] = struct{}{}
		}
	}
	return f, nil
}

// wantedKinds are those asked for, or all that the schema has a type for.
func wantedKinds(asked []model.DeviceEventKind) map[bridge.Kind]struct{} {
	wanted := map[bridge.Kind]struct{}{}
	for kind, shown := range kinds {
		if asked == nil || slices.Contains(asked, shown) {
			wanted[kind] = struct{}{}
		}
	}
	return wanted
}

// kindsWithin are the kinds of events that a viewer may see: what a device says of its place, or of its tasks, is for
// those who may read the same in GLPI.
func kindsWithin(scope *glpiproxy.Scope, wanted map[bridge.Kind]struct{}) map[bridge.Kind]struct{} {
	within := maps.Clone(wanted)
	if !glpiproxy.Can[glpiproxy.Geolocation](scope, glpiproxy.Read) {
		delete(within, bridge.PositionReported)
	}
	if !glpiproxy.Can[glpiproxy.TaskStatus](scope, glpiproxy.Read) {
		delete(within, bridge.TaskStatusChanged)
	}
	return within
}

// deviceKeys finds the serial numbers under which devices speak on the broker.
func deviceKeys(ctx context.Context, s *glpiproxy.Session, agentIDs map[int]struct{}) (map[bridge.DeviceKey]struct{}, error) {
	var ids []int
	for id := range agentIDs {
		ids = append(ids, id)
	}
	agents, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	var computerIDs []int
	for _, agent := range agents {
		if agent.Err != nil {
			return nil, hidden(agent.Err)
		}
		computerIDs = append(computerIDs, agent.Item.ComputerID)
	}
	computers, err := glpiproxy.GetMany[glpiproxy.Computer](ctx, s, computerIDs)
	if err != nil {
		return nil, err
	}
	keys := map[bridge.DeviceKey]struct{}{}
	for i, computer := range computers {
		if computer.Err != nil {
			return nil, hidden(computer.Err)
		}
		keys[bridge.DeviceKey{EntityID: agents[i].Item.EntityID, Serial: computer.Item.Serial}] = struct{}{}
	}
	return keys, nil
}

// idSet takes global ids of one type apart; nil for nil, which means "any".
func idSet(argument, typename string, globalIDs []string) (map[int]struct{}, error) {
	if globalIDs == nil {
		return nil, nil
	}
	if len(globalIDs) == 0 || len(globalIDs) > largestPage {
		return nil, badInput("%s: give between 1 and %d", argument, largestPage)
	}
	ids := map[int]struct{}{}
	for _, globalID := range globalIDs {
		id, err := parseID(argument, typename, globalID)
		if err != nil {
			return nil, err
		}
		ids[id] = struct{}{}
	}
	return ids, nil
}
