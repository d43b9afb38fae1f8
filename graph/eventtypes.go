package graph

import (
	"context"
	"slices"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// presentEvent gives an event of the bridge its type in the schema. Its device is looked up with the rights of whoever
// asks.
func (r *Resolver) presentEvent(event bridge.Event) model.DeviceEvent {
	base := model.EventBase{
		Cursor: event.Cursor, At: event.At, Kind: kinds[event.Kind],
		Entity: event.Device.EntityID, DeviceSerial: event.Device.Serial,
		FindAgent: func(ctx context.Context) (*model.Agent, error) { return r.findAgent(ctx, event.Device) },
	}
	if event.AgentID > 0 {
		base.FindAgent = func(ctx context.Context) (*model.Agent, error) { return seeAgent(ctx, event.AgentID) }
	}
	switch event.Kind {
	case bridge.PositionReported:
		return &model.PositionReported{EventBase: base, Position: presentPosition(event.Position)}
	case bridge.CommandSent:
		return &model.CommandSent{EventBase: base, Command: presentCommand(event.Command)}
	case bridge.CommandAnswered:
		return &model.CommandAnswered{
			EventBase: base, Command: presentCommand(event.Command),
			RoundTripMs: float64(event.RoundTrip.Microseconds()) / 1000,
		}
	case bridge.InventoryReceived:
		return &model.InventoryReceived{EventBase: base}
	case bridge.AgentUnenrolled:
		return &model.AgentUnenrolled{EventBase: base}
	case bridge.AgentEnrolled:
		return &model.AgentEnrolled{EventBase: base}
	case bridge.AgentDeleted:
		return &model.AgentDeleted{EventBase: base, AgentID: model.GlobalID("Agent", event.AgentID)}
	case bridge.TaskStatusChanged:
		return &model.TaskStatusChanged{EventBase: base, TaskStatus: presentTold(event, base.FindAgent)}
	default:
		return &model.PresenceChanged{EventBase: base, Presence: presentPresence(*event.Presence)}
	}
}

// presentTold shows how far a device says that it has come with a task. The bridge takes in no word that has no state.
func presentTold(event bridge.Event, findAgent func(context.Context) (*model.Agent, error)) *model.TaskStatus {
	return &model.TaskStatus{
		Task: event.Task.TaskID, State: *model.TaskStateOf(event.Task.Status), At: event.At, FindAgent: findAgent,
	}
}

// commandNames are the schema's names for what the bridge sees on the broker.
var commandNames = map[string]model.CommandName{
	"Ping": model.CommandNamePing, "Geolocate": model.CommandNameGeolocate, "Inventory": model.CommandNameInventory,
	"Lock": model.CommandNameLock, "Wipe": model.CommandNameWipe, "Unenroll": model.CommandNameUnenroll,
	"Subscribe": model.CommandNameSubscribe,
}

func presentCommand(c *bridge.Command) *model.Command {
	return &model.Command{Name: commandNames[c.Name], SentAt: c.SentAt}
}

// findAgent looks a device up with the viewer's own rights. Where several agents share the serial, as after an enrolment
// that was repeated, the latest is meant.
func (r *Resolver) findAgent(ctx context.Context, key bridge.DeviceKey) (*model.Agent, error) {
	if known, _ := r.Bridge.Device(key); len(known.AgentIDs) > 0 {
		return seeAgent(ctx, slices.Max(known.AgentIDs))
	}
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	agents, err := glpiproxy.AgentsBySerial(ctx, s, key.EntityID, key.Serial)
	if err != nil {
		return nil, err
	}
	var latest *model.Agent
	for _, agent := range agents {
		if latest == nil || agent.ID > latest.ID {
			latest = &model.Agent{Agent: agent}
		}
	}
	return latest, nil
}

// seeAgent reads an agent with the viewer's own rights: nothing where they don't show it.
func seeAgent(ctx context.Context, id int) (*model.Agent, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	agent, err := glpiproxy.Get[glpiproxy.Agent](ctx, s, id)
	if isUnreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &model.Agent{Agent: agent}, nil
}
