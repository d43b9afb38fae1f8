package screens

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fleetgate/internal/sim/glpi"
)

// dashboard makes the REST calls that the old Flyve dashboard (React) made for its screens, one after another as it did.
type dashboard struct {
	w       *world
	session string
	held    held
}

// get makes a call whose answer the dashboard only showed.
func (d *dashboard) get(format string, arguments ...any) {
	d.call(http.MethodGet, fmt.Sprintf(format, arguments...), nil, nil)
}

func (d *dashboard) call(method, path string, input, output any) {
	d.w.tb.Helper()
	d.w.exchange(method, d.w.rest+strings.ReplaceAll(path, " ", "%20"), d.session, input, output)
}

// all is how the dashboard read a whole table: a search for the total, then all rows.
func (d *dashboard) all(itemtype, criteria string) {
	d.get("/search/%s?%srange=0-0", itemtype, criteria)
	d.get("/search/%s?%suid_cols=1&forcedisplay[0]=2&range=0-999", itemtype, criteria)
}

// signIn opens the session and reads whose it is: 4 calls, and the plugin's settings with the layout.
func (d *dashboard) signIn() {
	request, err := http.NewRequestWithContext(d.w.tb.Context(), http.MethodGet, d.w.rest+"/initSession", nil)
	if err != nil {
		d.w.tb.Fatal(err)
	}
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(admin+":"+glpi.DemoPassword)))
	var opened struct {
		Token string `json:"session_token"`
	}
	d.w.send(request, &opened)
	d.session = opened.Token
	var full struct {
		Session struct {
			User int `json:"glpiID"`
		} `json:"session"`
	}
	d.call(http.MethodGet, "/getFullSession", nil, &full)
	d.get("/User/%d", full.Session.User)
	d.get("/User/%d/UserEmail", full.Session.User)
	d.get("/getGlpiConfig")
}

// home reads the first rows of seven tables to count them.
func (d *dashboard) home() {
	const rows = "uid_cols=1&forcedisplay[0]=2"
	for _, itemtype := range []string{"PluginFlyvemdmPackage", "PluginFlyvemdmFile", "PluginFlyvemdmFleet", "PluginFlyvemdmInvitation"} {
		d.get("/search/%s?%s", itemtype, rows)
	}
	d.get("/search/PluginFlyvemdmInvitation?%s&criteria[0][field]=4&criteria[0][searchtype]=contains&criteria[0][value]=pending", rows)
	d.get("/search/User?%s", rows)
	d.get("/search/PluginFlyvemdmAgent?%s&forcedisplay[1]=12", rows)
}

// deviceList reads 50 rows, 15 at a time.
func (d *dashboard) deviceList() {
	for start := 0; start < 50; start += 15 {
		d.get("/search/PluginFlyvemdmAgent?uid_cols=1&forcedisplay[0]=2&forcedisplay[1]=3&forcedisplay[2]=4&forcedisplay[3]=12&range=%d-%d", start, start+14)
	}
}

func (d *dashboard) deviceMain() {
	d.get("/PluginFlyvemdmAgent/%d", d.w.shown.device)
	d.get("/Item_DeviceSimcard?searchText[itemtype]=Computer&searchText[items_id]=%d", d.w.shown.computer)
}

// deviceReport reads what a device is made of: 16 calls.
func (d *dashboard) deviceReport() {
	s := d.w.shown
	d.get("/PluginFlyvemdmAgent/%d", s.device)
	d.get("/PluginFlyvemdmFleet/%d", s.fleet)
	d.get("/Computer/%d?with_devices=true&with_disks=true&with_softwares=true&with_connections=true&with_networkports=true", s.computer)
	d.get("/search/Computer?criteria[0][field]=2&criteria[0][searchtype]=equals&criteria[0][value]=%d&forcedisplay[0]=45", s.computer)
	d.get("/Computer/%d/Item_OperatingSystem", s.computer)
	for _, name := range []string{"OperatingSystem", "OperatingSystemVersion", "OperatingSystemArchitecture", "OperatingSystemKernelVersion", "OperatingSystemKernel"} {
		d.get("/%s/1", name)
	}
	d.get("/Computer/%d?with_disks=true", s.computer)
	d.get("/DeviceProcessor/1")
	d.get("/Manufacturer/1")
	d.get("/DeviceBattery/1")
	d.get("/DeviceBatteryType/1")
	d.get("/Computer/%d?with_networkports=true", s.computer)
}

