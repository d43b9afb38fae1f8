package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
	"fleetgate/internal/store/redistest"
)

const (
	planDanger = `mutation ($input: PlanDangerZoneInput!) { planDangerZone(input: $input) { plan { confirmationToken } userErrors { code } } }`
	execDanger = `mutation ($token: String!) { executeDangerZone(input: {confirmationToken: $token}) { operation { id } userErrors { code } } }`
	readDanger = `query ($id: ID!) { dangerZoneOperation(id: $id) { note requestedByName done targets { agentId serial state message } } }`
	dangerLog  = `{ auditTrail(first: 10, filter: {mutations: ["executeDangerZone"]}) { nodes { deed who what outcome note targets } } }`
)

// A gateway is killed between the request and GLPI's answer, before or after GLPI has carried it out, with the phones off.
// After a restart and on another replica the operation is read by its id, what GLPI was asked is settled by what it did,
// nothing is done twice or late, and the trail tells of both ends.
func TestWhatCantBeUndoneSurvivesACrash(t *testing.T) {
	for title, c := range map[string]struct {
		action   string
		early    bool // before GLPI has carried out what it was asked
		replicas bool
	}{
		"a wipe that GLPI has done, after a restart":        {"WIPE", false, false},
		"a wipe that GLPI is yet to do, after a restart":    {"WIPE", true, false},
		"a deletion that GLPI has done, after a restart":    {"DELETE", false, false},
		"a wipe that GLPI has done, on another replica":     {"WIPE", false, true},
		"an unenrolment yet to be done, on another replica": {"UNENROLL", true, true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			w := newDangerWorld(t)
			gateway, next := w.gateways(t, c.replicas)
			w.killWhileAsking(t, gateway, next, c.action, c.early)
		})
	}
}

// killWhileAsking has the first gateway die at GLPI's answer, and checks what the next one makes of that.
func (w *dangerWorld) killWhileAsking(t *testing.T, gateway *process, next func() *process, action string, early bool) {
	token := gateway.signIn("admin@acme.test", "demo")
	devices := w.some(t, gateway, token)
	confirmation := gateway.planned(token, action, devices)
	w.hold(early)
	var begun struct {
		ExecuteDangerZone struct{ Operation struct{ ID string } }
	}
	gateway.ask(token, execDanger, map[string]any{"token": confirmation}).into(t, &begun)
	id := begun.ExecuteDangerZone.Operation.ID
	<-w.asked
	gateway.kill()
	close(w.died)

	p := next()
	if again := p.ask(token, execDanger, map[string]any{"token": confirmation}); !strings.Contains(string(again.Data), "CONFIRMATION_INVALID") {
		t.Errorf("the confirmation is good for once more: %s", again.Data)
	}
	const batch = 10 // of what GLPI is asked at once
	settled := map[string]string{"WIPE": "DISPATCHED", "UNENROLL": "DISPATCHED", "DELETE": "COMPLETED"}[action]
	p.operationReaches(token, id, settled, batch)
	op := p.operationReaches(token, id, "FAILED", len(devices)-batch)
	for i, target := range op.Targets {
		if (target.State == settled) != (i < batch) || i >= batch && !strings.Contains(target.Message, "nothing was done") {
			t.Errorf("device %d: %+v", i, target)
		}
	}
	if action == "DELETE" {
		w.deleted(t, p, token, devices[:batch], devices[batch:])
	} else {
		w.comeBack(t, op, batch)
		op = p.operationReaches(token, id, "COMPLETED", batch)
	}
	if op.Note != "stolen" || op.RequestedByName != "admin@acme.test" {
		t.Errorf("the operation is %+v", op)
	}
	if got := w.written(); len(got) != 1 || got[0] != map[bool]string{true: "DELETE", false: "PUT"}[action == "DELETE"]+" /PluginFlyvemdmAgent" {
		t.Errorf("GLPI was asked for %q", got)
	}
	p.trailHasBothEnds(token, id, action, fmt.Sprintf("COMPLETED %d, FAILED %d", batch, len(devices)-batch))
}

