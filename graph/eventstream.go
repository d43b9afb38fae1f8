package graph

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
)

// eventStream carries the events of one subscription from the bridge to its socket. Its goroutine ends with
// the subscription's context.
type eventStream struct {
	resolver     *Resolver
	session      *glpiproxy.Session
	wanted       eventFilter
	subscription *bridge.Subscription
	leave        func() // the place that it takes
	events       chan<- model.DeviceEvent
	// narrowing keeps two looks at the viewer's scope apart: the one that began first must not have the last word.
	narrowing sync.Mutex
}

// open takes one of the places that its viewer has, and subscribes to what the viewer may see, from after a cursor on
// or from now on. carry gives both back.
func (e *eventStream) open(ctx context.Context, places *streamPlaces, most int, after string) error {
	visible, err := e.wanted.visible(ctx, e.session)
	if err != nil {
		return err
	}
	scope, err := e.session.Scope(ctx)
	if err != nil {
		return err
	}
	leave, err := places.take(scope.UserID, most)
	if err != nil {
		return err
	}
	if e.subscription, err = e.resolver.Bridge.Subscribe(visible, after); err != nil {
		leave()
		return err
	}
	e.leave = leave
	return nil
}

func (e *eventStream) run(ctx context.Context) {
	defer close(e.events)
	e.carry(ctx, e.forward)
}

// carry does the work of a stream until it fails or ctx is done. It follows a switch of the viewer's profile or entity
// at once.
func (e *eventStream) carry(ctx context.Context, work func(context.Context) error) {
	defer e.leave()
	defer func() { e.subscription.Close() }() // the one that it has at the end
	seeing, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer e.resolver.SignIn.WatchScope(e.session.Token(), func() {
		if err := e.narrow(seeing); err != nil {
			end(err) // after a switch nothing stays allowed by default
		}
	})()
	if err := work(seeing); ctx.Err() == nil {
		delivery.Fail(ctx, err)
	}
}

// forward hands events on until it fails or ctx is done.
func (e *eventStream) forward(ctx context.Context) error {
	checkAt := time.Now() // what the viewer sees may have changed since the subscription was asked for
	for {
		var event *bridge.Event
		var err error
		if time.Now().Before(checkAt) {
			event, err = e.next(ctx, checkAt)
		} else { // before the next event, which might be one that the viewer sees no longer
			err = e.refresh(ctx)
			checkAt = time.Now().Add(scopeCheck)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if event == nil || !e.inFleets(ctx, event) {
			continue
		}
		select {
		case e.events <- e.present(*event):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// next waits for an event, but not beyond the time of the next check; nil when none came until then.
func (e *eventStream) next(ctx context.Context, until time.Time) (*bridge.Event, error) {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	event, err := e.subscription.Next(waiting)
	if err != nil && waiting.Err() != nil {
		return nil, nil
	}
	return &event, err
}

// narrow asks GLPI what the viewer may see now, and lets through only that.
func (e *eventStream) narrow(ctx context.Context) error {
	e.narrowing.Lock()
	defer e.narrowing.Unlock()
	visible, err := e.wanted.visible(ctx, e.session)
	if err != nil {
		return err
	}
	e.subscription.SetFilter(visible)
	return nil
}

// refresh narrows the stream from time to time. GLPI being away is no reason to end it: what was allowed stays
// allowed until GLPI says otherwise.
func (e *eventStream) refresh(ctx context.Context) error {
	err := e.narrow(ctx)
	if err == nil {
		return nil
	}
	return e.lasting(err)
}

// lasting is the error that ends a stream; nil where GLPI is merely away.
func (e *eventStream) lasting(err error) error {
	var failed *glpiproxy.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Kind {
	case glpiproxy.Unavailable, glpiproxy.Timeout, glpiproxy.Upstream, glpiproxy.Misconfigured, glpiproxy.Canceled:
		return nil
	case glpiproxy.Unauthenticated:
		e.resolver.SignIn.End(e.session.Token())
	}
	return err
}

// inFleets says whether an event's device is in one of the fleets asked for. A device moves between fleets,
// so its present one is looked up, in the cache mostly.
func (e *eventStream) inFleets(ctx context.Context, event *bridge.Event) bool {
	if e.wanted.fleets == nil {
		return true
	}
	agent, err := e.findAgent(ctx, event.Device)
	if err != nil || agent == nil {
		return false
	}
	_, wanted := e.wanted.fleets[agent.FleetID]
	return wanted
}

// findAgent looks a device up with the subscriber's own rights. Where several agents share the serial, as
// after an enrolment that was repeated, the latest is meant.
func (e *eventStream) findAgent(ctx context.Context, key bridge.DeviceKey) (*model.Agent, error) {
	if known, _ := e.resolver.Bridge.Device(key); len(known.AgentIDs) > 0 {
		return e.seeAgent(ctx, slices.Max(known.AgentIDs))
	}
	agents, err := glpiproxy.AgentsBySerial(ctx, e.session, key.EntityID, key.Serial)
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

// seeAgent reads an agent with the subscriber's own rights: nothing where they don't show it.
func (e *eventStream) seeAgent(ctx context.Context, id int) (*model.Agent, error) {
	agent, err := glpiproxy.Get[glpiproxy.Agent](ctx, e.session, id)
	if isUnreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &model.Agent{Agent: agent}, nil
}

// present gives an event of the bridge its type in the schema.
func (e *eventStream) present(event bridge.Event) model.DeviceEvent {
	base := model.EventBase{
		Cursor: event.Cursor, At: event.At, Kind: kinds[event.Kind],
		Entity: event.Device.EntityID, DeviceSerial: event.Device.Serial,
		FindAgent: func(ctx context.Context) (*model.Agent, error) { return e.findAgent(ctx, event.Device) },
	}
	if event.AgentID > 0 {
		base.FindAgent = func(ctx context.Context) (*model.Agent, error) { return e.seeAgent(ctx, event.AgentID) }
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
