package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

const operationFields = `id action deleteComputers note done requestedBy { username } requestedByName requestedAt
	targets { agentId agent { id } name serial state message updatedAt }`

const (
	executeQuery   = `mutation ($in: ExecuteDangerZoneInput!) { executeDangerZone(input: $in) { userErrors { code message field } operation { ` + operationFields + ` } } }`
	operationQuery = `query ($id: ID!) { dangerZoneOperation(id: $id) { ` + operationFields + ` } }`
	progressQuery  = `subscription ($id: ID!) { dangerZoneProgress(operationId: $id) { ` + operationFields + ` } }`
)

// planned is the token of a plan.
func (w *world) planned(token, action string, changes map[string]any, devices ...glpi.DemoDevice) string {
	w.t.Helper()
	a := w.must(token, planQuery, planFor(action, changes, devices...))
	confirmation, _ := a.at("planDangerZone", "plan", "confirmationToken").(string)
	if confirmation == "" {
		w.t.Fatalf("no plan: %s", a.text)
	}
	return confirmation
}

func confirming(confirmation string) map[string]any {
	return map[string]any{"in": map[string]any{"confirmationToken": confirmation}}
}

// done is the id of an operation that was planned and confirmed.
func (w *world) done(token, action string, changes map[string]any, devices ...glpi.DemoDevice) string {
	w.t.Helper()
	a := w.must(token, executeQuery, confirming(w.planned(token, action, changes, devices...)))
	id, _ := a.at("executeDangerZone", "operation", "id").(string)
	if id == "" || len(a.at("executeDangerZone", "operation", "targets").([]any)) != len(devices) {
		w.t.Fatalf("no operation: %s", a.text)
	}
	return id
}

// reaches polls an operation until all of its devices are in a state, and gives it.
func (w *world) reaches(token, id, state string) answer {
	w.t.Helper()
	var last answer
	for deadline := time.Now().Add(25 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		last = w.must(token, operationQuery, map[string]any{"id": id})
		if states := statesOf(last.at("dangerZoneOperation")); len(states) > 0 && !slices.ContainsFunc(states, func(s string) bool { return s != state }) {
			return last
		}
	}
	w.t.Fatalf("the operation never was %s: %s", state, last.text)
	return last
}

// statesOf are those of an operation's devices, in their order.
func statesOf(operation any) (states []string) {
	for _, target := range operation.(map[string]any)["targets"].([]any) {
		states = append(states, target.(map[string]any)["state"].(string))
	}
	return states
}

// phoneFor is the phone of a device, off.
func (w *world) phoneFor(d glpi.DemoDevice, generation phone.Generation) *phone.Phone {
	w.t.Helper()
	w.broker.SetAccount(d.MQTTUser, d.MQTTPassword,
		broker.Access{Filter: d.Topic + "/Status/#", Write: true}, broker.Access{Filter: d.Topic + "/#", Read: true})
	client := &http.Client{Timeout: 5 * time.Second}
	w.t.Cleanup(client.CloseIdleConnections)
	p := phone.New(phone.Account{
		AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic,
		MQTTUsername: d.MQTTUser, MQTTPassword: d.MQTTPassword, APIToken: d.APIToken, Generation: generation,
	}, phone.Options{MQTTURL: w.broker.URL(), GLPIURL: w.rest, HTTP: client})
	w.t.Cleanup(p.SwitchOff)
	return p
}

// on is a phone that is online, as the gateway knows.
func (w *world) on(token string, d glpi.DemoDevice, generation phone.Generation) *phone.Phone {
	w.t.Helper()
	p := w.phoneFor(d, generation)
	if err := p.SwitchOn(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if generation == phone.B { // which says nothing of itself
		w.publish(d.Topic+"/Status/Online", `{"online":true}`)
	}
	w.becomes(token, model.GlobalID("Agent", d.AgentID), "ONLINE")
	return p
}

// agentRow is a device as GLPI has it; nil when it is gone.
func (w *world) agentRow(d glpi.DemoDevice) map[string]any {
	w.t.Helper()
	if !slices.Contains(w.operator().ids("PluginFlyvemdmAgent"), d.AgentID) {
		return nil
	}
	var row map[string]any
	w.operator().call(http.MethodGet, fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.AgentID), nil, &row)
	return row
}

