package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"fleetgate/graph/model"
)

const valueFields = `value { __typename ... on BooleanValue { boolean } ... on IntegerValue { integer } ... on TextValue { text }
  ... on OptionValue { option label } ... on DeployedApplication { applicationId removeOnDelete }
  ... on DeployedFile { fileId destination removeOnDelete } ... on RemovedApplication { packageName } ... on RemovedFile { path } }`

const countFields = `total pending received waiting done failed incompatible overridden canceled`

const taskFields = `id databaseId valueText ` + valueFields + ` policy { symbol type }
  target { __typename ... on Fleet { id name } ... on Agent { id serial } }`

// restSession is a session of GLPI's own API, to look behind the gateway or to change things behind its back.
type restSession struct {
	w     *world
	token string
}

func (w *world) restAs(username string) restSession {
	w.t.Helper()
	s := restSession{w: w}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.rest+"/initSession", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.SetBasicAuth(username, "demo")
	var opened struct {
		Token string `json:"session_token"`
	}
	s.send(request, &opened)
	s.token = opened.Token
	return s
}

// send answers the status; into gets the body's JSON where it is not nil.
func (s restSession) send(request *http.Request, into any) int {
	s.w.t.Helper()
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("Session-Token", s.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			s.w.t.Fatalf("%v in %s", err, body)
		}
	}
	return response.StatusCode
}

// do sends an input to GLPI.
func (s restSession) do(method, path string, input, into any) int {
	s.w.t.Helper()
	body, err := json.Marshal(map[string]any{"input": input})
	if err != nil {
		s.w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.w.t.Context(), method, s.w.rest+path, bytes.NewReader(body))
	if err != nil {
		s.w.t.Fatal(err)
	}
	return s.send(request, into)
}

// rows reads a whole list.
func (s restSession) rows(itemtype string) []map[string]any {
	s.w.t.Helper()
	request, err := http.NewRequestWithContext(s.w.t.Context(), http.MethodGet, s.w.rest+"/"+itemtype+"?range=0-999", nil)
	if err != nil {
		s.w.t.Fatal(err)
	}
	var rows []map[string]any
	s.send(request, &rows)
	return rows
}

// fleetNamed finds a managed fleet with its tasks; any with tasks when the name is "".
func (w *world) fleetWithTasks(token string) map[string]any {
	w.t.Helper()
	for _, node := range w.must(token, `{ fleets { nodes { id databaseId name isDefault entity { id } tasks { `+taskFields+` } } } }`, nil).at("fleets", "nodes").([]any) {
		fleet := node.(map[string]any)
		if len(fleet["tasks"].([]any)) > 2 {
			return fleet
		}
	}
	w.t.Fatal("no fleet with tasks")
	return nil
}

func TestTasksOfFleetsAreTypedAndReadTogether(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		query := `{ fleets(first: 50) { nodes { id isDefault tasks { ` + taskFields + ` rollout { counts { ` + countFields + ` } percentDone } } } } }`
		var a answer
		cold := w.callsOf(func() { a = w.must(token, query, nil) })
		if len(cold) > 8 {
			t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
		}
		if warm := w.callsOf(func() { w.must(token, query, nil) }); len(warm) != 0 {
			t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
		}
		types := map[string]int{}
		for _, node := range a.at("fleets", "nodes").([]any) {
			fleet := node.(map[string]any)
			tasks := fleet["tasks"].([]any)
			if fleet["isDefault"] == true && len(tasks) > 0 {
				t.Errorf("the default fleet has tasks: %v", tasks)
			}
			for _, one := range tasks {
				task := answer{Data: one.(map[string]any)}
				types[task.at("value", "__typename").(string)]++
				if task.at("target", "id") != fleet["id"] {
					t.Errorf("a task of %v targets %v", fleet["id"], task.at("target"))
				}
			}
		}
		for _, typename := range []string{"BooleanValue", "IntegerValue", "OptionValue"} {
			if types[typename] == 0 {
				t.Errorf("%s: no %s in %v", admin, typename, types)
			}
		}
		if types["DeployedFile"]+types["DeployedApplication"] == 0 || types["TextValue"] > 0 {
			t.Errorf("%s: %v", admin, types)
		}
	}
}

