package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/audit"
)

const (
	// mostEntries is how far back the trail can be asked for.
	mostEntries = 10_000
	// logsRight is GLPI's right to see who changed what.
	logsRight = "logs"
	// mostFiltered bounds the mutations of a filter.
	mostFiltered = 40
)

// auditTrail shows who did what to those who may see it.
func (r *Resolver) auditTrail(ctx context.Context, filter *model.AuditFilter, a pageArguments) (*model.AuditEntryConnection, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if !scope.Can(logsRight, glpiproxy.Read) {
		return nil, forbidden()
	}
	wanted, err := newEntryFilter(filter)
	if err != nil {
		return nil, err
	}
	entries, err := r.Audit.Newest(ctx, mostEntries)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e audit.Entry) bool { return !mayRead(scope, e) || !wanted.matches(e) })
	slices.Reverse(entries)
	c, err := connect[model.AuditEntryEdge](ctx, inMemory(entries, func(e audit.Entry) int { return e.ID }), a, presentEntry)
	return (*model.AuditEntryConnection)(c), err
}

// mayRead says whether an entry concerns nothing but what somebody sees. One of no entity in particular is for those who
// see the root entity with all that is below.
func mayRead(scope *glpiproxy.Scope, e audit.Entry) bool {
	if len(e.Entities) == 0 {
		return scope.SeesEntity(0) && scope.Recursive
	}
	return !slices.ContainsFunc(e.Entities, func(id int) bool { return !scope.SeesEntity(id) })
}

// entryFilter is an AuditFilter in terms of the trail.
type entryFilter struct {
	mutations []string
	who       string // the end of it
	target    string
	from, to  *time.Time
}

func newEntryFilter(f *model.AuditFilter) (entryFilter, error) {
	if f == nil {
		return entryFilter{}, nil
	}
	wanted := entryFilter{mutations: f.Mutations, from: f.From, to: f.To}
	if f.Mutations != nil && (len(f.Mutations) == 0 || len(f.Mutations) > mostFiltered) {
		return wanted, badInput("filter.mutations: give between 1 and %d", mostFiltered)
	}
	if f.UserID != nil {
		id, err := parseID("filter.userId", "User", *f.UserID)
		if err != nil {
			return wanted, err
		}
		wanted.who = fmt.Sprintf(" (%d)", id)
	}
	if f.TargetID != nil {
		if wanted.target = *f.TargetID; !isNodeID(wanted.target) {
			return wanted, badInput("filter.targetId: not an id of this API")
		}
	}
	return wanted, nil
}

func (f entryFilter) matches(e audit.Entry) bool {
	named := func(mutation string) bool { return e.What == mutation || strings.HasPrefix(e.What, mutation+" ") }
	switch {
	case f.mutations != nil && !slices.ContainsFunc(f.mutations, named):
		return false
	case f.who != "" && !strings.HasSuffix(e.Who, f.who):
		return false
	case f.target != "" && !slices.Contains(e.Targets, f.target):
		return false
	case f.from != nil && e.At.Before(*f.from), f.to != nil && !e.At.Before(*f.to):
		return false
	}
	return true
}

func presentEntry(_ *loaders, e audit.Entry) *model.AuditEntry {
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return &model.AuditEntry{
		At: e.At, Deed: optional(e.Deed), Who: e.Who, From: optional(e.From), What: e.What,
		Targets: append([]string{}, e.Targets...), Outcome: e.Outcome, Note: optional(e.Note),
	}
}
