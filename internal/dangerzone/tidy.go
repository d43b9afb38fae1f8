package dangerzone

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// tidying is how many devices' leftovers are cleared at a time.
const tidying = 8

// conclude looks what became of a batch and finishes what can be finished at once.
func (d *Desk) conclude(ctx context.Context, s *glpiproxy.Session, id int, agentIDs []int) error {
	op, err := d.load(ctx, id)
	if err != nil {
		return err
	}
	if op.Action.command() != "" { // reading again is part of the asking; the rest is seen as it comes
		return nil
	}
	if op, err = d.inspect(ctx, s, op); err != nil {
		d.log.Debug("what became of a batch is looked at later", "operation", id, "error", err)
	}
	if op.DeleteComputers {
		if err := d.purgeComputers(ctx, s, id); err != nil {
			return err
		}
	}
	return d.tidy(ctx, s, id, agentIDs)
}

// tidy clears what the broker keeps for the devices that are done with, and for those whose wipe is taken back, and notes
// what has to stay for now. Agents narrow it to some of the operation's; nil: all.
func (d *Desk) tidy(ctx context.Context, eyes *glpiproxy.Session, id int, agentIDs []int) error {
	op, err := d.load(ctx, id)
	if err != nil {
		return err
	}
	cleared, mu := map[int]string{}, sync.Mutex{}
	var group errgroup.Group
	group.SetLimit(tidying)
	for _, t := range op.Targets {
		canceled := op.Action == CancelWipe && t.Step == asked && !t.State.final()
		if !canceled && !t.Leftovers || agentIDs != nil && !slices.Contains(agentIDs, t.AgentID) {
			continue
		}
		group.Go(func() error {
			left, err := d.clear(ctx, eyes, op.Action, t, canceled)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				cleared[t.AgentID] = left
			}
			return nil
		})
	}
	_ = group.Wait() // no errors: what can't be looked at now is looked at again
	if len(cleared) == 0 {
		return nil
	}
	_, err = d.change(ctx, id, func(op *Operation) {
		for i := range op.Targets {
			if left, tried := cleared[op.Targets[i].AgentID]; tried {
				d.noteCleared(op.Action, &op.Targets[i], left)
			}
		}
	})
	return err
}

// clear takes off the broker what has to go, and says in words what had to stay; "": nothing.
func (d *Desk) clear(ctx context.Context, eyes *glpiproxy.Session, action Action, t Target, canceled bool) (left string, err error) {
	if t.Serial == "" { // it has no topics
		return "", nil
	}
	clearing := bridge.Clearing{Device: t.device(), Occasion: bridge.WipeCanceled}
	if !canceled {
		occasion, may, err := occasionFor(ctx, eyes, action, t)
		if err != nil || !may {
			return "", err
		}
		clearing.Occasion = occasion
	}
	cleared, err := d.o.Bridge.Clear(ctx, clearing)
	switch {
	case err != nil:
		d.log.DebugContext(ctx, "the broker could not be cleared", "error", err)
		return "the broker can't be reached, or does not let the gateway clear it", nil
	case len(cleared.Left) > 0:
		return cleared.Left[0].Why, nil
	}
	return "", nil
}

// occasionFor is why a device's leftovers may go. They may not where they are meant for another agent that has its name by
// now and is to be wiped, nor a wipe that nobody else is in danger of.
func occasionFor(ctx context.Context, eyes *glpiproxy.Session, action Action, t Target) (occasion bridge.Occasion, may bool, err error) {
	if eyes == nil {
		return "", false, errNobody
	}
	agents, err := glpiproxy.AgentsBySerial(ctx, eyes, t.EntityID, t.Serial)
	if err != nil {
		return "", false, err
	}
	occasion = bridge.Deleted
	if action == Unenroll {
		occasion = bridge.Unenrolled
	}
	for _, other := range agents {
		switch {
		case other.ID == t.AgentID:
		case other.Wipe:
			return "", false, nil
		default:
			occasion = bridge.Succeeded
		}
	}
	return occasion, action != Wipe || occasion == bridge.Succeeded, nil
}

// noteCleared notes what had to stay on the broker, in words; "": nothing.
func (d *Desk) noteCleared(action Action, t *Target, left string) {
	now := d.now()
	switch {
	case left == "" && action == CancelWipe:
		t.become(Completed, now, "The wipe is taken back, in GLPI and on the broker. If the device had heard it before, nothing brings it back.")
		t.Leftovers = false
	case left == "":
		t.Leftovers = false
	case action == CancelWipe:
		t.say(now, fmt.Sprintf("GLPI has taken the wipe back. The broker may still hold it: %s.", left))
	}
}
