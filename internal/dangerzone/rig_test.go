package dangerzone_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
	"fleetgate/internal/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"),
		goleak.IgnoreTopFunction("github.com/mochi-mqtt/server/v2/listeners.(*TCP).Serve"))
}

// rig is a simulated GLPI, a broker and a store, for desks to work with, on a clock that the test may push on.
type rig struct {
	t      *testing.T
	glpi   *glpi.Server
	demo   glpi.Demo
	client *glpiproxy.Client
	store  store.Store
	rest   string            // GLPI's URL
	broker string            // its URL, as gateways have it
	medium *medium           // nil: the broker is a real one
	devs   []glpi.DemoDevice // of ACME

	mu      sync.Mutex
	ahead   time.Duration
	calls   []string
	flying  int                                                               // writes that GLPI is at now
	most    int                                                               // that there ever were at once
	trouble func(rw http.ResponseWriter, r *http.Request, serve http.Handler) // nil: none
}

// medium is the broker as GLPI has it. It may be away.
type medium struct {
	mu   sync.Mutex
	b    *broker.Broker
	away bool
}

func (m *medium) Publish(topic string, payload []byte, retain bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return fmt.Errorf("the broker is away")
	}
	return m.b.Publish(topic, payload, retain)
}

func (*medium) SetAccount(string, string, []glpi.ACL) {}
func (*medium) RemoveAccount(string)                  {}

func (m *medium) goAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// newRig is a rig with the embedded broker.
func newRig(t *testing.T, devices int) *rig {
	t.Helper()
	m := &medium{}
	var err error
	if m.b, err = broker.Start(broker.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.b.Close() })
	m.b.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	r := newRigWith(t, devices, m, m.b.URL())
	r.medium = m
	return r
}

// newRigWith is a rig with another broker: as GLPI has it, and its URL as gateways have it.
func newRigWith(t *testing.T, devices int, medium glpi.Broker, url string) *rig {
	t.Helper()
	r := &rig{t: t, broker: url, glpi: glpi.New(glpi.Options{Broker: medium})}
	r.demo = r.glpi.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	door := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(door.Close)
	r.rest = door.URL + "/apirest.php"
	var err error
	if r.client, err = glpiproxy.New(glpiproxy.Options{URL: r.rest}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.client.Close() })
	if r.store, err = store.OpenFile(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	s := r.signIn()
	scope, err := s.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.demo.Devices {
		if scope.SeesEntity(d.EntityID) {
			r.devs = append(r.devs, d)
		}
	}
	return r
}

func (r *rig) serve(rw http.ResponseWriter, q *http.Request) {
	writes := q.Method == http.MethodPut || q.Method == http.MethodDelete
	r.mu.Lock()
	r.calls = append(r.calls, q.Method+" "+strings.TrimPrefix(q.URL.Path, "/apirest.php"))
	if writes {
		r.flying++
		r.most = max(r.most, r.flying)
	}
	trouble := r.trouble
	r.mu.Unlock()
	if trouble != nil {
		trouble(rw, q, r.glpi)
	} else {
		r.glpi.ServeHTTP(rw, q)
	}
	if writes {
		r.mu.Lock()
		r.flying--
		r.mu.Unlock()
	}
}

func (r *rig) inTrouble(trouble func(http.ResponseWriter, *http.Request, http.Handler)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = trouble
}

// written are the calls that asked GLPI to change something since a number of calls.
func (r *rig) written() (calls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range r.calls {
		if strings.HasPrefix(call, "PUT") || strings.HasPrefix(call, "DELETE") {
			calls = append(calls, call)
		}
	}
	return calls
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

// pass pushes the clock on.
func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

func (r *rig) signIn() *glpiproxy.Session {
	r.t.Helper()
	s, err := r.client.SignIn(r.t.Context(), "admin@acme.test", glpi.DemoPassword)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// replica is a gateway's part of the danger zone, at work.
type replica struct {
	*dangerzone.Desk
	bridge *bridge.Bridge
	end    func() // and waits for it
}

// start runs a replica; adjust may change its options.
func (r *rig) start(adjust func(*dangerzone.Options)) *replica {
	r.t.Helper()
	b, err := bridge.New(bridge.Options{URL: r.broker, Username: "fleetgate", Password: "demo", Now: r.now})
	if err != nil {
		r.t.Fatal(err)
	}
	service := r.client.Account(glpiproxy.UserToken(r.demo.ServiceToken))
	o := dangerzone.Options{
		Bridge: b, Store: r.store, Audit: audit.NewTrail(r.store), Secret: []byte("sixteen characters"),
		GlobalID: func(typename string, id int) string { return fmt.Sprint(typename, ":", id) },
		Service:  func(ctx context.Context) (*glpiproxy.Session, error) { return service.Session(ctx, glpiproxy.As{}) },
		Every:    20 * time.Millisecond, PerSecond: 1000, Now: r.now, Logger: slog.New(slog.DiscardHandler),
	}
	if adjust != nil {
		adjust(&o)
	}
	b.Learn(r.enrolled(), false) // as the roster does
	desk, err := dangerzone.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx) })
	running.Go(func() { _ = desk.Run(ctx) })
	replica := &replica{desk, b, sync.OnceFunc(func() { stop(); running.Wait() })}
	r.t.Cleanup(replica.end)
	r.comesTrue("the broker is connected", func() bool { return b.Status().Connected })
	return replica
}

