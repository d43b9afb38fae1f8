package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
)

const errorFields = `userErrors { code message field }`

const resultFields = `results { outcome task { id databaseId ` + valueFields + ` valueText policy { symbol } target { ... on Fleet { id } ... on Agent { id } } } ` + errorFields + ` } ` + errorFields

const (
	createFleet = `mutation ($input: CreateFleetInput!) { createFleet(input: $input) { fleet { id name isDefault isRecursive entity { id } tasks { ` + taskFields + ` } } ` + resultFields + ` } }`
	updateFleet = `mutation ($input: UpdateFleetInput!) { updateFleet(input: $input) { fleet { id name isDefault isRecursive tasks { id valueText policy { symbol } } }
	  removed { taskId removed removalTask { ` + taskFields + ` } ` + errorFields + ` } ` + resultFields + ` } }`
	deleteFleet = `mutation ($input: DeleteFleetInput!) { deleteFleet(input: $input) { deletedId movedTo { id isDefault } movedAgentCount ` + errorFields + ` } }`
	applyOne    = `mutation ($input: ApplyPoliciesInput!) { applyPolicies(input: $input) { target { __typename ... on Fleet { id tasks { id } } ... on Agent { id } } ` + resultFields + ` } }`
)

// wantError checks the only user error of a payload: its code and path, such as "input.id".
func wantError(t *testing.T, what string, errors any, code, path string) {
	t.Helper()
	list, _ := errors.([]any)
	if len(list) != 1 {
		t.Errorf("%s: got %v, want one %s at %s", what, errors, code, path)
		return
	}
	got := answer{Data: list[0].(map[string]any)}
	var parts []string
	steps, _ := got.at("field").([]any)
	for _, part := range steps {
		parts = append(parts, part.(string))
	}
	if got.at("code") != code || strings.Join(parts, ".") != path || got.at("message") == "" {
		t.Errorf("%s: got %v, want %s at %s", what, list[0], code, path)
	}
}

// defaultFleet is the fleet of unmanaged devices that a viewer sees first.
func (w *world) defaultFleet(token string) any {
	w.t.Helper()
	for _, node := range w.must(token, `{ fleets(first: 500) { nodes { id isDefault } } }`, nil).at("fleets", "nodes").([]any) {
		if node.(map[string]any)["isDefault"] == true {
			return node.(map[string]any)["id"]
		}
	}
	w.t.Fatal("no default fleet")
	return nil
}

func (w *world) newFleet(token, name string, policies ...any) answer {
	w.t.Helper()
	a := w.must(token, createFleet, map[string]any{"input": map[string]any{"name": name, "tasks": policies}})
	if a.at("createFleet", "fleet", "id") == nil || len(a.at("createFleet", "userErrors").([]any)) > 0 {
		w.t.Fatalf("no fleet: %s", a.text)
	}
	return answer{Data: a.at("createFleet").(map[string]any)}
}

func set(symbol, field string, value any) map[string]any {
	return map[string]any{"symbol": symbol, field: value}
}

func TestAFleetsLife(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		made := w.newFleet(token, "O'Brien & Söhne", set("disableCamera", "boolean", true), set("passwordEnabled", "option", "PASSWORD_PIN"))
		if made.at("fleet", "name") != "O'Brien & Söhne" || made.at("fleet", "isDefault") != false || made.at("fleet", "isRecursive") != false ||
			len(made.at("fleet", "tasks").([]any)) != 2 || made.at("results", 0, "outcome") != "CREATED" || made.at("results", 1, "task", "value", "option") != "PASSWORD_PIN" {
			t.Errorf("got %v", made.Data)
		}
		id := made.at("fleet", "id")
		changed := w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": id, "name": "Sales <EU>", "isRecursive": true}})
		if changed.at("updateFleet", "fleet", "name") != "Sales <EU>" || changed.at("updateFleet", "fleet", "isRecursive") != true ||
			len(changed.at("updateFleet", "fleet", "tasks").([]any)) != 2 || len(changed.at("updateFleet", "removed").([]any)) != 0 {
			t.Errorf("got %s", changed.text)
		}
		unchanged := w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": id, "name": nil, "isRecursive": nil}})
		if unchanged.at("updateFleet", "fleet", "name") != "Sales <EU>" || unchanged.at("updateFleet", "fleet", "isRecursive") != true {
			t.Errorf("got %s", unchanged.text)
		}
		gone := w.must(token, deleteFleet, map[string]any{"input": map[string]any{"id": id}})
		if gone.at("deleteFleet", "deletedId") != id || gone.at("deleteFleet", "movedAgentCount") != 0.0 || gone.at("deleteFleet", "movedTo", "isDefault") != true {
			t.Errorf("got %s", gone.text)
		}
		if a := w.ask(token, `query ($id: ID!) { fleet(id: $id) { id } }`, map[string]any{"id": id}); a.code() != "NOT_FOUND" {
			t.Errorf("a deleted fleet: %s", a.text)
		}
		wantError(t, "deleting twice", w.must(token, deleteFleet, map[string]any{"input": map[string]any{"id": id}}).at("deleteFleet", "userErrors"), "NOT_FOUND", "input.id")
	}
}

