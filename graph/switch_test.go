package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"fleetgate/graph/model"
)

const switchEntity = `mutation ($entity: ID, $recursive: Boolean) { switchEntity(input: {entityId: $entity, recursive: $recursive}) {
  viewer { username activeEntity { id name } activeEntityRecursive entities { name } grantedEntities { name active } sessionExpiresAt }
  userErrors { code field message } } }`

const switchProfile = `mutation ($profile: ID!) { switchProfile(input: {profileId: $profile}) {
  viewer { profile { id name } rights { canReadAgents canUpdateAgents } activeEntity { name } } userErrors { code field } } }`

// entityID is the global id of an entity by its name.
func (o *operator) entityID(name string) string {
	return model.GlobalID("Entity", o.idOf("Entity", name))
}

func TestSwitchingTheEntity(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	all := map[string]map[string]bool{"admin@acme.test": {}, "admin@globex.test": {}}
	for _, d := range w.demo.Devices {
		company := "admin@acme.test"
		if model.GlobalID("Entity", d.EntityID) == glpi.entityID("Globex") {
			company = "admin@globex.test"
		}
		all[company][d.Serial] = true
	}
	for name, c := range map[string]struct {
		admin, entity string // "": all
		recursive     any
		sees          []string // entities
	}{
		"below":                  {"admin@acme.test", "ACME Paris", nil, []string{"ACME Paris"}},
		"the same":               {"admin@acme.test", "ACME", nil, []string{"ACME", "ACME Lyon", "ACME Paris"}},
		"without those below":    {"admin@acme.test", "ACME", false, []string{"ACME"}},
		"with those below":       {"admin@acme.test", "ACME", true, []string{"ACME", "ACME Lyon", "ACME Paris"}},
		"all":                    {"admin@acme.test", "", nil, []string{"ACME", "ACME Lyon", "ACME Paris"}},
		"of the other company":   {"admin@globex.test", "Globex", true, []string{"Globex"}},
		"all of the other's own": {"admin@globex.test", "", nil, []string{"Globex"}},
		"a viewer's":             {"viewer@acme.test", "ACME Lyon", nil, []string{"ACME Lyon"}},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.signIn(c.admin)
			w.devicesOf(token) // read and kept before
			var entity any
			if c.entity != "" {
				entity = glpi.entityID(c.entity)
			}
			a := w.must(token, switchEntity, map[string]any{"entity": entity, "recursive": c.recursive})
			if a.at("switchEntity", "viewer", "username") != c.admin || a.at("switchEntity", "viewer", "sessionExpiresAt") == nil {
				t.Fatalf("got %s", a.text)
			}
			if got := namesIn(a.at("switchEntity", "viewer", "entities")); !slices.Equal(got, c.sees) {
				t.Errorf("sees %q, want %q", got, c.sees)
			}
			want := map[string]bool{}
			for _, d := range w.demo.Devices {
				if slices.ContainsFunc(c.sees, func(name string) bool { return glpi.idOf("Entity", name) == d.EntityID }) {
					want[d.Serial] = true
				}
			}
			if got := w.devicesOf(token); !maps.Equal(got, want) || len(want) == 0 {
				t.Errorf("%d devices after the switch, want %d", len(got), len(want))
			}
		})
	}
}

// namesIn are the names of a list of objects, sorted.
func namesIn(list any) []string {
	names := []string{}
	for _, object := range list.([]any) {
		names = append(names, object.(map[string]any)["name"].(string))
	}
	slices.Sort(names)
	return names
}

