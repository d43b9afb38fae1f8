package glpi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAgentWithoutSerial has no topic: queries are refused, everything else is silent.
func TestAgentWithoutSerial(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(tx *Tx, computer *Row)
	}{
		{"no serial number", func(_ *Tx, computer *Row) { computer.Set("serial", "") }},
		{"no computer", func(tx *Tx, computer *Row) { tx.Remove(computer) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			st.do(func(tx *Tx) { c.lose(tx, tx.Row("Computer", d.computer)) })
			for _, request := range []string{"_ping_request", "_geolocate_request", "_inventory_request"} {
				st.admin.want("PUT", d.path(), `{"input":{"`+request+`":"1"}}`, 400, "The device is not enrolled yet")
			}
			st.admin.want("PUT", d.path(), `{"input":{"lock":"1","_unenroll_request":"1"}}`, 200, "true")
			st.admin.want("GET", d.path(), "", 200, `"lock":1,"enroll_status":"unenrolling"`)
			st.admin.want("DELETE", d.path(), "", 200, "true")
			sameMessages(t, st.broker.take())
		})
	}
}

// TestNamelessPhone enrols a device whose inventory holds no serial number: nothing is published, and no account is made.
func TestNamelessPhone(t *testing.T) {
	st := newStage(t)
	user, token := st.invite("ann@acme.test")
	guest := st.guest(user)
	guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, ""), 201, `"id":1`)
	guest.want("GET", "/PluginFlyvemdmAgent/1", "", 200, `"id":1`)
	sameMessages(t, st.broker.take())
	if len(st.broker.passwords) > 0 {
		t.Errorf("accounts: %v", st.broker.acl)
	}
}

// TestFailedQuery rejects the whole change that came with it.
func TestFailedQuery(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.admin.want("PUT", d.path(), `{"input":{"_ping_request":"1","lock":"1","name":"changed"}}`, 400, "Timeout querying the device")
	st.admin.want("GET", d.path(), "", 200, `"name":"ann@acme.test"`)
	st.admin.want("GET", d.path(), "", 200, `"lock":0`)
	sameMessages(t, st.broker.take(), d.topic+`/Command/Ping {"query":"Ping"}`)
}

// TestWriteAnything shows columns that whoever may update an agent can overwrite, which a gateway must not pass on.
func TestWriteAnything(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.admin.want("PUT", d.path(), `{"input":{"users_id":2,"mdm_type":"apple","last_contact":"2020-01-01 00:00:00","is_online":"1","version":"9"}}`, 200, "true")
	st.admin.want("GET", d.path(), "", 200, `"last_contact":"2020-01-01 00:00:00","is_online":1,`)
	st.admin.want("GET", d.path(), "", 200, `"users_id":2,`)
	st.admin.want("GET", d.path(), "", 200, `"mdm_type":"apple"`)
}

// TestSerialOfTwoCompanies: the daemon goes by entity and serial number, and logs by serial number only.
func TestSerialOfTwoCompanies(t *testing.T) {
	st := newStage(t)
	first := st.enrol("ann@acme.test", "SER1")
	other, _ := company(t, st.s, "globex")
	second := 0
	st.do(func(tx *Tx) {
		computer := tx.Insert("Computer", map[string]any{"serial": "SER1", "entities_id": other})
		second = tx.Insert("PluginFlyvemdmAgent", map[string]any{"computers_id": computer.ID(), "entities_id": other}).ID()
	})
	st.s.HandleMQTT(fmt.Sprintf("%d/agent/SER1/Status/Online", other), []byte(`{"online":true}`))
	st.do(func(tx *Tx) {
		if tx.Row("PluginFlyvemdmAgent", second).Int("is_online") != 1 || tx.Row("PluginFlyvemdmAgent", first.agent).Int("is_online") != 0 {
			t.Error("the message reached the other company's agent")
		}
		log := tx.Find("PluginFlyvemdmMqttlog", "direction", "I")
		if len(log) != 1 || log[0].Int("items_id") != first.agent {
			t.Errorf("%d lines in the log", len(log))
		}
	})
}