func TestADefaultFleetStaysAsItIs(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	id := w.defaultFleet(token)
	camera := []any{set("disableCamera", "boolean", true)}
	for what, c := range map[string]struct {
		mutation, name, path string
		input                map[string]any
	}{
		"renaming": {updateFleet, "updateFleet", "input.name", map[string]any{"id": id, "name": "mine"}},
		"widening": {updateFleet, "updateFleet", "input.isRecursive", map[string]any{"id": id, "isRecursive": true}},
		"tasks":    {updateFleet, "updateFleet", "input.tasks", map[string]any{"id": id, "tasks": camera}},
		"policies": {applyOne, "applyPolicies", "input.fleetId", map[string]any{"fleetId": id, "policies": camera}},
		"deleting": {deleteFleet, "deleteFleet", "input.id", map[string]any{"id": id}},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.must(token, c.mutation, map[string]any{"input": c.input}) })
		wantError(t, what, a.at(c.name, "userErrors"), "CONFLICT", c.path)
		if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
			t.Errorf("%s: GLPI was asked: %q", what, calls)
		}
	}
	same := w.must(token, `query ($id: ID!) { fleet(id: $id) { name } }`, map[string]any{"id": id}).at("fleet", "name")
	if a := w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": id, "name": same, "tasks": []any{}}}); len(a.at("updateFleet", "userErrors").([]any)) > 0 {
		t.Errorf("leaving it as it is: %s", a.text)
	}
	// GLPI would take is_default and make a second one that can't be deleted
	if a := w.ask(token, `mutation { createFleet(input: {name: "x", isDefault: true}) { fleet { id } } }`, nil); a.code() != "BAD_USER_INPUT" {
		t.Errorf("isDefault was taken: %s", a.text)
	}
}

func TestWrongFleetsAreRefusedAtTheirField(t *testing.T) {
	w := newWorld(t)
	token, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	theirs := w.fleetWithTasks(globex)
	mine := w.fleetWithTasks(token)["id"]
	for _, c := range []struct {
		mutation, name, code, path string
		input                      map[string]any
	}{
		{createFleet, "createFleet", "BAD_USER_INPUT", "input.name", map[string]any{"name": " "}},
		{createFleet, "createFleet", "BAD_USER_INPUT", "input.name", map[string]any{"name": strings.Repeat("é", 128)}},
		{createFleet, "createFleet", "BAD_USER_INPUT", "input.name", map[string]any{"name": "a\u0000b"}},
		{createFleet, "createFleet", "NOT_FOUND", "input.entityId", map[string]any{"name": "x", "entityId": theirs["entity"].(map[string]any)["id"]}},
		{createFleet, "createFleet", "NOT_FOUND", "input.entityId", map[string]any{"name": "x", "entityId": model.GlobalID("Entity", 98765)}},
		{createFleet, "createFleet", "BAD_USER_INPUT", "input.entityId", map[string]any{"name": "x", "entityId": mine}},
		{createFleet, "createFleet", "NOT_FOUND", "input.copyTasksFrom", map[string]any{"name": "x", "copyTasksFrom": theirs["id"]}},
		{updateFleet, "updateFleet", "BAD_USER_INPUT", "input.name", map[string]any{"id": mine, "name": ""}},
		{updateFleet, "updateFleet", "NOT_FOUND", "input.id", map[string]any{"id": theirs["id"], "name": "stolen"}},
		{updateFleet, "updateFleet", "NOT_FOUND", "input.id", map[string]any{"id": model.GlobalID("Fleet", 98765), "name": "stolen"}},
		{updateFleet, "updateFleet", "BAD_USER_INPUT", "input.id", map[string]any{"id": "17", "name": "x"}},
		{deleteFleet, "deleteFleet", "NOT_FOUND", "input.id", map[string]any{"id": theirs["id"]}},
		{deleteFleet, "deleteFleet", "BAD_USER_INPUT", "input.id", map[string]any{"id": model.GlobalID("Agent", 1)}},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.must(token, c.mutation, map[string]any{"input": c.input}) })
		wantError(t, fmt.Sprint(c.name, c.input), a.at(c.name, "userErrors"), c.code, c.path)
		if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
			t.Errorf("%s %v: GLPI was asked to write: %q", c.name, c.input, calls)
		}
	}
	if again := w.fleetWithTasks(globex); fmt.Sprint(again) != fmt.Sprint(theirs) {
		t.Errorf("another company's fleet changed from %v to %v", theirs, again)
	}
}

