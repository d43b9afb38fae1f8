package dangerzone

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// seek looks on the broker for commands that should have passed it and were not seen, and whether a broker that was away
// still has those that were. inspected says that the rows of these devices were just seen in GLPI: without that a command
// that is there no more may have been obeyed.
func (d *Desk) seek(ctx context.Context, id int, inspected bool) error {
	op, err := d.load(ctx, id)
	if err != nil || op == nil {
		return err
	}
	found := d.sought(ctx, op, inspected)
	if len(found) == 0 {
		return nil
	}
	_, err = d.change(ctx, id, func(op *Operation) {
		op.each(func(t *Target) {
			if there, sought := found[t.AgentID]; sought {
				d.heedBroker(op.Action, t, there)
			}
		})
	})
	return err
}

// heedBroker concludes from whether the broker has a command.
func (d *Desk) heedBroker(action Action, t *Target, there bool) {
	now := d.now()
	t.SoughtAt = now.UTC()
	switch {
	case there && t.State == Requested:
		dispatched(action, t, t.AskedAt, now)
	case there, t.State == Dispatched && !d.awaySince(t).IsZero(): // it went away with the command
	case t.State == Dispatched:
		t.become(Unverified, now, "The broker was away, and has lost the command: a device that had not heard it before never will. Plan it again to have it sent again.")
	case now.Sub(t.AskedAt) >= unseenTime:
		t.become(Unverified, now, "GLPI said yes, but the broker has no such command: nothing shows that the device was told. Plan it again to have it sent again.")
	}
}

// sought tells of the targets that the broker could be asked about whether it has their command.
func (d *Desk) sought(ctx context.Context, op *Operation, inspected bool) map[int]bool {
	found, mu := map[int]bool{}, sync.Mutex{}
	var group errgroup.Group
	group.SetLimit(tidying)
	op.each(func(t *Target) {
		device, command := t.device(), op.Action.command()
		if command == "" || !d.unsure(t) || t.State == Dispatched && !inspected {
			return
		}
		group.Go(func() error {
			if kept, err := d.o.Bridge.Kept(ctx, device); err == nil {
				mu.Lock()
				defer mu.Unlock()
				found[t.AgentID] = slices.Contains(kept, command)
			}
			return nil // a broker that can't be asked now is asked again
		})
	})
	_ = group.Wait()
	return found
}

// unsure says whether the broker is to be asked for a command: when it was not seen for long, and once after the gateway
// was not listening, since it can't have seen what passed meanwhile, and brokers forget.
func (d *Desk) unsure(t *Target) bool {
	if t.Step != asked || t.Push {
		return false
	}
	if t.State == Requested && d.now().Sub(t.AskedAt) >= unseenTime {
		return true
	}
	broker, known := d.o.Bridge.Status(), t.AskedAt
	for _, later := range []time.Time{t.SentAt, t.SoughtAt} {
		if later.After(known) {
			known = later
		}
	}
	return broker.Connected && broker.Since.After(known)
}
