package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// chunk is how many rows at a time are read to find a lost place in a list: the most that GLPI's client takes.
const chunk = 1000

// listed reads one of GLPI's plain lists.
func listed[T glpiproxy.Item](s *glpiproxy.Session, options glpiproxy.ListOptions, id func(T) int) listing[T] {
	rows := func(ctx context.Context, start, count int) ([]T, int, error) {
		options := options
		options.Range = glpiproxy.Range{Start: start, Count: count}
		p, err := glpiproxy.List[T](ctx, s, options)
		return p.Items, p.Total, err
	}
	return listing[T]{rows: rows, ids: allIDs(rows, id), id: id}
}

// allIDs lists the ids of a whole list.
func allIDs[T any](rows func(ctx context.Context, start, count int) ([]T, int, error), id func(T) int) func(context.Context) ([]int, error) {
	ids := func(ctx context.Context, start, count int) ([]int, int, error) {
		items, total, err := rows(ctx, start, count)
		ids := make([]int, len(items))
		for i, item := range items {
			ids[i] = id(item)
		}
		return ids, total, err
	}
	return func(ctx context.Context) ([]int, error) { return inChunks(ctx, ids) }
}

// searched reads a list through GLPI's search, which can filter: the ids of the page first, then the items in one
// batch.
func searched[T glpiproxy.Item](s *glpiproxy.Session, query glpiproxy.Query, id func(T) int) listing[T] {
	find := func(ctx context.Context, start, count int) (ids []int, total int, err error) {
		query := query
		query.Range = glpiproxy.Range{Start: start, Count: count}
		found, err := glpiproxy.Search[T](ctx, s, query)
		for _, row := range found.Rows {
			ids = append(ids, row.ID())
		}
		return ids, found.Total, err
	}
	rows := func(ctx context.Context, start, count int) ([]T, int, error) {
		ids, total, err := find(ctx, start, count)
		if err != nil {
			return nil, 0, err
		}
		results, err := glpiproxy.GetMany[T](ctx, s, ids)
		items := make([]T, 0, len(results))
		for _, result := range results {
			if result.Err == nil { // else gone since it was found
				items = append(items, result.Item)
			}
		}
		return items, total, err
	}
	return listing[T]{rows: rows, ids: func(ctx context.Context) ([]int, error) { return inChunks(ctx, find) }, id: id}
}

// inMemory pages through what was read as a whole.
func inMemory[T any](items []T, id func(T) int) listing[T] {
	return listing[T]{
		rows: func(_ context.Context, start, count int) ([]T, int, error) {
			start = min(start, len(items))
			return items[start:min(start+count, len(items))], len(items), nil
		},
		ids: func(context.Context) ([]int, error) {
			ids := make([]int, len(items))
			for i, item := range items {
				ids[i] = id(item)
			}
			return ids, nil
		},
		id: id,
	}
}

// inChunks reads a whole list of ids.
func inChunks(ctx context.Context, read func(ctx context.Context, start, count int) ([]int, int, error)) ([]int, error) {
	var all []int
	for {
		ids, total, err := read(ctx, len(all), chunk)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
		if len(ids) == 0 || len(all) >= total {
			return all, nil
		}
	}
}

// expectAgent tells that what a device points to may be asked for soon.
func (l *loaders) expectAgent(a glpiproxy.Agent) {
	l.computers.expect(a.ComputerID)
	l.pageComputers.expect(a.ComputerID)
	l.fleets.expect(a.FleetID)
	l.entities.expect(a.EntityID)
	l.agentTasks.expect(a)
	l.agentStatuses.expect(a.ID)
}

func agentConnection(l *loaders, p page[glpiproxy.Agent]) *model.AgentConnection {
	c := &model.AgentConnection{Edges: []*model.AgentEdge{}, Nodes: []*model.Agent{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		l.expectAgent(item)
		node := &model.Agent{Agent: item}
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &model.AgentEdge{Node: node, Cursor: p.cursor(i)})
	}
	return c
}

func fleetPage(ctx context.Context, a pageArguments) (*model.FleetConnection, error) {
	s, err := readable[glpiproxy.Fleet](ctx)
	if err != nil {
		return nil, err
	}
	p, err := listed(s, glpiproxy.ListOptions{}, func(f glpiproxy.Fleet) int { return f.ID }).read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c := &model.FleetConnection{Edges: []*model.FleetEdge{}, Nodes: []*model.Fleet{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		l.entities.expect(item.EntityID)
		l.fleetTasks.expect(item.ID)
		node := &model.Fleet{Fleet: item}
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &model.FleetEdge{Node: node, Cursor: p.cursor(i)})
	}
	return c, nil
}

func invitationPage(ctx context.Context, a pageArguments) (*model.InvitationConnection, error) {
	s, err := readable[glpiproxy.Invitation](ctx)
	if err != nil {
		return nil, err
	}
	p, err := listed(s, glpiproxy.ListOptions{}, func(i glpiproxy.Invitation) int { return i.ID }).read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c := &model.InvitationConnection{Edges: []*model.InvitationEdge{}, Nodes: []*model.Invitation{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		l.users.expect(item.UserID)
		l.entities.expect(item.EntityID)
		node := &model.Invitation{Invitation: item}
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &model.InvitationEdge{Node: node, Cursor: p.cursor(i)})
	}
	return c, nil
}
