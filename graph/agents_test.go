package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
)

const filteredFields = `id databaseId name serial version mdmType enrollStatus fleet { id } entity { id } owner { id displayName username }
  presence { state lastContact } computer { id os { name version } }`

// someOnline has some of the devices of a token say on the broker that they are online, and waits until the gateway
// has heard them all.
func (w *world) someOnline(token string) {
	w.t.Helper()
	visible, said := w.devicesOf(token), 0
	for i, d := range w.demo.Devices {
		if visible[d.Serial] && i%3 == 0 {
			w.publish(d.Topic+"/Status/Online", fmt.Sprintf(`{"online":%t}`, i%2 == 0))
			said++
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		heard := 0
		for _, node := range w.must(token, `{ agents(first: 500) { nodes { presence { source } } } }`, nil).at("agents", "nodes").([]any) {
			if (answer{Data: node.(map[string]any)}).at("presence", "source") == "MQTT" {
				heard++
			}
		}
		if heard >= said && said > 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the gateway heard %d of %d devices", heard, said)
		}
	}
}

// What a filter finds is compared with what a look at every device finds.
func TestEveryFilterFindsWhatItSays(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test", "viewer@acme.test"} {
		token := w.signIn(admin)
		w.someOnline(token)
		var all []answer
		for _, node := range w.must(token, `{ agents(first: 500) { nodes { `+filteredFields+` } } }`, nil).at("agents", "nodes").([]any) {
			all = append(all, answer{Data: node.(map[string]any)})
		}
		sample := all[len(all)/2]
		text := func(a answer, path ...any) string { s, _ := a.at(path...).(string); return s }
		holds := func(a answer, part string) bool {
			for _, path := range [][]any{{"name"}, {"serial"}, {"owner", "displayName"}, {"owner", "username"}} {
				if strings.Contains(strings.ToLower(text(a, path...)), strings.ToLower(part)) {
					return true
				}
			}
			return false
		}
		fleet, entity, owner := text(sample, "fleet", "id"), text(sample, "entity", "id"), text(sample, "owner", "id")
		other := fleet
		for _, a := range all {
			if id := text(a, "fleet", "id"); id != fleet {
				other = id
			}
		}
		lastName := text(sample, "owner", "displayName")
		lastName = lastName[strings.LastIndex(lastName, " ")+1:]
		contact := text(sample, "presence", "lastContact")
		inFleets := func(a answer) bool { return text(a, "fleet", "id") == fleet || text(a, "fleet", "id") == other }
		state := func(a answer) string { return text(a, "presence", "state") }
		for title, c := range map[string]struct {
			filter map[string]any
			holds  func(answer) bool
		}{
			"one fleet":             {map[string]any{"fleetIds": []any{fleet}}, func(a answer) bool { return a.at("fleet", "id") == fleet }},
			"two fleets":            {map[string]any{"fleetIds": []any{fleet, other}}, inFleets},
			"one entity":            {map[string]any{"entityIds": []any{entity}}, func(a answer) bool { return a.at("entity", "id") == entity }},
			"fleets in an entity":   {map[string]any{"fleetIds": []any{fleet, other}, "entityIds": []any{entity}}, func(a answer) bool { return inFleets(a) && a.at("entity", "id") == entity }},
			"the name":              {map[string]any{"search": text(sample, "name")}, func(a answer) bool { return holds(a, text(sample, "name")) }},
			"a part of the serial":  {map[string]any{"search": text(sample, "serial")[2:]}, func(a answer) bool { return holds(a, text(sample, "serial")[2:]) }},
			"the owner's last name": {map[string]any{"search": strings.ToUpper(lastName)}, func(a answer) bool { return holds(a, lastName) }},
			"the owner's full name": {map[string]any{"search": text(sample, "owner", "displayName")}, func(a answer) bool { return holds(a, text(sample, "owner", "displayName")) }},
			"an apostrophe":         {map[string]any{"search": "o'b"}, func(a answer) bool { return holds(a, "o'b") }},
			"enrolled":              {map[string]any{"enrollStatus": "ENROLLED"}, func(a answer) bool { return a.at("enrollStatus") == "ENROLLED" }},
			"Android":               {map[string]any{"mdmType": "ANDROID"}, func(a answer) bool { return a.at("mdmType") == "ANDROID" }},
			"the system": {map[string]any{"os": []any{strings.ToLower(text(sample, "computer", "os", "name"))}}, func(a answer) bool {
				return text(a, "computer", "os", "name") == text(sample, "computer", "os", "name")
			}},
			"a system of no device": {map[string]any{"os": "BeOS"}, func(answer) bool { return false }},
			"the owner":             {map[string]any{"ownerIds": []any{owner}}, func(a answer) bool { return a.at("owner", "id") == owner }},
			"online":                {map[string]any{"presence": "ONLINE"}, func(a answer) bool { return state(a) == "ONLINE" }},
			"offline or unknown":    {map[string]any{"presence": []any{"OFFLINE", "UNKNOWN"}}, func(a answer) bool { return state(a) == "OFFLINE" || state(a) == "UNKNOWN" }},
			"heard before":          {map[string]any{"lastContactBefore": contact}, func(a answer) bool { c := text(a, "presence", "lastContact"); return c != "" && c < contact }},
			"heard after":           {map[string]any{"lastContactAfter": contact}, func(a answer) bool { return text(a, "presence", "lastContact") > contact }},
			"all at once": {
				map[string]any{"fleetIds": []any{fleet, other}, "presence": []any{"ONLINE", "OFFLINE"}, "mdmType": "ANDROID", "search": "a"},
				func(a answer) bool {
					return inFleets(a) && (state(a) == "ONLINE" || state(a) == "OFFLINE") && a.at("mdmType") == "ANDROID" && holds(a, "a")
				},
			},
			"nothing at all": {map[string]any{"search": "no such device"}, func(answer) bool { return false }},
			"no filter":      {map[string]any{}, func(answer) bool { return true }},
		} {
			t.Run(admin+": "+title, func(t *testing.T) {
				got := w.must(token, `query ($f: AgentFilter) { agents(first: 500, filter: $f) { totalCount nodes { `+filteredFields+` } } }`, map[string]any{"f": c.filter})
				var want, found []string
				for _, a := range all {
					if c.holds(a) {
						want = append(want, text(a, "id"))
					}
				}
				for _, node := range got.at("agents", "nodes").([]any) {
					found = append(found, node.(map[string]any)["id"].(string))
				}
				if got.at("agents", "totalCount") != float64(len(want)) || !slices.Equal(found, want) {
					t.Errorf("%v found: %q, want %d: %q", got.at("agents", "totalCount"), found, len(want), want)
				}
			})
		}
	}
}

