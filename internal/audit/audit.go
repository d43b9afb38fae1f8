// Package audit writes the trail of what people did that matters later: who, from where, what, to which things, and
// what came of it. The trail lies in the store, the same for all replicas, and holds no secrets.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fleetgate/internal/store"
)

const trailLog = "audit"

var bounds = store.Bounds{Entries: 100_000, Age: 400 * 24 * time.Hour}

// Entry is one thing that somebody did.
type Entry struct {
	At      time.Time `json:"at"`                // UTC
	Who     string    `json:"who"`               // the person's name and id in GLPI, or "anonymous"
	From    string    `json:"from,omitempty"`    // the network address
	What    string    `json:"what"`              // the mutation: "issueInvitationCredentials"
	Targets []string  `json:"targets,omitempty"` // global ids
	Outcome string    `json:"outcome"`           // "done", or the code of the refusal
	Note    string    `json:"note,omitempty"`
}

// Trail is the audit trail in a store. It is safe for concurrent use.
type Trail struct{ store store.Store }

// NewTrail makes a Trail.
func NewTrail(s store.Store) *Trail { return &Trail{s} }

// Append writes an entry at the end.
func (t *Trail) Append(ctx context.Context, e Entry) error {
	switch {
	case e.At.IsZero(), e.Who == "", e.What == "", e.Outcome == "":
		return errors.New("an entry of the audit trail says when, who, what and with which outcome")
	}
	e.At = e.At.UTC()
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := t.store.Append(ctx, trailLog, bounds, value); err != nil {
		return fmt.Errorf("writing the audit trail: %w", err)
	}
	return nil
}

// Newest gives the latest entries, at most limit, oldest first.
func (t *Trail) Newest(ctx context.Context, limit int) ([]Entry, error) {
	found, err := t.store.Tail(ctx, trailLog, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	entries := make([]Entry, len(found))
	for i, f := range found {
		if err := json.Unmarshal(f.Value, &entries[i]); err != nil {
			return nil, fmt.Errorf("reading the audit trail: %w", err)
		}
	}
	return entries, nil
}
