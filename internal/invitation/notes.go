package invitation

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// MarkOpened notes that an invitation's page was opened, and tells those who watch: the first time only.
func (d *Desk) MarkOpened(ctx context.Context, invitationID, entityID int) error {
	at := d.now().UTC()
	first, err := d.store.Swap(ctx, openedBucket, key(invitationID), nil, []byte(at.Format(time.RFC3339Nano)), noteKept)
	if err != nil || !first {
		return err
	}
	return d.Announce(ctx, Event{Kind: Opened, InvitationID: invitationID, EntityID: entityID})
}

// Opened tells when the pages of invitations were first opened; those that were not are left out.
func (d *Desk) Opened(ctx context.Context, invitationIDs ...int) (map[int]time.Time, error) {
	return notes(ctx, d, openedBucket, invitationIDs, func(text string) (time.Time, error) { return time.Parse(time.RFC3339Nano, text) })
}

// EverOpened tells when the pages of all invitations were first opened, as far as it is remembered.
func (d *Desk) EverOpened(ctx context.Context) (map[int]time.Time, error) {
	opened := map[int]time.Time{}
	err := d.store.Each(ctx, openedBucket, func(name string, value []byte) bool {
		id, idErr := strconv.Atoi(name)
		at, err := time.Parse(time.RFC3339Nano, string(value))
		if idErr == nil && err == nil {
			opened[id] = at
		}
		return true
	})
	return opened, err
}

// Supersede notes that a newer invitation took the place of an old one.
func (d *Desk) Supersede(ctx context.Context, old, new int) error {
	return d.store.Put(ctx, supersededBucket, key(old), []byte(key(new)), noteKept)
}

// NotSuperseded forgets that a newer invitation took the place of an old one, which did not end.
func (d *Desk) NotSuperseded(ctx context.Context, old int) error {
	return d.store.Delete(ctx, supersededBucket, key(old))
}

// SupersededBy tells the newer invitations that took the places of old ones; those that none replaced are left out.
func (d *Desk) SupersededBy(ctx context.Context, invitationIDs ...int) (map[int]int, error) {
	return notes(ctx, d, supersededBucket, invitationIDs, strconv.Atoi)
}

// Enrolled notes the agent that an invitation became, and tells those who watch. An invitation for several devices has
// the latest one. now is how the invitation is after it. Call Retire when no further device may follow.
func (d *Desk) Enrolled(ctx context.Context, now Sighting, agentID int) error {
	if err := d.store.Put(ctx, agentBucket, key(now.InvitationID), []byte(key(agentID)), noteKept); err != nil {
		return err
	}
	if err := d.store.Put(ctx, originBucket, key(agentID), []byte(key(now.InvitationID)), noteKept); err != nil {
		return err
	}
	return d.witness(ctx, now, Event{Kind: Enrolled, AgentID: agentID})
}

// AgentOf tells the agents that invitations became through the gateway; the others are left out.
func (d *Desk) AgentOf(ctx context.Context, invitationIDs ...int) (map[int]int, error) {
	return notes(ctx, d, agentBucket, invitationIDs, strconv.Atoi)
}

// InvitationOf tells the invitations that agents came from through the gateway; the others are left out.
func (d *Desk) InvitationOf(ctx context.Context, agentIDs ...int) (map[int]int, error) {
	return notes(ctx, d, originBucket, agentIDs, strconv.Atoi)
}

// Allow notes how many devices may still enrol with an invitation, this one included.
func (d *Desk) Allow(ctx context.Context, invitationID, devices int) error {
	return d.store.Put(ctx, slotsBucket, key(invitationID), []byte(strconv.Itoa(devices)), noteKept)
}

// Left tells how many devices may still enrol with invitations; those without a note, which serve one device as GLPI
// has it, are left out.
func (d *Desk) Left(ctx context.Context, invitationIDs ...int) (map[int]int, error) {
	return notes(ctx, d, slotsBucket, invitationIDs, strconv.Atoi)
}

// Take uses up one of the devices that may enrol with an invitation, and says how many may follow it: 0 where nothing
// is noted. Of two replicas that take the last one, both find 0 left.
func (d *Desk) Take(ctx context.Context, invitationID int) (left int, err error) {
	for range swapTries {
		old, err := d.store.Get(ctx, slotsBucket, key(invitationID))
		if err != nil || old == nil {
			return 0, err
		}
		had, err := strconv.Atoi(string(old))
		if err != nil {
			return 0, fmt.Errorf("reading how many devices may follow: %w", err)
		}
		left := max(had-1, 0)
		done, err := d.store.Swap(ctx, slotsBucket, key(invitationID), old, []byte(strconv.Itoa(left)), noteKept)
		if err != nil {
			return 0, err
		}
		if done {
			return left, nil
		}
	}
	return 0, errBusy
}

// notes reads what is noted about each id, in one go.
func notes[T any](ctx context.Context, d *Desk, bucket string, ids []int, parse func(string) (T, error)) (map[int]T, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	values, err := d.store.GetMany(ctx, bucket, keys)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", bucket, err)
	}
	found := make(map[int]T)
	for i, value := range values {
		if value == nil {
			continue
		}
		if found[ids[i]], err = parse(string(value)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", bucket, err)
		}
	}
	return found, nil
}
