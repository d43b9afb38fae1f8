package graph_test

import (
	"net/http"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

// phoneOf is a phone of one generation that a token may see.
func (w *world) phoneOf(token string, generation phone.Generation, client *http.Client) (*phone.Phone, glpi.DemoDevice) {
	w.t.Helper()
	visible := w.devicesOf(token)
	for _, d := range w.demo.Devices {
		if !visible[d.Serial] || phone.Generation(d.Generation) != generation {
			continue
		}
		w.broker.SetAccount(d.MQTTUser, d.MQTTPassword,
			broker.Access{Filter: d.Topic + "/Status/#", Write: true}, broker.Access{Filter: d.Topic + "/Command/#", Read: true})
		p := phone.New(phone.Account{
			AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic,
			MQTTUsername: d.MQTTUser, MQTTPassword: d.MQTTPassword, APIToken: d.APIToken, Generation: generation,
		}, phone.Options{MQTTURL: w.broker.URL(), GLPIURL: w.rest, HTTP: client})
		w.t.Cleanup(p.SwitchOff)
		return p, d
	}
	w.t.Fatalf("no phone of generation %s", generation)
	return nil, glpi.DemoDevice{}
}

// The first complaint of Flyve MDM's users: devices shown online that are off, and the reverse. Real phones of both
// generations come, go and come back, and a gateway that was not there before has to be right about them too.
func TestPresenceIsTheTruthForBothGenerations(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	old, oldDevice := w.phoneOf(token, phone.A, client)
	young, youngDevice := w.phoneOf(token, phone.B, client)

	shows := func(d glpi.DemoDevice, state string) {
		t.Helper()
		var a answer
		// GLPI's record is kept for ten seconds, and its clock counts in whole ones.
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			a = w.must(token, `query ($id: ID!) { agent(id: $id) { presence { state source lastContact } } }`, map[string]any{"id": model.GlobalID("Agent", d.AgentID)})
			if a.at("agent", "presence", "state") == state {
				return
			}
		}
		t.Fatalf("generation %s: the gateway says %s, it is %s", d.Generation, a.text, state)
	}
	turn := func(on bool) {
		t.Helper()
		for _, p := range []*phone.Phone{old, young} {
			if !on {
				p.SwitchOff()
			} else if err := p.SwitchOn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn(true)
	shows(oldDevice, "ONLINE")
	shows(youngDevice, "ONLINE")
	turn(false)
	shows(oldDevice, "OFFLINE")
	shows(youngDevice, "OFFLINE")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // GLPI's next second: it has no finer clock
	turn(true)                                                                // their retained wills still say "offline"
	shows(oldDevice, "ONLINE")
	shows(youngDevice, "ONLINE")
}