// keeps says what commands and policies the broker keeps for a device: whoever listens next hears them.
func (w *world) keeps(d glpi.DemoDevice) (topics []string) {
	w.t.Helper()
	const end = "nosy/end"
	w.broker.SetAccount("nosy", "demo", broker.Access{Filter: "#", Read: true})
	messages := make(chan mqtt.Message, 64)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(w.broker.URL(), "mqtt", "tcp", 1)).SetUsername("nosy").SetPassword("demo").
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { messages <- m }))
	listen := func(filters ...string) func() mqtt.Token {
		return func() mqtt.Token {
			wanted := map[string]byte{}
			for _, filter := range filters {
				wanted[filter] = 0
			}
			return client.SubscribeMultiple(wanted, nil)
		}
	}
	// What is kept comes after the answer to its subscription, but before that to the next one.
	for _, step := range []func() mqtt.Token{client.Connect, listen(d.Topic+"/Command/#", d.Topic+"/Policy/#"), listen(end)} {
		if token := step(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
			w.t.Fatalf("listening: %v", token.Error())
		}
	}
	defer client.Disconnect(0)
	w.publish(end, "x") // comes after what is kept
	for m := range messages {
		if m.Topic() == end {
			break
		}
		if m.Retained() {
			topics = append(topics, strings.TrimPrefix(m.Topic(), d.Topic+"/"))
		}
	}
	slices.Sort(topics)
	return topics
}

// withDataDir gives the gateway a folder to keep what must survive, and an account of its own.
func withDataDir(w *world, s *settings.Gateway) {
	withService(w, s)
	s.DataDir = w.t.TempDir()
}

func comesTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// What is done to a phone that is online is seen to be done, for both generations.
func TestOnlinePhonesObey(t *testing.T) {
	for _, generation := range []phone.Generation{phone.A, phone.B} {
		t.Run(string(generation), func(t *testing.T) {
			w := newPhoneShop(t, withService)
			token := w.signIn("admin@acme.test")
			mine := w.mine(token, 3)
			wiped, left, deleted := w.on(token, mine[0], generation), w.on(token, mine[1], generation), w.on(token, mine[2], generation)

			wipe := w.done(token, "WIPE", map[string]any{"note": "stolen"}, mine[0])
			unenroll := w.done(token, "UNENROLL", nil, mine[1])
			remove := w.done(token, "DELETE", nil, mine[2])
			for what, p := range map[string]*phone.Phone{"wiped": wiped, "left": left, "deleted": deleted} {
				comesTrue(t, "the phone is "+what, p.Gone)
			}
			a := w.reaches(token, wipe, "COMPLETED")
			if a.at("dangerZoneOperation", "note") != "stolen" || a.at("dangerZoneOperation", "requestedBy", "username") != "admin@acme.test" ||
				a.at("dangerZoneOperation", "done") != true || a.at("dangerZoneOperation", "targets", 0, "agent", "id") == nil {
				t.Errorf("got %s", a.text)
			}
			a = w.reaches(token, remove, "COMPLETED")
			if w.agentRow(mine[2]) != nil || a.at("dangerZoneOperation", "targets", 0, "agent") != nil || a.at("dangerZoneOperation", "targets", 0, "serial") != mine[2].Serial {
				t.Errorf("the agent is still there: %s", a.text)
			}
			comesTrue(t, "the broker keeps nothing of a device that was deleted", func() bool { return len(w.keeps(mine[2])) == 0 })
			if generation == phone.A {
				w.reaches(token, unenroll, "COMPLETED")
				comesTrue(t, "the broker keeps nothing of a device that has left", func() bool { return len(w.keeps(mine[1])) == 0 })
			} else { // it never says that it has left: that takes its time
				w.reaches(token, unenroll, "DISPATCHED")
				if row := w.agentRow(mine[1]); row["enroll_status"] != "unenrolling" {
					t.Errorf("got %v", row)
				}
			}
		})
	}
}

// What is said to a phone that is off runs when it returns.
func TestOfflinePhonesObeyWhenTheyReturn(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 3)
	id := w.done(token, "WIPE", nil, mine[0], mine[1])
	a := w.reaches(token, id, "DISPATCHED")
	if a.at("dangerZoneOperation", "done") != false {
		t.Errorf("got %s", a.text)
	}
	for _, d := range mine[:2] {
		p := w.phoneFor(d, phone.A)
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		comesTrue(t, "the phone is wiped", p.Gone)
	}
	w.reaches(token, id, "COMPLETED")

	leaving := w.done(token, "UNENROLL", nil, mine[2])
	w.reaches(token, leaving, "DISPATCHED")
	p := w.phoneFor(mine[2], phone.A)
	if err := p.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reaches(token, leaving, "COMPLETED")
}

