package glpiproxy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// demo is the simulated GLPI with two whole companies and an administrator of each.
type demo struct {
	client         *glpiproxy.Client
	server         *httptest.Server
	acme, globex   *glpiproxy.Session
	root           *glpiproxy.Session
	devices        []glpi.DemoDevice
	acmeID, globID int

	mu     sync.Mutex
	calls  []string                                                        // "PUT /PluginFlyvemdmFleet/3"
	tamper func(w http.ResponseWriter, r *http.Request, glpi http.Handler) // nil: GLPI answers
}

// serve notes each call before GLPI, or who stands in for it, answers.
func (d *demo) serve(simulated http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.calls = append(d.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/glpi/apirest.php"))
		tamper := d.tamper
		d.mu.Unlock()
		if tamper != nil && r.Method != http.MethodGet {
			tamper(w, r, simulated)
			return
		}
		simulated.ServeHTTP(w, r)
	}
}

// meddle has somebody else answer writes from now on; nil: GLPI again.
func (d *demo) meddle(tamper func(http.ResponseWriter, *http.Request, http.Handler)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tamper = tamper
}

// takeCalls are the calls since it was last asked, those that write or all.
func (d *demo) takeCalls(writes bool) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := slices.DeleteFunc(d.calls, func(call string) bool { return writes && strings.HasPrefix(call, "GET ") })
	d.calls = nil
	return calls
}

func newDemo(t *testing.T, devices int) *demo {
	t.Helper()
	simulated := glpi.New(glpi.Options{Location: time.FixedZone("", 2*3600), Seed: 7})
	world := simulated.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	d := &demo{devices: world.Devices}
	server := httptest.NewServer(d.serve(simulated))
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	d.client, d.server = client, server
	for session, name := range map[**glpiproxy.Session]string{&d.acme: "admin@acme.test", &d.globex: "admin@globex.test"} {
		if *session, err = client.SignIn(context.Background(), name, glpi.DemoPassword); err != nil {
			t.Fatal(err)
		}
	}
	if d.root, err = client.SignInWithToken(context.Background(), world.ServiceToken); err != nil {
		t.Fatal(err)
	}
	d.acmeID, d.globID = must(d.acme.Scope(context.Background()))(t).EntityID, must(d.globex.Scope(context.Background()))(t).EntityID
	return d
}

func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t *testing.T, err error, kind glpiproxy.Kind) {
	t.Helper()
	if err == nil || glpiproxy.KindOf(err) != kind {
		t.Errorf("%v, want %v", err, kind)
	}
}

// fleetsOf lists the fleets that a viewer may see.
func fleetsOf(t *testing.T, s *glpiproxy.Session) []glpiproxy.Fleet {
	t.Helper()
	return must(glpiproxy.List[glpiproxy.Fleet](context.Background(), s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}}))(t).Items
}

// agentsOf lists the agents that a viewer may see.
func agentsOf(t *testing.T, s *glpiproxy.Session) []glpiproxy.Agent {
	t.Helper()
	return must(glpiproxy.List[glpiproxy.Agent](context.Background(), s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}}))(t).Items
}

// targetsOf are all fleets and agents that a viewer may see.
func targetsOf(t *testing.T, s *glpiproxy.Session) (targets []glpiproxy.Target) {
	t.Helper()
	for _, fleet := range fleetsOf(t, s) {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet.ID})
	}
	for _, agent := range agentsOf(t, s) {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetAgent, ID: agent.ID})
	}
	return targets
}
