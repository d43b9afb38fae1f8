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
	files := searched(s, query, func(f glpiproxy.File) int { return f.ID })
	c, err := connect[model.FileEdge](ctx, files, a, func(l *loaders, f glpiproxy.File) *model.File {
		l.entities.expect(f.EntityID)
		l.fileDeployments.expect(f.ID)
		return &model.File{File: f}
	})
	return (*model.FileConnection)(c), err
}
