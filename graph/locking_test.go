package graph_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fleetgate/graph/model"
)

const lockResults = ` results { id dispatched agent { id lockRequested } userErrors { code message field } } userErrors { code message field } } }`

const (
	lockAgents   = `mutation ($ids: [ID!]!) { lockAgents(input: {agentIds: $ids}) {` + lockResults
	unlockAgents = `mutation ($ids: [ID!]!) { unlockAgents(input: {agentIds: $ids}) {` + lockResults
)

// lock locks or unlocks devices and answers the results.
func (w *world) lock(token, mutation string, ids ...any) []answer {
	w.t.Helper()
	a := w.must(token, mutation, map[string]any{"ids": ids})
	var results []answer
	for _, payload := range a.Data {
		for _, result := range payload.(map[string]any)["results"].([]any) {
			results = append(results, answer{Data: result.(map[string]any), text: a.text})
		}
	}
	return results
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
	}
}

// A lock reaches the phone, is said again where GLPI would swallow it, and is taken back.
func TestLockReachesThePhone(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	_, link := w.invited("ann@acme.test")
	enrolled := w.must("", enrollQuery, application(link, "ann@acme.test", "LOCK-1", nil))
	id := enrolled.at("enroll", "agent", "agentId")
	p := w.switchOn(enrolled)
	w.becomes(token, id, "ONLINE")
	topic := p.Account().Topic + "/Command/Lock"
	for _, step := range []struct {
		title, mutation, before string // before is said to the phone past GLPI
		locked, writes          bool
	}{
		{"lock", lockAgents, "", true, true},
		{"lock again, after somebody unlocked it", lockAgents, `{"lock":"unlock"}`, true, false},
		{"unlock", unlockAgents, "", false, true},
		{"unlock again, after somebody locked it", unlockAgents, `{"lock":"now"}`, false, false},
		{"lock once more", lockAgents, "", true, true},
	} {
		if step.before != "" {
			w.publish(topic, step.before)
			w.eventually(step.title+": the phone obeys another", func() bool { return p.Locked() != step.locked })
		}
		var r answer
		calls := w.callsOf(func() { r = w.lock(token, step.mutation, id)[0] })
		if wrote := strings.Contains(strings.Join(calls, " "), "PUT "); wrote != step.writes {
			t.Errorf("%s: GLPI was asked %q", step.title, calls)
		}
		if r.at("dispatched") != true || r.at("agent", "lockRequested") != step.locked || len(r.at("userErrors").([]any)) > 0 {
			t.Errorf("%s: %s", step.title, r.text)
		}
		w.eventually(step.title, func() bool { return p.Locked() == step.locked })
	}

	p.SwitchOff() // and one that is away hears of it when it returns
	w.lock(token, unlockAgents, id)
	w.lock(token, unlockAgents, id) // said again by the gateway, retained as GLPI does it
	if err := p.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually("unlocked on its return", func() bool { return !p.Locked() })
}

// GLPI drops the locks of a device that is to be wiped, and says success.
func TestADeviceToBeWipedIsNotLocked(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	own := w.objectsOf("admin@acme.test")["Agent"]
	_, id, _ := model.ParseGlobalID(own)
	w.operator().call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmAgent/%d", id), map[string]any{"wipe": "1"}, nil)
	for _, mutation := range []string{lockAgents, unlockAgents} {
		calls := w.callsOf(func() {
			r := w.lock(token, mutation, own)[0]
			if r.at("userErrors", 0, "code") != "CONFLICT" || !strings.Contains(fmt.Sprint(r.at("userErrors", 0, "message")), "wiped") ||
				r.at("dispatched") != false || r.at("agent", "lockRequested") != false {
				t.Errorf("%s", r.text)
			}
		})
		if strings.Contains(strings.Join(calls, " "), "PUT ") {
			t.Errorf("GLPI was asked to write: %q", calls)
		}
	}
}

