package graph_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

const (
	pingQuery = `mutation ($id: ID!, $wait: Int) { pingAgent(input: {agentId: $id, timeoutMs: $wait}) {
		answered roundTripMs answeredBy presence { state source } userErrors { code field } } }`
	locateQuery = `mutation ($id: ID!, $wait: Int) { locateAgent(input: {agentId: $id, timeoutMs: $wait}) {
		answered roundTripMs answeredBy position { latitude longitude } presence { state } userErrors { code field } } }`
	inventoryQuery = `mutation ($id: ID!, $wait: Int) { requestInventory(input: {agentId: $id, timeoutMs: $wait}) {
		answered roundTripMs answeredBy receivedAt presence { state } userErrors { code field } } }`
)

// letAsk gives the gateway's account on the broker the right to ask devices.
func (w *world) letAsk() {
	w.broker.SetAccount("fleetgate", "demo",
		broker.Access{Filter: "#", Read: true}, broker.Access{Filter: "+/agent/+/Command/#", Write: true})
}

func of(d glpi.DemoDevice, wait int) map[string]any {
	return map[string]any{"id": model.GlobalID("Agent", d.AgentID), "wait": wait}
}

// A device of generation A answers over MQTT, in milliseconds; one of generation B answers to GLPI, which is watched.
func TestDevicesAnswer(t *testing.T) {
	w := newWorld(t)
	w.letAsk()
	token := w.signIn("admin@acme.test")
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	for generation, road := range map[phone.Generation]string{phone.A: "MQTT", phone.B: "GLPI"} {
		p, d := w.phoneOf(token, generation, client)
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		for field, query := range map[string]string{"pingAgent": pingQuery, "locateAgent": locateQuery, "requestInventory": inventoryQuery} {
			a := w.must(token, query, of(d, 20_000))
			if a.at(field, "answered") != true || a.at(field, "answeredBy") != road {
				t.Errorf("generation %s: %s: %s", generation, field, a.text)
			}
			if ms, _ := a.at(field, "roundTripMs").(float64); ms <= 0 || road == "MQTT" && ms > 1000 {
				t.Errorf("generation %s: %s took %v ms", generation, field, ms)
			}
			if state := a.at(field, "presence", "state"); state != "ONLINE" {
				t.Errorf("generation %s: after %s it is %v", generation, field, state)
			}
			if field == "locateAgent" && a.at(field, "position", "latitude") == nil {
				t.Errorf("generation %s: no position: %s", generation, a.text)
			}
		}
	}
}

// Silence is told as what it is, with what is known of the device, and as soon as the caller's patience ends.
func TestASilentDeviceIsNoError(t *testing.T) {
	w := newWorld(t)
	w.letAsk()
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	began := time.Now()
	a := w.must(token, pingQuery, of(mine, 300))
	if a.at("pingAgent", "answered") != false || a.at("pingAgent", "roundTripMs") != nil || a.at("pingAgent", "presence", "state") == nil {
		t.Errorf("got %s", a.text)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestManyAreAskedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.letAsk()
	token := w.signIn("admin@acme.test")
	p, d := w.phoneOf(token, phone.A, http.DefaultClient)
	if err := p.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if a := w.ask(token, pingQuery, of(d, 10_000)); a.at("pingAgent", "answered") != true {
				t.Errorf("got %s", a.text)
			}
		})
	}
	asking.Wait()
}

func TestWhoMayNotAskIsToldSo(t *testing.T) {
	w := newWorld(t)
	w.letAsk()
	acme, globex, viewer := w.signIn("admin@acme.test"), w.signIn("admin@globex.test"), w.signIn("viewer@acme.test")
	d, _ := w.deviceOf(acme)
	for name, c := range map[string]struct {
		token     string
		variables map[string]any
		code      string
	}{
		"another company's admin":    {globex, of(d, 1000), "NOT_FOUND"},
		"a viewer without the right": {viewer, of(d, 1000), "FORBIDDEN"},
		"nobody's device":            {acme, map[string]any{"id": model.GlobalID("Agent", 999_999)}, "NOT_FOUND"},
		"no device":                  {acme, map[string]any{"id": model.GlobalID("Fleet", 1)}, "BAD_USER_INPUT"},
		"no patience":                {acme, of(d, 1), "BAD_USER_INPUT"},
		"too much patience":          {acme, of(d, 3_600_000), "BAD_USER_INPUT"},
	} {
		for field, query := range map[string]string{"pingAgent": pingQuery, "locateAgent": locateQuery, "requestInventory": inventoryQuery} {
			a := w.must(c.token, query, c.variables)
			if got := a.at(field, "userErrors", 0, "code"); got != c.code || a.at(field, "answered") != false {
				t.Errorf("%s: %s: %s, want %s", name, field, a.text, c.code)
			}
		}
	}
}

// Where the broker lets the gateway only listen, GLPI asks. What a device answers to the broker GLPI does not notice: it
// waits for ten seconds and says that there was no answer.
func TestWithoutTheRightToWriteGLPIAsks(t *testing.T) {
	w := newPhoneShop(t, func(w *world, _ *settings.Gateway) {
		w.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	})
	token := w.signIn("admin@acme.test")
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	for generation, road := range map[phone.Generation]string{phone.A: "MQTT", phone.B: "GLPI"} {
		p, d := w.phoneOf(token, generation, client)
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		// GLPI takes no notice of an answer in the second of what it heard before.
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		began := time.Now()
		var a answer
		calls := w.callsOf(func() { a = w.ask(token, pingQuery, of(d, 20_000)) })
		if !slices.ContainsFunc(calls, func(call string) bool { return strings.HasPrefix(call, "PUT ") }) {
			t.Errorf("generation %s: GLPI was not asked to ask: %v", generation, calls)
		}
		if a.at("pingAgent", "answered") != true || a.at("pingAgent", "answeredBy") != road {
			t.Errorf("generation %s: %s", generation, a.text)
		}
		if ms, _ := a.at("pingAgent", "roundTripMs").(float64); road == "MQTT" && (ms <= 0 || ms > 1000) {
			t.Errorf("generation %s: it took %v ms", generation, ms)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("generation %s: GLPI was waited for: %s", generation, took)
		}
	}
}
