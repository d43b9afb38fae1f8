package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
)

const (
	updateTask  = `mutation ($input: UpdateTaskInput!) { updateTask(input: $input) { task { ` + taskFields + ` } ` + errorFields + ` } }`
	removeTasks = `mutation ($input: RemoveTasksInput!) { removeTasks(input: $input) { results { taskId removed removalTask { ` + taskFields + ` } ` + errorFields + ` } ` + errorFields + ` } }`
)

// library are a company's files and applications.
type library struct{ file, fileName, application, pending any }

func (w *world) library(token string) library {
	w.t.Helper()
	a := w.must(token, `{ files { nodes { id name } } applications { nodes { id packageName parseStatus } } }`, nil)
	l := library{file: a.at("files", "nodes", 0, "id"), fileName: a.at("files", "nodes", 0, "name")}
	for _, node := range a.at("applications", "nodes").([]any) {
		switch app := node.(map[string]any); app["parseStatus"] {
		case "PARSED":
			l.application = app["id"]
		case "PENDING":
			l.pending = app["id"]
		}
	}
	if l.file == nil || l.application == nil {
		w.t.Fatalf("nothing to deploy: %s", a.text)
	}
	return l
}

func (w *world) apply(token string, fleet any, policies ...any) answer {
	w.t.Helper()
	a := w.must(token, applyOne, map[string]any{"input": map[string]any{"fleetId": fleet, "policies": policies}})
	return answer{Data: a.at("applyPolicies").(map[string]any), text: a.text}
}

func file(id, destination any, removeOnDelete ...bool) map[string]any {
	f := map[string]any{"id": id, "destination": destination}
	if len(removeOnDelete) > 0 {
		f["removeOnDelete"] = removeOnDelete[0]
	}
	return f
}

func TestPoliciesOfEveryTypeAreApplied(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		lib := w.library(token)
		fleet := w.newFleet(token, "Every type").at("fleet", "id")
		passwords := w.must(token, `{ policies { id symbol } }`, nil).at("policies").([]any)
		at := slices.IndexFunc(passwords, func(p any) bool { return p.(map[string]any)["symbol"] == "passwordEnabled" })
		policies := []any{
			set("disableCamera", "boolean", true), set("disableWifi", "boolean", false), set("passwordMinLength", "integer", 0),
			map[string]any{"policyId": passwords[at].(map[string]any)["id"], "option": "PASSWORD_PIN"},
			set("deployApp", "application", map[string]any{"id": lib.application}), set("deployApp", "application", map[string]any{"id": lib.pending, "removeOnDelete": false}),
			set("deployFile", "file", file(lib.file, "%SDCARD%/it's & more")), set("deployFile", "file", file(lib.file, "%DOCUMENTS%", false)),
			set("removeApp", "packageName", "com.example.bad_app"), set("removeFile", "path", "%SDCARD%/old & gone.txt"),
		}
		var a answer
		calls := w.callsOf(func() { a = w.apply(token, fleet, policies...) })
		if len(calls) > 8 {
			t.Errorf("%d calls: %q", len(calls), calls)
		}
		for i, want := range []string{
			`{"__typename":"BooleanValue","boolean":true}`, `{"__typename":"BooleanValue","boolean":false}`, `{"__typename":"IntegerValue","integer":0}`,
			`{"__typename":"OptionValue","option":"PASSWORD_PIN","label":"Pin"}`,
			fmt.Sprintf(`{"__typename":"DeployedApplication","applicationId":"%v","removeOnDelete":true}`, lib.application),
			fmt.Sprintf(`{"__typename":"DeployedApplication","applicationId":"%v","removeOnDelete":false}`, lib.pending),
			fmt.Sprintf(`{"__typename":"DeployedFile","fileId":"%v","destination":"%%SDCARD%%/it's & more","removeOnDelete":true}`, lib.file),
			fmt.Sprintf(`{"__typename":"DeployedFile","fileId":"%v","destination":"%%DOCUMENTS%%","removeOnDelete":false}`, lib.file),
			`{"__typename":"RemovedApplication","packageName":"com.example.bad_app"}`, `{"__typename":"RemovedFile","path":"%SDCARD%/old & gone.txt"}`,
		} {
			got := a.at("results", i)
			var value any
			if err := json.Unmarshal([]byte(want), &value); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a.at("results", i, "task", "value"), value) || a.at("results", i, "outcome") != "CREATED" || a.at("results", i, "task", "target", "id") != fleet {
				t.Errorf("%v: got %v, want %s", policies[i], got, want)
			}
		}
		for _, one := range w.apply(token, fleet, policies...).at("results").([]any) {
			if one.(map[string]any)["outcome"] != "UNCHANGED" {
				t.Errorf("applied again: %v", one)
			}
		}
	}
}

