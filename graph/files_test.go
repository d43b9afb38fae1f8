package graph_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"fleetgate/graph/model"
)

const (
	fileFields        = `id databaseId name comment version size mimeType entity { id name }`
	applicationFields = `id databaseId alias fileName packageName version versionCode parseStatus icon size mimeType entity { id name }`
)

func TestFilesAndApplicationsOfBothCompanies(t *testing.T) {
	w := newWorld(t)
	for admin, company := range map[string]string{"admin@acme.test": "acme", "admin@globex.test": "globex"} {
		token := w.signIn(admin)
		a := w.must(token, `{
		  files(orderBy: {field: NAME, direction: DESC}) { totalCount edges { cursor node { `+fileFields+` } } nodes { `+fileFields+` }
		    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
		  applications(orderBy: {field: ALIAS}) { totalCount edges { cursor node { id } } nodes { `+applicationFields+` } pageInfo { endCursor } }
		  wellKnownPaths { id databaseId name comment isDefault }
		  overview { fileCount applicationCount }
		}`, nil)
		if got := a.at("files", "totalCount"); got != a.at("overview", "fileCount") || got.(float64) < 2 {
			t.Errorf("%s: %v files", admin, got)
		}
		if got := a.at("applications", "totalCount"); got != a.at("overview", "applicationCount") || got.(float64) < 3 {
			t.Errorf("%s: %v applications", admin, got)
		}
		file, app := nodeNamed(t, a, "files", "name", "welcome.txt"), nodeNamed(t, a, "applications", "alias", "Fleet Chat")
		pending := nodeNamed(t, a, "applications", "alias", "Timesheet (new)")
		text := "Welcome to " + company + ".\nCall the help desk when your phone does not listen.\n"
		if file["size"] != float64(len(text)) || file["mimeType"] != "text/plain" || file["version"] != float64(1) || file["entity"] == nil {
			t.Errorf("%s: %v", admin, file)
		}
		if app["packageName"] != "test."+company+".chat" || app["parseStatus"] != "PARSED" || app["versionCode"] != "341" ||
			app["fileName"] != "FleetChat.apk" || app["version"] != "3.4.1" || app["size"].(float64) < 1 || app["entity"] == nil {
			t.Errorf("%s: %v", admin, app)
		}
		icon, _ := app["icon"].(string)
		png, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(icon, "data:image/png;base64,"))
		if err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
			t.Errorf("%s: the icon is %.40q", admin, icon)
		}
		if pending["parseStatus"] != "PENDING" || pending["icon"] != nil || pending["packageName"] != nil || pending["fileName"] != "timesheet.apk" {
			t.Errorf("%s: %v", admin, pending)
		}
		if a.at("wellKnownPaths", 0, "name") != "%SDCARD%" || a.at("wellKnownPaths", 0, "isDefault") != true || len(a.at("wellKnownPaths").([]any)) != 4 {
			t.Errorf("%s: %v", admin, a.at("wellKnownPaths"))
		}
		single := w.must(token, `query ($f: ID!, $a: ID!, $p: ID!) { file(id: $f) { `+fileFields+` } application(id: $a) { `+applicationFields+` }
		  node(id: $p) { ... on WellKnownPath { name } } }`,
			map[string]any{"f": file["id"], "a": app["id"], "p": a.at("wellKnownPaths", 0, "id")})
		if got, want := fmt.Sprint(single.at("file"), single.at("application")), fmt.Sprint(file, app); got != want {
			t.Errorf("%s: alone %s\nin the list %s", admin, got, want)
		}
	}
}

// nodeNamed is the node of a list with a value in a field.
func nodeNamed(t testing.TB, a answer, list, field, value string) map[string]any {
	t.Helper()
	for _, node := range a.at(list, "nodes").([]any) {
		if node := node.(map[string]any); node[field] == value {
			return node
		}
	}
	t.Fatalf("%s has none whose %s is %s: %s", list, field, value, a.text)
	return nil
}

