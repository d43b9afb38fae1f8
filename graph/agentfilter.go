package graph

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// agentDemands are what a filter demands of a device: all that is given must hold. GLPI's list can filter by one
// value of a column and no more, so the rest is chosen here, from the list of all devices and from what searches say
// of their computers.
type agentDemands struct {
	text                     string
	fleets, entities, owners []int
	enrollStatus, mdmType    string // GLPI's words
	systems                  []string
	states                   []bridge.PresenceState
	heardBefore, heardAfter  time.Time
}

// demandsOf reads a filter. A fleetID that is not 0 is one more demand.
func demandsOf(filter *model.AgentFilter, fleetID int) (d agentDemands, err error) {
	if fleetID != 0 {
		d.fleets = []int{fleetID}
		if filter != nil && filter.FleetIds != nil {
			return d, badInput("filter.fleetIds: the devices of one fleet are listed already")
		}
	}
	if filter == nil {
		return d, nil
	}
	for _, ids := range []struct {
		argument, typename string
		given              []string
		into               *[]int
	}{
		{"filter.fleetIds", "Fleet", filter.FleetIds, &d.fleets},
		{"filter.entityIds", "Entity", filter.EntityIds, &d.entities},
		{"filter.ownerIds", "User", filter.OwnerIds, &d.owners},
	} {
		if ids.given == nil {
			continue
		}
		if *ids.into, err = chosenIDs(ids.argument, ids.typename, ids.given); err != nil {
			return d, err
		}
	}
	if err := checkChoices("filter.os", filter.Os); err != nil {
		return d, err
	}
	if err := checkChoices("filter.presence", filter.Presence); err != nil {
		return d, err
	}
	d.systems = filter.Os
	for _, state := range filter.Presence {
		d.states = append(d.states, bridge.PresenceState(state))
	}
	if filter.Search != nil {
		d.text = strings.TrimSpace(*filter.Search)
	}
	if filter.EnrollStatus != nil {
		d.enrollStatus = model.EnrollStatusWord(*filter.EnrollStatus)
	}
	if filter.MdmType != nil {
		d.mdmType = model.MDMTypeWord(*filter.MdmType)
	}
	if filter.LastContactBefore != nil {
		d.heardBefore = *filter.LastContactBefore
	}
	if filter.LastContactAfter != nil {
		d.heardAfter = *filter.LastContactAfter
	}
	return d, nil
}

// columns are the demands that GLPI's list meets by itself.
func (d agentDemands) columns() map[string]string {
	columns := map[string]string{}
	if len(d.fleets) == 1 {
		columns["plugin_flyvemdm_fleets_id"] = strconv.Itoa(d.fleets[0])
	}
	if len(d.entities) == 1 {
		columns["entities_id"] = strconv.Itoa(d.entities[0])
	}
	if d.enrollStatus != "" {
		columns["enroll_status"] = d.enrollStatus
	}
	if d.mdmType != "" {
		columns["mdm_type"] = d.mdmType
	}
	return columns
}

// beyondColumns tells of demands that GLPI's list can't meet.
func (d agentDemands) beyondColumns() bool {
	return len(d.fleets) > 1 || len(d.entities) > 1 || d.text != "" || d.owners != nil || d.systems != nil || d.ofPresence()
}

// ofPresence tells of demands that need every device's presence weighed.
func (d agentDemands) ofPresence() bool {
	return d.states != nil || !d.heardBefore.IsZero() || !d.heardAfter.IsZero()
}

