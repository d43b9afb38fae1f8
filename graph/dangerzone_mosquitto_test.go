package graph_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

// phone is a device's phone on the real broker, with the access that Flyve MDM gives it.
func (m *mosquitto) phone(w *world, d glpi.DemoDevice, generation phone.Generation) *phone.Phone {
	m.t.Helper()
	const read, write = 1, 2
	m.SetAccount(d.MQTTUser, d.MQTTPassword, []glpi.ACL{
		{Topic: d.Topic + "/Status/#", Access: write}, {Topic: d.Topic + "/Command/#", Access: read}, {Topic: d.Topic + "/Policy/#", Access: read},
	})
	client := &http.Client{Timeout: 5 * time.Second}
	m.t.Cleanup(client.CloseIdleConnections)
	p := phone.New(phone.Account{
		AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic,
		MQTTUsername: d.MQTTUser, MQTTPassword: d.MQTTPassword, APIToken: d.APIToken, Generation: generation,
	}, phone.Options{MQTTURL: "mqtt://" + m.address, GLPIURL: w.rest, HTTP: client})
	m.t.Cleanup(p.SwitchOff)
	return p
}

// keeps says what commands and policies the broker keeps for a device.
func (m *mosquitto) keeps(d glpi.DemoDevice) (topics []string) {
	m.t.Helper()
	for topic := range m.retained(d.Topic + "/#") {
		if !strings.Contains(topic, "/Status/") {
			topics = append(topics, topic)
		}
	}
	return topics
}

// On a real broker with access lists phones of both generations obey, online and when they return, nothing is left of those
// that are deleted or have left, and a wipe that is taken back reaches nobody.
func TestTheDangerZoneWithMosquitto(t *testing.T) {
	m := startMosquitto(t)
	w := newWorldOf(t, glpi.Options{Broker: m, BrokerHost: "127.0.0.1"}, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.MQTTURL = "mqtt://" + m.address
	})
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 12)
	on := func(p *phone.Phone) *phone.Phone {
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for i, generation := range []phone.Generation{phone.A, phone.B} {
		devices := mine[6*i : 6*i+6]
		wiped, left, deleted := m.phone(w, devices[0], generation), m.phone(w, devices[1], generation), m.phone(w, devices[2], generation)
		for n, p := range []*phone.Phone{on(wiped), on(left), on(deleted)} {
			if generation == phone.B { // which says nothing of itself
				_ = m.Publish(devices[n].Topic+"/Status/Online", []byte(`{"online":true}`), false)
			}
			w.becomes(token, model.GlobalID("Agent", p.Account().AgentID), "ONLINE")
		}
		away := w.done(token, "WIPE", nil, devices[3], devices[4])
		w.reaches(token, away, "DISPATCHED")
		wipe, unenroll, remove := w.done(token, "WIPE", nil, devices[0]), w.done(token, "UNENROLL", nil, devices[1]), w.done(token, "DELETE", nil, devices[2])
		for _, p := range []*phone.Phone{wiped, left, deleted} {
			comesTrue(t, "the phones that are online obey", p.Gone)
		}
		w.reaches(token, remove, "COMPLETED")
		comesTrue(t, "nothing is left of what is deleted", func() bool { return len(m.keeps(devices[2])) == 0 })
		if generation == phone.A {
			w.reaches(token, unenroll, "COMPLETED")
			comesTrue(t, "nothing is left of what has left", func() bool { return len(m.keeps(devices[1])) == 0 })
		}

		w.reaches(token, w.done(token, "CANCEL_WIPE", nil, devices[4]), "COMPLETED")
		if kept := m.keeps(devices[4]); slices.ContainsFunc(kept, func(topic string) bool { return strings.HasSuffix(topic, "/Wipe") }) {
			t.Errorf("generation %s: the broker keeps %q of a wipe that was taken back", generation, kept)
		}
		returned, spared := on(m.phone(w, devices[3], generation)), on(m.phone(w, devices[4], generation))
		comesTrue(t, "the phone that returns is wiped", returned.Gone)
		_ = m.Publish(devices[4].Topic+"/Status/Online", []byte(`{"online":true}`), false)
		w.becomes(token, model.GlobalID("Agent", devices[4].AgentID), "ONLINE")
		if a := w.must(token, pingQuery, of(devices[4], 10_000)); a.at("pingAgent", "answered") != true || spared.Gone() {
			t.Errorf("generation %s: the phone whose wipe was taken back: gone %t, %s", generation, spared.Gone(), a.text)
		}
		w.reaches(token, wipe, "COMPLETED")
		comesTrue(t, "the wiped phone that returned is known to be wiped", func() bool {
			states := statesOf(w.must(token, operationQuery, map[string]any{"id": away}).at("dangerZoneOperation"))
			return states[0] == "COMPLETED" && states[1] == "FAILED"
		})
	}
}
