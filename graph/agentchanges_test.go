package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const (
	updateAgent = `mutation ($in: UpdateAgentInput!) { updateAgent(input: $in) {
	  agent { id name fleet { id name isDefault } } userErrors { code message field } } }`
	moveAgents = `mutation ($in: MoveAgentsInput!) { moveAgents(input: $in) {
	  results { id agent { id name fleet { id } } userErrors { code message field } } userErrors { code message field } } }`
)

// sibling is a device of a token's with another fleet of the same entity, and a fleet of another entity that the same
// token sees.
type sibling struct{ agent, fleet, otherFleet, defaultFleet, elsewhere string }

func (w *world) siblingOf(token string) (s sibling) {
	w.t.Helper()
	a := w.must(token, `{ agents(first: 500) { nodes { id entity { id } fleet { id } } } fleets(first: 500) { nodes { id isDefault entity { id } } } }`, nil)
	for _, node := range a.at("agents", "nodes").([]any) {
		agent := answer{Data: node.(map[string]any)}
		s = sibling{agent: agent.at("id").(string), fleet: agent.at("fleet", "id").(string)}
		for _, node := range a.at("fleets", "nodes").([]any) {
			fleet := answer{Data: node.(map[string]any)}
			id := fleet.at("id").(string)
			switch {
			case fleet.at("entity", "id") != agent.at("entity", "id"):
				s.elsewhere = id
			case fleet.at("isDefault") == true:
				s.defaultFleet = id
			case id != s.fleet:
				s.otherFleet = id
			}
		}
		if s.otherFleet != "" && s.defaultFleet != "" && s.fleet != s.defaultFleet {
			return s
		}
	}
	w.t.Fatal("no device has another fleet to go to")
	return s
}

func TestUpdateAgent(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		s := w.siblingOf(token)
		for title, c := range map[string]map[string]any{
			"the name":          {"name": "O'Brien & <sons>"},
			"the fleet":         {"fleetId": s.otherFleet},
			"both":              {"name": "both", "fleetId": s.fleet},
			"the default fleet": {"fleetId": s.defaultFleet},
			"nothing":           {},
		} {
			input := map[string]any{"id": s.agent}
			for field, value := range c {
				input[field] = value
			}
			a := w.must(token, updateAgent, map[string]any{"in": input})
			read := w.must(w.signIn(admin), `query ($id: ID!) { agent(id: $id) { name fleet { id } } }`, map[string]any{"id": s.agent})
			if name, given := c["name"]; given && (a.at("updateAgent", "agent", "name") != name || read.at("agent", "name") != name) {
				t.Errorf("%s: %s: %s, read again %s", admin, title, a.text, read.text)
			}
			if fleet, given := c["fleetId"]; given && (a.at("updateAgent", "agent", "fleet", "id") != fleet || read.at("agent", "fleet", "id") != fleet) {
				t.Errorf("%s: %s: %s, read again %s", admin, title, a.text, read.text)
			}
			if a.at("updateAgent", "agent", "id") != s.agent || len(a.at("updateAgent", "userErrors").([]any)) > 0 {
				t.Errorf("%s: %s: %s", admin, title, a.text)
			}
		}
	}
}