// A page of a filtered list goes on where it ended, and its cursors are those of the list that was filtered.
func TestAFilteredListIsPagedLikeAnyOther(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `query ($first: Int, $after: String, $order: AgentOrder) {
	  agents(first: $first, after: $after, filter: {search: "a", presence: [UNKNOWN, ONLINE, OFFLINE, STALE]}, orderBy: $order) {
	    totalCount nodes { name } pageInfo { hasNextPage endCursor } } }`
	for _, order := range []map[string]any{{"field": "NAME"}, {"field": "NAME", "direction": "DESC"}, {"field": "VERSION"}, {"field": "LAST_CONTACT"}, {"field": "DATABASE_ID", "direction": "DESC"}} {
		names := func(a answer) (all []string) {
			for _, node := range a.at("agents", "nodes").([]any) {
				all = append(all, node.(map[string]any)["name"].(string))
			}
			return all
		}
		whole := w.must(token, query, map[string]any{"first": 500, "order": order})
		var pages []string
		page := w.must(token, query, map[string]any{"first": 7, "order": order})
		for pages = names(page); page.at("agents", "pageInfo", "hasNextPage") == true; pages = append(pages, names(page)...) {
			page = w.must(token, query, map[string]any{"first": 7, "order": order, "after": page.at("agents", "pageInfo", "endCursor")})
		}
		if !slices.Equal(pages, names(whole)) || float64(len(pages)) != whole.at("agents", "totalCount") || len(pages) < 8 {
			t.Errorf("%v: pages of %q, the whole is %q", order, pages, names(whole))
		}
	}
}