func TestLockAgentsEachByItself(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	own, theirs := w.objectsOf("admin@acme.test"), w.objectsOf("admin@globex.test")
	ids := []any{theirs["Agent"], own["Agent"], "nonsense", own["Fleet"], own["Agent"], model.GlobalID("Agent", 987654)}
	results := w.lock(token, lockAgents, ids...)
	for i, want := range []string{"NOT_FOUND", "", "BAD_USER_INPUT", "BAD_USER_INPUT", "BAD_USER_INPUT", "NOT_FOUND"} {
		r := results[i]
		code, _ := r.at("userErrors", 0, "code").(string)
		if r.at("id") != ids[i] || code != want {
			t.Errorf("device %d: %v, want %q", i, r.Data, want)
		}
		if want == "" {
			continue
		}
		if fmt.Sprint(r.at("userErrors", 0, "field")) != fmt.Sprintf("[input agentIds %d]", i) || r.at("agent") != nil || r.at("dispatched") != false {
			t.Errorf("device %d: %v", i, r.Data)
		}
	}
	if results[0].at("userErrors", 0, "message") != results[5].at("userErrors", 0, "message") {
		t.Error("another company's device is told from one that is not")
	}
	if r := results[1]; r.at("dispatched") != true || r.at("agent", "lockRequested") != true {
		t.Errorf("the only good one: %v", r.Data)
	}
	theirAgent := w.must(w.signIn("admin@globex.test"), `query ($id: ID!) { agent(id: $id) { lockRequested } }`, map[string]any{"id": theirs["Agent"]})
	if theirAgent.at("agent", "lockRequested") != false {
		t.Error("another company's device was locked")
	}
	many := make([]any, 501)
	for i := range many {
		many[i] = model.GlobalID("Agent", i+1)
	}
	for title, ids := range map[string][]any{"none": {}, "too many": many} {
		a := w.must(token, lockAgents, map[string]any{"ids": ids})
		if a.at("lockAgents", "userErrors", 0, "code") != "BAD_USER_INPUT" || len(a.at("lockAgents", "results").([]any)) > 0 {
			t.Errorf("%s: %s", title, a.text)
		}
	}
}

func TestLockingManyDevicesIsAHandfulOfCalls(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@globex.test")
	var ids []any
	for _, node := range w.must(token, `{ agents(first: 500) { nodes { id } } }`, nil).at("agents", "nodes").([]any) {
		ids = append(ids, node.(map[string]any)["id"])
	}
	var results []answer
	calls := w.callsOf(func() { results = w.lock(token, lockAgents, ids...) })
	for i, r := range results {
		if r.at("dispatched") != true || r.at("agent", "lockRequested") != true {
			t.Errorf("device %d: %v", i, r.Data)
		}
	}
	if writes := strings.Count(strings.Join(calls, " "), "PUT "); len(results) < 20 || writes != 1 || len(calls) > 9 {
		t.Errorf("%d devices, %d calls to GLPI, %d of them writes: %q", len(results), len(calls), writes, calls)
	}
}

// GLPI says success for what it does not do, and says nothing twice.
func TestALockThatDidNothingIsTold(t *testing.T) {
	w := newWorld(t) // GLPI has no broker here, and the gateway may not write on its own
	token := w.signIn("admin@acme.test")
	own := w.objectsOf("admin@acme.test")["Agent"]
	first := w.lock(token, lockAgents, own)[0]
	if first.at("dispatched") != false || len(first.at("userErrors").([]any)) > 0 || first.at("agent", "lockRequested") != true {
		t.Errorf("a command that nobody saw: %s", first.text)
	}
	again := w.lock(token, lockAgents, own)[0]
	if again.at("userErrors", 0, "code") != "UNCHANGED" || again.at("dispatched") != false {
		t.Errorf("a command that nobody could repeat: %s", again.text)
	}
	w.mu.Lock()
	w.stand = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, id, _ := model.ParseGlobalID(own)
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, fmt.Sprintf(`[{"%d":true,"message":""}]`, id))
			return
		}
		w.glpi.ServeHTTP(rw, r)
	})
	w.mu.Unlock()
	swallowed := w.lock(token, unlockAgents, own)[0]
	if swallowed.at("userErrors", 0, "code") != "UNCHANGED" || swallowed.at("agent", "lockRequested") != true || swallowed.at("dispatched") != false {
		t.Errorf("a success that did nothing: %s", swallowed.text)
	}
}