// A wipe is taken back in GLPI and on the broker: the phone that returns is not wiped.
func TestAWipeIsTakenBack(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	d := w.mine(token, 1)[0]
	wipe := w.done(token, "WIPE", nil, d)
	w.reaches(token, wipe, "DISPATCHED")
	if kept := w.keeps(d); !slices.Contains(kept, "Command/Wipe") {
		t.Fatalf("the broker keeps %q", kept)
	}
	w.reaches(token, w.done(token, "CANCEL_WIPE", nil, d), "COMPLETED")
	if kept, row := w.keeps(d), w.agentRow(d); slices.Contains(kept, "Command/Wipe") || row["wipe"] != 0.0 {
		t.Errorf("the broker keeps %q, and GLPI has %v", kept, row["wipe"])
	}
	w.reaches(token, wipe, "FAILED")
	p := w.on(token, d, phone.A)
	if a := w.must(token, pingQuery, of(d, 5000)); a.at("pingAgent", "answered") != true || p.Gone() {
		t.Errorf("the phone was wiped all the same: %s", a.text)
	}
	// Nothing is requested in GLPI, and yet the broker may hold one.
	if err := w.broker.Publish(d.Topic+"/Command/Wipe", []byte(`{"wipe":"later"}`), true); err != nil {
		t.Fatal(err)
	}
	w.reaches(token, w.done(token, "CANCEL_WIPE", nil, d), "COMPLETED")
	if kept := w.keeps(d); slices.Contains(kept, "Command/Wipe") {
		t.Errorf("the broker keeps %q", kept)
	}
}

// GLPI tells a device only what changes: what it was told before is told again all the same.
func TestCommandsAreSentAgain(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 2)
	for i, c := range []struct{ action, command string }{{"WIPE", "Wipe"}, {"UNENROLL", "Unenroll"}} {
		d := mine[i]
		w.reaches(token, w.done(token, c.action, nil, d), "DISPATCHED")
		if err := w.broker.Publish(d.Topic+"/Command/"+c.command, nil, true); err != nil { // somebody cleared it
			t.Fatal(err)
		}
		if codes, _ := w.warned(token, planFor(c.action, nil, d)); !slices.ContainsFunc(codes, func(code string) bool { return strings.HasPrefix(code, "ALREADY") }) {
			t.Errorf("%s: no warning in %q", c.action, codes)
		}
		w.reaches(token, w.done(token, c.action, nil, d), "DISPATCHED") // so soon it may be believed of what was sent at first
		comesTrue(t, "the broker keeps what was sent again", func() bool { return slices.Contains(w.keeps(d), "Command/"+c.command) })
	}
}

// A computer is kept or deleted as asked, and never while an agent that stays is on it.
func TestComputersAreDeletedAsAsked(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 8)
	share := func(d, with glpi.DemoDevice) { w.setAgent(d, map[string]any{"computers_id": with.ComputerID}) }
	share(mine[3], mine[2])
	share(mine[5], mine[4])
	there := func(d glpi.DemoDevice) bool { return slices.Contains(w.operator().ids("Computer"), d.ComputerID) }
	w.reaches(token, w.done(token, "DELETE", nil, mine[0]), "COMPLETED")
	purge := map[string]any{"deleteComputers": true}
	w.reaches(token, w.done(token, "DELETE", purge, mine[1], mine[2], mine[4], mine[5]), "COMPLETED")
	for i, kept := range map[int]bool{0: true, 1: false, 2: true, 4: false} {
		if there(mine[i]) != kept {
			t.Errorf("the computer of device %d: there %t, want %t", i, there(mine[i]), kept)
		}
	}
	if w.agentRow(mine[3]) == nil || w.agentRow(mine[6]) == nil {
		t.Error("an agent is gone that nobody asked to delete")
	}
}

// An operation is seen by those who see its devices, as far as they do; to everybody else it is one that never was.
func TestAnOperationIsSeenAsItsDevicesAre(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 2)
	id := w.done(token, "UNENROLL", nil, mine...)
	for name, c := range map[string]struct {
		code    string
		targets int
	}{"viewer@acme.test": {"", 2}, "admin@globex.test": {"NOT_FOUND", 0}, "sally@acme.test": {"FORBIDDEN", 0}} {
		other := w.signIn(name)
		a := w.ask(other, operationQuery, map[string]any{"id": id})
		if a.code() != c.code || c.code == "" && len(statesOf(a.at("dangerZoneOperation"))) != c.targets {
			t.Errorf("%s: %s", name, a.text)
		}
		missing := w.ask(other, operationQuery, map[string]any{"id": model.GlobalID("DangerZoneOperation", 4711)})
		if c.code == "NOT_FOUND" && missing.text != a.text {
			t.Errorf("%s: another company's answers %s, one of nothing %s", name, a.text, missing.text)
		}
		node := w.ask(other, `query ($id: ID!) { node(id: $id) { id ... on DangerZoneOperation { action } } }`, map[string]any{"id": id})
		if node.code() != c.code || c.code == "" && node.at("node", "action") != "UNENROLL" {
			t.Errorf("%s: node: %s", name, node.text)
		}
		for range 2 { // whoever confirmed it may see it, and others like them may not
			wantReply(t, name, w.post(other, fmt.Sprintf(`{ node(id: %q) { id } }`, id)), "MISS", "")
		}
		if kind, said := w.subscribe(other, progressQuery, map[string]any{"id": id})(); c.code == "" && kind != "next" || c.code != "" && said.code() != c.code {
			t.Errorf("%s: progress: %s %s", name, kind, said.text)
		}
	}
}