func TestRolloutsCountWhatTheViewersDevicesSay(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	fleet := w.fleetWithTasks(token)
	id := map[string]any{"id": fleet["id"]}
	a := w.must(token, `query ($id: ID!) { fleet(id: $id) { agents(first: 500) { totalCount } rollout { fleet { id } percentDone counts { `+countFields+` }
	  tasks { task { id databaseId statuses(first: 500) { totalCount nodes { state changedAt agent { databaseId fleet { id } } task { id } } } }
	    counts { `+countFields+` } percentDone } } } }`, id)
	want := map[string]int{}
	agents := map[float64]bool{}
	for _, row := range w.restAs("admin@acme.test").rows("PluginFlyvemdmAgent") {
		agents[row["id"].(float64)] = row["plugin_flyvemdm_fleets_id"] == fleet["databaseId"]
	}
	ids := map[any]bool{}
	for _, one := range a.at("fleet", "rollout", "tasks").([]any) {
		task := answer{Data: one.(map[string]any)}
		ids[task.at("task", "databaseId")] = true
		if task.at("counts", "total") != a.at("fleet", "agents", "totalCount") || task.at("counts", "total") != task.at("task", "statuses", "totalCount") {
			t.Errorf("%v", one)
		}
		for _, status := range task.at("task", "statuses", "nodes").([]any) {
			s := answer{Data: status.(map[string]any)}
			if s.at("agent", "fleet", "id") != fleet["id"] || s.at("task", "id") != task.at("task", "id") || s.at("changedAt") == nil {
				t.Errorf("got %v", status)
			}
		}
	}
	for _, row := range w.restAs("admin@acme.test").rows("PluginFlyvemdmTaskstatus") {
		if ids[row["plugin_flyvemdm_tasks_id"]] && agents[row["plugin_flyvemdm_agents_id"].(float64)] {
			want[row["status"].(string)]++
			want["total"]++
		}
	}
	for _, state := range []string{"total", "pending", "received", "waiting", "done", "failed", "incompatible", "canceled"} {
		if got := a.at("fleet", "rollout", "counts", state); got != float64(want[state]) {
			t.Errorf("%v %s, want %d", got, state, want[state])
		}
	}
	if got, done := a.at("fleet", "rollout", "percentDone"), 100*float64(want["done"])/float64(want["total"]); got != done {
		t.Errorf("%v percent done, want %v", got, done)
	}
}

// GLPI keeps the statuses of a device that was deleted: waiting for it would be waiting for ever.
func TestADeletedDeviceIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	fleet := w.fleetWithTasks(token)
	query := `query ($id: ID!) { fleet(id: $id) { agents { totalCount nodes { databaseId } } rollout { counts { total } tasks { counts { total } } } } }`
	before := w.must(token, query, map[string]any{"id": fleet["id"]})
	gone := fmt.Sprintf("/PluginFlyvemdmAgent/%v", before.at("fleet", "agents", "nodes", 0, "databaseId"))
	if status := w.restAs("admin@acme.test").do(http.MethodDelete, gone, nil, nil); status != http.StatusOK {
		t.Fatalf("GLPI answered %d", status)
	}
	after := w.must(w.signIn("viewer@acme.test"), query, map[string]any{"id": fleet["id"]})
	tasks := float64(len(after.at("fleet", "rollout", "tasks").([]any)))
	devices := before.at("fleet", "agents", "totalCount").(float64)
	if got := after.at("fleet", "rollout", "counts", "total"); got != tasks*(devices-1) {
		t.Errorf("%v pairs of %v tasks and %v devices", got, tasks, devices-1)
	}
}

