package screens

import (
	"embed"
	"net/http"
	"strconv"

	"fleetgate/graph/model"
)

//go:embed operations/*.graphql
var operations embed.FS

// operation is the text of operations/NAME.graphql.
func operation(name string) string {
	text, err := operations.ReadFile("operations/" + name + ".graphql")
	if err != nil {
		panic(err) // a test names a file that is not there
	}
	return string(text)
}

// subjects are what the screens show, by GLPI's ids.
type subjects struct {
	device, computer, fleet, user, invitation, entity, profile int
}

// screen is a screen of the old dashboard.
type screen struct {
	name      string
	operation string
	variables func(subjects) map[string]any
	old       func(*dashboard) // the calls that the old dashboard made for it
	// calls and rounds are what GLPI is asked for at most where that is more than the goal: a device's own data lead to
	// its computer, and that to the names of what it is made of; writes wait for one another.
	calls, rounds int
	// signsIn: the screen opens a session, so that a call is initSession.
	signsIn bool
	// writes: what is shown is changed each time, so that no answer is in the cache.
	writes bool
}

func one(variable, typename string, id func(subjects) int) func(subjects) map[string]any {
	return func(s subjects) map[string]any { return map[string]any{variable: model.GlobalID(typename, id(s))} }
}

// screens are in the order of the old dashboard's menu.
var screens = []screen{
	{name: "sign in", operation: "signIn", signsIn: true, variables: credentials, old: (*dashboard).signIn},
	{name: "home", operation: "home", old: (*dashboard).home},
	{name: "device list", operation: "deviceList", old: (*dashboard).deviceList, rounds: 4},
	{name: "device, report", operation: "deviceReport", old: (*dashboard).deviceReport, variables: device, rounds: 4},
	{name: "device, policies", operation: "devicePolicies", old: (*dashboard).editor, variables: device},
	{name: "device, all tabs", operation: "device", old: (*dashboard).device, variables: device, rounds: 4, calls: 11},
	{name: "invitation list", operation: "invitations", old: (*dashboard).invitations},
	{name: "invitation", operation: "invitation", old: (*dashboard).invitation,
		variables: one("invitation", "Invitation", func(s subjects) int { return s.invitation })},
	{name: "fleet", operation: "fleet", old: (*dashboard).editor,
		variables: one("fleet", "Fleet", func(s subjects) int { return s.fleet })},
	{name: "save a fleet", operation: "saveFleet", writes: true, old: (*dashboard).saveFleet, variables: savedFleet,
		calls: 10, rounds: 7},
	{name: "file list", operation: "files", old: (*dashboard).files},
	{name: "application list", operation: "applications", old: (*dashboard).applications},
	{name: "user list", operation: "users", old: (*dashboard).users},
	{name: "user", operation: "user", old: (*dashboard).user,
		variables: one("user", "User", func(s subjects) int { return s.user })},
	{name: "entity settings", operation: "entitySettings", old: (*dashboard).entitySettings,
		variables: one("entity", "Entity", func(s subjects) int { return s.entity })},
	{name: "profile settings", operation: "profile", old: (*dashboard).profile},
}

var device = one("device", "Agent", func(s subjects) int { return s.device })

func credentials(subjects) map[string]any {
	return map[string]any{"input": map[string]any{"username": admin, "password": "demo"}}
}

// savedFleet renames a fleet, changes a task, adds one and takes one away.
func savedFleet(s subjects) map[string]any {
	return map[string]any{"input": map[string]any{"id": model.GlobalID("Fleet", s.fleet), "name": "Saved", "tasks": []any{
		map[string]any{"symbol": "disableCamera", "boolean": false},
		map[string]any{"symbol": "disableUsbMtp", "boolean": true},
	}}}
}

// unsaved brings the fleet to what savedFleet then changes.
func unsaved(s subjects) map[string]any {
	return map[string]any{"input": map[string]any{"id": model.GlobalID("Fleet", s.fleet), "name": "Not saved", "tasks": []any{
		map[string]any{"symbol": "disableCamera", "boolean": true},
		map[string]any{"symbol": "disableGPS", "boolean": true},
	}}}
}

// choose finds something to show on each screen: a device with all that a device can have.
func (w *world) choose() (s subjects) {
	w.tb.Helper()
	session := w.signIn(admin)
	read := func(path string, into any) { w.exchange(http.MethodGet, w.rest+path, session, nil, into) }
	var tasks, agents []struct {
		ID       int    `json:"id"`
		Type     string `json:"itemtype_applied"`
		Target   int    `json:"items_id_applied"`
		Computer int    `json:"computers_id"`
		Fleet    int    `json:"plugin_flyvemdm_fleets_id"`
		Entity   int    `json:"entities_id"`
	}
	read("/PluginFlyvemdmTask?range=0-999", &tasks)
	applied := map[int]int{}
	for _, task := range tasks {
		if task.Type == "PluginFlyvemdmFleet" {
			applied[task.Target]++
		}
	}
	read("/PluginFlyvemdmAgent?range=0-999", &agents)
	for _, agent := range agents {
		if applied[agent.Fleet] > applied[s.fleet] {
			s.device, s.computer, s.fleet, s.entity = agent.ID, agent.Computer, agent.Fleet, agent.Entity
		}
	}
	var computer struct {
		Owner int `json:"users_id"`
	}
	read("/Computer/"+strconv.Itoa(s.computer), &computer)
	s.user = computer.Owner
	var invitations []struct {
		ID     int    `json:"id"`
		Status string `json:"status"`
	}
	read("/PluginFlyvemdmInvitation?range=0-999", &invitations)
	for _, i := range invitations {
		if i.Status == "pending" {
			s.invitation = i.ID
		}
	}
	var active struct {
		Profile struct {
			ID int `json:"id"`
		} `json:"active_profile"`
	}
	read("/getActiveProfile", &active)
	s.profile = active.Profile.ID
	if s.device*s.computer*s.fleet*s.user*s.invitation*s.profile == 0 {
		w.tb.Fatalf("the demonstration has not all that the screens show: %+v", s)
	}
	return s
}
