package dangerzone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
)

const (
	// confirmable is how long a plan can be confirmed.
	confirmable = 5 * time.Minute
	// longestNote bounds the note of an operation, in characters.
	longestNote = 500
	// MostTargets bounds the devices of one operation.
	MostTargets = glpiproxy.MaxWrites
)

// Request is what somebody wants to do.
type Request struct {
	Action          Action
	AgentIDs        []int // each once
	DeleteComputers bool  // with DELETE: the devices' computers too
	Note            string
}

// Plan is what would happen to whom.
type Plan struct {
	Token     string // confirms it, once
	ExpiresAt time.Time
	Request
	Targets []Planned // in the order of the request's ids
}

// Planned is a device of a plan.
type Planned struct {
	Agent    glpiproxy.Agent
	Warnings []Warning
}

// Unknown is the error of a request for agents that the viewer may not know.
type Unknown struct {
	Places []int // among the request's ids
}

// Error names no agent.
func (u *Unknown) Error() string { return fmt.Sprintf("%d of the agents are not known", len(u.Places)) }

// check refuses what nobody may ask.
func (r Request) check() error {
	switch {
	case !r.Action.known():
		return errors.New("no such action")
	case len(r.AgentIDs) == 0, len(r.AgentIDs) > MostTargets:
		return fmt.Errorf("between 1 and %d agents", MostTargets)
	case r.DeleteComputers && r.Action != Delete:
		return errors.New("computers are deleted with DELETE only")
	case !GoodNote(r.Note):
		return fmt.Errorf("a note has %d characters at most", longestNote)
	}
	return nil
}

// GoodNote says whether a text can be an operation's note: short, and without control characters but line ends.
func GoodNote(text string) bool {
	controls := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= longestNote && !strings.ContainsFunc(text, controls)
}

// Plan tells what a request would do, with the viewer's own rights, and changes nothing. The error is an *Unknown where
// agents are not the viewer's to see.
func (d *Desk) Plan(ctx context.Context, s *glpiproxy.Session, r Request) (*Plan, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := look(ctx, s, r.AgentIDs)
	if err != nil {
		return nil, err
	}
	if places := seen.missing(scope, r.AgentIDs); len(places) > 0 {
		return nil, &Unknown{places}
	}
	facts, err := d.gather(ctx, s, r, seen)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Request: r, ExpiresAt: d.now().Add(confirmable).UTC().Truncate(time.Second)}
	confirmed := Confirmed{
		Request: r, Nonce: rand.Text(), UserID: scope.UserID, Session: s.String(), ExpiresAt: plan.ExpiresAt,
	}
	for _, id := range r.AgentIDs {
		plan.Targets = append(plan.Targets, Planned{Agent: seen.agents[id], Warnings: facts.warnings(id)})
		confirmed.Prints = append(confirmed.Prints, seen.print(id))
	}
	plan.Token, err = d.seal.close(confirmed)
	return plan, err
}