// choose reads the devices that meet the demands, in the order asked: one round of calls, side by side.
func (r *Resolver) choose(ctx context.Context, s *glpiproxy.Session, d agentDemands, order model.AgentOrder) ([]glpiproxy.Agent, error) {
	var agents []glpiproxy.Agent
	var named, owned map[int]bool // computers
	var known computerFacts
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { agents, err = allAgents(within, s, d.columns()); return err })
	group.Go(func() (err error) { named, err = computersNamed(within, s, d.text); return err })
	group.Go(func() (err error) { owned, err = computersOwned(within, d.owners); return err })
	if d.systems != nil || d.ofPresence() {
		group.Go(func() (err error) { known, err = allComputers(within, s, d.systems != nil); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	agents = slices.DeleteFunc(agents, func(a glpiproxy.Agent) bool {
		return !d.meetsRecord(a) || !d.meetsText(a, named) || d.owners != nil && !owned[a.ComputerID] ||
			d.systems != nil && !d.meetsSystem(known[a.ComputerID]) || d.ofPresence() && !d.meetsPresence(r.weigh(ctx, a, known[a.ComputerID].serial))
	})
	slices.SortFunc(agents, agentOrders[order.Field].ordered(order.Direction))
	return agents, nil
}

func (d agentDemands) meetsRecord(a glpiproxy.Agent) bool {
	return (d.fleets == nil || slices.Contains(d.fleets, a.FleetID)) && (d.entities == nil || slices.Contains(d.entities, a.EntityID))
}

func (d agentDemands) meetsText(a glpiproxy.Agent, named map[int]bool) bool {
	return strings.Contains(strings.ToLower(a.Name), strings.ToLower(d.text)) || named[a.ComputerID]
}

func (d agentDemands) meetsSystem(c computerFact) bool {
	return slices.ContainsFunc(d.systems, func(name string) bool { return strings.EqualFold(name, c.system.Name) })
}

func (d agentDemands) meetsPresence(p bridge.Presence) bool {
	heard := p.LastContact
	return (d.states == nil || slices.Contains(d.states, p.State)) &&
		(d.heardBefore.IsZero() || !heard.IsZero() && heard.Before(d.heardBefore)) &&
		(d.heardAfter.IsZero() || heard.After(d.heardAfter))
}

// computersNamed are the computers whose serial or owner's name holds a text; none where the viewer may not read
// computers, whose devices are then found by their own name alone.
func computersNamed(ctx context.Context, s *glpiproxy.Session, text string) (map[int]bool, error) {
	if text == "" {
		return nil, nil
	}
	if may, err := can[glpiproxy.Computer](ctx, s); err != nil || !may {
		return nil, err
	}
	criteria := []glpiproxy.Criterion{{Field: computerOptionSerial, Type: glpiproxy.Contains, Value: text}}
	for i, word := range firstWords(text) {
		link := glpiproxy.And // binds tighter than OR
		if i == 0 {
			link = glpiproxy.Or
		}
		criteria = append(criteria, glpiproxy.Criterion{Link: link, Field: computerOptionUser, Type: glpiproxy.Contains, Value: word})
	}
	return computersFound(ctx, s, criteria...)
}

// firstWords are the words of a text, up to as many as names have: GLPI joins first and last name in an order of the
// server's choice, so that a whole name is found by its words.
func firstWords(text string) []string {
	words := strings.Fields(text)
	return words[:min(len(words), 8)]
}

// computersOwned are the computers of some people.
func computersOwned(ctx context.Context, owners []int) (map[int]bool, error) {
	if owners == nil {
		return nil, nil
	}
	s, err := readable[glpiproxy.Computer](ctx)
	if err != nil {
		return nil, err
	}
	var criteria []glpiproxy.Criterion
	for _, id := range owners {
		criteria = append(criteria, glpiproxy.Criterion{Link: glpiproxy.Or, Field: computerOptionUser, Type: glpiproxy.Equals, Value: strconv.Itoa(id)})
	}
	criteria[0].Link = glpiproxy.And
	return computersFound(ctx, s, criteria...)
}

func computersFound(ctx context.Context, s *glpiproxy.Session, criteria ...glpiproxy.Criterion) (map[int]bool, error) {
	rows, err := allRows[glpiproxy.Computer](ctx, s, glpiproxy.Query{Criteria: criteria})
	found := make(map[int]bool, len(rows))
	for _, row := range rows {
		found[row.ID()] = true
	}
	return found, err
}