// GLPI takes "12abc" for a number, paths with .. at their end, and hides why it refuses.
func TestValuesAreCheckedBeforeGLPIIsAsked(t *testing.T) {
	w := newWorld(t)
	token, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	lib, theirs := w.library(token), w.library(globex)
	fleet := w.newFleet(token, "Checked").at("fleet", "id")
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		value      map[string]any
		code, path string
	}{
		{map[string]any{"boolean": true}, "BAD_USER_INPUT", ""},
		{map[string]any{"symbol": "disableCamera", "policyId": model.GlobalID("Policy", 1), "boolean": true}, "BAD_USER_INPUT", ""},
		{set("noSuchPolicy", "boolean", true), "NOT_FOUND", "symbol"},
		{map[string]any{"policyId": model.GlobalID("Policy", 98765), "boolean": true}, "NOT_FOUND", "policyId"},
		{map[string]any{"policyId": fleet, "boolean": true}, "BAD_USER_INPUT", "policyId"},
		{map[string]any{"symbol": "disableCamera"}, "BAD_USER_INPUT", ""},
		{map[string]any{"symbol": "disableCamera", "boolean": true, "integer": 1}, "BAD_USER_INPUT", ""},
		{set("disableCamera", "integer", 1), "BAD_USER_INPUT", "integer"},
		{set("disableCamera", "text", "true"), "BAD_USER_INPUT", "text"},
		{set("passwordMinLength", "text", "12abc"), "BAD_USER_INPUT", "text"},
		{set("passwordMinLength", "integer", -1), "BAD_USER_INPUT", "integer"},
		{set("passwordEnabled", "option", "PASSWORD_NOTHING"), "BAD_USER_INPUT", "option"},
		{set("passwordEnabled", "option", ""), "BAD_USER_INPUT", "option"},
		{set("deployApp", "application", map[string]any{"id": "1"}), "BAD_USER_INPUT", "application.id"},
		{set("deployApp", "application", map[string]any{"id": lib.file}), "BAD_USER_INPUT", "application.id"},
		{set("deployApp", "application", map[string]any{"id": theirs.application}), "NOT_FOUND", "application.id"},
		{set("deployApp", "application", map[string]any{"id": model.GlobalID("Application", 98765)}), "NOT_FOUND", "application.id"},
		{set("deployFile", "file", file(theirs.file, "%SDCARD%")), "NOT_FOUND", "file.id"},
		{set("deployFile", "file", file(lib.file, "")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "/sdcard")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%x")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/../etc")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/..")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/./x")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%//x")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/<b>")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, `%SDCARD%/a"b`)), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/my defaults")), "BAD_USER_INPUT", "file.destination"},
		{set("deployFile", "file", file(lib.file, "%SDCARD%/"+long[:230])), "BAD_USER_INPUT", "file.destination"},
		{set("removeApp", "packageName", ""), "BAD_USER_INPUT", "packageName"},
		{set("removeApp", "packageName", "Chrome"), "BAD_USER_INPUT", "packageName"},
		{set("removeApp", "packageName", "com.example.default"), "BAD_USER_INPUT", "packageName"},
		{set("removeApp", "packageName", "com.example;rm"), "BAD_USER_INPUT", "packageName"},
		{set("removeFile", "path", "%SDCARD%"), "BAD_USER_INPUT", "path"},
		{set("removeFile", "path", "%SDCARD%/"), "BAD_USER_INPUT", "path"},
		{set("removeFile", "path", "%SDCARD%/../x"), "BAD_USER_INPUT", "path"},
		{set("removeFile", "path", "etc/passwd"), "BAD_USER_INPUT", "path"},
		{set("removeFile", "path", "%SDCARD%/"+long), "BAD_USER_INPUT", "path"},
		{set("removeFile", "path", "%SDCARD%/a\u0007"), "BAD_USER_INPUT", "path"},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.apply(token, fleet, c.value) })
		path := strings.TrimSuffix("input.policies.0."+c.path, ".")
		wantError(t, fmt.Sprint(c.value), a.at("results", 0, "userErrors"), c.code, path)
		wantError(t, fmt.Sprint(c.value), a.at("userErrors"), c.code, path)
		if a.at("results", 0, "outcome") != "REFUSED" || a.at("results", 0, "task") != nil {
			t.Errorf("%v: got %s", c.value, a.text)
		}
		if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
			t.Errorf("%v: GLPI was asked to write: %q", c.value, calls)
		}
	}
}

