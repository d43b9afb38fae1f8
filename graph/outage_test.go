package graph_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// GLPI is down for a while (a minute with FLEETGATE_REAL=1, which is longer than streams leave GLPI alone): streams go on
// without a gap, and all is right again when it is back.
func TestStreamsOutliveAnOutageOfGLPI(t *testing.T) {
	outage := 2 * time.Second
	if os.Getenv("FLEETGATE_REAL") != "" {
		outage = time.Minute
	}
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	states := w.subscribe(token, `subscription { deviceEvents(filter: {kinds: [PRESENCE_CHANGED]}) { serial ... on PresenceChanged { presence { state } } } }`, nil)
	w.chatter(func(i int) { w.publish(mine.Topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0)) })
	last := ""
	follow := func(until func() bool) {
		t.Helper()
		for !until() {
			kind, a := states()
			state, _ := a.at("deviceEvents", "presence", "state").(string)
			if kind != "next" || a.at("deviceEvents", "serial") != mine.Serial || state == last {
				t.Fatalf("after %s came %s %s", last, kind, a.text)
			}
			last = state
		}
	}
	begun := 0
	follow(func() bool { begun++; return begun > 10 })

	standIn := func(h http.Handler) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stand = h
	}
	standIn(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }))
	back := time.Now().Add(outage)
	follow(func() bool { return time.Now().After(back) })
	standIn(nil)

	query := `query ($id: ID!) { agent(id: $id) { serial presence { state source } } }`
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a := w.ask(token, query, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
		if a.at("agent", "presence", "source") == "MQTT" && a.at("agent", "serial") == mine.Serial {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("GLPI is back, and still: %s", a.text)
		}
	}
	more := 0
	follow(func() bool { more++; return more > 10 })
}
