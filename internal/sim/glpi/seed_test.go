package glpi

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestSeedDemo signs in as the demonstration's people and looks around.
func TestSeedDemo(t *testing.T) {
	s := newServer(t, Options{Broker: newLedger()})
	const devices = 200
	demo := s.SeedDemo(DemoOptions{Devices: devices, Seed: 1})
	if len(demo.Devices) != devices {
		t.Fatalf("%d devices", len(demo.Devices))
	}
	count := func(c *client, itemtype string) int {
		t.Helper()
		n, err := nodeOf(c.want("GET", "/"+itemtype+"?range=0-9999&only_id=true", "", 200, "").Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return len(n.kids)
	}
	acme, globex := signIn(t, s, "admin@acme.test", DemoPassword), signIn(t, s, "admin@globex.test", DemoPassword)
	agents := count(acme, "PluginFlyvemdmAgent")
	if g := count(globex, "PluginFlyvemdmAgent"); agents+g != devices || agents < devices/3 || g < devices/3 {
		t.Errorf("ACME sees %d agents, Globex %d", agents, g)
	}
	for _, itemtype := range []string{
		"PluginFlyvemdmFleet", "PluginFlyvemdmInvitation", "PluginFlyvemdmPackage", "PluginFlyvemdmGeolocation", "Computer", "User",
	} {
		if a, g := count(acme, itemtype), count(globex, itemtype); a < 3 || g < 3 {
			t.Errorf("%s: ACME sees %d, Globex %d", itemtype, a, g)
		}
	}
	acme.want("GET", "/PluginFlyvemdmFile", "", 200, `"name":"welcome.txt"`)
	acme.want("GET", "/getActiveProfile", "", 200, `"name":"Super-Admin"`)
	viewer := signIn(t, s, "viewer@acme.test", DemoPassword)
	if n := count(viewer, "PluginFlyvemdmAgent"); n != agents {
		t.Errorf("the viewer sees %d agents", n)
	}
	viewer.want("PUT", "/PluginFlyvemdmAgent/1", `{"input":{"lock":"1"}}`, 400, noPermission)
	viewer.want("POST", "/PluginFlyvemdmFleet", `{"input":{"name":"x"}}`, 400, noPermission)
	signIn(t, s, "sally@acme.test", DemoPassword).want("GET", "/PluginFlyvemdmAgent", "", 401, "ERROR_RIGHT_MISSING")
	service := (&stage{t: t, s: s}).token(demo.ServiceToken)
	if n := count(service, "PluginFlyvemdmAgent"); n != devices {
		t.Errorf("the service account sees %d agents", n)
	}
}

// TestSeededDevices checks each device against the store, the broker and its company's administrator.
func TestSeededDevices(t *testing.T) {
	broker := newLedger()
	s := newServer(t, Options{Broker: broker})
	demo := s.SeedDemo(DemoOptions{Devices: 60, Seed: 7})
	st := &stage{t: t, s: s}
	acme, globex := signIn(t, s, "admin@acme.test", DemoPassword), signIn(t, s, "admin@globex.test", DemoPassword)
	serials, generations := map[string]bool{}, map[string]int{}
	for _, d := range demo.Devices {
		generations[d.Generation]++
		if serials[d.Serial] {
			t.Errorf("serial %s twice", d.Serial)
		}
		serials[d.Serial] = true
		admin := acme
		if d.EntityID == 2 {
			admin = globex
		}
		agent := admin.want("GET", fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.AgentID), "", 200, fmt.Sprintf(`"computers_id":%d,`, d.ComputerID))
		if !strings.Contains(agent.Body.String(), `"api_token":"`+d.APIToken+`"`) || d.Topic != fmt.Sprintf("%d/agent/%s", d.EntityID, d.Serial) {
			t.Errorf("agent %d: %s, topic %s", d.AgentID, agent.Body, d.Topic)
		}
		computer := admin.want("GET", fmt.Sprintf("/Computer/%d", d.ComputerID), "", 200, `"computermodels_id":`).Body.String()
		for _, empty := range []string{`"computermodels_id":0`, `"manufacturers_id":0`, `"users_id":0`} {
			if strings.Contains(computer, empty) {
				t.Errorf("computer %d has %s", d.ComputerID, empty)
			}
		}
		admin.want("GET", fmt.Sprintf("/Computer/%d/Item_OperatingSystem", d.ComputerID), "", 200, `"operatingsystemversions_id":`)
		if broker.passwords[d.MQTTUser] != d.MQTTPassword || !broker.readable(d.MQTTUser, d.Topic+"/Command/#") {
			t.Errorf("MQTT account of %s: %v", d.Serial, broker.acl[d.MQTTUser])
		}
		if d.FleetTopic != "" && !broker.readable(d.MQTTUser, d.FleetTopic+"/#") {
			t.Errorf("%s cannot read its fleet %s", d.Serial, d.FleetTopic)
		}
		st.token(d.APIToken).want("PUT", fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.AgentID), `{"input":{"is_online":"1"}}`, 200, "true")
	}
	if generations["A"] < 20 || generations["B"] < 20 {
		t.Errorf("generations %v", generations)
	}
}

