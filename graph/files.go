package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// GLPI's numbers for what files can be searched by.
const (
	fileOptionName    = 1
	fileOptionID      = 2
	fileOptionComment = 4
)

var fileOrders = map[model.FileOrderField]int{
	model.FileOrderFieldDatabaseID: fileOptionID,
	model.FileOrderFieldName:       fileOptionName,
}

// filePage reads a page of files. GLPI tells a file's size only with the file itself, so the page's are read in one
// batch after they are found.
func filePage(ctx context.Context, a pageArguments, filter *model.FileFilter, order *model.FileOrder) (*model.FileConnection, error) {
	s, err := readable[glpiproxy.File](ctx)
	if err != nil {
		return nil, err
	}
	query := glpiproxy.Query{Sort: fileOptionID}
	if order != nil {
		query.Sort, query.Descending = fileOrders[order.Field], order.Direction == model.OrderDirectionDesc
	}
	if filter != nil && filter.Search != nil && *filter.Search != "" {
		query.Criteria = []glpiproxy.Criterion{
			{Field: fileOptionName, Type: glpiproxy.Contains, Value: *filter.Search},
			{Link: glpiproxy.Or, Field: fileOptionComment, Type: glpiproxy.Contains, Value: *filter.Search},
		}
	}
	p, err := searched(s, query, func(f glpiproxy.File) int { return f.ID }).read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c := &model.FileConnection{Edges: []*model.FileEdge{}, Nodes: []*model.File{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		l.entities.expect(item.EntityID)
		l.fileDeployments.expect(item.ID)
		node := &model.File{File: item}
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &model.FileEdge{Node: node, Cursor: p.cursor(i)})
	}
	return c, nil
}
