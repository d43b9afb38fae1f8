package invitation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

const (
	seenBucket = "invitation-seen" // invitation id -> the last sighting
	baseline   = "baseline"        // key of the seen bucket: all invitations were looked at once
)

// State is where an invitation stands in GLPI.
type State string

// The states of an invitation in GLPI. OPENED is the gateway's own knowledge.
const (
	StatePending     State = "PENDING"
	StateExpired     State = "EXPIRED"
	StateDeactivated State = "DEACTIVATED"
	StateEnrolled    State = "ENROLLED"
)

// StateOf is where an invitation stands by its columns in GLPI, which keeps an expired one as pending, and takes the date
// of a used one.
func StateOf(status string, expiresAt, now time.Time) State {
	used := expiresAt.IsZero()
	switch {
	case status == "done" && used:
		return StateEnrolled
	case status == "done":
		return StateDeactivated
	case !used && !now.Before(expiresAt):
		return StateExpired
	}
	return StatePending
}

// Sighting is how an invitation was seen in GLPI.
type Sighting struct {
	InvitationID int       `json:"-"`
	EntityID     int       `json:"entity"`
	State        State     `json:"state"`
	SentAt       time.Time `json:"sent,omitzero"` // of its latest mail; zero: not sent, or not known
	LogID        int       `json:"log,omitempty"` // of its latest failure, 0: none is known
	// MailDue: another mail was queued than the one that left at SentAt.
	MailDue bool `json:"due,omitempty"`
	// Quiet: nobody is told, since who changed it has told already.
	Quiet bool `json:"-"`
	// Since is what was known before somebody looked, the zero Sighting for nothing; what others have seen meanwhile
	// counts for more. nil: it was seen this moment.
	Since *Sighting `json:"-"`
}

// gone is in the place of the sighting of an invitation that was deleted: its id is never used again.
var gone = []byte("gone")

// goneKept is longer than any look at all invitations takes.
const goneKept = time.Hour

// eventsOf are the events that the kinds of states have.
var eventsOf = map[State]Kind{StatePending: Renewed, StateExpired: Expired, StateDeactivated: Deactivated, StateEnrolled: Enrolled}

// See notes how invitations were seen, and tells those who watch what is new: once, whoever sees it first and on
// whichever replica.
func (d *Desk) See(ctx context.Context, sightings ...Sighting) error {
	for _, s := range sightings {
		by := d.id
		if s.Since != nil {
			by = ""
		}
		if err := d.see(ctx, by, s); err != nil {
			return fmt.Errorf("noting how invitation %d is: %w", s.InvitationID, err)
		}
	}
	return nil
}

// see is See of one invitation that by has changed: see Event.By.
func (d *Desk) see(ctx context.Context, by string, now Sighting) error {
	for range swapTries {
		old, err := d.store.Get(ctx, seenBucket, key(now.InvitationID))
		if err != nil {
			return err
		}
		if bytes.Equal(old, gone) {
			return nil
		}
		before, err := sightingOf(old)
		if err != nil {
			return err
		}
		if now.Since != nil && !now.Since.same(before) {
			return nil
		}
		merged, news := now.after(before)
		if merged.same(before) {
			return nil
		}
		value, err := json.Marshal(merged)
		if err != nil {
			return err
		}
		first, err := d.store.Swap(ctx, seenBucket, key(now.InvitationID), old, value, noteKept)
		if err != nil {
			return err
		}
		if first {
			if now.Quiet || len(news) == 0 {
				return nil
			}
			return d.announce(ctx, by, news...)
		}
	}
	return errBusy
}

// after is what is known once an invitation was seen again, and what is new about it.
func (s Sighting) after(before *Sighting) (merged Sighting, news []Event) {
	tell := func(kind Kind) {
		news = append(news, Event{Kind: kind, InvitationID: s.InvitationID, EntityID: s.EntityID})
	}
	merged = Sighting{EntityID: s.EntityID, State: s.State, SentAt: s.SentAt, LogID: s.LogID}
	switch {
	case before == nil && s.State == StatePending:
		tell(Created)
	case before == nil || before.State != s.State:
		tell(eventsOf[s.State])
	}
	if before == nil {
		before = &Sighting{}
	}
	if s.SentAt.After(before.SentAt) {
		tell(Sent)
	} else {
		merged.SentAt, merged.MailDue = before.SentAt, before.MailDue || s.MailDue
	}
	if s.LogID > before.LogID {
		tell(Failed)
	} else {
		merged.LogID = before.LogID
	}
	return merged, news
}

// same is Same, where nil is no sighting.
func (s Sighting) same(other *Sighting) bool {
	if other == nil {
		other = &Sighting{}
	}
	return s.Same(*other)
}

// Same tells whether two sightings tell the same of an invitation. The zero one is none.
func (s Sighting) Same(other Sighting) bool {
	return s.EntityID == other.EntityID && s.State == other.State && s.SentAt.Equal(other.SentAt) &&
		s.LogID == other.LogID && s.MailDue == other.MailDue
}

func sightingOf(value []byte) (*Sighting, error) {
	if value == nil {
		return nil, nil
	}
	var s Sighting
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Seen is all that was seen so far, by the invitation's id. all is false until SawAll was called.
func (d *Desk) Seen(ctx context.Context) (seen map[int]Sighting, all bool, err error) {
	seen = map[int]Sighting{}
	var broken error
	err = d.store.Each(ctx, seenBucket, func(name string, value []byte) bool {
		if name == baseline {
			all = true
			return true
		}
		id, err := strconv.Atoi(name)
		if err != nil {
			return true
		}
		if bytes.Equal(value, gone) {
			return true
		}
		s, err := sightingOf(value)
		if err != nil {
			broken = err
			return false
		}
		s.InvitationID = id
		seen[id] = *s
		return true
	})
	if err == nil {
		err = broken
	}
	return seen, all, err
}

// SawAll notes that every invitation that there was has been seen: from now on an unknown one is new.
func (d *Desk) SawAll(ctx context.Context) error {
	return d.store.Put(ctx, seenBucket, baseline, []byte("1"), 0)
}

// Gone notes that an invitation was deleted, and tells those who watch, once.
func (d *Desk) Gone(ctx context.Context, invitationID, entityID int) error {
	for range swapTries {
		old, err := d.store.Get(ctx, seenBucket, key(invitationID))
		if err != nil || bytes.Equal(old, gone) {
			return err
		}
		first, err := d.store.Swap(ctx, seenBucket, key(invitationID), old, gone, goneKept)
		if err != nil {
			return err
		}
		if first {
			return d.announce(ctx, "", Event{Kind: Deleted, InvitationID: invitationID, EntityID: entityID})
		}
	}
	return errBusy
}
