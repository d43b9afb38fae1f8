package graph_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const hardwareFields = `memoryBytes processors { name manufacturer frequencyMHz cores threads }
  batteries { name manufacturer type voltageMillivolts capacityMilliampereHours manufacturedAt }
  simCards { type iccid line { databaseId name number operator } } disks { name mountPoint fileSystem totalBytes freeBytes }
  networkPorts { name mac speedMbps ips }`

const devicePage = `query ($id: ID!) { agent(id: $id) { ` + agentFields + `
  computer { createdAt os { name version servicePack kernel kernelVersion architecture } ` + hardwareFields + `
    installedApplications(first: 20) { totalCount nodes { name version } edges { cursor } pageInfo { hasNextPage endCursor } } }
  positions(first: 10) { totalCount nodes { latitude longitude at } } } }`

// held is what GLPI holds at a path.
func (o *operator) held(path string) answer {
	o.w.t.Helper()
	var object map[string]any
	o.call(http.MethodGet, path, nil, &object)
	return answer{Data: object}
}

// What a device's page shows is compared with what GLPI holds.
func TestTheDevicePageShowsTheInventory(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token, operator := w.signIn(admin), w.operator()
		mine, _ := w.deviceOf(token)
		got := w.must(token, devicePage, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
		computer := answer{Data: got.at("agent", "computer").(map[string]any), text: got.text}
		held := operator.held(fmt.Sprintf("/Computer/%d?with_devices=true&with_disks=true&with_softwares=true&with_networkports=true", mine.ComputerID))

		memory := 0.0
		for _, module := range held.at("_devices", "Item_DeviceMemory").(map[string]any) {
			memory += module.(map[string]any)["size"].(float64) * (1 << 20)
		}
		if computer.at("memoryBytes") != memory || memory == 0 {
			t.Errorf("memory %v, want %v", computer.at("memoryBytes"), memory)
		}
		for i, disk := range held.at("_disks").([]any) {
			volume := answer{Data: disk.(map[string]any)}
			for field, column := range map[string]string{"totalBytes": "totalsize", "freeBytes": "freesize"} {
				if want := volume.at("name", column).(float64) * (1 << 20); computer.at("disks", i, field) != want {
					t.Errorf("disk %d: %s is %v, want %v", i, field, computer.at("disks", i, field), want)
				}
			}
			if computer.at("disks", i, "name") != volume.at("name", "name") || computer.at("disks", i, "fileSystem") != volume.at("name", "fsname") {
				t.Errorf("disk %d: %v, want %v", i, computer.at("disks", i), volume.Data)
			}
		}
		port := answer{Data: held.at("_networkports", "NetworkPortEthernet", 0).(map[string]any)}
		if computer.at("networkPorts", 0, "mac") != port.at("mac") || computer.at("networkPorts", 0, "ips", 0) != port.at("NetworkName", "IPAddress", 0, "name") {
			t.Errorf("ports %v, want %v", computer.at("networkPorts"), port.Data)
		}
		installed := held.at("_softwares").([]any)
		if computer.at("installedApplications", "totalCount") != float64(len(installed)) {
			t.Errorf("%v applications, want %d", computer.at("installedApplications", "totalCount"), len(installed))
		}
		first := operator.held(fmt.Sprintf("/Software/%v", installed[0].(map[string]any)["softwares_id"]))
		if computer.at("installedApplications", "nodes", 0, "name") != first.at("name") {
			t.Errorf("the first application is %v, want %v", computer.at("installedApplications", "nodes", 0), first.at("name"))
		}
		for _, path := range [][]any{
			{"processors", 0, "name"}, {"processors", 0, "cores"}, {"processors", 0, "frequencyMHz"}, {"batteries", 0, "name"}, {"batteries", 0, "type"},
			{"batteries", 0, "capacityMilliampereHours"}, {"batteries", 0, "voltageMillivolts"}, {"os", "name"}, {"os", "version"},
			{"os", "architecture"}, {"os", "kernelVersion"}, {"model"}, {"manufacturer"}, {"uuid"}, {"createdAt"},
		} {
			if computer.at(path...) == nil {
				t.Errorf("%s: there is no %v in %s", admin, path, computer.text)
			}
		}
	}
}

