package graph

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// GLPI's numbers for what fleets can be searched by.
const (
	fleetOptionName    = 1
	fleetOptionID      = 2
	fleetOptionDefault = 5
)

var fleetOrders = map[model.FleetOrderField]int{
	model.FleetOrderFieldDatabaseID: fleetOptionID,
	model.FleetOrderFieldName:       fleetOptionName,
}

// fleetPage reads a page of fleets from GLPI's search, which unlike its lists has the fleets of entities above that can
// be used here.
func fleetPage(ctx context.Context, a pageArguments, filter *model.FleetFilter, order *model.FleetOrder) (*model.FleetConnection, error) {
	s, err := readable[glpiproxy.Fleet](ctx)
	if err != nil {
		return nil, err
	}
	query := glpiproxy.Query{Sort: fleetOptionID}
	if order != nil {
		query.Sort, query.Descending = fleetOrders[order.Field], order.Direction == model.OrderDirectionDesc
	}
	fleets, err := filteredFleets(ctx, s, query, filter)
	if err != nil {
		return nil, err
	}
	c, err := connect[model.FleetEdge](ctx, fleets, a, func(l *loaders, f glpiproxy.Fleet) *model.Fleet {
		l.entities.expect(f.EntityID)
		l.fleetTasks.expect(f.ID)
		return &model.Fleet{Fleet: f}
	})
	return (*model.FleetConnection)(c), err
}

// filteredFleets lists the fleets that match a filter. GLPI can't search fleets by entity: then all that match the rest
// are read, and chosen from here.
func filteredFleets(ctx context.Context, s *glpiproxy.Session, query glpiproxy.Query, filter *model.FleetFilter) (listing[glpiproxy.Fleet], error) {
	id := func(f glpiproxy.Fleet) int { return f.ID }
	if filter == nil {
		return searched(s, query, id), nil
	}
	if filter.Search != nil && *filter.Search != "" {
		query.Criteria = append(query.Criteria, glpiproxy.Criterion{Field: fleetOptionName, Type: glpiproxy.Contains, Value: *filter.Search})
	}
	if filter.IsDefault != nil {
		value := map[bool]string{true: "1", false: "0"}[*filter.IsDefault]
		query.Criteria = append(query.Criteria, glpiproxy.Criterion{Field: fleetOptionDefault, Type: glpiproxy.Equals, Value: value})
	}
	fleets := searched(s, query, id)
	if filter.EntityIds == nil {
		return fleets, nil
	}
	entityIDs, err := chosenIDs("filter.entityIds", "Entity", filter.EntityIds)
	if err != nil {
		return fleets, err
	}
	all, err := readWhole(ctx, fleets.rows)
	return inMemory(slices.DeleteFunc(all, func(f glpiproxy.Fleet) bool { return !slices.Contains(entityIDs, f.EntityID) }), id), err
}
