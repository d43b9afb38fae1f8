package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const someFleets = `query ($f: FleetFilter, $o: FleetOrder, $after: String) { fleets(first: 500, filter: $f, orderBy: $o, after: $after) {
  totalCount nodes { id databaseId name isDefault entity { id name } } } }`

// fleetsOf are the fleets that a filter finds, with a check of their count.
func (w *world) fleetsOf(token string, filter, order any) []answer {
	w.t.Helper()
	a := w.must(token, someFleets, map[string]any{"f": filter, "o": order})
	var fleets []answer
	for _, node := range a.at("fleets", "nodes").([]any) {
		fleets = append(fleets, answer{Data: node.(map[string]any)})
	}
	if total := a.at("fleets", "totalCount"); total != float64(len(fleets)) {
		w.t.Errorf("%v: %v in all, %d listed", filter, total, len(fleets))
	}
	return fleets
}

func TestFleetsAreFound(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		all := w.fleetsOf(token, nil, nil)
		sample := all[len(all)-1]
		name, entity := sample.at("name").(string), sample.at("entity", "id")
		named := func(f answer) bool {
			return strings.Contains(strings.ToLower(f.at("name").(string)), strings.ToLower(name))
		}
		for title, c := range map[string]struct {
			filter map[string]any
			holds  func(answer) bool
		}{
			"everything":     {map[string]any{}, func(answer) bool { return true }},
			"a name":         {map[string]any{"search": strings.ToUpper(name)}, named},
			"default ones":   {map[string]any{"isDefault": true}, func(f answer) bool { return f.at("isDefault") == true }},
			"other ones":     {map[string]any{"isDefault": false}, func(f answer) bool { return f.at("isDefault") == false }},
			"of an entity":   {map[string]any{"entityIds": []any{entity}}, func(f answer) bool { return f.at("entity", "id") == entity }},
			"all at once":    {map[string]any{"search": name, "isDefault": false, "entityIds": []any{entity}}, func(f answer) bool { return named(f) && f.at("isDefault") == false && f.at("entity", "id") == entity }},
			"an apostrophe":  {map[string]any{"search": "o'brien"}, func(answer) bool { return false }},
			"an empty text":  {map[string]any{"search": ""}, func(answer) bool { return true }},
			"nothing at all": {map[string]any{"search": "no such fleet"}, func(answer) bool { return false }},
		} {
			t.Run(admin+": "+title, func(t *testing.T) {
				want := slices.DeleteFunc(slices.Clone(all), func(f answer) bool { return !c.holds(f) })
				if got := w.fleetsOf(token, c.filter, nil); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}

func TestFleetsAreSorted(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	all := w.fleetsOf(token, nil, nil)
	for field, less := range map[string]func(a, b answer) int{
		"DATABASE_ID": func(a, b answer) int { return int(a.at("databaseId").(float64) - b.at("databaseId").(float64)) },
		"NAME": func(a, b answer) int {
			return strings.Compare(strings.ToLower(a.at("name").(string)), strings.ToLower(b.at("name").(string)))
		},
	} {
		up, down := w.fleetsOf(token, nil, map[string]any{"field": field}), w.fleetsOf(token, nil, map[string]any{"field": field, "direction": "DESC"})
		slices.Reverse(down)
		if len(up) != len(all) || len(down) != len(all) || !slices.IsSortedFunc(up, less) || !slices.IsSortedFunc(down, less) {
			t.Errorf("%s: %v and backwards %v", field, up, down)
		}
	}
}

// A fleet of the entity above that can be used here is listed: devices may be moved there.
func TestFleetsOfEntitiesAboveAreListed(t *testing.T) {
	w := newWorld(t)
	for name, recursive := range map[string]int{"for everybody": 1, "for the root": 0} {
		w.operator().call(http.MethodPost, "/PluginFlyvemdmFleet", map[string]any{"name": name, "entities_id": 0, "is_recursive": recursive}, nil)
	}
	token := w.signIn("admin@acme.test")
	a := w.must(token, `{ fleets(first: 500) { totalCount nodes { name } } overview { fleetCount } }`, nil)
	var names []any
	for _, node := range a.at("fleets", "nodes").([]any) {
		names = append(names, node.(map[string]any)["name"])
	}
	if !slices.Contains(names, any("for everybody")) || slices.Contains(names, any("for the root")) {
		t.Errorf("got %v", names)
	}
	if total := a.at("fleets", "totalCount"); total != float64(len(names)) || total != a.at("overview", "fleetCount") {
		t.Errorf("%v in all, %v counted, %d listed", total, a.at("overview", "fleetCount"), len(names))
	}
	a = w.ask(token, `{ fleets(filter: {search: "for everybody"}) { nodes { name entity { id } } } }`, nil)
	if a.at("fleets", "nodes", 0, "name") == nil || a.at("fleets", "nodes", 0, "entity") != nil || a.code() != "FORBIDDEN" {
		t.Errorf("the entity above is not the viewer's to read: %s", a.text)
	}
}

func TestWhichFleetsCanNotBeAskedFor(t *testing.T) {
	w := newWorld(t)
	acme := w.signIn("admin@acme.test")
	foreign := w.fleetsOf(w.signIn("admin@globex.test"), nil, nil)[0].at("entity", "id")
	if got := w.fleetsOf(acme, map[string]any{"entityIds": []any{foreign}}, nil); len(got) > 0 {
		t.Errorf("another company's fleets: %v", got)
	}
	fleet := w.fleetsOf(acme, nil, nil)[0].at("id").(string)
	for query, code := range map[string]string{
		`{ fleets(filter: {entityIds: []}) { totalCount } }`:                                              "BAD_USER_INPUT",
		`{ fleets(filter: {entityIds: ["` + fleet + `"]}) { totalCount } }`:                               "BAD_USER_INPUT",
		`{ fleet(id: "` + fleet + `") { agents(filter: {fleetIds: ["` + fleet + `"]}) { totalCount } } }`: "BAD_USER_INPUT",
	} {
		if a := w.ask(acme, query, nil); a.code() != code {
			t.Errorf("%s: got %s, want %s", query, a.text, code)
		}
	}
	if a := w.ask(w.signIn("sally@acme.test"), `{ fleets { totalCount } }`, nil); a.code() != "FORBIDDEN" {
		t.Errorf("got %s", a.text)
	}
}

// The devices of a fleet can be chosen from as all devices can.
func TestTheDevicesOfAFleetAreFound(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `query ($id: ID!, $f: AgentFilter) { fleet(id: $id) { agents(first: 500, filter: $f) { totalCount nodes { id name } } } }`
	for _, fleet := range w.fleetsOf(token, map[string]any{"isDefault": false}, nil) {
		all := w.must(token, query, map[string]any{"id": fleet.at("id")})
		for i := range all.at("fleet", "agents", "nodes").([]any) {
			want := all.at("fleet", "agents", "nodes", i).(map[string]any)
			found := w.must(token, query, map[string]any{"id": fleet.at("id"), "f": map[string]any{"search": want["name"]}})
			if fmt.Sprint(found.at("fleet", "agents", "nodes")) != fmt.Sprint([]any{want}) {
				t.Errorf("%v: got %s", want, found.text)
			}
			return
		}
	}
	t.Error("no fleet has devices")
}
