package graph_test

import (
	"fmt"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const eventFields = `__typename cursor at kind entityId serial agent { id name serial presence { state source } }
  ... on PresenceChanged { presence { state since lastContact source } }
  ... on PositionReported { position { latitude longitude at } }
  ... on CommandSent { command { name sentAt } }
  ... on CommandAnswered { command { name sentAt } roundTripMs }`

// deviceOf is one device of those that a token sees, and one that it does not.
func (w *world) deviceOf(token string) (mine, foreign glpi.DemoDevice) {
	w.t.Helper()
	visible := w.devicesOf(token)
	for _, d := range w.demo.Devices {
		if visible[d.Serial] {
			mine = d
		} else {
			foreign = d
		}
	}
	return mine, foreign
}

func TestEventsOfEveryKind(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	next := w.subscribe(token, `subscription { deviceEvents { `+eventFields+` } }`, nil)
	w.chatter(func(i int) {
		switch i % 7 {
		case 0:
			w.publish(mine.Topic+"/Status/Online", `{"online": true}`)
		case 1:
			w.publish(mine.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":48.85,"longitude":2.35,"datetime":"%d"}`, time.Now().Unix()))
		case 2:
			w.publish(mine.Topic+"/Command/Ping", `{"query":"Ping"}`)
		case 3:
			w.publish(mine.Topic+"/Status/Ping", `!`)
		case 4:
			w.publish(mine.Topic+"/Status/Inventory", `<REQUEST/>`)
		case 5:
			w.publish("/"+mine.Topic+"/Status/Online", `{"online": false}`) // the form of agents of 1.x
		case 6:
			w.publish(mine.Topic+"/Status/Unenroll", `{"unenroll":"unenrolled"}`)
		}
	})
	seen := map[string]answer{}
	for _, kind := range []string{"PresenceChanged", "PositionReported", "CommandSent", "CommandAnswered", "InventoryReceived", "AgentUnenrolled"} {
		for tries := 0; seen[kind].Data == nil; tries++ {
			got, a := next()
			if got != "next" || len(a.Errors) > 0 || tries > 100 {
				t.Fatalf("waiting for %s, got %s %s", kind, got, a.text)
			}
			seen[a.at("deviceEvents", "__typename").(string)] = a
		}
		a := seen[kind]
		if a.at("deviceEvents", "serial") != mine.Serial || a.at("deviceEvents", "entityId") != model.GlobalID("Entity", mine.EntityID) ||
			a.at("deviceEvents", "agent", "id") != model.GlobalID("Agent", mine.AgentID) || a.at("deviceEvents", "cursor") == "" {
			t.Errorf("%s: %s", kind, a.text)
		}
	}
	if latitude := seen["PositionReported"].at("deviceEvents", "position", "latitude"); latitude != 48.85 {
		t.Errorf("latitude %v", latitude)
	}
	if name := seen["CommandAnswered"].at("deviceEvents", "command", "name"); name != "PING" {
		t.Errorf("%v was answered", name)
	}
	if ms, _ := seen["CommandAnswered"].at("deviceEvents", "roundTripMs").(float64); ms <= 0 || ms > 1000 {
		t.Errorf("round trip %v ms", ms)
	}
}

// Another company's events must not come by any filter.
func TestNoFilterShowsAnotherCompanysEvents(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@globex.test")
	mine, foreign := w.deviceOf(token)
	foreignAgent, foreignEntity := model.GlobalID("Agent", foreign.AgentID), model.GlobalID("Entity", foreign.EntityID)
	mineEntity := model.GlobalID("Entity", mine.EntityID)
	w.chatter(func(i int) {
		online := fmt.Sprintf(`{"online": %v}`, i%2 == 0)
		w.publish(foreign.Topic+"/Status/Online", online)
		w.publish(fmt.Sprintf("%d/agent/%s/Status/Online", foreign.EntityID, mine.Serial), online) // our serial in their entity
		w.publish(mine.Topic+"/Status/Online", online)
	})
	for name, filter := range map[string]any{
		"no filter":            nil,
		"empty filter":         map[string]any{},
		"both entities":        map[string]any{"entityIds": []string{foreignEntity, mineEntity}},
		"the root entity too":  map[string]any{"entityIds": []string{model.GlobalID("Entity", 0), mineEntity}},
		"one kind":             map[string]any{"kinds": []string{"PRESENCE_CHANGED"}},
		"no entity in a list":  map[string]any{"entityIds": []string{mineEntity}, "kinds": []string{"PRESENCE_CHANGED"}},
		"a device of our own":  map[string]any{"agentIds": []string{model.GlobalID("Agent", mine.AgentID)}},
		"everything in a list": map[string]any{"entityIds": []string{foreignEntity, mineEntity, model.GlobalID("Entity", 0)}, "kinds": []string{"PRESENCE_CHANGED"}},
	} {
		t.Run(name, func(t *testing.T) {
			next := w.subscribe(token, `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { serial entityId } }`, map[string]any{"f": filter})
			for range 10 {
				kind, a := next()
				if kind != "next" || a.at("deviceEvents", "serial") != mine.Serial || a.at("deviceEvents", "entityId") != mineEntity {
					t.Fatalf("got %s %s", kind, a.text)
				}
			}
		})
	}
	for name, c := range map[string]struct {
		filter map[string]any
		code   string
	}{
		"their device":   {map[string]any{"agentIds": []string{foreignAgent}}, "NOT_FOUND"},
		"no such device": {map[string]any{"agentIds": []string{model.GlobalID("Agent", 987654)}}, "NOT_FOUND"},
		"not an id":      {map[string]any{"agentIds": []string{"x"}}, "BAD_USER_INPUT"},
		"no devices":     {map[string]any{"agentIds": []string{}}, "BAD_USER_INPUT"},
		"no fleets":      {map[string]any{"fleetIds": []string{}}, "BAD_USER_INPUT"},
		"no entities":    {map[string]any{"entityIds": []string{}}, "BAD_USER_INPUT"},
		"no kinds":       {map[string]any{"kinds": []string{}}, "BAD_USER_INPUT"},
		"not a fleet":    {map[string]any{"fleetIds": []string{foreignAgent}}, "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, a := w.subscribe(token, `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { serial } }`, map[string]any{"f": c.filter})()
			if kind != "error" || a.code() != c.code {
				t.Errorf("got %s %s, want %s", kind, a.text, c.code)
			}
		})
	}
}

func TestEventsOfAFleet(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	a := w.must(token, `query ($id: ID!) { agent(id: $id) { fleet { id } } }`, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
	fleet := a.at("agent", "fleet", "id").(string)
	inFleet := map[string]bool{}
	for _, node := range w.must(token, `query ($id: ID!) { fleet(id: $id) { agents(first: 500) { nodes { serial } } } }`, map[string]any{"id": fleet}).at("fleet", "agents", "nodes").([]any) {
		inFleet[node.(map[string]any)["serial"].(string)] = true
	}
	w.chatter(func(i int) {
		for _, d := range w.demo.Devices {
			w.publish(d.Topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0))
		}
	})
	next := w.subscribe(token, `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { serial } }`, map[string]any{"f": map[string]any{"fleetIds": []string{fleet}}})
	for range 20 {
		kind, a := next()
		if serial, _ := a.at("deviceEvents", "serial").(string); kind != "next" || !inFleet[serial] {
			t.Fatalf("got %s %s, not of the fleet", kind, a.text)
		}
	}
}

func TestAStreamGoesOnAfterACursor(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	query := `subscription ($after: String) { deviceEvents(after: $after) { cursor ... on PositionReported { position { latitude } } } }`
	w.chatter(func(i int) {
		w.publish(mine.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":%g,"longitude":2.35,"datetime":"%d"}`, float64(i)/1000, time.Now().Unix()))
	})
	latitudes := func(next func() (string, answer), n int) (cursor any, all []float64) {
		for len(all) < n {
			kind, a := next()
			if kind != "next" {
				t.Fatalf("got %s %s", kind, a.text)
			}
			cursor = a.at("deviceEvents", "cursor")
			if latitude, is := a.at("deviceEvents", "position", "latitude").(float64); is {
				all = append(all, latitude)
			}
		}
		return cursor, all
	}
	cursor, first := latitudes(w.subscribe(token, query, nil), 5)
	time.Sleep(100 * time.Millisecond) // something is missed meanwhile
	_, second := latitudes(w.subscribe(token, query, map[string]any{"after": cursor}), 40)
	for i, latitude := range second {
		want := first[len(first)-1] + float64(i+1)/1000
		if diff := latitude - want; diff > 1e-9 || diff < -1e-9 {
			t.Fatalf("event %d after the cursor is at %g, want %g: one was lost or came twice", i, latitude, want)
		}
	}
	for _, bad := range []string{"nonsense", "MTIz"} {
		if kind, a := w.subscribe(token, query, map[string]any{"after": bad})(); kind != "error" || a.code() != "RESYNC" {
			t.Errorf("cursor %q: got %s %s", bad, kind, a.text)
		}
	}
}

func TestStreamsNeedASignInAndTheRight(t *testing.T) {
	w := newWorld(t)
	sally := w.signIn("sally@acme.test")
	if kind, a := w.subscribe(sally, `subscription { deviceEvents { serial } }`, nil)(); kind != "error" || a.code() != "FORBIDDEN" {
		t.Errorf("without the right: %s %s", kind, a.text)
	}
}

// Whoever may read devices but not where they are, or how far they have come, does not learn it from events either.
func TestEventsShowNoMoreThanTheRights(t *testing.T) {
	w := newWorld(t)
	w.glpi.Grant("Fleet viewer", map[string]glpi.Rights{"flyvemdm:geolocation": 0, "flyvemdm:taskstatus": 0})
	token := w.signIn("viewer@acme.test")
	mine, _ := w.deviceOf(w.signIn("admin@acme.test"))
	query := `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { kind } }`
	for _, kind := range []string{"POSITION_REPORTED", "TASK_STATUS_CHANGED"} {
		got, a := w.subscribe(token, query, map[string]any{"f": map[string]any{"kinds": []string{kind}}})()
		if got != "error" || a.code() != "FORBIDDEN" {
			t.Errorf("%s alone: got %s %s", kind, got, a.text)
		}
	}
	next := w.subscribe(token, query, nil)
	w.chatter(func(i int) {
		w.publish(mine.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":48.85,"longitude":2.35,"datetime":"%d"}`, time.Now().Unix()))
		w.publish(mine.Topic+"/Status/Task/1", `{"status":"done"}`)
		w.publish(mine.Topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0))
	})
	for range 20 {
		if kind, a := next(); kind != "next" || a.at("deviceEvents", "kind") != "PRESENCE_CHANGED" {
			t.Fatalf("got %s %s", kind, a.text)
		}
	}
}
