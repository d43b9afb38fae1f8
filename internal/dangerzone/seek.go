package dangerzone

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// seek looks on the broker for commands that should have passed it and were not seen.
func (d *Desk) seek(ctx context.Context, op *Operation) (*Operation, error) {
	found := d.sought(ctx, op)
	if len(found) == 0 {
		return op, nil
	}
	return d.change(ctx, op.ID, func(op *Operation) {
		op.each(func(t *Target) {
			there, sought := found[t.AgentID]
			switch {
			case !sought || t.State != Requested:
			case there:
				dispatched(op.Action, t, d.now())
			default:
				t.become(Unverified, d.now(), "GLPI said yes, but the broker has no such command: the device was not told. Plan it again to have it sent again.")
			}
		})
	})
}

// sought tells of the targets that the broker could be asked about whether it has their command.
func (d *Desk) sought(ctx context.Context, op *Operation) map[int]bool {
	found, mu := map[int]bool{}, sync.Mutex{}
	var group errgroup.Group
	group.SetLimit(tidying)
	op.each(func(t *Target) {
		device, command := t.device(), op.Action.command()
		if command == "" || t.State != Requested || t.Step != asked || t.Push || d.now().Sub(t.AskedAt) < unseenTime {
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
