package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// beside opens a session in GLPI that the gateway knows nothing of.
func (w *world) beside(username string) *glpiproxy.Session {
	w.t.Helper()
	client, err := glpiproxy.New(glpiproxy.Options{URL: w.rest})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	s, err := client.SignIn(w.t.Context(), username, glpi.DemoPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// deployTo has tasks that deploy a file to a fresh fleet: one for each folder, removed from the devices with the task
// where it ends in "!".
func (w *world) deployTo(s *glpiproxy.Session, fileID int, folders ...string) (fleetID int) {
	w.t.Helper()
	scope, err := s.Scope(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	fleetID, err = glpiproxy.CreateItem(w.t.Context(), s, glpiproxy.FleetInput{Name: "new", EntityID: scope.EntityID})
	if err != nil {
		w.t.Fatal(err)
	}
	policies, err := glpiproxy.List[glpiproxy.Policy](w.t.Context(), s, glpiproxy.ListOptions{Filter: map[string]string{"symbol": "deployFile"}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, folder := range folders {
		folder, remove := strings.CutSuffix(folder, "!")
		_, err := glpiproxy.CreateItem(w.t.Context(), s, glpiproxy.TaskInput{
			Target: glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleetID}, PolicyID: policies.Items[0].ID,
			Deploy: &glpiproxy.Deployment{FileID: fileID, Destination: folder, RemoveOnDelete: remove},
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return fleetID
}

// fileID is the global id and GLPI's own of a company's file or application with a name.
func (w *world) fileID(token, list, field, name string) (globalID string, id int) {
	w.t.Helper()
	node := nodeNamed(w.t, w.must(token, `{ `+list+` { nodes { id databaseId `+field+` } } }`, nil), list, field, name)
	return node["id"].(string), int(node["databaseId"].(float64))
}

const (
	updateFile        = `mutation ($input: UpdateFileInput!) { updateFile(input: $input) { file { id name comment size } userErrors { code message field } } }`
	updateApplication = `mutation ($input: UpdateApplicationInput!) { updateApplication(input: $input) { application { id alias fileName } userErrors { code message field } } }`
	deleteFile        = `mutation ($input: DeleteFileInput!) { deleteFile(input: $input) { deletedFileId
	  endedDeployments { taskId removedFromDevices target { ... on Fleet { name } ... on Agent { name } } } userErrors { code message field } } }`
	deleteApplication = `mutation ($input: DeleteApplicationInput!) { deleteApplication(input: $input) { deletedApplicationId
	  endedDeployments { taskId removedFromDevices target { ... on Fleet { name } } } userErrors { code message field } } }`
)

func TestFilesAndApplicationsAreRenamed(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		file, _ := w.fileID(token, "files", "name", "welcome.txt")
		app, _ := w.fileID(token, "applications", "alias", "Fleet Chat")
		for _, step := range []struct {
			input map[string]any
			want  string
		}{
			{map[string]any{"name": `O'Brien & "co" <1>.txt`}, `O'Brien & "co" <1>.txt, Made for the demonstration`},
			{map[string]any{"comment": "one\ntwo"}, "O'Brien & \"co\" <1>.txt, one\ntwo"},
			{map[string]any{"name": "b.txt", "comment": ""}, "b.txt, <nil>"},
			{map[string]any{"name": nil}, "b.txt, <nil>"},
		} {
			step.input["id"] = file
			a := w.must(token, updateFile, map[string]any{"input": step.input})
			got := fmt.Sprintf("%v, %v", a.at("updateFile", "file", "name"), a.at("updateFile", "file", "comment"))
			if got != step.want || len(a.at("updateFile", "userErrors").([]any)) != 0 || a.at("updateFile", "file", "size").(float64) == 0 {
				t.Errorf("%s: %v: %s", admin, step.input, a.text)
			}
		}
		w.fileID(token, "files", "name", "b.txt") // the list shows it
		a := w.must(token, updateApplication, map[string]any{"input": map[string]any{"id": app, "alias": "Talk & walk"}})
		if a.at("updateApplication", "application", "alias") != "Talk & walk" || a.at("updateApplication", "application", "fileName") != "FleetChat.apk" {
			t.Errorf("%s: %s", admin, a.text)
		}
		w.fileID(token, "applications", "alias", "Talk & walk")
	}
}

func TestWhatCannotBeDoneToFiles(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	file, fileID := w.fileID(acme, "files", "name", "welcome.txt")
	app, _ := w.fileID(acme, "applications", "alias", "Fleet Chat")
	theirFile, _ := w.fileID(globex, "files", "name", "welcome.txt")
	theirApp, _ := w.fileID(globex, "applications", "alias", "Fleet Chat")
	for _, c := range []struct {
		query string
		input map[string]any
		code  string
		field string
	}{
		{updateFile, map[string]any{"id": file, "name": ""}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": file, "name": "../x"}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": file, "name": `a\b`}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": file, "name": ".."}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": file, "name": "a\x00"}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": file, "name": strings.Repeat("é", 256)}, "BAD_USER_INPUT", "[input name]"},
		{updateFile, map[string]any{"id": app, "name": "x"}, "BAD_USER_INPUT", "[input id]"},
		{updateFile, map[string]any{"id": "x", "name": "x"}, "BAD_USER_INPUT", "[input id]"},
		{updateFile, map[string]any{"id": theirFile, "name": "x"}, "NOT_FOUND", "[input id]"},
		{updateFile, map[string]any{"id": theirFile}, "NOT_FOUND", "[input id]"},
		{updateFile, map[string]any{"id": model.GlobalID("File", 9999), "name": "x"}, "NOT_FOUND", "[input id]"},
		{updateApplication, map[string]any{"id": app, "alias": " "}, "BAD_USER_INPUT", "[input alias]"},
		{updateApplication, map[string]any{"id": app, "alias": "a\nb"}, "BAD_USER_INPUT", "[input alias]"},
		{updateApplication, map[string]any{"id": app, "alias": strings.Repeat("é", 256)}, "BAD_USER_INPUT", "[input alias]"},
		{updateApplication, map[string]any{"id": theirApp, "alias": "x"}, "NOT_FOUND", "[input id]"},
		{deleteFile, map[string]any{"id": theirFile}, "NOT_FOUND", "[input id]"},
		{deleteFile, map[string]any{"id": model.GlobalID("File", 9999)}, "NOT_FOUND", "[input id]"},
		{deleteFile, map[string]any{"id": app}, "BAD_USER_INPUT", "[input id]"},
		{deleteApplication, map[string]any{"id": theirApp}, "NOT_FOUND", "[input id]"},
		{deleteApplication, map[string]any{"id": file}, "BAD_USER_INPUT", "[input id]"},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.must(acme, c.query, map[string]any{"input": c.input}) })
		for _, payload := range a.Data {
			wrong := answer{Data: payload.(map[string]any)}
			if wrong.at("userErrors", 0, "code") != c.code || fmt.Sprint(wrong.at("userErrors", 0, "field")) != c.field || len(wrong.at("userErrors").([]any)) != 1 {
				t.Errorf("%v: got %s, want %s at %s", c.input, a.text, c.code, c.field)
			}
		}
		for _, call := range calls {
			if !strings.HasPrefix(call, "GET ") {
				t.Errorf("%v: GLPI was asked to %s", c.input, call)
			}
		}
	}
	for _, user := range []string{"sally@acme.test", "viewer@acme.test"} {
		token := w.signIn(user)
		for query, input := range map[string]map[string]any{
			updateFile: {"id": file, "name": "x"}, updateApplication: {"id": app, "alias": "x"}, deleteFile: {"id": file}, deleteApplication: {"id": app},
		} {
			if a := w.ask(token, query, map[string]any{"input": input}); a.code() != "FORBIDDEN" {
				t.Errorf("%s: %v: %s", user, input, a.text)
			}
		}
	}
	if _, err := glpiproxy.Get[glpiproxy.File](t.Context(), w.beside("admin@acme.test"), fileID); err != nil {
		t.Errorf("the file: %v", err)
	}
}

// GLPI dies when it deletes a file with more than one task that leaves the file on the devices.
func TestDeletingAFileEndsItsDeployments(t *testing.T) {
	w := newWorld(t)
	admin := w.beside("admin@acme.test")
	token := w.signIn("admin@acme.test")
	file, id := w.fileID(token, "files", "name", "price list.csv")
	fleet := w.deployTo(admin, id, "%SDCARD%/a", "%SDCARD%/b!", "%SDCARD%/c", "%DOCUMENTS%")
	w.deployTo(admin, id, "%SDCARD%/a")
	listed := w.must(token, `query ($id: ID!) { file(id: $id) { deployments { id valueText target { ... on Fleet { name } } } } }`, map[string]any{"id": file})
	if got := listed.at("file", "deployments").([]any); len(got) != 5 {
		t.Errorf("%s: want five deployments", listed.text)
	}
	a := w.must(token, deleteFile, map[string]any{"input": map[string]any{"id": file}})
	ended := a.at("deleteFile", "endedDeployments").([]any)
	removed := 0
	for _, one := range ended {
		one := answer{Data: one.(map[string]any)}
		if one.at("target", "name") != "new" || one.at("taskId") == nil {
			t.Errorf("got %s", a.text)
		}
		if one.at("removedFromDevices") == true {
			removed++
		}
	}
	if a.at("deleteFile", "deletedFileId") != file || len(ended) != 5 || removed != 1 {
		t.Errorf("got %s", a.text)
	}
	if again := w.ask(token, `query ($id: ID!) { file(id: $id) { id } }`, map[string]any{"id": file}); again.code() != "NOT_FOUND" {
		t.Errorf("it is still there: %s", again.text)
	}
	left, err := glpiproxy.TasksOf(t.Context(), w.beside("admin@acme.test"), glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet})
	if err != nil || len(left) != 1 || !strings.HasPrefix(left[0].Value, "%SDCARD%/b") {
		t.Errorf("%+v, %v: want the one task that removes the file", left, err)
	}
}

func TestDeletingAnApplicationEndsItsDeployments(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		app, _ := w.fileID(token, "applications", "alias", "Fleet Chat")
		before := w.must(token, `query ($id: ID!) { application(id: $id) { deployments { id value { ... on DeployedApplication { removeOnDelete } } } } }`, map[string]any{"id": app})
		a := w.must(token, deleteApplication, map[string]any{"input": map[string]any{"id": app}})
		ended := a.at("deleteApplication", "endedDeployments").([]any)
		if a.at("deleteApplication", "deletedApplicationId") != app || len(ended) != len(before.at("application", "deployments").([]any)) {
			t.Errorf("%s: %s of %s", admin, a.text, before.text)
		}
		if got := w.must(token, `{ applications { nodes { id } } overview { applicationCount } }`, nil); strings.Contains(got.text, app) {
			t.Errorf("%s: still listed: %s", admin, got.text)
		}
	}
}

func TestDeploymentsOfAPageAreOneSearch(t *testing.T) {
	w := newWorld(t)
	admin := w.beside("admin@acme.test")
	token := w.signIn("admin@acme.test")
	for _, name := range []string{"welcome.txt", "price list.csv"} {
		_, id := w.fileID(token, "files", "name", name)
		w.deployTo(admin, id, "%SDCARD%")
	}
	w.must(token, `{ viewer { username } }`, nil)
	calls := w.callsOf(func() {
		a := w.must(token, `{ files { nodes { name deployments { target { ... on Fleet { name } } } } } }`, nil)
		if got := nodeNamed(t, a, "files", "name", "price list.csv")["deployments"].([]any); len(got) != 1 {
			t.Errorf("got %s", a.text)
		}
	})
	searches := 0
	for _, call := range calls {
		if strings.Contains(call, "search/PluginFlyvemdmTask") {
			searches++
		}
	}
	if searches != 1 || len(calls) > 5 {
		t.Errorf("%q", calls)
	}
}

const (
	deployFile = `mutation ($input: DeployFileInput!) { deployFile(input: $input) {
	  task { id policy { symbol } target { ... on Fleet { id } ... on Agent { id } } value { ... on DeployedFile { destination removeOnDelete file { id } } } }
	  userErrors { code message field } } }`
	deployApplication = `mutation ($input: DeployApplicationInput!) { deployApplication(input: $input) {
	  task { id policy { symbol } target { ... on Fleet { id } ... on Agent { id } } value { ... on DeployedApplication { removeOnDelete application { id alias } } } }
	  userErrors { code message field } } }`
	removeFile = `mutation ($input: RemoveFileInput!) { removeFile(input: $input) {
	  task { id policy { symbol } value { ... on RemovedFile { path } } } userErrors { code message field } } }`
	removeApplication = `mutation ($input: RemoveApplicationInput!) { removeApplication(input: $input) {
	  task { id policy { symbol } value { ... on RemovedApplication { packageName } } } userErrors { code message field } } }`
)

func TestFilesAndApplicationsAreDeployedAndRemoved(t *testing.T) {
	w := newWorld(t)
	for admin, company := range map[string]string{"admin@acme.test": "acme", "admin@globex.test": "globex"} {
		token := w.signIn(admin)
		scope, err := w.beside(admin).Scope(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fleetID, err := glpiproxy.CreateItem(t.Context(), w.beside(admin), glpiproxy.FleetInput{Name: "new", EntityID: scope.EntityID})
		if err != nil {
			t.Fatal(err)
		}
		fleet := model.GlobalID("Fleet", fleetID)
		agent := w.must(token, `{ agents(first: 1) { nodes { id } } }`, nil).at("agents", "nodes", 0, "id").(string)
		file, _ := w.fileID(token, "files", "name", "price list.csv")
		app, _ := w.fileID(token, "applications", "alias", "Delivery Notes")
		for _, target := range []map[string]any{{"fleetId": fleet}, {"agentId": agent}} {
			with := func(more map[string]any) map[string]any {
				for key, value := range target {
					more[key] = value
				}
				return map[string]any{"input": more}
			}
			a := w.must(token, deployFile, with(map[string]any{"fileId": file, "destination": "%SDCARD%/lists", "removeOnDelete": false}))
			task := answer{Data: a.at("deployFile").(map[string]any)}
			if task.at("task", "policy", "symbol") != "deployFile" || task.at("task", "value", "file", "id") != file || task.at("task", "value", "removeOnDelete") != false ||
				task.at("task", "target", "id") != fleet && task.at("task", "target", "id") != agent || len(task.at("userErrors").([]any)) != 0 {
				t.Errorf("%s: %s", admin, a.text)
			}
			a = w.must(token, deployApplication, with(map[string]any{"applicationId": app}))
			if a.at("deployApplication", "task", "value", "application", "id") != app || a.at("deployApplication", "task", "value", "removeOnDelete") != true {
				t.Errorf("%s: %s", admin, a.text)
			}
			a = w.must(token, removeFile, with(map[string]any{"path": "%SDCARD%/old/list.csv"}))
			if a.at("removeFile", "task", "value", "path") != "%SDCARD%/old/list.csv" {
				t.Errorf("%s: %s", admin, a.text)
			}
			a = w.must(token, removeApplication, with(map[string]any{"packageName": "com.example.game"}))
			if a.at("removeApplication", "task", "value", "packageName") != "com.example.game" {
				t.Errorf("%s: %s", admin, a.text)
			}
			chat, _ := w.fileID(token, "applications", "alias", "Fleet Chat")
			a = w.must(token, removeApplication, with(map[string]any{"applicationId": chat}))
			if a.at("removeApplication", "task", "value", "packageName") != "test."+company+".chat" {
				t.Errorf("%s: %s", admin, a.text)
			}
		}
		usage := w.must(token, `query ($id: ID!) { file(id: $id) { deployments { id } } }`, map[string]any{"id": file})
		if got := usage.at("file", "deployments").([]any); len(got) < 2 {
			t.Errorf("%s: %s", admin, usage.text)
		}
	}
}

func TestWhatCannotBeDeployed(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	file, _ := w.fileID(acme, "files", "name", "welcome.txt")
	app, _ := w.fileID(acme, "applications", "alias", "Fleet Chat")
	pending, _ := w.fileID(acme, "applications", "alias", "Timesheet (new)")
	theirFile, _ := w.fileID(globex, "files", "name", "welcome.txt")
	theirApp, _ := w.fileID(globex, "applications", "alias", "Fleet Chat")
	agent := w.must(acme, `{ agents(first: 1) { nodes { id } } }`, nil).at("agents", "nodes", 0, "id").(string)
	theirAgent := w.must(globex, `{ agents(first: 1) { nodes { id } } }`, nil).at("agents", "nodes", 0, "id").(string)
	for _, c := range []struct {
		query string
		input map[string]any
		code  string
		field string
	}{
		{deployFile, map[string]any{"fileId": file, "destination": "%SDCARD%"}, "BAD_USER_INPUT", "[input]"},
		{deployFile, map[string]any{"fileId": theirFile, "agentId": agent, "destination": "%SDCARD%"}, "NOT_FOUND", "[input fileId]"},
		{deployFile, map[string]any{"fileId": app, "agentId": agent, "destination": "%SDCARD%"}, "BAD_USER_INPUT", "[input fileId]"},
		{deployFile, map[string]any{"fileId": file, "agentId": theirAgent, "destination": "%SDCARD%"}, "NOT_FOUND", "[input agentId]"},
		{deployFile, map[string]any{"fileId": file, "agentId": agent, "destination": "/etc"}, "BAD_USER_INPUT", "[input destination]"},
		{deployFile, map[string]any{"fileId": file, "agentId": agent, "destination": "%SDCARD%/../x"}, "BAD_USER_INPUT", "[input destination]"},
		{deployApplication, map[string]any{"applicationId": theirApp, "agentId": agent}, "NOT_FOUND", "[input applicationId]"},
		{deployApplication, map[string]any{"applicationId": app, "agentId": theirAgent}, "NOT_FOUND", "[input agentId]"},
		{removeFile, map[string]any{"agentId": agent, "path": "/etc/hosts"}, "BAD_USER_INPUT", "[input path]"},
		{removeFile, map[string]any{"agentId": theirAgent, "path": "%SDCARD%/a"}, "NOT_FOUND", "[input agentId]"},
		{removeApplication, map[string]any{"agentId": agent}, "BAD_USER_INPUT", "[input]"},
		{removeApplication, map[string]any{"agentId": agent, "packageName": ""}, "BAD_USER_INPUT", "[input packageName]"},
		{removeApplication, map[string]any{"agentId": agent, "packageName": "a.b", "applicationId": app}, "BAD_USER_INPUT", "[input]"},
		{removeApplication, map[string]any{"agentId": agent, "applicationId": theirApp}, "NOT_FOUND", "[input applicationId]"},
		{removeApplication, map[string]any{"agentId": agent, "applicationId": pending}, "CONFLICT", "[input applicationId]"},
	} {
		a := w.must(acme, c.query, map[string]any{"input": c.input})
		for _, payload := range a.Data {
			wrong := answer{Data: payload.(map[string]any)}
			if wrong.at("userErrors", 0, "code") != c.code || fmt.Sprint(wrong.at("userErrors", 0, "field")) != c.field || wrong.Data["task"] != nil {
				t.Errorf("%v: got %s, want %s at %s", c.input, a.text, c.code, c.field)
			}
		}
	}
	for _, user := range []string{"sally@acme.test", "viewer@acme.test"} {
		token := w.signIn(user)
		for query, input := range map[string]map[string]any{
			deployFile: {"fileId": file, "agentId": agent, "destination": "%SDCARD%"}, deployApplication: {"applicationId": app, "agentId": agent},
			removeFile: {"path": "%SDCARD%/a", "agentId": agent}, removeApplication: {"packageName": "a.b", "agentId": agent},
		} {
			if a := w.ask(token, query, map[string]any{"input": input}); a.code() != "FORBIDDEN" {
				t.Errorf("%s: %v: %s", user, input, a.text)
			}
		}
	}
}
