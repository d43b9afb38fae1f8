package glpi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAgentSwitches shows what a PUT of lock, wipe and the request to unenrol publishes and stores, step by step.
func TestAgentSwitches(t *testing.T) {
	const (
		lock   = `/Command/Lock {"lock":"now"} retained`
		unlock = `/Command/Lock {"lock":"unlock"} retained`
		wipe   = `/Command/Wipe {"wipe":"now"} retained`
		leave  = `/Command/Unenroll {"unenroll":"now"} retained`
	)
	for _, c := range []struct {
		name  string
		steps []string // pairs: input, message
		lock  int
		wipe  int
	}{
		{"lock and unlock", []string{`{"lock":"1"}`, lock, `{"lock":"1"}`, "", `{"lock":"0"}`, unlock, `{"lock":0}`, ""}, 0, 0},
		{"true locks", []string{`{"lock":true}`, lock}, 1, 0},
		{"false locks", []string{`{"lock":false}`, lock}, 1, 0},
		{"empty locks", []string{`{"lock":""}`, lock}, 1, 0},
		{"null says lock but stores 0", []string{`{"lock":null}`, lock, `{"lock":null}`, lock}, 0, 0},
		{"wipe is not taken back on the broker", []string{`{"wipe":"1"}`, wipe, `{"wipe":"1"}`, "", `{"wipe":"0"}`, ""}, 0, 0},
		{"false wipes", []string{`{"wipe":false}`, wipe}, 0, 1},
		{"null says wipe but stores 0", []string{`{"wipe":null}`, wipe}, 0, 0},
		{"wipe swallows lock", []string{`{"wipe":"1","lock":"1"}`, wipe, `{"lock":"1"}`, ""}, 0, 1},
		{"unenrol", []string{`{"_unenroll_request":"1"}`, leave, `{"_unenroll_request":"1"}`, ""}, 0, 0},
		{"false unenrols", []string{`{"_unenroll_request":false}`, leave}, 0, 0},
		{"null does not", []string{`{"_unenroll_request":null}`, ""}, 0, 0},
		{"names of old clients do nothing", []string{`{"_unenroll":"1","_ping":"","_geolocate":"","_inventory":"","bogus":2}`, ""}, 0, 0},
		{"the status is not writable", []string{`{"enroll_status":"unenrolling"}`, ""}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			for i := 0; i < len(c.steps); i += 2 {
				st.admin.want("PUT", d.path(), `{"input":`+c.steps[i]+`}`, 200, `true,"message":""`)
				var want []string
				if c.steps[i+1] != "" {
					want = []string{d.topic + c.steps[i+1]}
				}
				sameMessages(t, st.broker.take(), want...)
			}
			st.admin.want("GET", d.path(), "", 200, fmt.Sprintf(`"wipe":%d,"lock":%d,`, c.wipe, c.lock))
		})
	}
}

// TestAgentQueries shows when a query to the device is thought to be answered.
func TestAgentQueries(t *testing.T) {
	for _, c := range []struct {
		name, request, command string
		answer                 func(st *stage, d device)
		status                 int
		message                string
	}{
		{"ping", "_ping_request", "Ping", func(st *stage, d device) {
			st.advance(time.Second)
			st.s.HandleMQTT(d.topic+"/Status/Ping", []byte("!"))
		}, 200, "The device answered"},
		{"ping within the second of the last contact", "_ping_request", "Ping", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Ping", []byte("!"))
		}, 400, "Timeout querying the device"},
		{"another word for a ping", "_ping_request", "Ping", func(st *stage, d device) {
			st.advance(time.Second)
			st.s.HandleMQTT(d.topic+"/Status/Ping", []byte("pong"))
		}, 400, "Timeout querying the device"},
		{"no answer", "_ping_request", "Ping", nil, 400, "Timeout querying the device"},
		{"position", "_geolocate_request", "Geolocate", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Geolocation", []byte(`{"latitude":48.1,"longitude":2.1,"datetime":"1795252728"}`))
		}, 200, "The device sent its position"},
		{"GPS off", "_geolocate_request", "Geolocate", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Geolocation", []byte(`{"gps":"off","datetime":1795252728}`))
		}, 400, "GPS is turned off or is not ready"},
		{"position without a time", "_geolocate_request", "Geolocate", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Geolocation", []byte(`{"latitude":48.1,"longitude":2.1}`))
		}, 400, "Timeout requesting position"},
		{"inventory", "_inventory_request", "Inventory", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Inventory", []byte(inventoryXML("SER1", "11")))
		}, 200, "Inventory received"},
		{"the same inventory within a second", "_inventory_request", "Inventory", func(st *stage, d device) {
			st.s.HandleMQTT(d.topic+"/Status/Inventory", []byte(inventoryXML("SER1", "10")))
		}, 400, "Timeout querying the device inventory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			st.s.HandleMQTT(d.topic+"/Status/Online", []byte(`{"online":true}`)) // a contact, this second
			if c.answer != nil {
				answered := make(chan struct{})
				st.broker.answer = func(topic string) {
					if strings.HasSuffix(topic, "/Command/"+c.command) {
						go func() { defer close(answered); c.answer(st, d) }()
					}
				}
				defer func() { <-answered }()
			}
			st.admin.want("PUT", d.path(), `{"input":{"`+c.request+`":""}}`, c.status, c.message)
			sameMessages(t, st.broker.take(), d.topic+`/Command/`+c.command+` {"query":"`+c.command+`"}`)
		})
	}
}

