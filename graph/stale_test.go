package graph_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/glpiproxy"
	"fleetgate/graph"
	"fleetgate/internal/sim/glpi"
)

// A response that GLPI could not be asked for says since when what it shows is old.
func TestResponsesSayWhenTheyAreStale(t *testing.T) {
	simulated := glpi.New(glpi.Options{})
	simulated.SeedDemo(glpi.DemoOptions{Devices: 2, Seed: 1})
	var away atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		simulated.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	began := time.Date(2026, 11, 21, 9, 0, 0, 0, time.FixedZone("", 3600))
	now := began
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	session, err := client.SignIn(t.Context(), "admin@acme.test", glpi.DemoPassword)
	if err != nil {
		t.Fatal(err)
	}
	respond := func() *graphql.Response {
		return graph.AroundResponse(t.Context(), func(ctx context.Context) *graphql.Response {
			if page, err := glpiproxy.List[glpiproxy.Fleet](ctx, session, glpiproxy.ListOptions{}); err != nil || len(page.Items) == 0 {
				t.Errorf("%d fleets, %v", len(page.Items), err)
			}
			return &graphql.Response{}
		})
	}
	for _, after := range []time.Duration{0, time.Second, time.Minute} { // while GLPI is there
		now = began.Add(after)
		if r := respond(); r.Extensions["stale"] != nil {
			t.Errorf("after %v: %v", after, r.Extensions)
		}
	}
	away.Store(true)
	now = began.Add(5 * time.Minute)
	said, _ := respond().Extensions["stale"].(map[string]any)
	if said["since"] != "2026-11-21T08:01:00Z" {
		t.Errorf("stale: %v", said)
	}
	away.Store(false)
	now = began.Add(6 * time.Minute)
	if r := respond(); r.Extensions["stale"] != nil {
		t.Errorf("GLPI is back: %v", r.Extensions)
	}
}