// Two hundred devices are told at a bounded rate, and how far that has come is shown as it goes.
func TestProgressIsShown(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 30)
	began := time.Now()
	next := w.subscribe(token, progressQuery, map[string]any{"id": w.done(token, "DELETE", nil, mine...)})
	seen, shown := map[int]bool{}, 0
	for {
		kind, a := next()
		if kind == "complete" {
			break
		}
		if kind != "next" {
			t.Fatalf("got %s %s", kind, a.text)
		}
		shown++
		finished := 0
		for _, state := range statesOf(a.at("dangerZoneProgress")) {
			if state == "COMPLETED" {
				finished++
			}
		}
		seen[finished] = true
	}
	if !seen[30] || shown < 3 {
		t.Errorf("%d messages, with %v done", shown, seen)
	}
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("30 devices took %s: that is more than 25 a second", took)
	}
}

// An operation outlives the gateway.
func TestAnOperationOutlivesTheGateway(t *testing.T) {
	w := newPhoneShop(t, withDataDir)
	token := w.signIn("admin@acme.test")
	d := w.mine(token, 1)[0]
	id := w.done(token, "WIPE", nil, d)
	w.reaches(token, id, "DISPATCHED")
	w.restart()
	a := w.must(token, operationQuery, map[string]any{"id": id})
	if states := statesOf(a.at("dangerZoneOperation")); states[0] != "DISPATCHED" {
		t.Errorf("got %s", a.text)
	}
	p := w.phoneFor(d, phone.A)
	if err := p.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reaches(token, id, "COMPLETED")
}

// A phone that is enrolled again under its serial is not hit by the wipe of its earlier life, whether that life's agent was
// deleted or was told to leave and is still there.
func TestAWipeDoesNotOutliveItsDevice(t *testing.T) {
	for title, deleted := range map[string]bool{"the agent is deleted": true, "the agent was told to leave": false} {
		t.Run(title, func(t *testing.T) {
			w := newPhoneShop(t, withService)
			token := w.signIn("admin@acme.test")
			all, acme := w.mine(token, 20), w.operator().idOf("Entity", "ACME") // to which people are invited here
			d := all[slices.IndexFunc(all, func(d glpi.DemoDevice) bool { return d.EntityID == acme })]
			wipe := w.done(token, "WIPE", nil, d)
			w.reaches(token, wipe, "DISPATCHED")
			if !slices.Contains(w.keeps(d), "Command/Wipe") {
				t.Fatal("no wipe is kept")
			}
			leaving := ""
			if deleted {
				w.reaches(token, w.done(token, "DELETE", nil, d), "COMPLETED")
				comesTrue(t, "the broker keeps nothing", func() bool { return len(w.keeps(d)) == 0 })
			} else {
				leaving = w.done(token, "UNENROLL", nil, d)
				w.reaches(token, leaving, "DISPATCHED")
			}
			_, link := w.invited("again@acme.test")
			enrolled := w.must("", enrollQuery, application(link, "again@acme.test", d.Serial, nil))
			if enrolled.at("enroll", "agent", "topic") == nil {
				t.Fatalf("it could not enrol: %s", enrolled.text)
			}
			p := w.switchOn(enrolled)
			w.becomes(token, enrolled.at("enroll", "agent", "agentId"), "ONLINE")
			if a := w.must(token, pingQuery, map[string]any{"id": enrolled.at("enroll", "agent", "agentId"), "wait": 5000}); a.at("pingAgent", "answered") != true || p.Gone() {
				t.Errorf("the phone was hit by the wipe of its earlier life: %s", a.text)
			}
			w.reaches(token, wipe, "EXPIRED")
			if leaving != "" {
				w.reaches(token, leaving, "COMPLETED")
			}
		})
	}
}