func TestWhatContradictsIsAConflict(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	lib := w.library(token)
	packageName := w.must(token, `query ($id: ID!) { node(id: $id) { ... on Application { packageName } } }`, map[string]any{"id": lib.application}).at("node", "packageName")
	application := set("deployApp", "application", map[string]any{"id": lib.application})
	path := fmt.Sprintf("%%SDCARD%%/x/%v", lib.fileName)
	for what, c := range map[string]struct {
		before, then []any
		conflict     int // index of what is refused
		path         string
	}{
		"twice in the list":                {nil, []any{set("disableCamera", "boolean", true), set("disableCamera", "boolean", false)}, 1, ""},
		"one file in one place twice":      {nil, []any{set("deployFile", "file", file(lib.file, "%SDCARD%")), set("deployFile", "file", file(lib.file, "%SDCARD%/"))}, 1, ""},
		"deployed and removed":             {nil, []any{application, set("removeApp", "packageName", packageName)}, 1, ""},
		"removed and deployed":             {nil, []any{set("removeFile", "path", path), set("deployFile", "file", file(lib.file, "%SDCARD%/x"))}, 1, ""},
		"deployed where it is removed":     {[]any{set("removeApp", "packageName", packageName)}, []any{application}, 0, ""},
		"removed where it is deployed":     {[]any{set("deployFile", "file", file(lib.file, "%SDCARD%/x/"))}, []any{set("removeFile", "path", path)}, 0, ""},
		"another removeOnDelete, file":     {[]any{set("deployFile", "file", file(lib.file, "%SDCARD%", true))}, []any{set("deployFile", "file", file(lib.file, "%SDCARD%", false))}, 0, ""},
		"another removeOnDelete, software": {[]any{application}, []any{set("deployApp", "application", map[string]any{"id": lib.application, "removeOnDelete": false})}, 0, ""},
	} {
		fleet := w.newFleet(token, what, c.before...).at("fleet", "id")
		a := w.apply(token, fleet, append(c.then, set("disableGPS", "boolean", true))...)
		wantError(t, what, a.at("results", c.conflict, "userErrors"), "CONFLICT", fmt.Sprintf("input.policies.%d", c.conflict))
		if last := a.at("results", len(c.then), "outcome"); last != "CREATED" {
			t.Errorf("%s: what is right was %v", what, last)
		}
	}
}

func TestAPolicyThatIsThereGetsTheNewValue(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	made := w.newFleet(token, "Again", set("passwordMinLength", "integer", 6), set("disableCamera", "boolean", true))
	a := w.apply(token, made.at("fleet", "id"), set("passwordMinLength", "integer", 9))
	if a.at("results", 0, "outcome") != "UPDATED" || a.at("results", 0, "task", "id") != made.at("results", 0, "task", "id") ||
		a.at("results", 0, "task", "value", "integer") != 9.0 || len(a.at("target", "tasks").([]any)) != 2 {
		t.Errorf("got %s", a.text)
	}
}

