package graph

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/signin"
)

// How many mutations somebody may try in vain in a row, and after how long one more.
const (
	mostRefusals    = 1000
	refusalForgiven = 5 * time.Second
)

// mostEntities is the most entities that an entry tells; of one that is about more nobody but who sees all is told.
const mostEntities = 500

// audited is the directive of mutations that go into the audit trail: before they are carried out, and with what came of
// them. What can't be written there is not done. Nobody may push everything else out of the trail by trying: of people who
// have not signed in only what they did is written, and others may try so often only.
func (r *Resolver) audited(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	d := &deed{entry: audit.Entry{
		Deed: audit.NewDeed(), Who: audit.Anonymous, From: signin.ClientAddress(ctx), What: field.Field.Name,
		Targets: idsIn(field.Args["input"]),
	}}
	known, settle := r.identify(ctx, d), func(bool) {}
	if known {
		var wait time.Duration
		if settle, wait = begin([]count{{r.refusals, d.entry.Who}}); settle == nil {
			return nil, &coded{CodeRateLimited, "too much was tried in vain: try again in " + shownWait(wait)}
		}
		if err := r.append(ctx, d.as(audit.Requested)); err != nil {
			return nil, err
		}
	}
	answer, err := next(context.WithValue(ctx, deedKey{}, d))
	outcome := outcomeOf(answer, err)
	settle(!strings.HasPrefix(outcome, audit.Done))
	if outcome == audit.Done {
		known = true
		r.identify(ctx, d) // who has signed in by this very mutation
	}
	if known {
		d.about(idsIn(answer)...)
		if err := r.append(context.WithoutCancel(ctx), d.as(outcome)); err != nil {
			r.Logger.ErrorContext(ctx, "what came of a mutation is not in the audit trail", "mutation", d.entry.What, "outcome", outcome, "error", err)
		}
	}
	return answer, err
}

func (r *Resolver) append(ctx context.Context, entry audit.Entry) error {
	entry.At = r.Now()
	return r.Audit.Append(ctx, entry)
}

// identify tells who does a deed, and in which entities unless that is known better; false for nobody known.
func (r *Resolver) identify(ctx context.Context, d *deed) bool {
	s, err := session(ctx)
	if err != nil {
		return false
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return false // nor will GLPI do anything for them
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entry.Who = audit.Person(scope.Username, scope.UserID)
	if len(d.entry.Entities) == 0 && len(scope.EntityIDs) <= mostEntities {
		d.entry.Entities = scope.EntityIDs
	}
	return true
}

// deed is a mutation that is being recorded.
type deed struct {
	mu      sync.Mutex
	entry   audit.Entry
	precise bool // the entities are those of the targets
}

type deedKey struct{}

// as is the entry with an outcome.
func (d *deed) as(outcome string) audit.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	entry := d.entry
	entry.Outcome = outcome
	return entry
}

// about adds what the deed is about.
func (d *deed) about(globalIDs ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	targets := slices.Clone(d.entry.Targets)
	for _, id := range globalIDs {
		if isNodeID(id) && !slices.Contains(targets, id) && len(targets) < 2*largestPage {
			targets = append(targets, id)
		}
	}
	d.entry.Targets = targets
}

// within says of which entities the objects are that the deed is about, in place of all that the viewer sees.
func (d *deed) within(entityIDs ...int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.precise {
		d.precise, d.entry.Entities = true, nil
	}
	d.entry.Entities = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(d.entry.Entities), entityIDs...))))
}

// recordEntity tells the audit trail of which entity the objects are that a mutation is about.
func recordEntity(ctx context.Context, entityIDs ...int) {
	if d, recorded := ctx.Value(deedKey{}).(*deed); recorded && len(entityIDs) > 0 {
		d.within(entityIDs...)
	}
}

// recordTarget tells the audit trail of an object that a mutation is about and that its input does not name.
func recordTarget(ctx context.Context, globalID string) {
	if d, recorded := ctx.Value(deedKey{}).(*deed); recorded {
		d.about(globalID)
	}
}

// isNodeID says whether a text is the id of an object: what people type, and secrets, are not.
func isNodeID(text string) bool {
	const longest = 64
	if len(text) > longest {
		return false
	}
	typename, _, err := model.ParseGlobalID(text)
	if err != nil {
		return false
	}
	_, known := nodeReaders[typename]
	return known || typename == "ProfileGrant"
}