// operation is what a gateway tells of one.
type operation struct {
	Note, RequestedByName string
	Done                  bool
	Targets               []struct{ AgentID, Serial, State, Message string }
}

// operationReaches waits until as many devices of an operation are in a state.
func (p *process) operationReaches(token, id, state string, number int) operation {
	p.t.Helper()
	var data struct{ DangerZoneOperation operation }
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the operation: %+v", data.DangerZoneOperation)
		}
	}()
	eventually(p.t, 60*time.Second, fmt.Sprintf("%d devices are %s", number, state), func() bool {
		p.ask(token, readDanger, map[string]any{"id": id}).into(p.t, &data)
		n := 0
		for _, target := range data.DangerZoneOperation.Targets {
			if target.State == state {
				n++
			}
		}
		return n == number
	})
	return data.DangerZoneOperation
}

// planned gives the token of a plan.
func (p *process) planned(token, action string, agents []string) string {
	p.t.Helper()
	var data struct {
		PlanDangerZone struct {
			Plan struct{ ConfirmationToken string }
		}
	}
	input := map[string]any{"action": action, "agentIds": agents, "note": "stolen"}
	p.ask(token, planDanger, map[string]any{"input": input}).into(p.t, &data)
	if data.PlanDangerZone.Plan.ConfirmationToken == "" {
		p.t.Fatal("there is no plan")
	}
	return data.PlanDangerZone.Plan.ConfirmationToken
}

// trailHasBothEnds checks that the audit trail tells of the request and of what became of it, once each.
func (p *process) trailHasBothEnds(token, id, action, outcome string) {
	p.t.Helper()
	type entry struct {
		Deed, Who, What, Outcome, Note string
		Targets                        []string
	}
	var data struct {
		AuditTrail struct{ Nodes []entry }
	}
	eventually(p.t, 10*time.Second, "the end is recorded", func() bool {
		p.ask(token, dangerLog, nil).into(p.t, &data)
		return len(data.AuditTrail.Nodes) > 2
	})
	var outcomes []string
	for _, e := range data.AuditTrail.Nodes { // the newest first
		if e.Outcome == "CONFIRMATION_INVALID" { // it was tried again
			continue
		}
		outcomes = append(outcomes, e.Outcome)
		if e.Deed != id || !strings.HasPrefix(e.Who, "admin@acme.test (") || e.What != "executeDangerZone "+action || e.Note != "stolen" || len(e.Targets) != 25 {
			p.t.Errorf("an entry is %+v", e)
		}
	}
	if !slices.Equal(outcomes, []string{outcome, "requested"}) {
		p.t.Errorf("the trail has %q", outcomes)
	}
}

// dangerWorld is a GLPI that holds an answer while a gateway dies, its broker and its phones.
type dangerWorld struct {
	glpi  *glpi.Server
	demo  glpi.Demo
	rest  string
	mqtt  *broker.Broker
	asked chan struct{} // closed when GLPI holds its answer
	died  chan struct{} // to be closed when the gateway is dead

	mu      sync.Mutex
	holding bool
	early   bool
	writes  []string
}

// pluginsBroker is the broker as GLPI's plugin has it. Accounts are the test's.
type pluginsBroker struct{ *broker.Broker }

func (pluginsBroker) SetAccount(string, string, []glpi.ACL) {}
func (pluginsBroker) RemoveAccount(string)                  {}

func newDangerWorld(t *testing.T) *dangerWorld {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, user := range []string{"fleetgate", "phone"} {
		b.SetAccount(user, "sesame-open", broker.Access{Filter: "#", Read: true, Write: true})
	}
	w := &dangerWorld{glpi: glpi.New(glpi.Options{Broker: pluginsBroker{b}}), mqtt: b, asked: make(chan struct{}), died: make(chan struct{})}
	w.demo = w.glpi.SeedDemo(glpi.DemoOptions{Devices: 60, Seed: 1})
	address := freeAddress(t)
	t.Cleanup(startGLPI(t, address, w))
	w.rest = "http://" + address + "/apirest.php"
	return w
}

// hold has GLPI hold its answer to the next write, which it carries out before it holds it or when the gateway has died.
func (w *dangerWorld) hold(early bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding, w.early = true, early
}