// TestStatusOfFormerFleet: what a device says of a task that no longer targets it is dropped.
func TestStatusOfFormerFleet(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	blue, red := st.fleet("blue"), st.fleet("red")
	task := st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":20,"value":1}`, blue))
	report := func(status, want string) {
		t.Helper()
		st.s.HandleMQTT(fmt.Sprintf("%s/Status/Task/%d", d.topic, task), []byte(`{"status":"`+status+`"}`))
		st.do(func(tx *Tx) {
			if got := tx.First("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task).Str("status"); got != want {
				t.Errorf("after %s: %s, wanted %s", status, got, want)
			}
		})
	}
	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, blue), 200, "true")
	report("received", "received")
	report("dancing", "received")
	report("waiting", "received") // a camera is nothing to wait for
	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, red), 200, "true")
	report("done", "canceled")
}

// TestCanceledByChance: a device that leaves a fleet cancels everybody's statuses of it, and those of the tasks on the agent
// that happens to have the fleet's number.
func TestCanceledByChance(t *testing.T) {
	st := newStage(t)
	ann, ben := st.enrol("ann@acme.test", "SER1"), st.enrol("ben@acme.test", "SER2")
	fleet := st.fleet("blue")
	on := func(itemtype string, id int) {
		st.do(func(tx *Tx) {
			task := tx.Insert("PluginFlyvemdmTask", map[string]any{"itemtype_applied": itemtype, "items_id_applied": id, "plugin_flyvemdm_policies_id": 20, "value": 1})
			tx.await(ben.agent, task.ID())
		})
	}
	on("PluginFlyvemdmFleet", fleet)
	on("PluginFlyvemdmAgent", fleet)
	on("PluginFlyvemdmAgent", ben.agent)
	for _, f := range []int{fleet, st.fleet("red")} {
		st.admin.want("PUT", ann.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, f), 200, "true")
	}
	var statuses []string
	st.do(func(tx *Tx) {
		for _, row := range tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_agents_id", ben.agent) {
			statuses = append(statuses, row.Str("status"))
		}
	})
	if got := strings.Join(statuses, " "); got != "canceled canceled pending" {
		t.Errorf("ben's statuses: %s", got)
	}
}

