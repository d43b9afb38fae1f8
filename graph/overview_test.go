package graph_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const everyCounter = `agentCount fleetCount invitationCount pendingInvitationCount fileCount applicationCount userCount
  devicesByPresence { state count } devicesByPlatform { mdmType count } devicesByEnrollStatus { enrollStatus count }
  devicesByVersion { version count } devicesByOs { name count versions { version count } } devicesByFleet { fleet { id } count }
  tasksByStatus { total pending received waiting done failed incompatible overridden canceled }`

// What the overview counts is compared with what a look at everything finds.
func TestTheOverviewCountsWhatThereIs(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"admin@acme.test", "admin@globex.test", "viewer@acme.test"} {
		token := w.signIn(name)
		w.someOnline(token)
		overview := w.must(token, `{ overview { `+everyCounter+` } }`, nil)
		all := w.must(token, `{ agents(first: 500) { totalCount nodes { version mdmType enrollStatus fleet { id } presence { state } computer { os { name version } } taskStatuses { nodes { state } } } }
		  invitations(first: 500) { totalCount nodes { state } } fleets(first: 1) { totalCount } files { totalCount } applications { totalCount } }`, nil)
		want := map[string]map[string]int{}
		add := func(of string, key any) {
			if want[of] == nil {
				want[of] = map[string]int{}
			}
			want[of][fmt.Sprint(key)]++
		}
		for _, node := range all.at("agents", "nodes").([]any) {
			a := answer{Data: node.(map[string]any)}
			add("devicesByPresence", a.at("presence", "state"))
			add("devicesByPlatform", a.at("mdmType"))
			add("devicesByEnrollStatus", a.at("enrollStatus"))
			add("devicesByVersion", a.at("version"))
			add("devicesByOs", a.at("computer", "os", "name"))
			add("devicesByFleet", a.at("fleet", "id"))
			for _, status := range a.at("taskStatuses", "nodes").([]any) {
				add("tasksByStatus", status.(map[string]any)["state"])
			}
		}
		for _, node := range all.at("invitations", "nodes").([]any) {
			add("invitations", node.(map[string]any)["state"])
		}
		for field, key := range map[string][]any{
			"devicesByPresence": {"state"}, "devicesByPlatform": {"mdmType"}, "devicesByEnrollStatus": {"enrollStatus"},
			"devicesByVersion": {"version"}, "devicesByOs": {"name"}, "devicesByFleet": {"fleet", "id"},
		} {
			got := map[string]int{}
			for _, entry := range overview.at("overview", field).([]any) {
				e := answer{Data: entry.(map[string]any)}
				if n := int(e.at("count").(float64)); n > 0 {
					got[fmt.Sprint(e.at(key...))] = n
				}
			}
			if !maps.Equal(got, want[field]) || len(got) == 0 {
				t.Errorf("%s: %s: %v, want %v", name, field, got, want[field])
			}
		}
		for state, n := range want["tasksByStatus"] {
			if got := overview.at("overview", "tasksByStatus", strings.ToLower(state)); got != float64(n) {
				t.Errorf("%s: %v tasks %s, want %d", name, got, state, n)
			}
		}
		for field, n := range map[string]any{
			"agentCount": all.at("agents", "totalCount"), "invitationCount": all.at("invitations", "totalCount"),
			"fleetCount": all.at("fleets", "totalCount"), "fileCount": all.at("files", "totalCount"),
			"applicationCount": all.at("applications", "totalCount"), "pendingInvitationCount": float64(want["invitations"]["PENDING"]),
		} {
			if got := overview.at("overview", field); got != n {
				t.Errorf("%s: %s is %v, want %v", name, field, got, n)
			}
		}
	}
}

// The versions of a system add up to it, and the largest comes first.
func TestSystemsAreCountedByVersion(t *testing.T) {
	w := newWorld(t)
	a := w.must(w.signIn("admin@acme.test"), `{ overview { agentCount devicesByOs { name count versions { version count } } } }`, nil)
	devices, last := 0.0, float64(1<<30)
	for _, entry := range a.at("overview", "devicesByOs").([]any) {
		system := answer{Data: entry.(map[string]any)}
		n, sum := system.at("count").(float64), 0.0
		for _, version := range system.at("versions").([]any) {
			sum += version.(map[string]any)["count"].(float64)
		}
		if n != sum || n > last {
			t.Errorf("%v", system.Data)
		}
		devices, last = devices+n, n
	}
	if devices != a.at("overview", "agentCount") {
		t.Errorf("%v devices by system, %v in all", devices, a.at("overview", "agentCount"))
	}
}

// The home screen of the old dashboard took twelve calls nearly all in a row.
func TestAHomeScreenIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	home := `{ overview { agentCount fleetCount invitationCount pendingInvitationCount fileCount applicationCount userCount
	  devicesByPlatform { count } devicesByPresence { state count } devicesByOs { name count } } }`
	if cold := w.callsOf(func() { w.must(token, home, nil) }); len(cold) > 8 {
		t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
	}
	if warm := w.callsOf(func() { w.must(token, home, nil) }); len(warm) != 0 {
		t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
	}
	one := w.callsOf(func() { w.must(w.signIn("admin@globex.test"), `{ overview { fileCount } }`, nil) })
	if slices.ContainsFunc(one, func(call string) bool { return strings.Contains(call, "Agent") || strings.Contains(call, "Computer") }) {
		t.Errorf("counting files read %q", one)
	}
}

// A counter that the viewer may not read is null with an error; the others stand.
func TestCountersOutOfReachLeaveTheOthersStanding(t *testing.T) {
	w := newWorld(t)
	a := w.ask(w.signIn("sally@acme.test"), `{ overview { `+everyCounter+` } gateway { version } }`, nil)
	if a.at("overview") == nil || a.at("gateway", "version") == nil {
		t.Fatalf("got %s", a.text)
	}
	for _, e := range a.Errors {
		if e.Extensions["code"] != "FORBIDDEN" || len(e.Path) != 2 {
			t.Errorf("got %v", e)
		}
		if field, _ := e.Path[1].(string); a.at("overview", field) != nil {
			t.Errorf("%s is %v with an error", field, a.at("overview", field))
		}
	}
	if len(a.Errors) < 10 {
		t.Errorf("only %d errors: %s", len(a.Errors), a.text)
	}
}

// GLPI keeps invitations past their date as pending.
func TestInvitationsPastTheirDateAreNotPending(t *testing.T) {
	w := newWorld(t)
	pending := func(username string) float64 {
		return w.must(w.signIn(username), `{ overview { pendingInvitationCount } }`, nil).at("overview", "pendingInvitationCount").(float64)
	}
	before := pending("admin@acme.test")
	if before < 1 {
		t.Fatal("no pending invitation to begin with")
	}
	operator := w.operator()
	visible := w.must(w.signIn("admin@acme.test"), `{ invitations(first: 500) { nodes { databaseId state } } }`, nil).at("invitations", "nodes").([]any)
	place := slices.IndexFunc(visible, func(node any) bool { return node.(map[string]any)["state"] == "PENDING" })
	path := fmt.Sprintf("/PluginFlyvemdmInvitation/%v", visible[place].(map[string]any)["databaseId"])
	operator.call(http.MethodPut, path, map[string]any{"expiration_date": "2020-01-01 00:00:00"}, nil)
	if after := pending("viewer@acme.test"); after != before-1 { // who sees the same and has nothing in the cache yet
		t.Errorf("%v pending, want %v", after, before-1)
	}
}
