package graph

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"fleetgate/glpiproxy"
)

// mostRows bounds what is read of one kind to choose from it or to count it here, where GLPI itself can do neither.
const mostRows = 20_000

// GLPI's search options of agents and computers.
const (
	agentOptionFleet     = 7
	computerOptionSerial = 5
	computerOptionUser   = 70
)

// allAgents reads every device in sight whose columns hold the values given.
func allAgents(ctx context.Context, s *glpiproxy.Session, columns map[string]string) ([]glpiproxy.Agent, error) {
	return readWhole(ctx, func(ctx context.Context, start, count int) ([]glpiproxy.Agent, int, error) {
		p, err := glpiproxy.List[glpiproxy.Agent](ctx, s, glpiproxy.ListOptions{
			Filter: columns, Range: glpiproxy.Range{Start: start, Count: count},
		})
		return p.Items, p.Total, err
	})
}

// computerFacts are what is known of computers, by id.
type computerFacts map[int]computerFact

type computerFact struct {
	serial string
	system glpiproxy.System
}

// allComputers reads the serials and operating systems of every computer in sight; nothing of any where the viewer
// may not read computers, which is an error where it is needed.
func allComputers(ctx context.Context, s *glpiproxy.Session, needed bool) (computerFacts, error) {
	if may, err := can[glpiproxy.Computer](ctx, s); err != nil || !may {
		if err == nil && needed {
			err = forbidden()
		}
		return nil, err
	}
	rows, err := allRows[glpiproxy.Computer](ctx, s, glpiproxy.Query{
		Columns: append([]int{computerOptionSerial}, glpiproxy.SystemOptions()...),
	})
	known := make(computerFacts, len(rows))
	for _, row := range rows {
		known[row.ID()] = computerFact{serial: row.Text(computerOptionSerial), system: glpiproxy.SystemOf(row)}
	}
	return known, err
}

// rosterOf reads every device in sight and, side by side, what is known of all computers.
func rosterOf(ctx context.Context, s *glpiproxy.Session, needed bool) (agents []glpiproxy.Agent, known computerFacts, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { agents, err = allAgents(ctx, s, nil); return err })
	group.Go(func() (err error) { known, err = allComputers(ctx, s, needed); return err })
	err = group.Wait()
	return agents, known, err
}

// allRows reads every row that a search finds.
func allRows[T glpiproxy.Item](ctx context.Context, s *glpiproxy.Session, query glpiproxy.Query) ([]glpiproxy.Row, error) {
	return readWhole(ctx, func(ctx context.Context, start, count int) ([]glpiproxy.Row, int, error) {
		query := query
		query.Range = glpiproxy.Range{Start: start, Count: count}
		p, err := glpiproxy.Search[T](ctx, s, query)
		return p.Rows, p.Total, err
	})
}

// readWhole reads a list of at most mostRows rows: its first window, which tells how many there are, then the others side
// by side.
func readWhole[T any](ctx context.Context, read func(ctx context.Context, start, count int) ([]T, int, error)) ([]T, error) {
	first, total, err := read(ctx, 0, chunk)
	if err != nil {
		return nil, err
	}
	if total > mostRows {
		return nil, tooMany("one fleet or one entity")
	}
	windows := make([][]T, max(1, (total+chunk-1)/chunk))
	windows[0] = first
	group, ctx := errgroup.WithContext(ctx)
	for i := 1; i < len(windows); i++ {
		group.Go(func() (err error) {
			windows[i], _, err = read(ctx, i*chunk, chunk)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(windows...), nil
}

// tooMany refuses what would have more than mostRows rows looked through, and says what to ask for instead.
func tooMany(instead string) error {
	return &coded{CodeQueryTooComplex, fmt.Sprintf("there are more than %d to look through: ask for %s", mostRows, instead)}
}

// can tells whether the viewer's profile may read items of a type at all.
func can[T glpiproxy.Item](ctx context.Context, s *glpiproxy.Session) (bool, error) {
	scope, err := s.Scope(ctx)
	return err == nil && glpiproxy.Can[T](scope, glpiproxy.Read), err
}
