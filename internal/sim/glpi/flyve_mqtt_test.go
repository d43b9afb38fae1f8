package glpi

import (
	"fmt"
	"testing"
	"time"
)

// TestDaemon shows what the daemon makes of devices' messages.
func TestDaemon(t *testing.T) {
	for _, c := range []struct {
		name, suffix, payload string
		online                int
		contact               string // time of last contact: "" for none
	}{
		{"online", "/Status/Online", `{"online": true}`, 1, "10:01:00"},
		{"a last will is a contact too", "/Status/Online", `{ "online": false }`, 0, "10:01:00"},
		{"the text false is true", "/Status/Online", `{"online":"false"}`, 1, "10:01:00"},
		{"no JSON", "/Status/Online", `maybe`, 0, ""},
		{"ping", "/Status/Ping", `!`, 0, "10:01:00"},
		{"not a ping", "/Status/Ping", `pong`, 0, ""},
		{"position", "/Status/Geolocation", `{"latitude":1,"longitude":2,"datetime":1795252728}`, 0, "10:01:00"},
		{"unknown", "/Status/Install", `x`, 0, ""},
		{"a command is not a status", "/Command/Ping", `!`, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			st.advance(time.Minute)
			st.s.HandleMQTT(d.topic+c.suffix, []byte(c.payload))
			contact := "null"
			if c.contact != "" {
				contact = `"2026-11-21 ` + c.contact + `"`
			}
			st.admin.want("GET", d.path(), "", 200, fmt.Sprintf(`"last_contact":%s,"is_online":%d`, contact, c.online))
			st.admin.want("GET", d.path()+"/PluginFlyvemdmMqttlog?get_hateoas=false&sort=id&order=DESC&range=0-0", "", 206, `"direction":"I","topic":"`+c.suffix[1:]+`"`)
		})
	}
}

// TestDaemonPositions shows which positions are kept, and as what.
func TestDaemonPositions(t *testing.T) {
	for _, c := range []struct{ name, payload, kept string }{
		{"numbers", `{"latitude":48.1,"longitude":-2.1,"datetime":1795252728}`, "48.1 -2.1 2026-11-21 09:18:48"},
		{"texts", `{"latitude":"48.1","longitude":"-2.1","datetime":"1795252728"}`, "48.1 -2.1 2026-11-21 09:18:48"},
		{"GPS off", `{"gps":"off","datetime":1795252728}`, "na na 2026-11-21 09:18:48"},
		{"unknown", `{"latitude":"?","longitude":"?","datetime":1795252728}`, ""},
		{"no time", `{"latitude":48.1,"longitude":2.1}`, ""},
		{"half", `{"latitude":48.1,"datetime":1795252728}`, ""},
		{"not on earth", `{"latitude":481,"longitude":2.1,"datetime":1795252728}`, ""},
		{"not a number", `{"latitude":"north","longitude":2.1,"datetime":1795252728}`, ""},
		{"a list", `[48.1,2.1]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			st.s.HandleMQTT(d.topic+"/Status/Geolocation", []byte(c.payload))
			kept := ""
			st.do(func(tx *Tx) {
				for _, row := range tx.Find("PluginFlyvemdmGeolocation", "computers_id", d.computer) {
					kept += row.Str("latitude") + " " + row.Str("longitude") + " " + row.Str("date")
				}
			})
			if kept != c.kept {
				t.Errorf("kept %q, wanted %q", kept, c.kept)
			}
		})
	}
}

// TestDaemonIgnores messages that name nobody, and everything when it does not run.
func TestDaemonIgnores(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	for _, topic := range []string{
		"0/agent/SER1/Status/Online", fmt.Sprintf("%d/agent/NOSUCH/Status/Online", st.entity), "nonsense", "",
		fmt.Sprintf("%d/fleet/1/Status/Online", st.entity),
	} {
		st.s.HandleMQTT(topic, []byte(`{"online":true}`))
	}
	st.s.opts.Daemon = false
	st.s.HandleMQTT(d.topic+"/Status/Online", []byte(`{"online":true}`))
	st.admin.want("GET", d.path(), "", 200, `"last_contact":null,"is_online":0`)
}

// TestDeviceAccount shows what a device may do on the broker.
func TestDeviceAccount(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	for _, want := range deviceACL(d.topic) {
		found := false
		for _, acl := range st.broker.acl["SER1"] {
			found = found || acl == want
		}
		if !found {
			t.Errorf("%v is missing", want)
		}
	}
}

// TestBrokerAway shows that writes succeed without a broker.
func TestBrokerAway(t *testing.T) {
	s := newServer(t, Options{})
	entity, admin := company(t, s, "acme")
	admin.want("POST", "/PluginFlyvemdmFleet", fmt.Sprintf(`{"input":{"name":"born offline","entities_id":%d}}`, entity), 201, "Item successfully added: born offline")
}

// TestMessageLogIsBounded keeps the newest messages.
func TestMessageLogIsBounded(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	for range maxMqttLog + 5 {
		st.s.HandleMQTT(d.topic+"/Status/Ping", []byte("!"))
	}
	st.do(func(tx *Tx) {
		if n := len(tx.Rows("PluginFlyvemdmMqttlog")); n != maxMqttLog {
			t.Errorf("%d messages are kept", n)
		}
	})
}