func TestWrongSwitches(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	glpi.grant("sally@acme.test", "Fleet viewer", "ACME", 0) // without the entities below
	for name, c := range map[string]struct {
		username, query string
		variables       map[string]any
		code, field     string
	}{
		"another company's entity": {"admin@globex.test", switchEntity, map[string]any{"entity": glpi.entityID("ACME Paris")}, "NOT_FOUND", "entityId"},
		"the root entity":          {"admin@acme.test", switchEntity, map[string]any{"entity": model.GlobalID("Entity", 0)}, "NOT_FOUND", "entityId"},
		"no such entity":           {"admin@acme.test", switchEntity, map[string]any{"entity": model.GlobalID("Entity", 4242)}, "NOT_FOUND", "entityId"},
		"not an id":                {"admin@acme.test", switchEntity, map[string]any{"entity": "4242"}, "BAD_USER_INPUT", "entityId"},
		"the id of a profile":      {"admin@acme.test", switchEntity, map[string]any{"entity": model.GlobalID("Profile", 4)}, "BAD_USER_INPUT", "entityId"},
		"somebody else's profile":  {"admin@acme.test", switchProfile, map[string]any{"profile": model.GlobalID("Profile", 6)}, "NOT_FOUND", "profileId"},
		"no such profile":          {"admin@acme.test", switchProfile, map[string]any{"profile": model.GlobalID("Profile", 4242)}, "NOT_FOUND", "profileId"},
		"the id of an entity":      {"admin@acme.test", switchProfile, map[string]any{"profile": glpi.entityID("ACME")}, "BAD_USER_INPUT", "profileId"},
		"profile 0":                {"admin@acme.test", switchProfile, map[string]any{"profile": model.GlobalID("Profile", 0)}, "BAD_USER_INPUT", "profileId"},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.signIn(c.username)
			before := w.must(token, `{ viewer { profile { id } entities { id } } }`, nil)
			a := w.must(token, c.query, c.variables)
			field := "switchEntity"
			if c.query == switchProfile {
				field = "switchProfile"
			}
			if a.at(field, "viewer") != nil || a.at(field, "userErrors", 0, "code") != c.code || a.at(field, "userErrors", 0, "field", 1) != c.field {
				t.Errorf("got %s, want %s at %s", a.text, c.code, c.field)
			}
			if after := w.must(token, `{ viewer { profile { id } entities { id } } }`, nil); after.text != before.text {
				t.Errorf("the viewer was %s, is %s", before.text, after.text)
			}
		})
	}
	for _, query := range []string{switchEntity, switchProfile} {
		if a := w.ask("", query, map[string]any{"profile": model.GlobalID("Profile", 4)}); a.code() != "UNAUTHENTICATED" {
			t.Errorf("without a sign-in: %s", a.text)
		}
	}
}

// GLPI itself lets such a profile into the entities below.
func TestAProfileThatHoldsInOneEntityAloneStaysThere(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	glpi.grant("sally@acme.test", "Fleet viewer", "ACME", 0)
	token := w.signIn("sally@acme.test")
	profile := model.GlobalID("Profile", glpi.idOf("Profile", "Fleet viewer"))
	a := w.must(token, switchProfile, map[string]any{"profile": profile})
	if a.at("switchProfile", "viewer", "profile", "id") != profile || a.at("switchProfile", "viewer", "rights", "canReadAgents") != true {
		t.Fatalf("got %s", a.text)
	}
	for name, variables := range map[string]map[string]any{
		"below": {"entity": glpi.entityID("ACME Paris")}, "recursive": {"entity": glpi.entityID("ACME"), "recursive": true},
	} {
		if a := w.must(token, switchEntity, variables); a.at("switchEntity", "viewer") != nil || len(a.at("switchEntity", "userErrors").([]any)) != 1 {
			t.Errorf("%s: got %s", name, a.text)
		}
	}
	a = w.must(token, switchEntity, map[string]any{"entity": glpi.entityID("ACME")})
	if got := namesIn(a.at("switchEntity", "viewer", "entities")); !slices.Equal(got, []string{"ACME"}) {
		t.Errorf("sees %q: %s", got, a.text)
	}
}

func TestSwitchingTheProfile(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	glpi.grant("admin@acme.test", "Fleet viewer", "ACME Lyon", 0)
	token := w.signIn("admin@acme.test")
	lyon := w.must(token, `{ viewer { profiles { id name entities { name recursive } } } }`, nil)
	if got := namesIn(lyon.at("viewer", "profiles")); !slices.Equal(got, []string{"Fleet viewer", "Super-Admin"}) {
		t.Fatalf("profiles %q", got)
	}
	for _, c := range []struct {
		profile, entity string
		mayUpdate       bool
	}{{"Fleet viewer", "ACME Lyon", false}, {"Super-Admin", "ACME", true}} {
		a := w.must(token, switchProfile, map[string]any{"profile": model.GlobalID("Profile", glpi.idOf("Profile", c.profile))})
		if a.at("switchProfile", "viewer", "profile", "name") != c.profile || a.at("switchProfile", "viewer", "activeEntity", "name") != c.entity ||
			a.at("switchProfile", "viewer", "rights", "canUpdateAgents") != c.mayUpdate {
			t.Errorf("got %s, want %+v", a.text, c)
		}
	}
}