func TestADeviceHasItsOwnTasksAndThoseOfItsFleet(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `{ agents(first: 50) { nodes { databaseId mdmType version fleet { id tasks { id } }
	  tasks { via overridden effect status { state taskId agent { databaseId } } task { ` + taskFields + ` } }
	  taskStatuses { totalCount nodes { taskId state changedAt task { id } } } } } }`
	var a answer
	calls := w.callsOf(func() { a = w.must(token, query, nil) })
	if len(calls) > 10 {
		t.Errorf("%d calls to GLPI for the tasks of 50 devices: %q", len(calls), calls)
	}
	via := map[any]int{}
	for _, node := range a.at("agents", "nodes").([]any) {
		device := answer{Data: node.(map[string]any)}
		ofFleet := len(device.at("fleet", "tasks").([]any))
		for _, one := range device.at("tasks").([]any) {
			task := answer{Data: one.(map[string]any)}
			via[task.at("via")]++
			if task.at("via") == "FLEET" {
				ofFleet--
			} else if task.at("task", "target", "__typename") != "Agent" {
				t.Errorf("an own task targets %v", task.at("task", "target"))
			}
			if task.at("status", "state") == nil || task.at("status", "taskId") != task.at("task", "id") || task.at("status", "agent", "databaseId") != device.at("databaseId") {
				t.Errorf("device %v: got %v", device.at("databaseId"), one)
			}
			if device.at("mdmType") == "APPLE" && task.at("effect") != "NO_EFFECT" {
				t.Errorf("an iPhone obeys %v", task.at("task", "policy"))
			}
		}
		if ofFleet != 0 {
			t.Errorf("device %v misses %d tasks of its fleet", device.at("databaseId"), ofFleet)
		}
		got, want := len(device.at("taskStatuses", "nodes").([]any)), len(device.at("tasks").([]any))
		if got != want || device.at("taskStatuses", "totalCount") != float64(want) {
			t.Errorf("device %v: %d statuses of %d tasks", device.at("databaseId"), got, want)
		}
	}
	if via["AGENT"] == 0 || via["FLEET"] == 0 {
		t.Errorf("got %v", via)
	}
}

func TestTheDevicesOwnTaskGoesBeforeThatOfItsFleet(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	for _, node := range w.must(token, `{ agents(first: 50) { nodes { id databaseId tasks { via task { id policy { databaseId symbol type } } } } } }`, nil).at("agents", "nodes").([]any) {
		device := answer{Data: node.(map[string]any)}
		for _, one := range device.at("tasks").([]any) {
			task := answer{Data: one.(map[string]any)}
			if task.at("via") != "FLEET" || task.at("task", "policy", "type") != "BOOLEAN" {
				continue
			}
			input := map[string]any{
				"itemtype_applied": "PluginFlyvemdmAgent", "items_id_applied": device.at("databaseId"), "value": "0",
				"plugin_flyvemdm_policies_id": task.at("task", "policy", "databaseId"), "itemtype": "", "items_id": "0",
			}
			if status := w.restAs("admin@acme.test").do(http.MethodPost, "/PluginFlyvemdmTask", input, nil); status != http.StatusCreated {
				t.Fatalf("GLPI answered %d", status)
			}
			a := w.must(w.signIn("viewer@acme.test"), `query ($id: ID!) { agent(id: $id) { tasks { via overridden task { policy { symbol } } } } }`,
				map[string]any{"id": device.at("id")})
			for _, again := range a.at("agent", "tasks").([]any) {
				got := answer{Data: again.(map[string]any)}
				want := got.at("via") == "FLEET" && got.at("task", "policy", "symbol") == task.at("task", "policy", "symbol")
				if got.at("overridden") != want {
					t.Errorf("got %v", again)
				}
			}
			return
		}
	}
	t.Fatal("no device with a BOOLEAN task of its fleet")
}

