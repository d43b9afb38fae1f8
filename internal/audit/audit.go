// Package audit keeps the trail of what people did: who, from where, what, to which things, why, and what came of it.
// The trail lies in the store, the same for all replicas, and where it is wanted also in a file of JSON lines, which
// nothing is ever dropped from. It holds no secrets: ids, names, codes, and the reasons that people gave.
//
// Whoever does something that matters writes twice, with the same Deed: before it is asked of GLPI, with the outcome
// Requested, and when it is known what came of it. An entry that could not be written forbids the deed. So a gateway that
// dies in between leaves a request without an outcome, and never a deed without a trace:
//
//	entry := audit.Entry{Who: audit.Person(name, id), What: "deleteUsers", Targets: ids, Deed: audit.NewDeed()}
//	entry.At, entry.Outcome = now, audit.Requested
//	if err := trail.Append(ctx, entry); err != nil { … }
//	…
//	entry.At, entry.Outcome = now, audit.Done
//	err := trail.Append(ctx, entry)
package audit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"fleetgate/internal/store"
)

const (
	trailLog = "audit"
	// sequences is how many entries a millisecond may have for their ids to be told apart.
	sequences = 1 << 12
)

// bounds are what the store keeps. The file keeps everything.
var bounds = store.Bounds{Entries: 100_000, Age: 400 * 24 * time.Hour}

// The outcomes that are no codes of refusals.
const (
	Requested = "requested" // it is about to be asked of GLPI
	Done      = "done"
)

// Anonymous is who does something without having signed in.
const Anonymous = "anonymous"

// Entry is one thing that somebody did, or is about to do.
type Entry struct {
	ID       int       `json:"-"`                  // its place in the trail, of an entry that was read
	At       time.Time `json:"at"`                 // UTC
	Deed     string    `json:"deed,omitempty"`     // the same in the entries before and after
	Who      string    `json:"who"`                // Person or Anonymous
	From     string    `json:"from,omitempty"`     // the network address
	What     string    `json:"what"`               // the mutation: "issueInvitationCredentials"
	Targets  []string  `json:"targets,omitempty"`  // global ids
	Entities []int     `json:"entities,omitempty"` // GLPI's ids of the entities that it is about: who sees them all may read it
	Outcome  string    `json:"outcome"`            // Requested, Done, or the code of the refusal
	Note     string    `json:"note,omitempty"`     // why, in the person's words
}

// Person names somebody in a trail, by their user name and id in GLPI.
func Person(username string, userID int) string { return fmt.Sprintf("%s (%d)", username, userID) }

// NewDeed makes the mark that links the entries of one deed.
func NewDeed() string { return rand.Text()[:16] }

// Trail is the audit trail in a store. It is safe for concurrent use.
type Trail struct {
	store  store.Store
	copies []io.Writer
}

// NewTrail makes a Trail. copies get each entry too, as a line of JSON in one call of Write, one after another for what
// this process does.
func NewTrail(s store.Store, copies ...io.Writer) *Trail { return &Trail{s, copies} }

// Append writes an entry at the end. An error means that it may not be there.
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
	for _, w := range t.copies {
		if _, err := w.Write(append(value, '\n')); err != nil {
			return fmt.Errorf("writing the copy of the audit trail: %w", err)
		}
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
		entries[i].ID = int(f.ID.Millisecond*sequences + f.ID.Sequence%sequences)
	}
	return entries, nil
}