// editor reads what the policies of a fleet or a device are edited with: 11 calls.
func (d *dashboard) editor() {
	d.get("/search/PluginFlyvemdmAgent?criteria[0][field]=3&criteria[0][searchtype]=contains&criteria[0][value]=a&forcedisplay[0]=2")
	d.all("PluginFlyvemdmPolicy", "")
	d.all("PluginFlyvemdmTask", fmt.Sprintf("criteria[0][field]=10&criteria[0][searchtype]=equals&criteria[0][value]=%d&", d.w.shown.fleet))
	d.all("PluginFlyvemdmPolicyCategory", "")
	d.all("PluginFlyvemdmFile", "")
	d.all("PluginFlyvemdmPackage", "")
}

// device opens a device, which mounts all tabs at once, then visits each: the report runs again when its tab is entered
// and when it is left.
func (d *dashboard) device() {
	d.deviceMain()
	d.deviceReport()
	d.editor()
	d.deviceReport()
	d.deviceReport()
	d.deviceApplications()
	d.get("/PluginFlyvemdmAgent/%d", d.w.shown.device)
	d.get("/Computer/%d/PluginFlyvemdmGeolocation", d.w.shown.computer)
}

func (d *dashboard) deviceApplications() {
	criteria := fmt.Sprintf("metacriteria[0][link]=AND&metacriteria[0][itemtype]=Computer&metacriteria[0][field]=2&metacriteria[0][searchtype]=equals&metacriteria[0][value]=%d&", d.w.shown.computer)
	d.get("/PluginFlyvemdmAgent/%d", d.w.shown.device)
	d.get("/search/Software?%srange=0-0", criteria)
	d.get("/search/Software?%suid_cols=1&forcedisplay[0]=2", criteria)
	d.get("/Software/1")
}

func (d *dashboard) invitations() {
	d.get("/search/PluginFlyvemdmInvitation?uid_cols=1&forcedisplay[0]=1&forcedisplay[1]=2&forcedisplay[2]=3&range=0-14")
}

func (d *dashboard) invitation() {
	d.get("/search/PluginFlyvemdmInvitationlog?criteria[0][field]=4&criteria[0][searchtype]=equals&criteria[0][value]=%d&uid_cols=1", d.w.shown.invitation)
}

// saveFleet does what savedFleet says: it writes the fleet and a batch of each kind of tasks, then reads all again, 15
// calls.
func (d *dashboard) saveFleet() {
	d.call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmFleet/%d", d.w.shown.fleet), input(map[string]any{"name": "Saved"}), nil)
	d.call(http.MethodDelete, "/PluginFlyvemdmTask", input([]map[string]any{{"id": d.held.gps}}), nil)
	d.call(http.MethodPut, "/PluginFlyvemdmTask", input([]map[string]any{{"id": d.held.camera, "value": "0"}}), nil)
	d.call(http.MethodPost, "/PluginFlyvemdmTask", input([]map[string]any{{
		"itemtype_applied": "PluginFlyvemdmFleet", "items_id_applied": d.w.shown.fleet, "plugin_flyvemdm_policies_id": d.held.usb, "value": "1",
	}}), nil)
	d.editor()
}

// held is what the page with a fleet knew before it was saved: the tasks that unsaved made, and a policy.
type held struct{ camera, gps, usb int }

