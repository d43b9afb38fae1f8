package graph

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/presence"
)

// agentPage reads a page of devices, of one fleet where fleetID is not 0.
func agentPage(ctx context.Context, a pageArguments, fleetID int, filter *model.AgentFilter, order *model.AgentOrder) (*model.AgentConnection, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	if order == nil {
		order = &model.AgentOrder{Field: model.AgentOrderFieldDatabaseID, Direction: model.OrderDirectionAsc}
	}
	criteria, err := agentCriteria(filter)
	if err != nil {
		return nil, err
	}
	agents := listAgents(s, fleetID, *order)
	if len(criteria) > 0 {
		agents = searchAgents(s, criteria, *order)
	}
	p, err := agents.read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	return agentConnection(l, p), nil
}

// agentOrders are the columns of a list and the search options behind each order.
var agentOrders = map[model.AgentOrderField]struct {
	column string
	option int
}{
	model.AgentOrderFieldDatabaseID:  {"id", agentOptionID},
	model.AgentOrderFieldName:        {"name", agentOptionName},
	model.AgentOrderFieldLastContact: {"last_contact", agentOptionLastContact},
}

// GLPI's numbers for what agents can be searched by.
const (
	agentOptionName         = 1
	agentOptionID           = 2
	agentOptionFleet        = 7
	agentOptionLastContact  = 8
	agentOptionMDMType      = 12
	agentOptionEnrollStatus = 14
	agentOptionEntity       = 17
)

// listAgents reads devices from GLPI's plain list, which pages in the database: cheap whatever the size.
func listAgents(s *glpiproxy.Session, fleetID int, order model.AgentOrder) listing[glpiproxy.Agent] {
	options := glpiproxy.ListOptions{
		Sort:       agentOrders[order.Field].column,
		Descending: order.Direction == model.OrderDirectionDesc,
	}
	if fleetID != 0 {
		options.Filter = map[string]string{"plugin_flyvemdm_fleets_id": strconv.Itoa(fleetID)}
	}
	return listed(s, options, func(a glpiproxy.Agent) int { return a.ID })
}

// searchAgents reads devices through GLPI's search, which can filter: the ids of the page first, then the
// devices in one batch.
func searchAgents(s *glpiproxy.Session, criteria []glpiproxy.Criterion, order model.AgentOrder) listing[glpiproxy.Agent] {
	query := glpiproxy.Query{
		Criteria:   criteria,
		Sort:       agentOrders[order.Field].option,
		Descending: order.Direction == model.OrderDirectionDesc,
	}
	find := func(ctx context.Context, start, count int) (ids []int, total int, err error) {
		query := query
		query.Range = glpiproxy.Range{Start: start, Count: count}
		found, err := glpiproxy.Search[glpiproxy.Agent](ctx, s, query)
		if err != nil {
			return nil, 0, err
		}
		for _, row := range found.Rows {
			ids = append(ids, row.Int(agentOptionID))
		}
		return ids, found.Total, nil
	}
	return listing[glpiproxy.Agent]{
		rows: func(ctx context.Context, start, count int) ([]glpiproxy.Agent, int, error) {
			ids, total, err := find(ctx, start, count)
			if err != nil {
				return nil, 0, err
			}
			results, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, s, ids)
			if err != nil {
				return nil, 0, err
			}
			agents := make([]glpiproxy.Agent, 0, len(results))
			for _, result := range results {
				if result.Err == nil { // else gone since it was found
					agents = append(agents, result.Item)
				}
			}
			return agents, total, nil
		},
		ids: func(ctx context.Context) ([]int, error) { return inChunks(ctx, find) },
		id:  func(a glpiproxy.Agent) int { return a.ID },
	}
}

// agentCriteria puts a filter into GLPI's search language: a flat chain of AND and OR in which AND binds
// tighter, so that a choice among fleets and entities is multiplied out.
func agentCriteria(filter *model.AgentFilter) ([]glpiproxy.Criterion, error) {
	if filter == nil {
		return nil, nil
	}
	must := agentConditions(filter)
	fleetChoices, err := choices("filter.fleetIds", "Fleet", agentOptionFleet, filter.FleetIds)
	if err != nil {
		return nil, err
	}
	entityChoices, err := choices("filter.entityIds", "Entity", agentOptionEntity, filter.EntityIds)
	if err != nil {
		return nil, err
	}
	if len(fleetChoices)*len(entityChoices) > mostChoices {
		return nil, badInput("filter: too many fleets and entities at once")
	}
	var chain []glpiproxy.Criterion
	for _, fleet := range fleetChoices {
		for _, entity := range entityChoices {
			group := slices.Concat(fleet, entity, must)
			if len(chain) > 0 && len(group) > 0 {
				group[0].Link = glpiproxy.Or
			}
			chain = append(chain, group...)
		}
	}
	length := 0
	for _, c := range chain {
		length += len(url.QueryEscape(c.Value)) + criterionLength
	}
	if length > longestChain {
		return nil, badInput("filter: too much at once: fewer fleets and entities, or a shorter search")
	}
	return chain, nil
}