func TestAgentsAreSorted(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	for _, filter := range []string{`{}`, `{presence: [UNKNOWN, ONLINE, OFFLINE, STALE]}`} { // by GLPI, and by the gateway
		for field, key := range map[string]string{"NAME": "name", "VERSION": "version", "LAST_CONTACT": "lastContact"} {
			keys := func(direction string) (all []string) {
				a := w.must(token, fmt.Sprintf(`{ agents(first: 500, filter: %s, orderBy: {field: %s, direction: %s}) { nodes { name version presence { lastContact } } } }`,
					filter, field, direction), nil)
				for _, node := range a.at("agents", "nodes").([]any) {
					agent := node.(map[string]any)
					agent["lastContact"] = agent["presence"].(map[string]any)["lastContact"]
					value, _ := agent[key].(string)
					all = append(all, strings.ToLower(value))
				}
				return all
			}
			up, down := keys("ASC"), keys("DESC")
			slices.Reverse(down)
			if !slices.IsSorted(up) || !slices.Equal(up, down) {
				t.Errorf("%s by %s: %q, and backwards %q", filter, field, up, down)
			}
		}
	}
}

// The filters that GLPI can't apply itself still cost a handful of calls.
func TestAFilteredPageIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	owner := w.must(token, `{ agents(first: 1) { nodes { owner { id } } } }`, nil).at("agents", "nodes", 0, "owner", "id")
	query := `query ($owner: ID!) { agents(filter: {search: "a", presence: [ONLINE, OFFLINE, STALE, UNKNOWN], os: ["Android", "iOS"], ownerIds: [$owner]}) {
	  totalCount nodes { name serial presence { state } } } }`
	w.t.Log(w.must(token, query, map[string]any{"owner": owner}).text)
	fresh := w.signIn("admin@acme.test")
	cold := w.callsOf(func() { w.must(fresh, query, map[string]any{"owner": owner}) })
	if len(cold) > 8 {
		t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
	}
	if warm := w.callsOf(func() { w.must(fresh, query, map[string]any{"owner": owner}) }); len(warm) != 0 {
		t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
	}
}

// One company can't find another's devices by naming its fleets, entities or people.
func TestFiltersFindNothingOfAnotherCompany(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	theirs := w.must(acme, `{ agents(first: 1) { nodes { name serial fleet { id } entity { id } owner { id displayName } } } }`, nil)
	at := func(path ...any) any { return theirs.at(append([]any{"agents", "nodes", 0}, path...)...) }
	for title, filter := range map[string]map[string]any{
		"fleet":  {"fleetIds": []any{at("fleet", "id")}},
		"entity": {"entityIds": []any{at("entity", "id")}},
		"owner":  {"ownerIds": []any{at("owner", "id")}},
		"serial": {"search": at("serial")},
		"name":   {"search": at("name")},
	} {
		query := `query ($f: AgentFilter) { agents(filter: $f) { totalCount } }`
		foreign := w.must(globex, query, map[string]any{"f": filter})
		if foreign.at("agents", "totalCount") != float64(0) {
			t.Errorf("by its %s: %s", title, foreign.text)
		}
	}
	missing := map[string]any{"f": map[string]any{"fleetIds": []any{model.GlobalID("Fleet", 987654)}}}
	if a := w.must(globex, `query ($f: AgentFilter) { agents(filter: $f) { totalCount } }`, missing); a.at("agents", "totalCount") != float64(0) {
		t.Errorf("a fleet that is not there: %s", a.text)
	}
}