func TestWhoMayNotWriteFleetsIsForbidden(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	fleet := w.fleetWithTasks(admin)
	task := fleet["tasks"].([]any)[0].(map[string]any)["id"]
	camera := []any{set("disableCamera", "boolean", true)}
	for _, name := range []string{"viewer@acme.test", "sally@acme.test", ""} {
		token, code := "", "UNAUTHENTICATED"
		if name != "" {
			token, code = w.signIn(name), "FORBIDDEN"
		}
		for mutation, input := range map[string]map[string]any{
			createFleet: {"name": "x"}, updateFleet: {"id": fleet["id"], "name": "x"}, deleteFleet: {"id": fleet["id"]},
			applyOne: {"fleetId": fleet["id"], "policies": camera},
			`mutation ($input: UpdateTaskInput!) { updateTask(input: $input) { task { id } } }`:           {"id": task, "boolean": true},
			`mutation ($input: RemoveTasksInput!) { removeTasks(input: $input) { results { removed } } }`: {"ids": []any{task}},
		} {
			var a answer
			calls := w.callsOf(func() { a = w.ask(token, mutation, map[string]any{"input": input}) })
			if a.code() != code {
				t.Errorf("%s: got %s, want %s", name, a.text, code)
			}
			if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
				t.Errorf("%s: GLPI was asked to write: %q", name, calls)
			}
		}
	}
}

// The devices of a deleted fleet are not lost, and the deployments on it, of which GLPI dies, do not stop it half way.
func TestADeletedFleetGivesItsDevicesToTheDefaultOne(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		var fleet answer
		for _, node := range w.must(token, `{ fleets { nodes { id entity { id } agents(first: 500) { totalCount nodes { id } } tasks { value { __typename } } } } }`, nil).at("fleets", "nodes").([]any) {
			one := answer{Data: node.(map[string]any)}
			deploys := slices.ContainsFunc(one.at("tasks").([]any), func(task any) bool {
				return strings.HasPrefix(answer{Data: task.(map[string]any)}.at("value", "__typename").(string), "Deployed")
			})
			if deploys && one.at("agents", "totalCount") != 0.0 {
				fleet = one
			}
		}
		if fleet.Data == nil {
			t.Fatalf("%s has no fleet with a deployment and devices", admin)
		}
		gone := w.must(token, deleteFleet, map[string]any{"input": map[string]any{"id": fleet.at("id")}})
		if gone.at("deleteFleet", "deletedId") != fleet.at("id") || gone.at("deleteFleet", "movedAgentCount") != fleet.at("agents", "totalCount") {
			t.Fatalf("%s: got %s", admin, gone.text)
		}
		for _, node := range fleet.at("agents", "nodes").([]any) {
			a := w.must(token, `query ($id: ID!) { agent(id: $id) { fleet { id isDefault entity { id } } tasks { via } } }`, map[string]any{"id": node.(map[string]any)["id"]})
			if a.at("agent", "fleet", "id") != gone.at("deleteFleet", "movedTo", "id") || a.at("agent", "fleet", "isDefault") != true || a.at("agent", "fleet", "entity", "id") != fleet.at("entity", "id") {
				t.Errorf("a device is in %v, want %v", a.at("agent", "fleet"), gone.at("deleteFleet", "movedTo"))
			}
		}
	}
}

