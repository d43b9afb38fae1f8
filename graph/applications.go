package graph

import (
	"context"
	"encoding/base64"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// GLPI's numbers for what applications can be searched by.
const (
	applicationOptionID      = 2
	applicationOptionAlias   = 3
	applicationOptionVersion = 4
)

var applicationOrders = map[model.ApplicationOrderField]int{
	model.ApplicationOrderFieldDatabaseID: applicationOptionID,
	model.ApplicationOrderFieldAlias:      applicationOptionAlias,
}

// applicationPage reads a page of applications from GLPI's search: its lists bring every icon along.
func applicationPage(ctx context.Context, a pageArguments, filter *model.ApplicationFilter, order *model.ApplicationOrder) (*model.ApplicationConnection, error) {
	s, err := readable[glpiproxy.Application](ctx)
	if err != nil {
		return nil, err
	}
	query := glpiproxy.Query{Columns: []int{applicationOptionAlias, applicationOptionVersion}, Sort: applicationOptionID}
	if order != nil {
		query.Sort, query.Descending = applicationOrders[order.Field], order.Direction == model.OrderDirectionDesc
	}
	if filter != nil && filter.Search != nil && *filter.Search != "" {
		query.Criteria = []glpiproxy.Criterion{{Field: applicationOptionAlias, Type: glpiproxy.Contains, Value: *filter.Search}}
	}
	c, err := connect[model.ApplicationEdge](ctx, findApplications(s, query), a, func(l *loaders, app glpiproxy.Application) *model.Application {
		l.applications.expect(app.ID)
		l.icons.expect(app.ID)
		l.applicationDeployments.expect(app.ID)
		return &model.Application{Application: app}
	})
	return (*model.ApplicationConnection)(c), err
}

// findApplications finds applications without what only the whole item tells.
func findApplications(s *glpiproxy.Session, query glpiproxy.Query) listing[glpiproxy.Application] {
	rows := func(ctx context.Context, start, count int) ([]glpiproxy.Application, int, error) {
		query := query
		query.Range = glpiproxy.Range{Start: start, Count: count}
		found, err := glpiproxy.Search[glpiproxy.Application](ctx, s, query)
		var applications []glpiproxy.Application
		for _, row := range found.Rows {
			applications = append(applications, glpiproxy.Application{
				ID: row.ID(), Alias: row.Text(applicationOptionAlias), Version: row.Text(applicationOptionVersion),
			})
		}
		return applications, found.Total, err
	}
	return listing[glpiproxy.Application]{
		rows: rows, ids: allIDs(rows, func(a glpiproxy.Application) int { return a.ID }),
		id: func(a glpiproxy.Application) int { return a.ID },
	}
}

// whole is an application with all that GLPI knows of it.
func whole(ctx context.Context, a *model.Application) (*model.Application, error) {
	if a.Whole {
		return a, nil
	}
	found, err := loaded(ctx, applications, a.ID)
	return found, hidden(err)
}

// newIconLoader reads icons as data URLs.
func newIconLoader(s *glpiproxy.Session) *loader[*string] {
	return newKeyed(func(ctx context.Context, ids []int) (map[int]*string, error) {
		icons, err := glpiproxy.Icons(ctx, s, ids)
		urls := make(map[int]*string, len(ids))
		for _, id := range ids {
			urls[id] = nil // most have one, and none is no error
			if png, found := icons[id]; found {
				url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
				urls[id] = &url
			}
		}
		return urls, err
	})
}