// TestQueriesDoNotBlockOthers reads while a query waits.
func TestQueriesDoNotBlockOthers(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	read := make(chan int, 1)
	st.broker.answer = func(string) { go func() { read <- st.admin.send("GET", d.path(), "").Code }() }
	st.admin.want("PUT", d.path(), `{"input":{"_ping_request":""}}`, 400, "Timeout querying the device")
	if code := <-read; code != 200 {
		t.Errorf("reading meanwhile: %d", code)
	}
}

// TestAgentMoves follows an agent through fleets: the topic it is told, what it may read, and the statuses of tasks.
func TestAgentMoves(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	blue, red := st.fleet("blue"), st.fleet("red")
	home := 0
	st.do(func(tx *Tx) { home = tx.Row("PluginFlyvemdmAgent", d.agent).Int("plugin_flyvemdm_fleets_id") })
	task := st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":19,"value":"1"}`, blue))
	st.broker.take()
	move := func(fleet int, topic string) {
		t.Helper()
		st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, fleet), 200, "true")
		sameMessages(t, st.broker.take(), d.topic+`/Command/Subscribe {"subscribe":[{"topic":`+topic+`}]} retained`)
	}
	root := func(fleet int) string { return fmt.Sprintf("%d/fleet/%d", st.entity, fleet) }
	status := func() string {
		var found []string
		st.do(func(tx *Tx) {
			for _, row := range tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task) {
				found = append(found, row.Str("status"))
			}
		})
		return strings.Join(found, " ")
	}

	move(blue, `"`+root(blue)+`"`)
	if !st.broker.readable("SER1", root(blue)+"/#") || status() != "pending" {
		t.Errorf("in blue: reads it %v, status %q", st.broker.readable("SER1", root(blue)+"/#"), status())
	}
	move(red, `"`+root(red)+`"`)
	if st.broker.readable("SER1", root(blue)+"/#") || !st.broker.readable("SER1", root(red)+"/#") || status() != "canceled" {
		t.Errorf("in red: account %v, status %q", st.broker.acl["SER1"], status())
	}
	d.guest.want("GET", d.path(), "", 200, "mqttpasswd") // resets the account
	if st.broker.readable("SER1", root(red)+"/#") {
		t.Error("the owner's reading left the fleet readable")
	}
	move(blue, `"`+root(blue)+`"`)
	if st.broker.readable("SER1", root(blue)+"/#") {
		t.Error("a move between fleets gave back what the reset took")
	}
	move(home, "null")
	st.admin.want("PUT", d.path(), `{"input":{"plugin_flyvemdm_fleets_id":9999}}`, 400, "The target fleet does not exists")
	globex, _ := company(t, st.s, "globex")
	foreign := 0
	st.do(func(tx *Tx) { foreign = tx.defaultFleet(globex).ID() })
	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, foreign), 200, "true") // nobody looks whose it is
}

// TestAgentReaders shows who gets which secret.
func TestAgentReaders(t *testing.T) {
	st := newStage(t)
	ann, ben := st.enrol("ann@acme.test", "SER1"), st.enrol("ben@acme.test", "SER2")
	first := st.broker.passwords["SER1"]
	w := ann.guest.want("GET", ann.path(), "", 200, `"broker":"127.0.0.1","port":1883,"tls":0,"android_bugcollecctor_url":""`)
	if now := st.broker.passwords["SER1"]; now == first || !strings.Contains(w.Body.String(), now) {
		t.Error("the owner's reading did not change the password, or showed another")
	}
	ann.guest.want("GET", ben.path(), "", 401, "ERROR_RIGHT_MISSING")
	admin := st.admin.want("GET", ann.path(), "", 200, `"api_token":"`)
	if strings.Contains(admin.Body.String(), "mqttpasswd") {
		t.Error("an administrator sees the MQTT password")
	}
	if list := st.admin.want("GET", "/PluginFlyvemdmAgent", "", 200, `"name":"ben@acme.test"`); strings.Contains(list.Body.String(), "api_token") {
		t.Error("a list shows api_tokens")
	}
	_, globex := company(t, st.s, "globex")
	globex.want("GET", ann.path(), "", 401, "ERROR_RIGHT_MISSING")
	globex.want("PUT", ann.path(), `{"input":{"wipe":"1"}}`, 400, noPermission)
	globex.want("GET", "/PluginFlyvemdmAgent", "", 200, "[]")
}