// TestUnicity shows which policies can be applied twice to one target.
func TestUnicity(t *testing.T) {
	const file, app = `,"itemtype":"PluginFlyvemdmFile","items_id":"1"`, `,"itemtype":"PluginFlyvemdmPackage","items_id":"1"`
	const taken, appRemoved, fileRemoved = "Policy already applied", "A removal policy for this application is applied. Please, remove it first.",
		"A removal policy is applied for this file destination. Please, remove it first."
	type apply struct{ policy, rest string }
	for _, c := range []struct {
		name          string
		first, second apply
		message       string // "": both are taken
	}{
		{"the same with another value", apply{"passwordMinLength", `"value":"8"`}, apply{"passwordMinLength", `"value":"9"`}, taken},
		{"removing two apps", apply{"removeApp", `"value":"org.a"`}, apply{"removeApp", `"value":"org.b"`}, ""},
		{"removing an app twice", apply{"removeApp", `"value":"org.a"`}, apply{"removeApp", `"value":"org.a"`}, taken},
		{"removing a file that is called like an app", apply{"removeApp", `"value":"same"`}, apply{"removeFile", `"value":"same"`}, taken},
		{"removing an app that is called like a file", apply{"removeFile", `"value":"same"`}, apply{"removeApp", `"value":"same"`}, ""},
		{"a file to two places", apply{"deployFile", `"value":{"destination":"%SDCARD%/a","remove_on_delete":0}` + file},
			apply{"deployFile", `"value":{"destination":"%SDCARD%/b","remove_on_delete":0}` + file}, ""},
		{"a file to one place twice", apply{"deployFile", `"value":{"destination":"%SDCARD%/a","remove_on_delete":0}` + file},
			apply{"deployFile", `"value":{"destination":"%SDCARD%/a","remove_on_delete":1}` + file}, taken},
		{"an app twice", apply{"deployApp", `"value":{"remove_on_delete":0}` + app}, apply{"deployApp", `"value":{"remove_on_delete":1}` + app}, taken},
		{"an app that is being removed", apply{"removeApp", `"value":"org.example.app"`}, apply{"deployApp", `"value":{"remove_on_delete":0}` + app}, ""},
		{"an app whose file's name is being removed", apply{"removeApp", `"value":"app.apk"`}, apply{"deployApp", `"value":{"remove_on_delete":0}` + app}, appRemoved},
		{"a file that is being removed", apply{"removeFile", `"value":"%SDCARD%/a/a.txt"`},
			apply{"deployFile", `"value":{"destination":"%SDCARD%/a","remove_on_delete":0}` + file}, fileRemoved},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			st.stock()
			fleet := st.fleet("blue")
			input := func(a apply) string {
				return fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":%d,%s}`, fleet, st.policy(a.policy), a.rest)
			}
			st.add("PluginFlyvemdmTask", input(c.first))
			if c.message == "" {
				st.add("PluginFlyvemdmTask", input(c.second))
				return
			}
			st.admin.want("POST", "/PluginFlyvemdmTask", `{"input":`+input(c.second)+`}`, 400, `["ERROR_GLPI_ADD","`+c.message+`"]`)
		})
	}
}

// TestPolicyOnFleetAndMember applies the same policy to both; the device sorts it out.
func TestPolicyOnFleetAndMember(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	fleet := st.fleet("blue")
	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, fleet), 200, "true")
	for itemtype, id := range map[string]int{"PluginFlyvemdmFleet": fleet, "PluginFlyvemdmAgent": d.agent} {
		st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":%q,"items_id_applied":%d,"plugin_flyvemdm_policies_id":20,"value":1}`, itemtype, id))
	}
	if n := st.left("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_agents_id", d.agent); n != 2 {
		t.Errorf("%d statuses", n)
	}
}

// TestLastingInvitation enrols several devices while debug_noexpire is on.
func TestLastingInvitation(t *testing.T) {
	st := newStage(t)
	st.do(func(tx *Tx) { tx.SetConfig("flyvemdm", "debug_noexpire", 1) })
	user, token := st.invite("ann@acme.test")
	guest := st.guest(user)
	for i := 1; i <= 3; i++ {
		guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, fmt.Sprint("SER", i)), 201, fmt.Sprintf(`"id":%d,`, i))
	}
	st.admin.want("GET", "/PluginFlyvemdmInvitation/1", "", 200, `"status":"pending","expiration_date":"2026-11-28 10:00:00"`)
}

// TestInvitationTwice: the same person can have many pending invitations, and deleting one takes only its own log.
func TestInvitationTwice(t *testing.T) {
	st := newStage(t)
	user, first := st.invite("ann@acme.test")
	again := st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, user, st.entity))
	second := ""
	st.do(func(tx *Tx) { second = tx.Row("PluginFlyvemdmInvitation", again).Str("invitation_token") })
	if first == second {
		t.Error("both have the same token")
	}
	guest := st.guest(user)
	for _, token := range []string{first, second, second} {
		guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, "SER1", "-version", ""), 400, "Agent version missing")
	}
	st.admin.want("DELETE", fmt.Sprintf("/PluginFlyvemdmInvitation/%d", again), "", 200, "true")
	if n := st.left("PluginFlyvemdmInvitationlog", "event", "Agent version missing"); n != 1 {
		t.Errorf("%d lines are left in the log", n)
	}
	guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", second, "SER1"), 400, "Invitation token invalid")
	guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", first, "SER1"), 201, `"id":1`)
}