// A SIM card has a telephone number for the help desk; its PIN and PUK, and the subscriber's identity, stay in GLPI.
func TestSIMCardsShowTheLineAndNoSecret(t *testing.T) {
	w := newWorld(t)
	token, operator := w.signIn("admin@acme.test"), w.operator()
	visible, cards := w.devicesOf(token), 0
	for _, d := range w.demo.Devices {
		if !visible[d.Serial] {
			continue
		}
		got := w.must(token, devicePage, map[string]any{"id": model.GlobalID("Agent", d.AgentID)})
		held := operator.held(fmt.Sprintf("/Computer/%d?with_devices=true", d.ComputerID))
		simCards, _ := held.at("_devices", "Item_DeviceSimcard").(map[string]any)
		for _, held := range simCards {
			card := held.(map[string]any)
			cards++
			if got.at("agent", "computer", "simCards", 0, "line", "number") == nil || got.at("agent", "computer", "simCards", 0, "iccid") == nil ||
				got.at("agent", "computer", "simCards", 0, "line", "operator") == nil {
				t.Errorf("the card has no line: %v", got.at("agent", "computer", "simCards"))
			}
			for _, secret := range []string{"pin", "puk", "pin2", "puk2", "msin"} {
				if text := fmt.Sprintf("%.0f", card[secret]); len(text) > 3 && !strings.HasPrefix(text, "%!") && strings.Contains(got.text, text) {
					t.Errorf("the %s %s is in %s", secret, text, got.text)
				}
			}
		}
	}
	if cards == 0 {
		t.Error("no device has a SIM card")
	}
}

// The old dashboard took 29 to 67 calls for a device, nearly all in a row. What must wait for what is the least that is
// ever seen: on a busy machine calls that could go side by side miss each other.
func TestADevicePageIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	fewest := 1 << 30
	for _, name := range []string{"admin@acme.test", "admin@globex.test", "viewer@acme.test", "viewer@globex.test"} {
		token := w.signIn(name)
		mine, _ := w.deviceOf(w.signIn(strings.Replace(name, "viewer", "admin", 1)))
		variables := map[string]any{"id": model.GlobalID("Agent", mine.AgentID)}
		w.must(token, `{ viewer { username } }`, nil)
		cold, rounds := w.roundsOf(func() { w.ask(token, devicePage, variables) })
		if fewest = min(fewest, rounds); len(cold) > 10 {
			t.Errorf("%d calls to GLPI in %d rounds, cold: %q", len(cold), rounds, cold)
		}
		t.Logf("%s: %d calls in %d rounds: %q", name, len(cold), rounds, cold)
		if warm := w.callsOf(func() { w.ask(token, devicePage, variables) }); len(warm) != 0 {
			t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
		}
	}
	if fewest > 3 {
		t.Errorf("%d rounds at best", fewest)
	}
}

// A list that shows hardware reads many computers in one call. As above, the least that is seen counts.
func TestAPageOfHardwareIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	fewest := 1 << 30
	var token string
	for _, name := range []string{"admin@globex.test", "viewer@globex.test", "viewer@acme.test", "admin@acme.test"} {
		token = w.signIn(name)
		calls := w.callsOf(func() {
			w.must(token, `{ agents(first: 20) { nodes { name computer { name os { name version } `+hardwareFields+` } } } }`, nil)
		})
		if fewest = min(fewest, len(calls)); len(calls) > 12 {
			t.Errorf("%d calls to GLPI: %q", len(calls), calls)
		}
	}
	if fewest > 8 {
		t.Errorf("%d calls to GLPI at best", fewest)
	}
	one := w.callsOf(func() { w.must(token, `{ agents(first: 1) { nodes { computer { name } } } }`, nil) })
	if slices.ContainsFunc(one, func(call string) bool { return strings.Contains(call, "Device") }) {
		t.Errorf("a name alone took %q", one)
	}
}

