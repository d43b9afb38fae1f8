package invitation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleetgate/internal/store"
)

// Kind is what happened to an invitation.
type Kind string

// The kinds of events.
const (
	Created     Kind = "CREATED"
	Sent        Kind = "SENT" // its message was handed to GLPI's mail queue
	Opened      Kind = "OPENED"
	Renewed     Kind = "RENEWED"
	Deactivated Kind = "DEACTIVATED"
	Deleted     Kind = "DELETED"
	Failed      Kind = "FAILED" // somebody tried to enrol with it in vain
	Enrolled    Kind = "ENROLLED"
	Expired     Kind = "EXPIRED" // its time is over
)

// Event is one change of an invitation, as every replica sees it.
type Event struct {
	Cursor       string    `json:"-"` // its place in the log, to watch on from
	At           time.Time `json:"at"`
	Kind         Kind      `json:"kind"`
	InvitationID int       `json:"invitation"`
	EntityID     int       `json:"entity"`
	AgentID      int       `json:"agent,omitempty"` // of ENROLLED
	// By is the desk whose gateway did it; "": it was seen in GLPI. Set by who announces it.
	By string `json:"by,omitempty"`
}

const (
	eventLog  = "invitation-events"
	readAhead = 200
	mostHeard = 1000
)

var eventBounds = store.Bounds{Entries: 10_000, Age: 7 * 24 * time.Hour}

// ErrMissed says that the log no longer holds what follows a cursor, or that the cursor is none.
var ErrMissed = errors.New("events were missed")

// Announce tells those who watch, on every replica, of what this gateway did. Cursor, At and By are set by it.
func (d *Desk) Announce(ctx context.Context, events ...Event) error {
	return d.announce(ctx, d.id, events...)
}

func (d *Desk) announce(ctx context.Context, by string, events ...Event) error {
	entries := make([][]byte, len(events))
	for i, e := range events {
		e.At, e.By = d.now().UTC(), by
		entry, err := json.Marshal(e)
		if err != nil {
			return err
		}
		entries[i] = entry
	}
	if err := d.store.Append(ctx, eventLog, eventBounds, entries...); err != nil {
		return fmt.Errorf("writing the log of invitations: %w", err)
	}
	return nil
}

// Watch is a place in the log of events. It is for one reader.
type Watch struct {
	desk  *Desk
	after store.ID
}

// Watch begins after an event's cursor, or with what happens from now on where it is "". ErrMissed: see there.
func (d *Desk) Watch(ctx context.Context, cursor string) (*Watch, error) {
	if cursor == "" {
		newest, err := d.store.Tail(ctx, eventLog, 1)
		if err != nil || len(newest) == 0 {
			return &Watch{desk: d}, err
		}
		return &Watch{d, newest[0].ID}, nil
	}
	after, err := parseCursor(cursor)
	if err != nil {
		return nil, err
	}
	oldest, err := d.store.Read(ctx, eventLog, store.ID{}, 1, false)
	if err != nil {
		return nil, err
	}
	if len(oldest) == 0 || oldest[0].ID.Compare(after) > 0 {
		return nil, ErrMissed
	}
	return &Watch{d, after}, nil
}

// Next waits for events, until ctx is done, and gives those that follow the last ones, oldest first.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	entries, err := w.desk.store.Read(ctx, eventLog, w.after, readAhead, true)
	if err != nil {
		return nil, err
	}
	events := make([]Event, len(entries))
	for i, entry := range entries {
		if err := json.Unmarshal(entry.Value, &events[i]); err != nil {
			return nil, fmt.Errorf("reading the log of invitations: %w", err)
		}
		events[i].Cursor = cursorOf(entry.ID)
		w.after = entry.ID
		w.desk.hear(entry.ID, events[i])
	}
	return events, nil
}

// hear tells Changed of an event of others that it has not heard of. Whoever comes second waits until it has.
func (d *Desk) hear(id store.ID, event Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if event.By == d.id || d.heard[id] {
		return
	}
	if len(d.heard) >= mostHeard {
		clear(d.heard) // to tell it twice does no harm
	}
	d.heard[id] = true
	d.changed(event.InvitationID)
}

func cursorOf(id store.ID) string {
	return strconv.FormatUint(id.Millisecond, 36) + "-" + strconv.FormatUint(id.Sequence, 36)
}

func parseCursor(text string) (store.ID, error) {
	first, second, _ := strings.Cut(text, "-")
	ms, err := strconv.ParseUint(first, 36, 64)
	sequence, err2 := strconv.ParseUint(second, 36, 64)
	if err != nil || err2 != nil {
		return store.ID{}, ErrMissed
	}
	return store.ID{Millisecond: ms, Sequence: sequence}, nil
}
