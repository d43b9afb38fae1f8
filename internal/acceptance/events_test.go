package acceptance

import (
	"encoding/json"
	"testing"
)

// A dashboard on graphql-sse's client does everything over Server-Sent Events.
func TestEventsClient(t *testing.T) {
	needClients(t)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "40", "--events-per-second", "40")
	var seen struct {
		Query   []int
		Mistake []string
		Events  int
		Again   bool
		Ended   string
	}
	out := node(t, "events.mjs", demo.urls["graphql"], "admin@acme.test", "demo")
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if len(seen.Query) != 1 || seen.Query[0] != 3 {
		t.Errorf("a query gave pages of %v", seen.Query)
	}
	if len(seen.Mistake) != 1 || seen.Mistake[0] != "BAD_USER_INPUT" {
		t.Errorf("a mistake gave %v", seen.Mistake)
	}
	if seen.Events != 20 || !seen.Again {
		t.Errorf("%d of 20 events came; the same ones again after a cursor: %t", seen.Events, seen.Again)
	}
	if seen.Ended != "UNAUTHENTICATED" {
		t.Errorf("the stream of a session that ended gave %q", seen.Ended)
	}
}