// Web servers refuse an address of more than 8 KB, and GLPI's search is one.
const (
	mostChoices     = 40
	criterionLength = 100  // of a criterion without its value, as it stands in an address
	longestChain    = 6000 // leaves room for the rest of the address
)

// choices makes one alternative for each id; without ids one that demands nothing.
func choices(argument, typename string, option int, globalIDs []string) ([][]glpiproxy.Criterion, error) {
	if globalIDs == nil {
		return [][]glpiproxy.Criterion{nil}, nil
	}
	if len(globalIDs) == 0 || len(globalIDs) > mostChoices {
		return nil, badInput("%s: give between 1 and %d", argument, mostChoices)
	}
	var alternatives [][]glpiproxy.Criterion
	for _, globalID := range globalIDs {
		id, err := parseID(argument, typename, globalID)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, []glpiproxy.Criterion{{Field: option, Type: glpiproxy.Equals, Value: strconv.Itoa(id)}})
	}
	return alternatives, nil
}

// agentConditions are the parts of a filter that every device found must meet.
func agentConditions(filter *model.AgentFilter) []glpiproxy.Criterion {
	var must []glpiproxy.Criterion
	demand := func(option int, how glpiproxy.SearchType, value string) {
		must = append(must, glpiproxy.Criterion{Field: option, Type: how, Value: value})
	}
	if filter.Search != nil && *filter.Search != "" {
		demand(agentOptionName, glpiproxy.Contains, *filter.Search)
	}
	if filter.EnrollStatus != nil {
		demand(agentOptionEnrollStatus, glpiproxy.Exactly, model.EnrollStatusWord(*filter.EnrollStatus))
	}
	if filter.MdmType != nil {
		demand(agentOptionMDMType, glpiproxy.Exactly, model.MDMTypeWord(*filter.MdmType))
	}
	return must
}

// serialOf is the serial number of a device, which its computer knows.
func serialOf(ctx context.Context, a *model.Agent) (string, error) {
	computer, err := related(ctx, computers, a.ComputerID)
	if err != nil || computer == nil {
		return "", err
	}
	return computer.Computer.Serial, nil
}

// presenceOf weighs what the broker and GLPI say of a device. A device whose serial the viewer may not read
// is judged by GLPI's word alone.
func (r *Resolver) presenceOf(ctx context.Context, a *model.Agent) (*model.Presence, error) {
	glpi := presence.Record{Online: a.Online, LastContact: a.LastContact}
	serial, err := serialOf(ctx, a)
	if err != nil && !isUnreadable(err) {
		return nil, err
	}
	heard, _ := r.Bridge.Device(bridge.DeviceKey{EntityID: a.EntityID, Serial: serial})
	return presentPresence(presence.Weigh(heard.Presence, glpi, r.Now(), r.StaleAfter)), nil
}

func presentPresence(p presence.Presence) *model.Presence {
	shown := &model.Presence{State: model.PresenceState(p.State), Since: model.Moment(p.Since), LastContact: model.Moment(p.LastContact)}
	if p.Source != presence.None {
		source := model.PresenceSource(p.Source)
		shown.Source = &source
	}
	return shown
}

// recentReports is how many of a device's latest reports are read to find a position: the latest may say no more
// than that the GPS is off.
const recentReports = 10

// lastPositionOf is where a device was last: what it said over MQTT, or GLPI's latest record of a place.
func (r *Resolver) lastPositionOf(ctx context.Context, a *model.Agent) (*model.Position, error) {
	if a.ComputerID <= 0 {
		return nil, nil
	}
	s, err := readable[glpiproxy.Geolocation](ctx)
	if err != nil {
		return nil, err
	}
	latest, err := glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](ctx, s, a.ComputerID,
		glpiproxy.ListOptions{Sort: "date", Descending: true, Range: glpiproxy.Range{Count: recentReports}})
	if err != nil {
		return nil, err
	}
	var stored *model.Position
	for _, report := range latest.Items {
		if report.Available {
			stored = &model.Position{Latitude: report.Latitude, Longitude: report.Longitude, At: report.At}
			break
		}
	}
	serial, err := serialOf(ctx, a)
	if err != nil {
		return nil, err
	}
	heard, _ := r.Bridge.Device(bridge.DeviceKey{EntityID: a.EntityID, Serial: serial})
	if said := heard.Position; said != nil && said.Available && (stored == nil || said.At.After(stored.At)) {
		return presentPosition(said), nil
	}
	return stored, nil
}

func presentPosition(p *bridge.Position) *model.Position {
	if p == nil || !p.Available {
		return nil
	}
	return &model.Position{Latitude: p.Latitude, Longitude: p.Longitude, At: p.At}
}