func TestTheTreeOfGrantedEntities(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	query := `{ viewer { grantedEntities { entityId databaseId name completeName parentId level recursive active } } }`
	token := w.signIn("admin@acme.test")
	w.must(token, switchEntity, map[string]any{"entity": glpi.entityID("ACME Paris")})
	granted := w.must(token, query, nil).at("viewer", "grantedEntities").([]any)
	acme := glpi.entityID("ACME")
	want := []map[string]any{
		{"entityId": acme, "databaseId": float64(glpi.idOf("Entity", "ACME")), "name": "ACME", "completeName": "Root entity > ACME", "parentId": nil, "level": 0.0, "recursive": true, "active": false},
		{"entityId": glpi.entityID("ACME Lyon"), "databaseId": float64(glpi.idOf("Entity", "ACME Lyon")), "name": "ACME Lyon", "completeName": "Root entity > ACME > ACME Lyon", "parentId": acme, "level": 1.0, "recursive": true, "active": false},
		{"entityId": glpi.entityID("ACME Paris"), "databaseId": float64(glpi.idOf("Entity", "ACME Paris")), "name": "ACME Paris", "completeName": "Root entity > ACME > ACME Paris", "parentId": acme, "level": 1.0, "recursive": true, "active": true},
	}
	if len(granted) != len(want) {
		t.Fatalf("got %v", granted)
	}
	for i := range want {
		if got := granted[i].(map[string]any); !maps.Equal(got, want[i]) {
			t.Errorf("got %v, want %v", got, want[i])
		}
	}
	if got := namesIn(w.must(w.signIn("admin@globex.test"), query, nil).at("viewer", "grantedEntities")); !slices.Equal(got, []string{"Globex"}) {
		t.Errorf("the other company reaches %q", got)
	}
}

// A stream that was opened before the switch tries to go on showing what was active then.
func TestASwitchedSessionsStreamsShowOnlyTheNewEntity(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	paris, lyon := glpi.idOf("Entity", "ACME Paris"), glpi.idOf("Entity", "ACME Lyon")
	var inParis, inLyon string
	for _, d := range w.demo.Devices {
		switch d.EntityID {
		case paris:
			inParis = d.Topic
		case lyon:
			inLyon = d.Topic
		}
	}
	token := w.signIn("admin@acme.test")
	entities := []string{model.GlobalID("Entity", paris), model.GlobalID("Entity", lyon)}
	query := `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { entityId at } }`
	streams := map[string]func() (string, answer){
		"everything": w.subscribe(token, query, nil),
		"both asked": w.subscribe(token, query, map[string]any{"f": map[string]any{"entityIds": entities}}),
	}
	w.chatter(func(i int) {
		for _, topic := range []string{inParis, inLyon} {
			w.publish(topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0))
		}
	})
	for name, next := range streams { // they have begun, and show both
		seen := map[any]bool{}
		for len(seen) < 2 {
			kind, a := next()
			if kind != "next" {
				t.Fatalf("%s: got %s %s", name, kind, a.text)
			}
			seen[a.at("deviceEvents", "entityId")] = true
		}
	}
	for _, c := range []struct {
		to    int
		other int
	}{{lyon, paris}, {paris, lyon}} {
		w.must(token, switchEntity, map[string]any{"entity": model.GlobalID("Entity", c.to)})
		switched := time.Now()
		for name, next := range streams {
			for later := 0; later < 20; {
				kind, a := next()
				if kind != "next" {
					t.Fatalf("%s: got %s %s", name, kind, a.text)
				}
				at, err := time.Parse(time.RFC3339Nano, a.at("deviceEvents", "at").(string))
				if err != nil {
					t.Fatal(err)
				}
				if !at.After(switched) {
					continue // it was on its way before
				}
				later++
				if got := a.at("deviceEvents", "entityId"); got != model.GlobalID("Entity", c.to) {
					t.Fatalf("%s: an event of %s came after the switch to %d", name, got, c.to)
				}
			}
		}
	}
}

func TestAProfileWithoutTheRightEndsTheStreams(t *testing.T) {
	w := newWorld(t)
	glpi := w.operator()
	glpi.grant("admin@acme.test", "Self-Service", "ACME", 1)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	next := w.subscribe(token, `subscription { deviceEvents { at } }`, nil)
	w.chatter(func(i int) { w.publish(mine.Topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0)) })
	if kind, a := next(); kind != "next" {
		t.Fatalf("got %s %s", kind, a.text)
	}
	w.ask(token, switchProfile, map[string]any{"profile": model.GlobalID("Profile", glpi.idOf("Profile", "Self-Service"))})
	for tries := 0; ; tries++ {
		kind, a := next()
		if kind == "error" && a.code() == "FORBIDDEN" {
			return
		}
		if kind != "next" || tries > 1000 {
			t.Fatalf("got %s %s, want FORBIDDEN", kind, a.text)
		}
	}
}