// TestDeviceReports shows what a device may say of itself over HTTP.
func TestDeviceReports(t *testing.T) {
	st := newStage(t)
	ann, ben := st.enrol("ann@acme.test", "SER1"), st.enrol("ben@acme.test", "SER2")
	ann.session.want("PUT", ann.path(), `{"input":{"_pong":"!"}}`, 200, "true")
	st.admin.want("GET", ann.path(), "", 200, `"last_contact":"2026-11-21 10:00:00","is_online":0`)
	ann.session.want("PUT", ann.path(), `{"input":{"is_online":"1"}}`, 200, "true")
	st.admin.want("GET", ann.path(), "", 200, `"is_online":1`)
	ann.session.want("PUT", ann.path(), `{"input":{"is_online":false}}`, 400, "Invalid status value")
	ann.session.want("PUT", ann.path(), `{"input":{"is_online":"7"}}`, 400, "Invalid status value")
	ann.session.want("PUT", ben.path(), `{"input":{"is_online":"1"}}`, 400, noPermission)
	ann.session.want("DELETE", ann.path(), "", 400, noPermission)
	ann.session.want("GET", "/PluginFlyvemdmTask", "", 401, "ERROR_RIGHT_MISSING")
	ann.session.want("PUT", ann.path(), `{"input":{"_inventory":"`+inventoryOf("SER1")+`"}}`, 200, "true")
	ann.session.want("POST", "/PluginFlyvemdmGeolocation", fmt.Sprintf(`{"input":{"_datetime":1795254952,"_agents_id":%d,"latitude":"48.1","longitude":"2.1","computers_id":%d}}`, ann.agent, ann.computer), 201, "Item successfully added: Geolocation - ID 1")
	ann.session.want("POST", "/PluginFlyvemdmGeolocation", fmt.Sprintf(`{"input":{"_datetime":1795254952,"_agents_id":%d,"_gps":"off","computers_id":%d}}`, ann.agent, ann.computer), 201, "Geolocation - ID 2")
	ann.session.want("POST", "/PluginFlyvemdmGeolocation", fmt.Sprintf(`{"input":{"latitude":"48.1","longitude":"2.1","computers_id":%d}}`, ann.computer), 400, "Agent ID is mandatory")
	st.admin.want("GET", fmt.Sprintf("/Computer/%d/PluginFlyvemdmGeolocation?get_hateoas=false", ann.computer), "", 200,
		`"latitude":48.1,"longitude":2.1,"date":"2026-11-21 09:55:52"`)
}

// TestAgentDeletion shows what goes with an agent and what stays.
func TestAgentDeletion(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.admin.want("PUT", d.path(), `{"input":{"wipe":"1"}}`, 200, "true")
	st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, d.owner, st.entity))
	machine := 0
	st.do(func(tx *Tx) { machine = tx.Row("PluginFlyvemdmAgent", d.agent).Int("users_id") })
	st.broker.take()

	st.admin.want("DELETE", d.path(), "", 200, `true,"message":""`)

	sameMessages(t, st.broker.take(), d.topic+`/Command/Unenroll {"unenroll":"now"} retained`, d.topic+`/Command/Unenroll  retained`)
	if _, left := st.broker.passwords["SER1"]; left {
		t.Error("the MQTT account is left")
	}
	st.admin.want("GET", d.path(), "", 404, "ERROR_ITEM_NOT_FOUND")
	st.admin.want("DELETE", d.path(), "", 400, "Item not found")
	st.do(func(tx *Tx) {
		if tx.Row("User", machine) != nil || tx.Row("User", d.owner) == nil || tx.Row("Computer", d.computer) == nil {
			t.Error("the machine account should be gone, the owner and the computer not")
		}
		for _, link := range tx.Find("Profile_User", "users_id", d.owner) {
			if link.Int("profiles_id") == tx.guestProfile() {
				t.Error("the owner is still a guest")
			}
		}
		if left := tx.Find("PluginFlyvemdmInvitation", "users_id", d.owner); len(left) > 0 {
			t.Errorf("%d of the owner's invitations are left", len(left))
		}
	})
}

// TestUnenrolledAgentGoes shows the end of an unenrolment: the device says so and its agent disappears.
func TestUnenrolledAgentGoes(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.admin.want("PUT", d.path(), `{"input":{"_unenroll_request":"1"}}`, 200, "true")
	st.admin.want("GET", d.path(), "", 200, `"enroll_status":"unenrolling"`)
	st.broker.take()
	st.s.HandleMQTT(d.topic+"/Status/Unenroll", []byte(`{"unenroll":"unenrolled"}`))
	sameMessages(t, st.broker.take(), d.topic+"/Command/Unenroll  retained")
	st.admin.want("GET", d.path(), "", 404, "ERROR_ITEM_NOT_FOUND")
}
