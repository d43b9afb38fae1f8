package glpiproxy_test

import (
	"context"
	"net/http/httptest"
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
}

func newDemo(t *testing.T, devices int) *demo {
	t.Helper()
	simulated := glpi.New(glpi.Options{Location: time.FixedZone("", 2*3600), Seed: 7})
	world := simulated.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	d := &demo{client: client, server: server, devices: world.Devices}
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

// targetsOf are all fleets and agents that a viewer may see.
func targetsOf(t *testing.T, s *glpiproxy.Session) (targets []glpiproxy.Target) {
	t.Helper()
	for _, fleet := range fleetsOf(t, s) {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet.ID})
	}
	agents := must(glpiproxy.List[glpiproxy.Agent](context.Background(), s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}}))(t)
	for _, agent := range agents.Items {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetAgent, ID: agent.ID})
	}
	return targets
}