func TestAFleetIsCopiedWithItsTasks(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	source := w.fleetWithTasks(token)
	input := map[string]any{"name": "Copy", "copyTasksFrom": source["id"], "tasks": []any{set("passwordEnabled", "option", "PASSWORD_PASSWD"), set("disableGPS", "boolean", true)}}
	a := w.must(token, createFleet, map[string]any{"input": input})
	if errors := a.at("createFleet", "userErrors").([]any); len(errors) > 0 {
		t.Fatalf("got %v", errors)
	}
	values := func(tasks any) map[any]any {
		bySymbol := map[any]any{}
		for _, task := range tasks.([]any) {
			one := answer{Data: task.(map[string]any)}
			bySymbol[one.at("policy", "symbol")] = one.at("valueText")
		}
		return bySymbol
	}
	want := values(source["tasks"])
	want["passwordEnabled"], want["disableGPS"] = "PASSWORD_PASSWD", "1"
	if got := values(a.at("createFleet", "fleet", "tasks")); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := values(w.fleetWithTasks(token)["tasks"]); fmt.Sprint(got) != fmt.Sprint(values(source["tasks"])) {
		t.Errorf("the source has %v", got)
	}
}

// The whole set in one mutation: what is there and wished stays, changes are changed, and the rest goes.
func TestSavingAFleetMakesItsTasksTheWishedOnes(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		made := w.newFleet(token, "Before", set("disableCamera", "boolean", true), set("disableWifi", "boolean", true),
			set("passwordMinLength", "integer", 6), set("removeApp", "packageName", "com.example.old"))
		tasks := []any{set("disableCamera", "boolean", true), set("passwordMinLength", "integer", 8), set("disableGPS", "boolean", false), set("removeApp", "packageName", "com.example.new")}
		var a answer
		calls := w.callsOf(func() {
			a = w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": made.at("fleet", "id"), "name": "After", "tasks": tasks}})
		})
		if len(calls) > 8 {
			t.Errorf("%d calls to GLPI: %q", len(calls), calls)
		}
		for i, want := range []string{"UNCHANGED", "UPDATED", "CREATED", "CREATED"} {
			if got := a.at("updateFleet", "results", i, "outcome"); got != want {
				t.Errorf("%v: %v, want %s", tasks[i], got, want)
			}
		}
		removed := map[any]bool{}
		for _, one := range a.at("updateFleet", "removed").([]any) {
			removed[one.(map[string]any)["taskId"]] = one.(map[string]any)["removed"].(bool)
		}
		if len(removed) != 2 || !removed[made.at("results", 1, "task", "id")] || !removed[made.at("results", 3, "task", "id")] {
			t.Errorf("removed %v", removed)
		}
		if a.at("updateFleet", "fleet", "name") != "After" || len(a.at("updateFleet", "fleet", "tasks").([]any)) != 4 ||
			a.at("updateFleet", "results", 0, "task", "id") != made.at("results", 0, "task", "id") || a.at("updateFleet", "results", 1, "task", "value", "integer") != 8.0 {
			t.Errorf("got %s", a.text)
		}
		empty := w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": made.at("fleet", "id"), "tasks": []any{}}})
		if len(empty.at("updateFleet", "removed").([]any)) != 4 || len(empty.at("updateFleet", "fleet", "tasks").([]any)) != 0 {
			t.Errorf("emptied: %s", empty.text)
		}
	}
}