func (w *dangerWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut && r.Method != http.MethodDelete {
		w.glpi.ServeHTTP(rw, r)
		return
	}
	w.mu.Lock()
	holds := w.holding
	w.holding = false
	w.writes = append(w.writes, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/apirest.php"))
	w.mu.Unlock()
	switch {
	case !holds:
		w.glpi.ServeHTTP(rw, r)
	case w.early:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		close(w.asked)
		<-w.died
		late := r.Clone(context.WithoutCancel(r.Context()))
		late.Body = io.NopCloser(bytes.NewReader(body))
		w.glpi.ServeHTTP(rw, late)
	default:
		w.glpi.ServeHTTP(rw, r)
		close(w.asked)
		<-w.died
	}
}

// gateways are one that runs and what follows it: itself, started again, or a replica that is there already.
func (w *dangerWorld) gateways(t *testing.T, replicas bool) (first *process, next func() *process) {
	t.Helper()
	kept := []string{"--data-dir", t.TempDir()}
	if replicas {
		kept = []string{"--redis-url", "redis://" + redistest.Start(t)}
	}
	begin := func() *process {
		p := start(t, "graphql", append([]string{"serve", "--listen", "127.0.0.1:0", "--glpi-url", w.rest,
			"--mqtt-url", w.mqtt.URL(), "--mqtt-username", "fleetgate", "--mqtt-password", "sesame-open",
			"--glpi-service-token", w.demo.ServiceToken, "--secret", "replicas share this one"}, kept...)...)
		p.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
		return p
	}
	first = begin()
	if !replicas {
		return first, begin
	}
	second := begin()
	return first, func() *process { return second }
}

// some are the Android devices that something is to be done to: the others ignore a wipe.
func (w *dangerWorld) some(t *testing.T, p *process, token string) (ids []string) {
	t.Helper()
	var page struct {
		Agents struct {
			Nodes []struct{ ID, MDMType string }
		}
	}
	p.ask(token, `{ agents(first: 60) { nodes { id mdmType } } }`, nil).into(t, &page)
	for _, agent := range page.Agents.Nodes {
		if agent.MDMType == "ANDROID" && len(ids) < 25 {
			ids = append(ids, agent.ID)
		}
	}
	return ids
}

// written are the changes that GLPI was asked for while a gateway could be killed.
func (w *dangerWorld) written() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.writes)
}

// comeBack has the phones of an operation come back: the first few obey, and the others were told nothing.
func (w *dangerWorld) comeBack(t *testing.T, op operation, obey int) {
	t.Helper()
	var phones []*phone.Phone
	for _, target := range op.Targets {
		d := w.demo.Devices[slices.IndexFunc(w.demo.Devices, func(d glpi.DemoDevice) bool { return d.Serial == target.Serial })]
		p := phone.New(phone.Account{
			AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic, MQTTUsername: "phone", MQTTPassword: "sesame-open",
			APIToken: d.APIToken, Generation: phone.A,
		}, phone.Options{MQTTURL: w.mqtt.URL(), GLPIURL: w.rest})
		t.Cleanup(p.SwitchOff)
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		phones = append(phones, p)
	}
	for i, p := range phones {
		if i < obey {
			eventually(t, 10*time.Second, "a phone obeys", p.Gone)
		}
	}
	for i, p := range phones[obey:] {
		if p.Gone() {
			t.Errorf("phone %d obeys nobody's command", obey+i)
		}
	}
}

// deleted checks which agents GLPI has no more.
func (w *dangerWorld) deleted(t *testing.T, p *process, token string, gone, kept []string) {
	t.Helper()
	var page agentsPage
	p.ask(token, pageQuery, map[string]any{"first": 60}).into(t, &page)
	there := map[string]bool{}
	for _, agent := range page.Agents.Nodes {
		there[agent.ID] = true
	}
	for _, id := range gone {
		if there[id] {
			t.Errorf("%s is still there", id)
		}
	}
	for _, id := range kept {
		if !there[id] {
			t.Errorf("%s is gone", id)
		}
	}
}