// TestServerZone: moments are the server's own, except those that devices send over HTTP, which stay in UTC.
func TestServerZone(t *testing.T) {
	st := newStage(t)
	st.s.opts.Location = time.FixedZone("", 2*60*60)
	d := st.enrol("ann@acme.test", "SER1")
	st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, d.owner, st.entity))
	st.admin.want("GET", "/PluginFlyvemdmInvitation/2", "", 200, `"expiration_date":"2026-11-28 12:00:00"`)
	st.s.HandleMQTT(d.topic+"/Status/Geolocation", []byte(`{"latitude":1,"longitude":2,"datetime":1795254952}`))
	d.session.want("POST", "/PluginFlyvemdmGeolocation", fmt.Sprintf(`{"input":{"_datetime":1795254952,"_agents_id":%d,"latitude":"1","longitude":"2","computers_id":%d}}`, d.agent, d.computer), 201, `"id":2`)
	st.admin.want("GET", "/PluginFlyvemdmGeolocation/1", "", 200, `"date":"2026-11-21 11:55:52"`)
	st.admin.want("GET", "/PluginFlyvemdmGeolocation/2", "", 200, `"date":"2026-11-21 09:55:52"`)
	st.admin.want("GET", d.path(), "", 200, `"last_contact":"2026-11-21 12:00:00"`)
}

// TestRefusedChanges shows changes that are refused, and with which words.
func TestRefusedChanges(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	fleet := st.fleet("blue")
	st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":20,"value":1}`, fleet))
	st.add("PluginFlyvemdmGeolocation", fmt.Sprintf(`{"computers_id":%d,"latitude":"1","longitude":"2"}`, d.computer))
	st.broker.take()
	for _, c := range []struct{ target, input, message string }{
		{"PluginFlyvemdmTask/1", `{"itemtype":"PluginFlyvemdmFile"}`, `""`},
		{"PluginFlyvemdmTask/1", `{"value":"banana"}`, `""`},
		{"PluginFlyvemdmGeolocation/1", `{"latitude":"3"}`, `"latitude and longitude are mandatory"`},
		{"PluginFlyvemdmGeolocation/1", `{"latitude":"3","longitude":"-181"}`, `"longitude is invalid"`},
		{"PluginFlyvemdmTaskstatus/1", `{"status":"done"}`, `null`}, // there is none: the fleet is empty
	} {
		st.admin.want("PUT", "/"+c.target, `{"input":`+c.input+`}`, 400, `["ERROR_GLPI_UPDATE",`+c.message+`]`)
	}
	st.admin.want("PUT", "/PluginFlyvemdmGeolocation/1", `{"input":{"latitude":"3","longitude":"4"}}`, 200, "true")
	st.admin.want("GET", "/PluginFlyvemdmGeolocation/1", "", 200, `"latitude":3,"longitude":4,`)
	st.do(func(tx *Tx) {
		tx.Row("PluginFlyvemdmAgent", d.agent).Set("plugin_flyvemdm_fleets_id", 99)
	})
	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, fleet), 400, "The fleet of the device does not longer exists")
	sameMessages(t, st.broker.take())
}

// TestWellKnownPaths can be added and changed, but not made the default one.
func TestWellKnownPaths(t *testing.T) {
	st := newStage(t)
	id := st.add("PluginFlyvemdmWellknownpath", `{"name":"%DOWNLOADS%","is_default":"1"}`)
	path := fmt.Sprintf("/PluginFlyvemdmWellknownpath/%d", id)
	st.admin.want("PUT", path, `{"input":{"comment":"here","is_default":"1"}}`, 200, "true")
	st.admin.want("GET", path, "", 200, `"name":"%DOWNLOADS%","comment":"here","is_default":0`)
	st.stock()
	st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":%d,`+
		`"value":{"destination":"%%DOWNLOADS%%/x","remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"1"}`, st.fleet("blue"), st.policy("deployFile")))
}