func TestAFleetIsNotHalfSavedForAWrongValue(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	made := w.newFleet(token, "Before", set("disableCamera", "boolean", true), set("passwordMinLength", "integer", 6))
	tasks := []any{set("disableGPS", "boolean", true), set("passwordMinLength", "integer", -3)}
	var a answer
	calls := w.callsOf(func() {
		a = w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": made.at("fleet", "id"), "name": "After", "tasks": tasks}})
	})
	wantError(t, "as a whole", a.at("updateFleet", "userErrors"), "BAD_USER_INPUT", "input.tasks.1.integer")
	wantError(t, "in its result", a.at("updateFleet", "results", 1, "userErrors"), "BAD_USER_INPUT", "input.tasks.1.integer")
	if a.at("updateFleet", "results", 0, "outcome") != "SKIPPED" || a.at("updateFleet", "results", 1, "outcome") != "REFUSED" ||
		a.at("updateFleet", "results", 1, "task", "value", "integer") != 6.0 || a.at("updateFleet", "fleet", "name") != "Before" || len(a.at("updateFleet", "fleet", "tasks").([]any)) != 2 {
		t.Errorf("got %s", a.text)
	}
	if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
		t.Errorf("GLPI was asked to write: %q", calls)
	}
	if a := w.must(token, createFleet, map[string]any{"input": map[string]any{"name": "New", "tasks": tasks}}); a.at("createFleet", "fleet") != nil {
		t.Errorf("a fleet was made: %s", a.text)
	}
}

func TestOpeningAFleetIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	deploying := slices.IndexFunc(w.restAs("admin@acme.test").rows("PluginFlyvemdmTask"), func(row map[string]any) bool {
		return row["itemtype_applied"] == "PluginFlyvemdmFleet" && row["itemtype"] == "PluginFlyvemdmPackage"
	})
	fleet := model.GlobalID("Fleet", int(w.restAs("admin@acme.test").rows("PluginFlyvemdmTask")[deploying]["items_id_applied"].(float64)))
	query := `query ($id: ID!) { policies { id symbol name type minimum choices { key label } effectiveOn { platform effect } category { completeName } }
	  fleet(id: $id) { id name isDefault entity { name } agents(first: 50) { totalCount nodes { id name serial } }
	    tasks { ` + taskFields + ` } rollout { percentDone counts { ` + countFields + ` } tasks { counts { total done } } } } }`
	cold := w.callsOf(func() { w.must(token, query, map[string]any{"id": fleet}) })
	if len(cold) > 8 {
		t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
	}
	if warm := w.callsOf(func() { w.must(token, query, map[string]any{"id": fleet}) }); len(warm) != 0 {
		t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
	}
}

// Removing a deployment leaves a task that removes the file, and GLPI then refuses another file at the same place: what
// could be saved is, and the answer says what was not.
func TestWhatGLPIRefusesWhileSavingIsToldTaskByTask(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	files := w.must(token, `{ files { nodes { id databaseId name } } }`, nil)
	name := files.at("files", "nodes", 0, "name")
	if status := w.restAs("admin@acme.test").do("PUT", fmt.Sprintf("/PluginFlyvemdmFile/%v", files.at("files", "nodes", 1, "databaseId")), map[string]any{"name": name}, nil); status != 200 {
		t.Fatalf("GLPI answered %d", status)
	}
	made := w.newFleet(token, "Before", set("deployFile", "file", file(files.at("files", "nodes", 0, "id"), "%SDCARD%/x")))
	a := w.must(token, updateFleet, map[string]any{"input": map[string]any{"id": made.at("fleet", "id"), "name": "After", "tasks": []any{
		set("deployFile", "file", file(files.at("files", "nodes", 1, "id"), "%SDCARD%/x")), set("disableGPS", "boolean", true),
	}}})
	if a.at("updateFleet", "results", 0, "outcome") != "REFUSED" || a.at("updateFleet", "results", 1, "outcome") != "CREATED" || a.at("updateFleet", "fleet", "name") != "After" {
		t.Errorf("got %s", a.text)
	}
	wantError(t, "the file", a.at("updateFleet", "results", 0, "userErrors"), "BAD_USER_INPUT", "input.tasks.0")
	wantError(t, "in all", a.at("updateFleet", "userErrors"), "BAD_USER_INPUT", "input.tasks.0")
	if message, _ := a.at("updateFleet", "userErrors", 0, "message").(string); !strings.Contains(message, "removal policy") {
		t.Errorf("GLPI's own reason is missing: %q", message)
	}
	removed := answer{Data: a.at("updateFleet", "removed", 0).(map[string]any)}
	if removed.at("removed") != true || removed.at("removalTask", "value", "path") != fmt.Sprintf("%%SDCARD%%/x/%v", name) || len(a.at("updateFleet", "fleet", "tasks").([]any)) != 2 {
		t.Errorf("got %s", a.text)
	}
}
