package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// These tests try what GLPI and Flyve MDM let one company do to another, as Globex's administrator against ACME, and
// what they let happen by accident. Each begins by showing that the backend has the hole.

// marks are texts that only ACME's rows hold.
func (w *world) marks() []string {
	w.t.Helper()
	marks := []string{"acme.test", "ACME", "Lyon"}
	for serial := range w.devicesOf(w.signIn("admin@acme.test")) {
		marks = append(marks, serial)
	}
	return marks
}

// as signs somebody in to GLPI itself, past the gateway.
func (o *operator) as(username string) *operator {
	o.w.t.Helper()
	var opened struct {
		Token string `json:"session_token"`
	}
	somebody := &operator{w: o.w} // without the session, which GLPI would destroy
	somebody.call(http.MethodGet, "/initSession", nil, &opened, "Authorization", "Basic "+basic(username))
	somebody.session = opened.Token
	return somebody
}

func basic(username string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + glpi.DemoPassword))
}

// ids are those of all rows of a type that somebody sees in GLPI.
func (o *operator) ids(itemtype string) []int {
	o.w.t.Helper()
	var rows []struct{ ID int }
	o.call(http.MethodGet, "/"+itemtype+"?range=0-9999", nil, &rows)
	ids := make([]int, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// GLPI lists every company's tasks, statuses, logs and addresses, and reads positions by id.
func TestNoFieldShowsAnotherCompanysRows(t *testing.T) {
	w := newWorld(t)
	everything := w.operator()
	for _, itemtype := range []string{"PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus", "PluginFlyvemdmInvitationlog", "UserEmail"} {
		if theirs, all := everything.as("admin@globex.test").ids(itemtype), everything.ids(itemtype); len(theirs) != len(all) || len(all) == 0 {
			t.Fatalf("the hole is not there: of %d %s Globex lists %d", len(all), itemtype, len(theirs))
		}
	}
	token, marks := w.signIn("admin@globex.test"), w.marks()
	parsed := loadSchema(t)
	asked := 0
	c := crawler{parsed, func(query string) {
		asked++
		a := w.ask(token, query, nil)
		if a.code() == "INTERNAL" || a.code() == "QUERY_TOO_COMPLEX" || a.Data == nil {
			t.Errorf("%s: %.300s", query, a.text)
		}
		for _, mark := range marks {
			if strings.Contains(a.text, mark) {
				t.Errorf("%s shows %q", query, mark)
			}
		}
	}}
	c.crawl(parsed.Query, "{ % }", nil)
	if asked < 100 {
		t.Errorf("only %d queries", asked)
	}
}

// What GLPI keeps no companies apart in has no node of its own, or is read through what its owner may see.
func TestNoNodeIsAnotherCompanysRow(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@globex.test")
	all, own := w.operator(), w.operator().as("admin@globex.test")
	fleets := own.ids("PluginFlyvemdmFleet")
	for typename, itemtype := range map[string]string{
		"Task": "PluginFlyvemdmTask", "TaskStatus": "PluginFlyvemdmTaskstatus", "InvitationLog": "PluginFlyvemdmInvitationlog",
		"Mqttlog": "PluginFlyvemdmMqttlog", "UserEmail": "UserEmail", "Position": "PluginFlyvemdmGeolocation", "Document": "Document",
	} {
		var ids []int
		if typename == "Task" {
			ids = foreignTasks(all, fleets, own.ids("PluginFlyvemdmAgent"))
		} else {
			ids = all.ids(itemtype)
		}
		for _, id := range ids[:min(len(ids), 20)] {
			a := w.ask(token, `query ($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": model.GlobalID(typename, id)})
			if a.at("node") != nil || a.code() != "NOT_FOUND" && a.code() != "BAD_USER_INPUT" {
				t.Errorf("%s %d: %s", typename, id, a.text)
			}
		}
	}
}

// foreignTasks are the tasks on other targets than some fleets and agents.
func foreignTasks(o *operator, fleets, agents []int) []int {
	var rows []struct {
		ID       int
		Itemtype string `json:"itemtype_applied"`
		ItemID   int    `json:"items_id_applied"`
	}
	o.call(http.MethodGet, "/PluginFlyvemdmTask?range=0-9999", nil, &rows)
	var ids []int
	for _, row := range rows {
		own := agents
		if row.Itemtype == "PluginFlyvemdmFleet" {
			own = fleets
		}
		if !slices.Contains(own, row.ItemID) {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// GLPI lets an administrator delete another company's tasks and positions by their ids, and move a device into another
// company's fleet. Whatever is asked with whatever foreign id answers like one of nothing, and changes nothing.
func TestNoMutationTakesAnotherCompanysObjects(t *testing.T) {
	w := newWorld(t)
	parsed := loadSchema(t)
	foreign, own := w.objectsOf("admin@acme.test"), w.objectsOf("admin@globex.test")
	token, marks := w.signIn("admin@globex.test"), w.marks()
	before := w.rowsOf(foreign)
	all := attempts(t, parsed, own, foreign)
	for _, a := range all {
		t.Run(a.mutation+"/"+a.path, func(t *testing.T) {
			real, realText := w.run(token, parsed, a, foreign[a.typename], foreign[a.typename])
			_, missingText := w.run(token, parsed, a, foreign[a.typename], model.GlobalID(a.typename, 987654))
			if realText != missingText {
				t.Errorf("another company's %s answers\n%s\none of nothing\n%s", a.typename, realText, missingText)
			}
			if !strings.Contains(realText, `"NOT_FOUND"`) && !slices.Contains(unreached, a.mutation+"/"+a.path) {
				t.Errorf("got %s, want NOT_FOUND", real.text)
			}
			for _, mark := range marks {
				if strings.Contains(real.text, mark) {
					t.Errorf("the answer shows %q: %s", mark, real.text)
				}
			}
		})
	}
	if len(all) < 20 {
		t.Errorf("only %d attempts", len(all))
	}
	if after := w.rowsOf(foreign); after != before {
		t.Errorf("ACME's rows were\n%s\nand are\n%s", before, after)
	}
}

// rowsOf are the rows of objects as GLPI has them, and how many rows there are of what hangs on them.
func (w *world) rowsOf(all objects) string {
	w.t.Helper()
	o := w.operator()
	var text strings.Builder
	for _, typename := range []string{"Agent", "Fleet", "Task", "Invitation", "File", "Application", "User", "Computer", "Entity"} {
		_, id, err := model.ParseGlobalID(all[typename])
		if err != nil {
			w.t.Fatal(err)
		}
		itemtype := map[string]string{"Application": "PluginFlyvemdmPackage", "User": "User", "Computer": "Computer", "Entity": "Entity"}[typename]
		if itemtype == "" {
			itemtype = "PluginFlyvemdm" + typename
		}
		var row map[string]any
		o.call(http.MethodGet, fmt.Sprintf("/%s/%d", itemtype, id), nil, &row)
		line, err := json.Marshal(row)
		if err != nil {
			w.t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	for _, itemtype := range []string{"PluginFlyvemdmTaskstatus", "PluginFlyvemdmGeolocation", "Computer", "PluginFlyvemdmAgent"} {
		fmt.Fprintln(&text, itemtype, len(o.ids(itemtype)))
	}
	return text.String()
}

// GLPI tells the API tokens of everybody whom one may read, and such a token signs in as them.
func TestNobodysTokenIsEverShown(t *testing.T) {
	w := newWorld(t)
	glpiServer := w.operator()
	var seen struct {
		Token string `json:"api_token"`
	}
	agent := w.demo.Devices[0]
	glpiServer.call(http.MethodGet, fmt.Sprint("/PluginFlyvemdmAgent/", agent.AgentID), nil, &seen)
	if seen.Token == "" {
		t.Fatal("the hole is not there: the agent's token is not shown")
	}
	secrets := []string{w.demo.ServiceToken}
	for _, d := range w.demo.Devices {
		secrets = append(secrets, d.APIToken, d.MQTTPassword)
	}
	for _, login := range []string{"admin@acme.test", "viewer@acme.test", "sally@acme.test"} {
		secrets = append(secrets, w.glpi.AccountToken(login))
	}
	var invitations []struct {
		Token string `json:"invitation_token"`
	}
	glpiServer.call(http.MethodGet, "/PluginFlyvemdmInvitation?range=0-999", nil, &invitations)
	for _, i := range invitations {
		secrets = append(secrets, i.Token)
	}
	token := w.signIn("admin@acme.test")
	parsed := loadSchema(t)
	(&crawler{parsed, func(query string) {
		a := w.ask(token, query, nil)
		for _, secret := range secrets {
			if secret != "" && strings.Contains(a.text, secret) {
				t.Errorf("%s shows a secret", query)
			}
		}
	}}).crawl(parsed.Query, "{ % }", nil)
	for _, secret := range secrets {
		if secret != "" && strings.Contains(w.log.String(), secret) {
			t.Error("a secret was logged")
		}
	}
}

// GLPI locks, wipes and unenrols a device for null, "" and false. No mutation that is not about it sends such a field.
func TestNothingWipesADeviceByAccident(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine := w.objectsOf("admin@acme.test")
	flags := func() string {
		var rows []map[string]any
		w.operator().call(http.MethodGet, "/PluginFlyvemdmAgent?range=0-999", nil, &rows)
		var text strings.Builder
		for _, row := range rows {
			fmt.Fprintln(&text, row["id"], row["wipe"], row["lock"], row["enroll_status"])
		}
		return text.String()
	}
	before := flags()
	parsed := loadSchema(t)
	for _, mutation := range parsed.Mutation.Fields {
		if len(mutation.Arguments) == 0 || strings.Contains(mutation.Name, "DangerZone") || strings.Contains(mutation.Name, "ock") || strings.HasPrefix(mutation.Name, "log") {
			continue
		}
		input := parsed.Types[mutation.Arguments[0].Type.Name()]
		f := filler{t, parsed, mutation.Name, mine}
		if input.Fields.ForName("agentId") == nil && input.Fields.ForName("agentIds") == nil && !strings.HasSuffix(mutation.Name, "Agent") {
			continue
		}
		in := f.fill(input, nil, "")
		f.satisfy(input, in)
		for _, field := range input.Fields { // what need not be there is null
			if _, filled := in[field.Name]; !filled && !field.Type.NonNull {
				in[field.Name] = nil
			}
		}
		if _, needed := in["agentId"]; needed {
			in["agentId"] = mine["Agent"]
		}
		w.ask(token, fmt.Sprintf(`mutation ($in: %s) { %s(input: $in) { userErrors { code } } }`, mutation.Arguments[0].Type, mutation.Name), map[string]any{"in": in})
	}
	if after := flags(); after != before {
		t.Errorf("the devices were\n%s\nand are\n%s", before, after)
	}
}

// GLPI answers the id 0, -1 or abc with the whole list. Such an id goes nowhere.
func TestAnIDThatIsNoNumberIsRefused(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@globex.test")
	var list []map[string]any
	w.operator().call(http.MethodGet, "/PluginFlyvemdmAgent/0", nil, &list)
	if len(list) == 0 {
		t.Fatal("the hole is not there")
	}
	w.must(token, `{ viewer { username } }`, nil) // the session is known
	for _, typename := range []string{"Agent", "Fleet", "Task", "User", "Computer", "Invitation", "File", "Application", "Policy"} {
		for _, id := range []string{"0", "-1", "abc", "01", "+1", "1 ", "1e0", "", "1/", "1?range=0-999", "1,2", "9223372036854775808"} {
			globalID := base64.RawURLEncoding.EncodeToString([]byte(typename + ":" + id))
			for _, query := range []string{
				`query ($id: ID!) { node(id: $id) { id } }`, `query ($id: ID!) { nodes(ids: [$id]) { id } }`,
				`query ($id: ID!) { agents(filter: {fleetIds: [$id]}) { totalCount } }`, `query ($id: ID!) { agents(filter: {ownerIds: [$id]}) { totalCount } }`,
			} {
				var a answer
				calls := w.callsOf(func() { a = w.ask(token, query, map[string]any{"id": globalID}) })
				if a.code() != "BAD_USER_INPUT" {
					t.Errorf("%s:%s in %s: %s", typename, id, query, a.text)
				}
				for _, call := range calls {
					if strings.Contains(call, "PluginFlyvemdm") || strings.Contains(call, "Computer") {
						t.Errorf("%s:%s in %s: GLPI was asked %s", typename, id, query, call)
					}
				}
			}
		}
	}
}

// GLPI destroys the session whose token comes along with a sign-in. That it leaves sessions alive when an account has
// run out is mended in internal/signin, and tried there.
func TestSigningInLeavesTheOldSessionAlone(t *testing.T) {
	w := newWorld(t)
	direct := w.operator().as("admin@acme.test")
	destroyed := w.operator().as("admin@acme.test")
	destroyed.call(http.MethodGet, "/initSession", nil, nil, "Authorization", "Basic "+basic("admin@acme.test"))
	if a := w.ask("", `{ viewer { username } }`, nil, "Session-Token", destroyed.session); a.code() != "UNAUTHENTICATED" {
		t.Fatalf("the hole is not there: %s", a.text)
	}
	token := w.signIn("admin@acme.test")
	login := `mutation { login(input: {username: "admin@globex.test", password: "demo"}) { viewer { username } } }`
	for name, headers := range map[string][]string{
		"a sealed token": {"Authorization", "Bearer " + token}, "a plain one": {"Session-Token", direct.session},
		"both": {"Authorization", "Bearer " + token, "Session-Token", direct.session},
	} {
		if a := w.ask("", login, nil, headers...); a.at("login", "viewer", "username") != "admin@globex.test" {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	w.must(token, `{ viewer { username } }`, nil)
	if a := w.ask("", `{ viewer { username } }`, nil, "Session-Token", direct.session); a.at("viewer", "username") != "admin@acme.test" {
		t.Errorf("the plain session: %s", a.text)
	}
}

// GLPI says that a command was sent when it was not.
func TestACommandThatNobodyAnswersIsNotCalledAnswered(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	id := w.objectsOf("admin@acme.test")["Agent"]
	a := w.ask(token, `mutation ($id: ID!) { pingAgent(input: {agentId: $id, timeoutMs: 300}) { answered roundTripMs userErrors { code } } }`, map[string]any{"id": id})
	if a.at("pingAgent", "answered") == true || a.at("pingAgent", "roundTripMs") != nil {
		t.Errorf("got %s", a.text)
	}
}

// To GLPI a device that says "online": "false", a text, is online.
func TestADeviceThatSaysFalseAsATextIsOffline(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	for _, c := range []struct{ payload, state string }{{`{"online": true}`, "ONLINE"}, {`{"online": "false"}`, "OFFLINE"}, {`{"online": "true"}`, "ONLINE"}} {
		deadline := time.Now().Add(10 * time.Second)
		for {
			w.publish(mine.Topic+"/Status/Online", c.payload)
			a := w.must(token, `query ($id: ID!) { agent(id: $id) { presence { state } } }`, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
			if a.at("agent", "presence", "state") == c.state {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s, want %s", c.payload, a.text, c.state)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}
