package glpiproxy_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// devices is a broker behind which devices answer, once they are awake.
type devices struct {
	awake  atomic.Bool
	server *glpi.Server
}

func (d *devices) Publish(topic string, _ []byte, _ bool) error {
	root, isQuestion := strings.CutSuffix(topic, "/Command/Geolocate")
	if isQuestion && d.awake.Load() {
		d.server.HandleMQTT(root+"/Status/Geolocation", []byte(`{"latitude":48.8,"longitude":2.3,"datetime":"1795255238"}`))
	}
	return nil
}

func (d *devices) SetAccount(string, string, []glpi.ACL) {}
func (d *devices) RemoveAccount(string)                  {}

func TestQuestionsToDevices(t *testing.T) {
	ctx := context.Background()
	behind := &devices{}
	behind.server = glpi.New(glpi.Options{Broker: behind, Daemon: true, PollInterval: 5 * time.Millisecond, PollTimeout: 50 * time.Millisecond})
	behind.server.SeedDemo(glpi.DemoOptions{Devices: 4, Seed: 1})
	server := httptest.NewServer(behind.server)
	t.Cleanup(server.Close)
	client := must(glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi", CacheTTL: time.Minute}))(t)
	t.Cleanup(func() { _ = client.Close() })
	acme := must(client.SignIn(ctx, "admin@acme.test", glpi.DemoPassword))(t)
	globex := must(client.SignIn(ctx, "admin@globex.test", glpi.DemoPassword))(t)
	agent := agentsOf(t, acme)[0]
	before := positions(t, acme, agent.ComputerID)

	for name, ask := range map[string]func(context.Context, *glpiproxy.Session, int) (glpiproxy.Answer, error){
		"ping": glpiproxy.Ping, "locate": glpiproxy.Locate, "inventory": glpiproxy.RequestInventory,
	} {
		answer, err := ask(ctx, acme, agent.ID)
		if err != nil || answer.Answered || answer.Message == "" {
			t.Errorf("%s of a device that sleeps: %+v, %v", name, answer, err)
		}
		_, err = ask(ctx, globex, agent.ID)
		wantKind(t, err, glpiproxy.NotFound)
		_, err = ask(ctx, acme, -1)
		wantKind(t, err, glpiproxy.Invalid)
	}
	behind.awake.Store(true)
	answer := must(glpiproxy.Locate(ctx, acme, agent.ID))(t)
	if !answer.Answered || answer.Message == "" {
		t.Errorf("%+v", answer)
	}
	if after := positions(t, acme, agent.ComputerID); len(after) != len(before)+1 {
		t.Errorf("%d positions after %d: the new one is not seen", len(after), len(before))
	}
}

func positions(t *testing.T, s *glpiproxy.Session, computerID int) []glpiproxy.Geolocation {
	t.Helper()
	o := glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}}
	return must(glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](context.Background(), s, computerID, o))(t).Items
}

// GLPI deletes anybody's position by its id.
func TestPositionsAreDeletedByThoseWhoSeeTheComputer(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 20)
	for _, agent := range agentsOf(t, d.acme) {
		own := positions(t, d.acme, agent.ComputerID)
		if len(own) == 0 {
			continue
		}
		d.takeCalls(false)
		wantKind(t, glpiproxy.DeleteItem[glpiproxy.Geolocation](ctx, d.globex, own[0].ID), glpiproxy.NotFound)
		if calls := d.takeCalls(true); len(calls) != 0 {
			t.Errorf("%q", calls)
		}
		if err := glpiproxy.DeleteItem[glpiproxy.Geolocation](ctx, d.acme, own[0].ID); err != nil {
			t.Error(err)
		}
		if left := positions(t, d.acme, agent.ComputerID); len(left) != len(own)-1 {
			t.Errorf("%d of %d positions are left", len(left), len(own))
		}
		return
	}
	t.Fatal("the demonstration has no positions")
}
