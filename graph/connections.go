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

// connection has the shape of every connection of the schema, so that it can become any of them.
type connection[N, E any] struct {
	Edges      []*E
	Nodes      []*N
	PageInfo   *model.PageInfo
	TotalCount int
}

// connect reads a page of a list. present makes the nodes, and tells the loaders what may be asked of them soon.
func connect[E ~struct {
	Node   *N     `json:"node"`
	Cursor string `json:"cursor"`
}, N, T any](ctx context.Context, list listing[T], a pageArguments, present func(*loaders, T) *N) (*connection[N, E], error) {
	p, err := list.read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c := &connection[N, E]{Edges: []*E{}, Nodes: []*N{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		node := present(l, item)
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &E{Node: node, Cursor: p.cursor(i)})
	}
	return c, nil
}