func TestPoliciesForOneDevice(t *testing.T) {
	w := newWorld(t)
	token, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	agents := w.must(token, `{ agents(first: 500) { nodes { id fleet { isDefault } tasks { via task { id policy { symbol } } } } } }`, nil).at("agents", "nodes").([]any)
	at := slices.IndexFunc(agents, func(node any) bool {
		return answer{Data: node.(map[string]any)}.at("fleet", "isDefault") == true && len(node.(map[string]any)["tasks"].([]any)) == 0
	})
	agent := agents[at].(map[string]any)["id"] // a device of a default fleet may have policies of its own
	input := map[string]any{"agentId": agent, "policies": []any{set("disableGPS", "boolean", true)}}
	a := w.must(token, applyOne, map[string]any{"input": input})
	if a.at("applyPolicies", "results", 0, "outcome") != "CREATED" || a.at("applyPolicies", "target", "__typename") != "Agent" || a.at("applyPolicies", "target", "id") != agent {
		t.Errorf("got %s", a.text)
	}
	after := w.must(token, `query ($id: ID!) { agent(id: $id) { tasks { via status { state } task { id } } } }`, map[string]any{"id": agent})
	if after.at("agent", "tasks", 0, "via") != "AGENT" || after.at("agent", "tasks", 0, "status", "state") != "PENDING" {
		t.Errorf("got %s", after.text)
	}
	for _, id := range []any{agent, model.GlobalID("Agent", 98765)} {
		input["agentId"] = id
		wantError(t, "a foreign device", w.must(globex, applyOne, map[string]any{"input": input}).at("applyPolicies", "userErrors"), "NOT_FOUND", "input.agentId")
	}
	fleet := w.fleetWithTasks(token)["id"]
	wantError(t, "a foreign fleet", w.must(globex, applyOne, map[string]any{"input": map[string]any{"fleetId": fleet, "policies": input["policies"]}}).at("applyPolicies", "userErrors"), "NOT_FOUND", "input.fleetId")
	for what, c := range map[string]struct {
		input map[string]any
		path  string
	}{
		"no target":        {map[string]any{"policies": input["policies"]}, "input"},
		"two targets":      {map[string]any{"fleetId": fleet, "agentId": agent, "policies": input["policies"]}, "input"},
		"an id of another": {map[string]any{"fleetId": agent, "policies": input["policies"]}, "input.fleetId"},
		"no policies":      {map[string]any{"fleetId": fleet, "policies": []any{}}, "input.policies"},
		"too many":         {map[string]any{"fleetId": fleet, "policies": slices.Repeat(input["policies"].([]any), 501)}, "input.policies"},
	} {
		wantError(t, what, w.must(token, applyOne, map[string]any{"input": c.input}).at("applyPolicies", "userErrors"), "BAD_USER_INPUT", c.path)
	}
}

func TestATaskGetsAnotherValue(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		lib := w.library(token)
		made := w.newFleet(token, "Changing", set("passwordMinLength", "integer", 6), set("removeApp", "packageName", "com.example.a"),
			set("removeApp", "packageName", "com.example.b"), set("deployFile", "file", file(lib.file, "%SDCARD%")))
		task := func(i int) any { return made.at("results", i, "task", "id") }
		change := func(id any, field string, value any) answer {
			a := w.must(token, updateTask, map[string]any{"input": map[string]any{"id": id, field: value}})
			return answer{Data: a.at("updateTask").(map[string]any), text: a.text}
		}
		if a := change(task(0), "integer", 12); a.at("task", "value", "integer") != 12.0 || a.at("task", "id") != task(0) {
			t.Errorf("got %s", a.text)
		}
		if a := change(task(1), "packageName", "com.example.c"); a.at("task", "value", "packageName") != "com.example.c" {
			t.Errorf("got %s", a.text)
		}
		if a := change(task(3), "file", file(lib.file, "%SDCARD%")); a.at("task", "id") != task(3) || len(a.at("userErrors").([]any)) > 0 {
			t.Errorf("the same deployment: %s", a.text)
		}
		for _, c := range []struct {
			id         any
			field      string
			value      any
			code, path string
		}{
			{task(0), "integer", -1, "BAD_USER_INPUT", "input.integer"},
			{task(0), "boolean", true, "BAD_USER_INPUT", "input.boolean"},
			{task(1), "packageName", "com.example.b", "CONFLICT", "input"},
			{task(3), "file", file(lib.file, "%DOCUMENTS%"), "CONFLICT", "input"},
			{task(3), "file", file(lib.file, "%SDCARD%", false), "CONFLICT", "input"},
			{model.GlobalID("Task", 98765), "boolean", true, "NOT_FOUND", "input.id"},
			{"x", "boolean", true, "BAD_USER_INPUT", "input.id"},
		} {
			wantError(t, fmt.Sprint(c.field, c.value), change(c.id, c.field, c.value).at("userErrors"), c.code, c.path)
		}
		others := map[string]string{"admin@acme.test": "admin@globex.test", "admin@globex.test": "admin@acme.test"}[admin]
		a := w.must(w.signIn(others), updateTask, map[string]any{"input": map[string]any{"id": task(0), "integer": 1}})
		wantError(t, "another company's task", a.at("updateTask", "userErrors"), "NOT_FOUND", "input.id")
	}
}