func TestUpdateAgentNamesTheMistake(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	s, theirs := w.siblingOf(token), w.siblingOf(w.signIn("admin@globex.test"))
	for title, c := range map[string]struct {
		input       map[string]any
		code, field string
	}{
		"another company's device": {map[string]any{"id": theirs.agent, "name": "mine"}, "NOT_FOUND", "id"},
		"a device that is not":     {map[string]any{"id": model.GlobalID("Agent", 987654), "name": "mine"}, "NOT_FOUND", "id"},
		"a fleet's id":             {map[string]any{"id": s.fleet, "name": "mine"}, "BAD_USER_INPUT", "id"},
		"another company's fleet":  {map[string]any{"id": s.agent, "fleetId": theirs.fleet}, "NOT_FOUND", "fleetId"},
		"a fleet that is not":      {map[string]any{"id": s.agent, "fleetId": model.GlobalID("Fleet", 987654)}, "NOT_FOUND", "fleetId"},
		"another entity's fleet":   {map[string]any{"id": s.agent, "fleetId": s.elsewhere}, "BAD_USER_INPUT", "fleetId"},
		"with a name":              {map[string]any{"id": s.agent, "name": "x", "fleetId": s.elsewhere}, "BAD_USER_INPUT", "fleetId"},
		"no name":                  {map[string]any{"id": s.agent, "name": " "}, "BAD_USER_INPUT", "name"},
		"a long name":              {map[string]any{"id": s.agent, "name": strings.Repeat("x", 256)}, "BAD_USER_INPUT", "name"},
		"a name of two lines":      {map[string]any{"id": s.agent, "name": "a\nb"}, "BAD_USER_INPUT", "name"},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.must(token, updateAgent, map[string]any{"in": c.input}) })
		if a.at("updateAgent", "userErrors", 0, "code") != c.code || fmt.Sprint(a.at("updateAgent", "userErrors", 0, "field")) != "[input "+c.field+"]" {
			t.Errorf("%s: %s", title, a.text)
		}
		for _, call := range calls {
			if strings.HasPrefix(call, "PUT") {
				t.Errorf("%s: sent %s", title, call)
			}
		}
	}
	if now := w.siblingOf(w.signIn("admin@globex.test")); now != theirs {
		t.Errorf("the other company's device was %v, is %v", theirs, now)
	}
}

// Each device is moved or refused by itself, in the order of the ids, and the answer shows where each is now.
func TestMoveAgentsTellsOfEachDevice(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	s, theirs := w.siblingOf(token), w.siblingOf(w.signIn("admin@globex.test"))
	var inEntity, elsewhere []string
	a := w.must(token, `query ($id: ID!) { fleet(id: $id) { entity { id } } agents(first: 500) { nodes { id entity { id } } } }`, map[string]any{"id": s.otherFleet})
	for _, node := range a.at("agents", "nodes").([]any) {
		agent := answer{Data: node.(map[string]any)}
		if id := agent.at("id").(string); agent.at("entity", "id") == a.at("fleet", "entity", "id") {
			inEntity = append(inEntity, id)
		} else {
			elsewhere = append(elsewhere, id)
		}
	}
	ids := []string{inEntity[0], theirs.agent, inEntity[1], elsewhere[0], "nonsense", inEntity[0], model.GlobalID("Agent", 987654), inEntity[2]}
	want := []string{"", "NOT_FOUND", "", "BAD_USER_INPUT", "BAD_USER_INPUT", "BAD_USER_INPUT", "NOT_FOUND", ""}
	moved := w.must(token, moveAgents, map[string]any{"in": map[string]any{"agentIds": ids, "fleetId": s.otherFleet}})
	for i, code := range want {
		result := answer{Data: moved.at("moveAgents", "results", i).(map[string]any)}
		got, _ := result.at("userErrors", 0, "code").(string)
		if result.at("id") != ids[i] || got != code {
			t.Errorf("device %d: %v, want %q", i, result.Data, code)
		}
		if code == "" && result.at("agent", "fleet", "id") != s.otherFleet {
			t.Errorf("device %d is in %v", i, result.at("agent"))
		}
		if code != "" && fmt.Sprint(result.at("userErrors", 0, "field")) != fmt.Sprintf("[input agentIds %d]", i) {
			t.Errorf("device %d: field %v", i, result.at("userErrors", 0, "field"))
		}
		if code == "NOT_FOUND" && result.at("agent") != nil {
			t.Errorf("device %d is shown: %v", i, result.at("agent"))
		}
	}
	foreign, missing := moved.at("moveAgents", "results", 1, "userErrors", 0, "message"), moved.at("moveAgents", "results", 6, "userErrors", 0, "message")
	if foreign != missing {
		t.Errorf("another company's device: %v, one that is not: %v", foreign, missing)
	}
	count := w.must(token, `query ($f: AgentFilter) { agents(filter: $f) { totalCount nodes { id } } }`, map[string]any{"f": map[string]any{"fleetIds": []any{s.otherFleet}}})
	for _, i := range []int{0, 2, 7} {
		if !strings.Contains(count.text, ids[i]) {
			t.Errorf("the list of the fleet lacks device %d: %s", i, count.text)
		}
	}
}

