package graph

import (
	"context"
	"fmt"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// updateAgent renames a device, moves it to another fleet, or both.
func updateAgent(ctx context.Context, in model.UpdateAgentInput) (*model.UpdateAgentPayload, error) {
	s, err := allowed[glpiproxy.Agent](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		return nil, err
	}
	payload := &model.UpdateAgentPayload{UserErrors: []*model.UserError{}}
	refuse := func(wrong *model.UserError, err error) (*model.UpdateAgentPayload, error) {
		if wrong != nil {
			payload.UserErrors = append(payload.UserErrors, wrong)
		}
		return payload, err
	}
	id, wrong := inputID("Agent", in.ID, "input", "id")
	if wrong != nil {
		return refuse(wrong, nil)
	}
	if payload.Agent, err = agentNow(ctx, s, id); err != nil {
		return refuse(refusal(err, "input", "id"))
	}
	change, wrong, err := agentChange(ctx, s, in)
	if wrong != nil || err != nil || change == (glpiproxy.AgentChange{}) {
		return refuse(wrong, err)
	}
	if err := glpiproxy.UpdateItem(ctx, s, id, change); err != nil {
		return refuse(refusal(err, blamed(err, change)...))
	}
	payload.Agent, err = agentNow(ctx, s, id)
	return payload, err
}

func agentNow(ctx context.Context, s *glpiproxy.Session, id int) (*model.Agent, error) {
	agent, err := glpiproxy.Get[glpiproxy.Agent](ctx, s, id)
	if err != nil {
		return nil, hidden(err)
	}
	return &model.Agent{Agent: agent}, nil
}

// agentChange is what an input changes; nothing of it is empty.
func agentChange(ctx context.Context, s *glpiproxy.Session, in model.UpdateAgentInput) (change glpiproxy.AgentChange, wrong *model.UserError, err error) {
	if change.Name = in.Name; in.Name != nil {
		if wrong := checkName(*in.Name, "input", "name"); wrong != nil {
			return change, wrong, nil
		}
	}
	if in.FleetID == nil {
		return change, nil, nil
	}
	fleetID, wrong, err := targetFleet(ctx, s, *in.FleetID)
	change.FleetID = &fleetID
	return change, wrong, err
}

// targetFleet reads the fleet that devices are to be moved to; or the caller's mistake.
func targetFleet(ctx context.Context, s *glpiproxy.Session, globalID string) (int, *model.UserError, error) {
	id, wrong := inputID("Fleet", globalID, "input", "fleetId")
	if wrong != nil {
		return 0, wrong, nil
	}
	if _, err := readable[glpiproxy.Fleet](ctx); err != nil {
		return 0, nil, err
	}
	if _, err := glpiproxy.Get[glpiproxy.Fleet](ctx, s, id); err != nil {
		wrong, err := refusal(hidden(err), "input", "fleetId")
		return 0, wrong, err
	}
	return id, nil, nil
}

// blamed is the field at fault for a refused change. Names were checked before: what the client of GLPI calls invalid
// by itself is a fleet of another entity.
func blamed(err error, change glpiproxy.AgentChange) []string {
	switch {
	case glpiproxy.KindOf(err) == glpiproxy.NotFound:
		return []string{"input", "id"}
	case change.FleetID != nil && change.Name == nil, glpiproxy.KindOf(err) == glpiproxy.Invalid && change.FleetID != nil:
		return []string{"input", "fleetId"}
	}
	return []string{"input"}
}

// moveAgents moves devices to a fleet, each by itself.
func moveAgents(ctx context.Context, in model.MoveAgentsInput) (*model.MoveAgentsPayload, error) {
	s, err := allowed[glpiproxy.Agent](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		return nil, err
	}
	payload := &model.MoveAgentsPayload{Results: []*model.MoveAgentResult{}, UserErrors: []*model.UserError{}}
	if n := len(in.AgentIds); n == 0 || n > glpiproxy.MaxWrites {
		payload.UserErrors = append(payload.UserErrors, badAt(fmt.Sprintf("Give between 1 and %d.", glpiproxy.MaxWrites), "input", "agentIds"))
		return payload, nil
	}
	fleetID, wrong, err := targetFleet(ctx, s, in.FleetID)
	if wrong != nil || err != nil {
		if wrong != nil {
			payload.UserErrors = append(payload.UserErrors, wrong)
		}
		return payload, err
	}
	m := newMove(in.AgentIds)
	if err := m.run(ctx, s, fleetID); err != nil {
		return nil, err
	}
	payload.Results = m.results
	return payload, nil
}

// move is a move of devices under way.
type move struct {
	results []*model.MoveAgentResult
	ids     []int // in GLPI, of those that can be asked for
	places  []int // of these among the results
}

func newMove(globalIDs []string) *move {
	m, seen := &move{}, map[int]bool{}
	for place, globalID := range globalIDs {
		m.results = append(m.results, &model.MoveAgentResult{ID: globalID, UserErrors: []*model.UserError{}})
		id, wrong := inputID("Agent", globalID, "input", "agentIds", strconv.Itoa(place))
		if wrong == nil && seen[id] {
			wrong = badAt("It is there twice.", "input", "agentIds", strconv.Itoa(place))
		}
		if wrong != nil {
			m.results[place].UserErrors = append(m.results[place].UserErrors, wrong)
			continue
		}
		seen[id] = true
		m.ids, m.places = append(m.ids, id), append(m.places, place)
	}
	return m
}

// run moves the devices in as few calls as can be, and reads what became of them.
func (m *move) run(ctx context.Context, s *glpiproxy.Session, fleetID int) error {
	if len(m.ids) == 0 {
		return nil
	}
	edits := make([]glpiproxy.Edit[glpiproxy.AgentChange], len(m.ids))
	for i, id := range m.ids {
		edits[i] = glpiproxy.Edit[glpiproxy.AgentChange]{ID: id, Change: glpiproxy.AgentChange{FleetID: &fleetID}}
	}
	outcomes, err := glpiproxy.UpdateMany(ctx, s, edits)
	if err != nil {
		return err
	}
	now, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, s, m.ids)
	if err != nil {
		return err
	}
	l, err := load(ctx)
	if err != nil {
		return err
	}
	for i, place := range m.places {
		result := m.results[place]
		if outcomes[i].Err != nil {
			result.UserErrors = append(result.UserErrors, itemRefusal(outcomes[i].Err, "input", "agentIds", strconv.Itoa(place)))
		}
		if now[i].Err == nil {
			result.Agent = presentAgent(l, now[i].Item)
		}
	}
	return nil
}