// GLPI lets anybody delete anybody's tasks.
func TestTasksAreRemovedOneByOne(t *testing.T) {
	w := newWorld(t)
	token, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	lib := w.library(token)
	made := w.newFleet(token, "Removing", set("disableCamera", "boolean", true), set("deployFile", "file", file(lib.file, "%SDCARD%/kept", false)),
		set("deployFile", "file", file(lib.file, "%SDCARD%/gone", true)), set("deployApp", "application", map[string]any{"id": lib.application}), set("disableWifi", "boolean", true))
	var ids []any
	for i := range 4 {
		ids = append(ids, made.at("results", i, "task", "id"))
	}
	theirs := w.fleetWithTasks(globex)["tasks"].([]any)[0].(map[string]any)["id"]
	ids = slices.Insert(ids, 1, theirs, any(model.GlobalID("Task", 98765)))
	a := w.must(token, removeTasks, map[string]any{"input": map[string]any{"ids": ids}})
	for i, want := range []struct {
		removed bool
		removal string
	}{
		{true, ""}, {false, ""}, {false, ""}, {true, ""}, {true, "RemovedFile"}, {true, "RemovedApplication"},
	} {
		result := answer{Data: a.at("removeTasks", "results", i).(map[string]any)}
		removal, _ := result.at("removalTask", "value", "__typename").(string)
		if result.at("taskId") != ids[i] || result.at("removed") != want.removed || removal != want.removal {
			t.Errorf("%v: got %v", ids[i], result.Data)
		}
		if !want.removed {
			wantError(t, "not removed", result.at("userErrors"), "NOT_FOUND", fmt.Sprintf("input.ids.%d", i))
		}
	}
	if path := a.at("removeTasks", "results", 4, "removalTask", "value", "path"); path != fmt.Sprintf("%%SDCARD%%/gone/%v", lib.fileName) {
		t.Errorf("the file that is to be removed is %v", path)
	}
	left := w.must(token, `query ($id: ID!) { fleet(id: $id) { tasks { policy { symbol } } } }`, map[string]any{"id": made.at("fleet", "id")})
	if tasks := left.at("fleet", "tasks").([]any); len(tasks) != 3 || left.at("fleet", "tasks", 0, "policy", "symbol") != "disableWifi" {
		t.Errorf("left are %v", tasks)
	}
	if a := w.must(globex, `query ($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": theirs}); a.at("node", "id") != theirs {
		t.Error("another company's task is gone")
	}
	for what, c := range map[string]struct {
		ids  []any
		path string
	}{
		"none": {[]any{}, "input.ids"}, "twice": {[]any{ids[0], ids[0]}, "input.ids.1"}, "no id": {[]any{"x"}, "input.ids.0"},
		"too many": {slices.Repeat([]any{ids[0]}, 501), "input.ids"},
	} {
		wantError(t, what, w.must(token, removeTasks, map[string]any{"input": map[string]any{"ids": c.ids}}).at("removeTasks", "userErrors"), "BAD_USER_INPUT", c.path)
	}
}

// What another administrator did meanwhile is seen: nothing is judged by what the cache believes.
func TestChangesBehindTheGatewaysBackAreSeenBeforeWriting(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	made := w.newFleet(token, "Shared", set("disableCamera", "boolean", true))
	id := int(made.at("results", 0, "task", "databaseId").(float64))
	rest := w.restAs("admin@acme.test")
	if status := rest.do(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmTask/%d", id), map[string]any{"value": "0"}, nil); status != http.StatusOK {
		t.Fatalf("GLPI answered %d", status)
	}
	if a := w.apply(token, made.at("fleet", "id"), set("disableCamera", "boolean", true)); a.at("results", 0, "outcome") != "UPDATED" {
		t.Errorf("got %s", a.text)
	}
	if status := rest.do(http.MethodDelete, fmt.Sprintf("/PluginFlyvemdmTask/%d", id), nil, nil); status != http.StatusOK {
		t.Fatalf("GLPI answered %d", status)
	}
	if a := w.apply(token, made.at("fleet", "id"), set("disableCamera", "boolean", true)); a.at("results", 0, "outcome") != "CREATED" {
		t.Errorf("got %s", a.text)
	}
}