func TestMoveAgentsRefusesTheWhole(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	s, theirs := w.siblingOf(token), w.siblingOf(w.signIn("admin@globex.test"))
	many := make([]string, 501)
	for i := range many {
		many[i] = model.GlobalID("Agent", i+1)
	}
	for title, c := range map[string]struct {
		input       map[string]any
		code, field string
	}{
		"another company's fleet": {map[string]any{"agentIds": []string{s.agent}, "fleetId": theirs.fleet}, "NOT_FOUND", "fleetId"},
		"a fleet that is not":     {map[string]any{"agentIds": []string{s.agent}, "fleetId": model.GlobalID("Fleet", 987654)}, "NOT_FOUND", "fleetId"},
		"not a fleet":             {map[string]any{"agentIds": []string{s.agent}, "fleetId": s.agent}, "BAD_USER_INPUT", "fleetId"},
		"no device":               {map[string]any{"agentIds": []string{}, "fleetId": s.fleet}, "BAD_USER_INPUT", "agentIds"},
		"too many devices":        {map[string]any{"agentIds": many, "fleetId": s.fleet}, "BAD_USER_INPUT", "agentIds"},
	} {
		a := w.must(token, moveAgents, map[string]any{"in": c.input})
		if a.at("moveAgents", "userErrors", 0, "code") != c.code || fmt.Sprint(a.at("moveAgents", "userErrors", 0, "field")) != "[input "+c.field+"]" ||
			len(a.at("moveAgents", "results").([]any)) > 0 {
			t.Errorf("%s: %s", title, a.text)
		}
	}
}

// Thirty devices were thirty requests in a row; the old dashboard's one batch did not look whether it worked.
func TestMovingManyDevicesIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@globex.test")
	s := w.siblingOf(token)
	var ids []any
	for _, node := range w.must(token, `{ agents(first: 500) { nodes { id } } }`, nil).at("agents", "nodes").([]any) {
		ids = append(ids, node.(map[string]any)["id"])
	}
	calls := w.callsOf(func() {
		a := w.must(token, moveAgents, map[string]any{"in": map[string]any{"agentIds": ids, "fleetId": s.otherFleet}})
		for i := range ids {
			if a.at("moveAgents", "results", i, "agent", "fleet", "id") != s.otherFleet {
				t.Errorf("device %d: %v", i, a.at("moveAgents", "results", i))
			}
		}
	})
	writes := 0
	for _, call := range calls {
		if strings.HasPrefix(call, "PUT") {
			writes++
		}
	}
	if writes != 1 || len(calls) > 8 {
		t.Errorf("%d calls to GLPI for %d devices, %d of them writes: %q", len(calls), len(ids), writes, calls)
	}
}

func TestWhoMayNotChangeDevicesIsTold(t *testing.T) {
	w := newWorld(t)
	s := w.siblingOf(w.signIn("admin@acme.test"))
	w.glpi.Grant("Fleet viewer", map[string]glpi.Rights{"flyvemdm:agent": glpi.Rights(glpiproxy.Read)})
	for _, username := range []string{"viewer@acme.test", "sally@acme.test"} {
		token := w.signIn(username)
		calls := w.callsOf(func() {
			for query, input := range map[string]map[string]any{
				updateAgent: {"id": s.agent, "name": "mine"},
				moveAgents:  {"agentIds": []string{s.agent}, "fleetId": s.otherFleet},
			} {
				if a := w.ask(token, query, map[string]any{"in": input}); a.code() != "FORBIDDEN" {
					t.Errorf("%s: %s", username, a.text)
				}
			}
		})
		for _, call := range calls {
			if strings.HasPrefix(call, "PUT") {
				t.Errorf("%s: sent %s", username, call)
			}
		}
	}
	for _, query := range []string{updateAgent, moveAgents} {
		input := map[string]any{"id": s.agent, "name": "mine"}
		if query == moveAgents {
			input = map[string]any{"agentIds": []string{s.agent}, "fleetId": s.otherFleet}
		}
		if a := w.ask("", query, map[string]any{"in": input}); a.code() != "UNAUTHENTICATED" {
			t.Errorf("nobody: %s", a.text)
		}
	}
}
