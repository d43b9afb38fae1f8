package invitation

import (
	"context"
	"fmt"
	"time"

	"fleetgate/internal/store"
)

const (
	holdBucket = "invitation-hold" // invitation id -> who enrols a device with it now
	// holdKept is longer than any enrolment takes.
	holdKept = 5 * time.Minute
	// holdPatience is how long an enrolment waits for another one with the same invitation.
	holdPatience = 20 * time.Second
)

// Hold keeps an invitation for one enrolment, on all replicas; others wait, for twenty seconds at most: store.ErrTaken.
// Until release is called only the holder tells what happens to it: see Held.
func (d *Desk) Hold(ctx context.Context, invitationID int) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, holdPatience)
	defer cancel()
	return store.Seize(waiting, d.store, holdBucket, key(invitationID), holdKept)
}

// Held are those of some invitations with which devices enrol through the gateway now. What was read of one in GLPI
// before Held was asked may be half of a change that its holder will tell: it is no news.
func (d *Desk) Held(ctx context.Context, invitationIDs ...int) (map[int]bool, error) {
	return notes(ctx, d, holdBucket, invitationIDs, func(string) (bool, error) { return true, nil })
}

// Failed tells those who watch that a device was not enrolled. now is how the invitation is after it; unless that is Quiet,
// what else is new about it is told first: that its time is over, mostly.
func (d *Desk) Failed(ctx context.Context, now Sighting) error {
	if !now.Quiet {
		state := now
		state.LogID = 0 // of this failure, which is told below
		if err := d.see(ctx, "", state); err != nil {
			return fmt.Errorf("noting how invitation %d is: %w", now.InvitationID, err)
		}
	}
	return d.witness(ctx, now, Event{Kind: Failed})
}

// witness notes how an invitation is after what its holder did, and tells that instead of what differs.
func (d *Desk) witness(ctx context.Context, now Sighting, what Event) error {
	now.Quiet = true
	if err := d.see(ctx, d.id, now); err != nil {
		return fmt.Errorf("noting how invitation %d is: %w", now.InvitationID, err)
	}
	what.InvitationID, what.EntityID = now.InvitationID, now.EntityID
	return d.Announce(ctx, what)
}