// TestSeededInvitations looks for each state that a dashboard shows.
func TestSeededInvitations(t *testing.T) {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 30, Seed: 1})
	tx := s.begin(nil)
	defer tx.end()
	states := map[string]int{}
	for _, row := range tx.Rows("PluginFlyvemdmInvitation") {
		state := row.Str("status")
		switch {
		case row.Str("expiration_date") == "0000-00-00 00:00:00":
			state = "used"
		case state == "pending" && row.Str("expiration_date") < tx.Date():
			state = "expired"
		case state == "done":
			state = "called back"
		}
		if tx.defaultEmail(tx.Row("User", row.Int("users_id"))) == "" {
			t.Errorf("invitation %d is of somebody without an address", row.ID())
		}
		states[state]++
	}
	for _, state := range []string{"used", "expired", "called back", "pending"} {
		if states[state] == 0 {
			t.Errorf("no invitation is %s: %v", state, states)
		}
	}
	mails := map[bool]int{}
	for _, row := range tx.Rows("QueuedNotification") {
		mails[row.IsNull("sent_time")]++
	}
	if mails[true] == 0 || mails[false] == 0 {
		t.Errorf("%d mails wait and %d are sent", mails[true], mails[false])
	}
	if len(tx.Rows("PluginFlyvemdmInvitationlog")) == 0 || len(tx.Rows("PluginFlyvemdmTaskstatus")) == 0 {
		t.Error("no log of a failed enrolment, or no status of a task")
	}
}

// TestSeedIsReproducible makes the same world twice, and another.
func TestSeedIsReproducible(t *testing.T) {
	world := func(seed int64) Demo { return newServer(t, Options{}).SeedDemo(DemoOptions{Devices: 25, Seed: seed}) }
	one, same, other := world(1), world(1), world(2)
	if !reflect.DeepEqual(one, same) {
		t.Error("the same seed made two worlds")
	}
	if reflect.DeepEqual(one.Devices[0], other.Devices[0]) {
		t.Error("two seeds made the same first device")
	}
}

// TestSeedIsFast seeds ten thousand devices in less than three seconds, at the third attempt at the latest: others may be
// busy on the machine.
func TestSeedIsFast(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes everything slow")
	}
	var took time.Duration
	for range 3 {
		began := time.Now()
		demo := newServer(t, Options{Broker: newLedger()}).SeedDemo(DemoOptions{Devices: 10_000, Seed: 1})
		if took = time.Since(began); len(demo.Devices) == 10_000 && took < 3*time.Second {
			return
		}
	}
	t.Errorf("ten thousand devices took %v", took)
}