// openFleet prepares for saveFleet.
func (d *dashboard) openFleet() {
	var policies, tasks []struct {
		ID     int    `json:"id"`
		Symbol string `json:"symbol"`
		Type   string `json:"itemtype_applied"`
		Target int    `json:"items_id_applied"`
		Policy int    `json:"plugin_flyvemdm_policies_id"`
	}
	d.call(http.MethodGet, "/PluginFlyvemdmPolicy?range=0-999", nil, &policies)
	d.call(http.MethodGet, "/PluginFlyvemdmTask?range=0-999", nil, &tasks)
	symbols := map[int]string{}
	for _, policy := range policies {
		symbols[policy.ID] = policy.Symbol
		if policy.Symbol == "disableUsbMtp" {
			d.held.usb = policy.ID
		}
	}
	for _, task := range tasks {
		if task.Type != "PluginFlyvemdmFleet" || task.Target != d.w.shown.fleet {
			continue
		}
		switch symbols[task.Policy] {
		case "disableCamera":
			d.held.camera = task.ID
		case "disableGPS":
			d.held.gps = task.ID
		}
	}
	if d.held.camera*d.held.gps*d.held.usb == 0 {
		d.w.tb.Fatalf("the fleet is not as it was prepared: %+v", d.held)
	}
}

func input(fields any) map[string]any { return map[string]any{"input": fields} }

func (d *dashboard) files() {
	d.get("/search/PluginFlyvemdmFile?uid_cols=1&forcedisplay[0]=1&forcedisplay[1]=2&forcedisplay[2]=3&range=0-14")
}

func (d *dashboard) applications() {
	d.get("/search/PluginFlyvemdmPackage?uid_cols=1&forcedisplay[0]=1&forcedisplay[1]=2&forcedisplay[2]=3&forcedisplay[3]=4&forcedisplay[4]=5&forcedisplay[5]=6&range=0-14")
}

func (d *dashboard) users() {
	d.get("/search/User?uid_cols=1&forcedisplay[0]=1&forcedisplay[1]=2&forcedisplay[2]=5&forcedisplay[3]=34&forcedisplay[4]=150&range=0-14")
}

func (d *dashboard) user() {
	d.get("/User/%d", d.w.shown.user)
	d.get("/User/%d/UserEmail", d.w.shown.user)
}

// entitySettings counts eight tables: 10 calls.
func (d *dashboard) entitySettings() {
	for _, itemtype := range []string{
		"PluginFlyvemdmAgent", "PluginFlyvemdmInvitation", "PluginFlyvemdmFleet", "PluginFlyvemdmFile", "PluginFlyvemdmPackage", "User", "Computer", "PluginFlyvemdmPolicy",
	} {
		d.get("/search/%s?range=0-0", itemtype)
	}
	d.get("/getActiveProfile")
	d.get("/PluginFlyvemdmEntityConfig/%d", d.w.shown.entity)
}

// profile reads one's own record and whole tables to choose from: 3 calls and up to 5.
func (d *dashboard) profile() {
	d.get("/User/%d", d.w.shown.user)
	d.get("/User/%d/UserEmail", d.w.shown.user)
	d.get("/getMyProfiles")
	for _, itemtype := range []string{"UserTitle", "UserCategory", "Location", "Entity"} {
		d.get("/%s?range=0-200", itemtype)
	}
}

// The old dashboard's sequences have the lengths that were counted in its sources.
func TestTheOldDashboardTookItsCalls(t *testing.T) {
	w := newWorld(t)
	d := &dashboard{w: w, session: w.signIn(admin)}
	counted := map[string]int{
		"sign in": 5, "home": 7, "device list": 4, "device, report": 16, "device, policies": 11, "device, all tabs": 67, "invitation list": 1,
		"invitation": 1, "fleet": 11, "save a fleet": 15, "file list": 1, "application list": 1, "user list": 1, "user": 2,
		"entity settings": 10, "profile settings": 7,
	}
	for _, s := range screens {
		if s.writes {
			w.unsave()
			d.openFleet()
		}
		c := w.measure(0, func() { s.old(d) })
		if len(c.calls) != counted[s.name] || c.rounds != len(c.calls) {
			t.Errorf("%s: %d calls in %d rounds, want %d in a row", s.name, len(c.calls), c.rounds, counted[s.name])
		}
		if len(c.failed) > 0 {
			t.Errorf("%s: GLPI refused %q", s.name, c.failed)
		}
	}
}