// GLPI lists every company's tasks to everybody, and shows statuses by their id.
func TestNoTaskOfAnotherCompanyIsSeen(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	query := `{ fleets(first: 500) { nodes { tasks { id databaseId } } } agents(first: 500) { nodes { tasks { task { id databaseId } } taskStatuses { nodes { taskId } } } } }`
	collect := func(token string) map[string]bool {
		ids := map[string]bool{}
		a := w.must(token, query, nil)
		for _, node := range a.at("fleets", "nodes").([]any) {
			for _, task := range node.(map[string]any)["tasks"].([]any) {
				ids[task.(map[string]any)["id"].(string)] = true
			}
		}
		for _, node := range a.at("agents", "nodes").([]any) {
			device := answer{Data: node.(map[string]any)}
			for i := range device.at("tasks").([]any) {
				ids[device.at("tasks", i, "task", "id").(string)] = true
			}
			for i := range device.at("taskStatuses", "nodes").([]any) {
				ids[device.at("taskStatuses", "nodes", i, "taskId").(string)] = true
			}
		}
		return ids
	}
	theirs, mine := collect(acme), collect(globex)
	all := len(w.restAs("admin@globex.test").rows("PluginFlyvemdmTask"))
	if len(theirs) == 0 || len(mine) == 0 || len(theirs)+len(mine) != all {
		t.Errorf("%d and %d tasks, want %d together", len(theirs), len(mine), all)
	}
	for id := range theirs {
		if mine[id] {
			t.Errorf("both companies see %s", id)
		}
		if a := w.ask(globex, `query ($id: ID!) { node(id: $id) { ... on Task { valueText statuses { totalCount } } } }`, map[string]any{"id": id}); a.code() != "NOT_FOUND" || a.at("node") != nil {
			t.Errorf("another company's task: %s", a.text)
		}
	}
	missing := w.ask(globex, `query ($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": model.GlobalID("Task", 987654)})
	if missing.code() != "NOT_FOUND" {
		t.Errorf("a missing task: %s", missing.text)
	}
}

func TestWhoMayNotReadPoliciesSeesNoTasks(t *testing.T) {
	w := newWorld(t)
	admin, viewer, nobody := w.signIn("admin@acme.test"), w.signIn("viewer@acme.test"), w.signIn("sally@acme.test")
	task := w.fleetWithTasks(admin)["tasks"].([]any)[0].(map[string]any)
	query := `query ($id: ID!) { node(id: $id) { ... on Task { id rollout { counts { total } } } } }`
	if a := w.must(viewer, query, map[string]any{"id": task["id"]}); a.at("node", "id") != task["id"] || a.at("node", "rollout", "counts", "total") == 0.0 {
		t.Errorf("who may only read got %s", a.text)
	}
	if a := w.ask(nobody, query, map[string]any{"id": task["id"]}); a.code() != "FORBIDDEN" {
		t.Errorf("who may read nothing got %s", a.text)
	}
	if a := w.ask("", query, map[string]any{"id": task["id"]}); a.code() != "UNAUTHENTICATED" {
		t.Errorf("who is not signed in got %s", a.text)
	}
}

func TestADeviceTellsHowFarItHasCome(t *testing.T) {
	w := newWorld(t)
	acme := w.signIn("admin@acme.test")
	device := w.demo.Devices[0]
	for _, d := range w.demo.Devices {
		if w.devicesOf(acme)[d.Serial] && d.FleetTopic != "" {
			device = d
			break
		}
	}
	agent := w.must(acme, `query ($id: ID!) { agent(id: $id) { tasks { task { id databaseId } } } }`, map[string]any{"id": model.GlobalID("Agent", device.AgentID)})
	task := answer{Data: agent.at("agent", "tasks", 0, "task").(map[string]any)}
	next := w.subscribe(acme, `subscription { deviceEvents(filter: {kinds: [TASK_STATUS_CHANGED]}) { kind serial
	  ... on TaskStatusChanged { taskStatus { taskId state changedAt agent { databaseId } task { id policy { symbol } } } } } }`, nil)
	topic := device.Topic + "/Status/Task/" + strconv.Itoa(int(task.at("databaseId").(float64)))
	w.chatter(func(int) { w.publish(topic, `{"status":"overriden"}`) })
	kind, a := next()
	told := answer{Data: map[string]any{"s": a.at("deviceEvents", "taskStatus")}}
	if kind != "next" || told.at("s", "state") != "OVERRIDDEN" || told.at("s", "taskId") != task.at("id") || told.at("s", "changedAt") == nil ||
		told.at("s", "agent", "databaseId") != float64(device.AgentID) || told.at("s", "task", "policy", "symbol") == nil {
		t.Errorf("got %s %s", kind, a.text)
	}
}
