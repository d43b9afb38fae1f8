package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const rolloutProgress = `subscription ($id: ID!) { rolloutProgress(fleetId: $id) { fleet { id } percentDone counts { ` + countFields + ` }
  tasks { task { id databaseId policy { symbol } } counts { ` + countFields + ` } percentDone } } }`

// unfinished is a device of a fleet, and a task that it has not done.
func (w *world) unfinished(token string, fleet any) (device glpi.DemoDevice, taskID int) {
	w.t.Helper()
	a := w.must(token, `query ($id: ID!) { fleet(id: $id) { agents(first: 500) { nodes { databaseId tasks { via status { state } task { databaseId } } } } } }`, map[string]any{"id": fleet})
	for _, node := range a.at("fleet", "agents", "nodes").([]any) {
		agent := answer{Data: node.(map[string]any)}
		for i := range agent.at("tasks").([]any) {
			if agent.at("tasks", i, "via") != "FLEET" || agent.at("tasks", i, "status", "state") == "DONE" {
				continue
			}
			at := slices.IndexFunc(w.demo.Devices, func(d glpi.DemoDevice) bool { return float64(d.AgentID) == agent.at("databaseId") })
			return w.demo.Devices[at], int(agent.at("tasks", i, "task", "databaseId").(float64))
		}
	}
	w.t.Fatal("everything is done")
	return device, 0
}

// The plugin's daemon ends at once: GLPI never hears what devices say on the broker.
func TestARolloutFollowsWhatDevicesSay(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		fleet := w.fleetWithTasks(token)["id"]
		device, task := w.unfinished(token, fleet)
		next := w.subscribe(token, rolloutProgress, map[string]any{"id": fleet})
		_, first := next()
		if first.at("rolloutProgress", "fleet", "id") != fleet || first.at("rolloutProgress", "counts", "total") == 0.0 {
			t.Fatalf("got %s", first.text)
		}
		began := time.Now()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			topic := fmt.Sprintf("%s/Status/Task/%d", device.Topic, task)
			for _, status := range []string{"received", "waiting", "done"} {
				w.publish(topic, `{"status":"`+status+`"}`)
			}
			w.publish(device.Topic+"/Status/Task/987654", `{"status":"failed"}`) // of no task of the fleet
		}()
		kind, second := next()
		<-stop
		if kind != "next" || second.at("rolloutProgress", "counts", "done") != first.at("rolloutProgress", "counts", "done").(float64)+1 ||
			second.at("rolloutProgress", "counts", "total") != first.at("rolloutProgress", "counts", "total") ||
			second.at("rolloutProgress", "counts", "failed") != first.at("rolloutProgress", "counts", "failed") {
			t.Errorf("got %s %s after %s", kind, second.text, first.text)
		}
		if took := time.Since(began); took < 500*time.Millisecond {
			t.Errorf("three words of a device came one by one, within %s", took)
		}
	}
}

func TestARolloutFollowsGLPIAndEndsWithTheFleet(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	device, agentID := w.demo.Devices[0], ""
	for _, d := range w.demo.Devices {
		if w.devicesOf(token)[d.Serial] {
			device, agentID = d, model.GlobalID("Agent", d.AgentID)
			break
		}
	}
	fleet := w.newFleetOf(token, device, set("disableCamera", "boolean", true))
	next := w.subscribe(token, rolloutProgress, map[string]any{"id": fleet})
	_, first := next()
	if first.at("rolloutProgress", "counts", "pending") != 1.0 || first.at("rolloutProgress", "percentDone") != 0.0 {
		t.Fatalf("device %s: got %s", agentID, first.text)
	}
	w.apply(token, fleet, set("disableGPS", "boolean", true))
	if kind, a := next(); kind != "next" || a.at("rolloutProgress", "counts", "pending") != 2.0 || len(a.at("rolloutProgress", "tasks").([]any)) != 2 {
		t.Errorf("got %s %s", kind, a.text)
	}
	w.must(token, deleteFleet, map[string]any{"input": map[string]any{"id": fleet}})
	for {
		kind, a := next()
		if kind == "next" {
			continue // GLPI was seen between the tasks' end and the fleet's
		}
		if kind != "error" || a.code() != "NOT_FOUND" {
			t.Errorf("got %s %s", kind, a.text)
		}
		return
	}
}

// newFleetOf is a fleet with one device in it.
func (w *world) newFleetOf(token string, device glpi.DemoDevice, policies ...any) any {
	w.t.Helper()
	entity := model.GlobalID("Entity", device.EntityID)
	a := w.must(token, createFleet, map[string]any{"input": map[string]any{"name": "Rollout", "entityId": entity, "tasks": []any{}}})
	fleet := a.at("createFleet", "fleet", "id")
	move := map[string]any{"plugin_flyvemdm_fleets_id": w.must(token, `query ($id: ID!) { fleet(id: $id) { databaseId } }`, map[string]any{"id": fleet}).at("fleet", "databaseId")}
	if status := w.restAs("admin@acme.test").do("PUT", fmt.Sprintf("/PluginFlyvemdmAgent/%d", device.AgentID), move, nil); status != 200 {
		w.t.Fatalf("GLPI answered %d", status)
	}
	w.apply(token, fleet, policies...)
	return fleet
}

// Each rollout holds its fleet's statuses: nobody may fill the gateway with them.
func TestOnePersonsRolloutsAreBounded(t *testing.T) {
	w := newWorld(t)
	token, again := w.signIn("admin@acme.test"), w.signIn("admin@acme.test")
	id := map[string]any{"id": w.fleetWithTasks(token)["id"]}
	for range 100 {
		if kind, a := w.subscribe(token, rolloutProgress, id)(); kind != "next" {
			t.Fatalf("got %s %s", kind, a.text)
		}
	}
	if kind, a := w.subscribe(again, rolloutProgress, id)(); kind != "error" || a.code() != "RATE_LIMITED" {
		t.Errorf("one more, in another session: got %s %s", kind, a.text)
	}
	if kind, a := w.subscribe(w.signIn("viewer@acme.test"), rolloutProgress, id)(); kind != "next" {
		t.Errorf("somebody else: got %s %s", kind, a.text)
	}
}

func TestARolloutIsForThoseWhoSeeTheFleet(t *testing.T) {
	w := newWorld(t)
	fleet := w.fleetWithTasks(w.signIn("admin@acme.test"))["id"]
	for _, c := range []struct {
		name, code string
		fleet      any
	}{
		{"admin@globex.test", "NOT_FOUND", fleet}, {"admin@globex.test", "NOT_FOUND", model.GlobalID("Fleet", 98765)},
		{"sally@acme.test", "FORBIDDEN", fleet}, {"admin@acme.test", "BAD_USER_INPUT", "x"},
	} {
		kind, a := w.subscribe(w.signIn(c.name), rolloutProgress, map[string]any{"id": c.fleet})()
		if kind != "error" && !strings.Contains(a.text, `"errors"`) || a.code() != c.code {
			t.Errorf("%s: got %s %s, want %s", c.name, kind, a.text, c.code)
		}
	}
	if kind, a := w.subscribe(w.signIn("viewer@acme.test"), rolloutProgress, map[string]any{"id": fleet})(); kind != "next" || a.at("rolloutProgress", "fleet", "id") != fleet {
		t.Errorf("who may only read got %s %s", kind, a.text)
	}
}