// enrolled are ACME's devices, of which GLPI has no contact on record.
func (r *rig) enrolled() (all []bridge.Enrolled) {
	for _, d := range r.devs {
		all = append(all, bridge.Enrolled{AgentID: d.AgentID, Device: bridge.DeviceKey{EntityID: d.EntityID, Serial: d.Serial}})
	}
	return all
}

func (r *rig) comesTrue(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	r.t.Fatalf("never: %s", what)
}

// confirmed is the confirmation of a plan for some devices.
func (r *rig) confirmed(d *replica, s *glpiproxy.Session, action dangerzone.Action, devices ...glpi.DemoDevice) dangerzone.Confirmed {
	r.t.Helper()
	request := dangerzone.Request{Action: action}
	for _, device := range devices {
		request.AgentIDs = append(request.AgentIDs, device.AgentID)
	}
	return r.planned(d, s, request)
}

// planned is the confirmation of a plan.
func (r *rig) planned(d *replica, s *glpiproxy.Session, request dangerzone.Request) dangerzone.Confirmed {
	r.t.Helper()
	plan, err := d.Plan(r.t.Context(), s, request)
	if err != nil {
		r.t.Fatal(err)
	}
	scope, err := s.Scope(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := d.Confirm(s, scope, plan.Token)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// begin plans and executes.
func (r *rig) begin(d *replica, s *glpiproxy.Session, action dangerzone.Action, devices ...glpi.DemoDevice) int {
	r.t.Helper()
	op, err := d.Execute(r.t.Context(), s, r.confirmed(d, s, action, devices...), "192.0.2.1")
	if err != nil {
		r.t.Fatal(err)
	}
	return op.ID
}

// states are how many devices of an operation are in which state.
func (r *rig) states(d *replica, id int) map[dangerzone.State]int {
	r.t.Helper()
	op, err := d.Operation(r.t.Context(), id)
	if err != nil || op == nil {
		r.t.Fatalf("the operation can't be read: %v %v", op, err)
	}
	counts := map[dangerzone.State]int{}
	for _, t := range op.Targets {
		counts[t.State]++
	}
	return counts
}

// reaches waits until a number of an operation's devices are in a state, and gives the operation.
func (r *rig) reaches(d *replica, id int, state dangerzone.State, number int) *dangerzone.Operation {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r.states(d, id)[state] == number {
			op, _ := d.Operation(r.t.Context(), id)
			return op
		}
	}
	op, _ := d.Operation(r.t.Context(), id)
	r.t.Fatalf("never %d %s: %+v", number, state, op)
	return nil
}

// look waits until GLPI was looked at several times more for an operation, so that what could be concluded has been.
func (r *rig) look() {
	r.t.Helper()
	for range 3 {
		before := r.looks()
		r.pass(11 * time.Minute) // longer than any pause between two looks
		r.comesTrue("GLPI is looked at", func() bool { return r.looks() > before })
	}
}

// looks is how often GLPI was read.
func (r *rig) looks() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range r.calls {
		if strings.HasPrefix(call, "GET") {
			n++
		}
	}
	return n
}

// switchOn switches a device's phone on, if it has not obeyed yet.
func (r *rig) switchOn(d glpi.DemoDevice, username, password string) *phone.Phone {
	r.t.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	r.t.Cleanup(client.CloseIdleConnections)
	p := phone.New(phone.Account{
		AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic,
		MQTTUsername: username, MQTTPassword: password, APIToken: d.APIToken, Generation: phone.A,
	}, phone.Options{MQTTURL: r.broker, GLPIURL: r.rest, HTTP: client})
	r.t.Cleanup(p.SwitchOff)
	if err := p.SwitchOn(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// row is an agent as GLPI has it.
func (r *rig) row(s *glpiproxy.Session, d glpi.DemoDevice) glpiproxy.Agent {
	r.t.Helper()
	found, err := glpiproxy.GetFresh[glpiproxy.Agent](r.t.Context(), s, []int{d.AgentID})
	if err != nil || found[d.AgentID].Err != nil {
		r.t.Fatal(err, found[d.AgentID].Err)
	}
	return found[d.AgentID].Item
}

func (r *rig) kept(d *replica, device glpi.DemoDevice) []string {
	r.t.Helper()
	kept, err := d.bridge.Kept(r.t.Context(), bridge.DeviceKey{EntityID: device.EntityID, Serial: device.Serial})
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.Compact(kept)
}

// isFor says whether a call writes agents.
func isFor(q *http.Request) bool {
	return q.Method == http.MethodPut && strings.Contains(q.URL.Path, "PluginFlyvemdmAgent")
}
