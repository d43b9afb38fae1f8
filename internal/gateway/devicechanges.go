package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// settling is how long GLPI may need to store what a device has said: it hears of it from the same broker.
const settling = time.Second

// followDevices has the cache of GLPI's answers forget what devices change, until ctx is done.
func (g *Gateway) followDevices(ctx context.Context) error {
	for ctx.Err() == nil {
		events, err := g.bridge.Subscribe(bridge.Filter{AllEntities: true}, "")
		if err != nil {
			return err
		}
		err = g.forgetChanges(ctx, events)
		events.Close()
		switch {
		case errors.Is(err, bridge.ErrResync): // some were missed: it may have been any
			g.glpi.DeviceChanged(allChanges...)
		case ctx.Err() == nil:
			return err
		}
	}
	return nil
}

// forgetChanges tells the cache of a change at once, and again when GLPI had the time to store it. Further changes
// of the same kind go with the second time, so that a crowd of devices doesn't keep the cache empty.
func (g *Gateway) forgetChanges(ctx context.Context, events *bridge.Subscription) error {
	pending := map[glpiproxy.DeviceChange]bool{}
	var settled time.Time // of those pending
	for {
		if len(pending) > 0 && !time.Now().Before(settled) {
			g.glpi.DeviceChanged(slices.Collect(maps.Keys(pending))...)
			clear(pending)
		}
		event, err := nextEvent(ctx, events, len(pending) > 0, settled)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			continue
		case err != nil:
			return err
		}
		change, known := changeOf(event)
		if !known || pending[change] {
			continue
		}
		if len(pending) == 0 {
			settled = time.Now().Add(settling)
		}
		pending[change] = true
		g.glpi.DeviceChanged(change)
	}
}

// nextEvent waits for an event, where it is limited not beyond a moment.
func nextEvent(ctx context.Context, events *bridge.Subscription, limited bool, until time.Time) (bridge.Event, error) {
	if limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	return events.Next(ctx)
}

var allChanges = []glpiproxy.DeviceChange{
	glpiproxy.DevicePresence, glpiproxy.DevicePosition, glpiproxy.DeviceInventory, glpiproxy.DeviceTask,
	glpiproxy.DeviceCommanded, glpiproxy.DeviceMoved, glpiproxy.DeviceUnenrolled,
}

// changeOf says what an event may have changed in GLPI.
func changeOf(event bridge.Event) (change glpiproxy.DeviceChange, known bool) {
	switch event.Kind {
	case bridge.PresenceChanged, bridge.CommandAnswered:
		return glpiproxy.DevicePresence, true
	case bridge.PositionReported:
		return glpiproxy.DevicePosition, true
	case bridge.InventoryReceived:
		return glpiproxy.DeviceInventory, true
	case bridge.TaskStatusChanged:
		return glpiproxy.DeviceTask, true
	case bridge.AgentUnenrolled:
		return glpiproxy.DeviceUnenrolled, true
	case bridge.CommandSent:
		return commandChange(event.Command.Name)
	}
	return 0, false
}

// commandChange is what GLPI changed when it sent a command: it tells a device of its fleet when it is enrolled and
// moved. Queries change nothing by themselves.
func commandChange(command string) (change glpiproxy.DeviceChange, known bool) {
	switch command {
	case "Subscribe":
		return glpiproxy.DeviceMoved, true
	case "Lock", "Wipe", "Unenroll":
		return glpiproxy.DeviceCommanded, true
	}
	return 0, false
}