// What the profile may not read is null with an error at its place; the rest stands.
func TestPartsOutOfReachLeaveTheRestStanding(t *testing.T) {
	w := newWorld(t)
	w.glpi.Grant("Fleet viewer", map[string]glpi.Rights{"networking": 0, "line": 0})
	token := w.signIn("viewer@acme.test")
	mine, _ := w.deviceOf(token)
	a := w.ask(token, devicePage, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
	if a.at("agent", "computer", "networkPorts") != nil || a.at("agent", "computer", "simCards", 0, "line") != nil {
		t.Errorf("shown though the profile may not read it: %s", a.text)
	}
	for _, e := range a.Errors {
		if path := fmt.Sprint(e.Path); e.Extensions["code"] != "FORBIDDEN" || path != "[agent computer networkPorts]" && !strings.HasSuffix(path, " line]") {
			t.Errorf("got %v", e)
		}
	}
	if a.code() != "FORBIDDEN" {
		t.Error("no error says that something is missing")
	}
	for _, path := range [][]any{{"disks", 0, "name"}, {"processors", 0, "name"}, {"installedApplications", "nodes", 0, "name"}, {"memoryBytes"}} {
		if a.at(append([]any{"agent", "computer"}, path...)...) == nil {
			t.Errorf("there is no %v", path)
		}
	}
}

// Computers that are reached in another way than through their agents have inventories too.
func TestInventoriesOfComputersByTheirIDs(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	mine, other := w.deviceOf(acme)
	query := `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Computer { name memoryBytes disks { name } } } }`
	ids := map[string]any{"ids": []string{model.GlobalID("Computer", mine.ComputerID), model.GlobalID("Computer", other.ComputerID)}}
	a := w.ask(acme, query, ids)
	if a.at("nodes", 0, "memoryBytes") == nil || a.at("nodes", 0, "disks", 0, "name") == nil || a.at("nodes", 1) != nil || a.code() != "NOT_FOUND" {
		t.Errorf("got %s", a.text)
	}
	if b := w.ask(globex, query, ids); b.at("nodes", 0) != nil || b.at("nodes", 1, "memoryBytes") == nil {
		t.Errorf("the other company got %s", b.text)
	}
}

func TestInstalledApplicationsArePaged(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	query := `query ($id: ID!, $first: Int, $after: String) { agent(id: $id) { computer { installedApplications(first: $first, after: $after) {
	  totalCount nodes { name version } pageInfo { hasNextPage endCursor } } } } }`
	id := model.GlobalID("Agent", mine.AgentID)
	whole := w.must(token, query, map[string]any{"id": id, "first": 500}).at("agent", "computer", "installedApplications", "nodes").([]any)
	var pages []any
	for after := any(nil); ; {
		a := w.must(token, query, map[string]any{"id": id, "first": 3, "after": after})
		pages = append(pages, a.at("agent", "computer", "installedApplications", "nodes").([]any)...)
		if after = a.at("agent", "computer", "installedApplications", "pageInfo", "endCursor"); a.at("agent", "computer", "installedApplications", "pageInfo", "hasNextPage") != true {
			break
		}
	}
	if fmt.Sprint(pages) != fmt.Sprint(whole) || len(whole) < 4 {
		t.Errorf("pages of %v, the whole is %v", pages, whole)
	}
	if a := w.ask(token, query, map[string]any{"id": id, "first": 501}); a.code() != "BAD_USER_INPUT" {
		t.Errorf("too many: %s", a.text)
	}
}

// report has a device tell GLPI where it is.
func (w *world) report(d glpi.DemoDevice, at time.Time, place map[string]any) {
	w.t.Helper()
	device := &operator{w: w}
	var opened struct {
		Token string `json:"session_token"`
	}
	device.call(http.MethodGet, "/initSession", nil, &opened, "Authorization", "user_token "+d.APIToken)
	device.session = opened.Token
	report := map[string]any{"_agents_id": d.AgentID, "computers_id": d.ComputerID, "_datetime": fmt.Sprint(at.Unix())}
	maps.Copy(report, place)
	device.call(http.MethodPost, "/PluginFlyvemdmGeolocation", report, nil)
}

func TestPositionsOverATimeRange(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, other := w.deviceOf(token)
	noon := time.Date(2033, 5, 18, 12, 0, 0, 0, time.UTC) // later than what the demonstration begins with
	for i, place := range []map[string]any{
		{"latitude": "48.1", "longitude": "2.1"}, {"latitude": "48.2", "longitude": "2.2"}, {"_gps": "off"}, {"latitude": "48.3", "longitude": "2.3"},
	} {
		w.report(mine, noon.Add(time.Duration(i)*time.Minute), place)
	}
	query := `query ($id: ID!, $from: DateTime, $to: DateTime, $first: Int, $after: String) { agent(id: $id) {
	  positions(from: $from, to: $to, first: $first, after: $after) { totalCount nodes { latitude longitude at } pageInfo { hasNextPage endCursor } } } }`
	latitudes := func(a answer) (all []any) {
		for _, node := range a.at("agent", "positions", "nodes").([]any) {
			all = append(all, node.(map[string]any)["latitude"])
		}
		return all
	}
	id := model.GlobalID("Agent", mine.AgentID)
	minute := func(n int) string { return noon.Add(time.Duration(n) * time.Minute).Format(time.RFC3339) }
	for title, c := range map[string]struct {
		variables map[string]any
		want      []any
		total     float64
	}{
		"since noon":      {map[string]any{"from": minute(0)}, []any{48.3, 48.2, 48.1}, 3},
		"within minutes":  {map[string]any{"from": minute(0), "to": minute(1)}, []any{48.1}, 1},
		"of the GPS off":  {map[string]any{"from": minute(2), "to": minute(3)}, nil, 0},
		"the first page":  {map[string]any{"from": minute(0), "first": 2}, []any{48.3, 48.2}, 3},
		"to the next day": {map[string]any{"from": minute(1), "to": minute(1440)}, []any{48.3, 48.2}, 2},
	} {
		variables := map[string]any{"id": id}
		maps.Copy(variables, c.variables)
		a := w.must(token, query, variables)
		if !slices.Equal(latitudes(a), c.want) || a.at("agent", "positions", "totalCount") != c.total {
			t.Errorf("%s: %s", title, a.text)
		}
	}
	page := w.must(token, query, map[string]any{"id": id, "from": minute(0), "first": 2})
	next := w.must(token, query, map[string]any{"id": id, "from": minute(0), "first": 2, "after": page.at("agent", "positions", "pageInfo", "endCursor")})
	if !slices.Equal(latitudes(next), []any{48.1}) {
		t.Errorf("the next page: %s", next.text)
	}
	before := w.must(token, query, map[string]any{"id": id, "to": minute(0), "first": 500})
	if total := before.at("agent", "positions", "totalCount").(float64); total < 1 || int(total) != len(latitudes(before)) {
		t.Errorf("before noon: %s", before.text)
	}
	if a := w.ask(token, query, map[string]any{"id": id, "from": minute(1), "to": minute(0)}); a.code() != "BAD_USER_INPUT" {
		t.Errorf("a range that ends before it begins: %s", a.text)
	}
	if a := w.ask(token, query, map[string]any{"id": model.GlobalID("Agent", other.AgentID)}); a.code() != "NOT_FOUND" {
		t.Errorf("another company's device: %s", a.text)
	}
}