func TestFilesAndApplicationsAreFoundAndPaged(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	for query, want := range map[string]string{
		`{ files(filter: {search: "WELCOME"}) { totalCount nodes { name } } }`:                                "[welcome.txt] of 1",
		`{ files(filter: {search: "demonstration"}, orderBy: {field: NAME}) { totalCount nodes { name } } }`:  "[price list.csv rules & duties.txt site plan.png welcome.txt] of 4",
		`{ files(filter: {search: "s & d"}) { totalCount nodes { name } } }`:                                  "[rules & duties.txt] of 1",
		`{ files(filter: {search: "O'Brien"}) { totalCount nodes { name } } }`:                                "[] of 0",
		`{ files(filter: {search: ""}, first: 1) { totalCount nodes { name } } }`:                             "[welcome.txt] of 4",
		`{ files(last: 1) { totalCount nodes { name } } }`:                                                    "[price list.csv] of 4",
		`{ applications(filter: {search: "chat"}) { totalCount nodes { alias } } }`:                           "[Fleet Chat] of 1",
		`{ applications(first: 1, orderBy: {field: ALIAS, direction: DESC}) { totalCount nodes { alias } } }`: "[Timesheet (new)] of 4",
		`{ applications(last: 2) { totalCount nodes { alias } } }`:                                            "[Timesheet (new) Broken] of 4",
	} {
		a := w.must(token, query, nil)
		for _, list := range []string{"files", "applications"} {
			if a.at(list) == nil {
				continue
			}
			names := []any{}
			for _, node := range a.at(list, "nodes").([]any) {
				for _, name := range node.(map[string]any) {
					names = append(names, name)
				}
			}
			if got := fmt.Sprint(names, " of ", a.at(list, "totalCount")); got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
	}
	for _, list := range []string{"files", "applications"} {
		var walked []any
		var after any
		for range 9 {
			a := w.must(token, `query ($after: String) { `+list+`(first: 1, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after})
			walked = append(walked, a.at(list, "nodes", 0, "id"))
			if after = a.at(list, "pageInfo", "endCursor"); a.at(list, "pageInfo", "hasNextPage") != true {
				break
			}
		}
		var all []any
		for _, node := range w.must(token, `{ `+list+` { nodes { id } } }`, nil).at(list, "nodes").([]any) {
			all = append(all, node.(map[string]any)["id"])
		}
		if fmt.Sprint(walked) != fmt.Sprint(all) {
			t.Errorf("%s: walked %v, want %v", list, walked, all)
		}
	}
}

// GLPI's lists of applications bring every icon along, tens of kilobytes each.
func TestApplicationsAreReadLightly(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	w.must(token, `{ viewer { username } }`, nil)
	light := w.callsOf(func() { w.must(token, `{ applications { nodes { id alias version } } }`, nil) })
	if len(light) != 1 || !strings.HasPrefix(light[0], "GET /search/") {
		t.Errorf("the light list: %q", light)
	}
	icons := w.callsOf(func() { w.must(token, `{ applications { nodes { id alias icon } } }`, nil) })
	if len(icons) != 1 || !strings.HasPrefix(icons[0], "GET /search/") {
		t.Errorf("their icons: %q", icons)
	}
	all := w.callsOf(func() { w.must(token, `{ applications { nodes { `+applicationFields+` } } }`, nil) })
	if len(all) != 2 || !strings.Contains(strings.Join(all, ""), "getMultipleItems") {
		t.Errorf("all of them: %q", all)
	}
	if warm := w.callsOf(func() { w.must(token, `{ applications { nodes { `+applicationFields+` } } }`, nil) }); len(warm) != 0 {
		t.Errorf("warm: %q", warm)
	}
}

func TestFilesOfOthersAreNotThere(t *testing.T) {
	w := newWorld(t)
	acme, globex, sally := w.signIn("admin@acme.test"), w.signIn("admin@globex.test"), w.signIn("sally@acme.test")
	theirs := w.must(acme, `{ files { nodes { id } } applications { nodes { id } } }`, nil)
	for field, c := range map[string]struct {
		typename string
		id       any
	}{
		"file": {"File", theirs.at("files", "nodes", 0, "id")}, "application": {"Application", theirs.at("applications", "nodes", 0, "id")},
	} {
		query := fmt.Sprintf(`query ($id: ID!) { %s(id: $id) { id } }`, field)
		foreign, missing := w.ask(globex, query, map[string]any{"id": c.id}), w.ask(globex, query, map[string]any{"id": model.GlobalID(c.typename, 9999)})
		if foreign.code() != "NOT_FOUND" || foreign.at(field) != nil || foreign.text != missing.text {
			t.Errorf("another company's %s: %s\na missing one: %s", field, foreign.text, missing.text)
		}
		if a := w.ask(sally, query, map[string]any{"id": c.id}); a.code() != "FORBIDDEN" {
			t.Errorf("without a right: %s", a.text)
		}
		if a := w.ask(sally, `{ `+field+`s { totalCount } }`, nil); a.code() != "FORBIDDEN" {
			t.Errorf("without a right: %s", a.text)
		}
		if a := w.ask(acme, query, map[string]any{"id": model.GlobalID("Fleet", 1)}); a.code() != "BAD_USER_INPUT" {
			t.Errorf("the id of a fleet: %s", a.text)
		}
	}
	if a := w.ask(sally, `{ wellKnownPaths { id } }`, nil); a.code() != "FORBIDDEN" {
		t.Errorf("without a right: %s", a.text)
	}
}
