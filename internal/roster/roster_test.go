package roster_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/roster"
	"fleetgate/internal/sim/glpi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// told is a bridge that only remembers what it was told.
type told struct {
	mu       sync.Mutex
	agents   map[int]bridge.Enrolled
	enrolled []int
	deleted  []int
	all      bool
}

func (t *told) Learn(agents []bridge.Enrolled, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range agents {
		if _, known := t.agents[a.AgentID]; !known && fresh {
			t.enrolled = append(t.enrolled, a.AgentID)
		}
		t.agents[a.AgentID] = a
	}
}

func (t *told) LearnedAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = true
}

func (t *told) Forget(ids []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.agents, id)
		t.deleted = append(t.deleted, id)
	}
}

func (t *told) AgentIDs() (ids []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.agents {
		ids = append(ids, id)
	}
	return ids
}

// holds reads under the lock.
func (t *told) holds(condition func() bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return condition()
}

// office is a simulated GLPI with a roster that reads it.
type office struct {
	*told
	t      *testing.T
	demo   glpi.Demo
	client *glpiproxy.Client
	root   string

	mu    sync.Mutex
	calls []string
	down  bool
}

func newOffice(t *testing.T, o roster.Options) *office {
	t.Helper()
	world := glpi.New(glpi.Options{})
	w := &office{told: &told{agents: map[int]bridge.Enrolled{}}, t: t, demo: world.SeedDemo(glpi.DemoOptions{Devices: 60, Seed: 1})}
	server := httptest.NewServer(w.serve(world))
	t.Cleanup(server.Close)
	w.root = server.URL + "/apirest.php"
	var err error
	if w.client, err = glpiproxy.New(glpiproxy.Options{URL: w.root}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	service, err := w.client.SignInWithToken(t.Context(), w.demo.ServiceToken)
	if err != nil {
		t.Fatal(err)
	}
	o.Bridge, o.Invalidate = w.told, w.client.Invalidate
	o.Session = func(context.Context) (*glpiproxy.Session, error) { return service, nil }
	r, err := roster.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	return w
}

func (w *office) serve(world http.Handler) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.calls = append(w.calls, r.Method+" "+r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		down := w.down
		w.mu.Unlock()
		if down {
			http.Error(rw, "away", http.StatusBadGateway)
			return
		}
		world.ServeHTTP(rw, r)
	}
}

func (w *office) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *office) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !w.holds(holds); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

var hurried = roster.Options{Fastest: 20 * time.Millisecond, Slowest: 50 * time.Millisecond}

func TestEveryAgentIsToldWithItsSerial(t *testing.T) {
	w := newOffice(t, hurried)
	w.eventually("everything is told", func() bool { return w.all })
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	if len(w.agents) != len(w.demo.Devices) {
		t.Errorf("%d of %d agents were told", len(w.agents), len(w.demo.Devices))
	}
	for _, d := range w.demo.Devices {
		if got, want := w.agents[d.AgentID].Device, (bridge.DeviceKey{EntityID: d.EntityID, Serial: d.Serial}); got != want {
			t.Errorf("agent %d is %+v, want %+v", d.AgentID, got, want)
		}
	}
	if len(w.enrolled) != 0 {
		t.Errorf("%v were said to be new", w.enrolled)
	}
}

// A phone of generation B tells GLPI over HTTP that it is there: GLPI stamps its contact.
func TestAContactOverHTTPIsTold(t *testing.T) {
	w := newOffice(t, hurried)
	w.eventually("everything is told", func() bool { return w.all })
	d := w.demo.Devices[3]
	before := time.Now().Add(-2 * time.Second)
	w.put(d.APIToken, "/PluginFlyvemdmAgent/", d.AgentID, `{"input":{"is_online":"1"}}`)
	w.eventually("the contact is told", func() bool {
		r := w.agents[d.AgentID].Record
		return r.Online && r.LastContact.After(before)
	})
}

func TestDeletedAgentsAreTold(t *testing.T) {
	w := newOffice(t, hurried)
	w.eventually("everything is told", func() bool { return w.all })
	admin, err := w.client.SignIn(t.Context(), "admin@acme.test", glpi.DemoPassword)
	if err != nil {
		t.Fatal(err)
	}
	scope, err := admin.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range w.demo.Devices {
		if !scope.SeesEntity(d.EntityID) {
			continue
		}
		if err := glpiproxy.DeleteItem[glpiproxy.Agent](t.Context(), admin, d.AgentID); err != nil {
			t.Fatal(err)
		}
		w.eventually("the deletion is told", func() bool { return len(w.deleted) == 1 && w.deleted[0] == d.AgentID })
		return
	}
}

// While nothing happens GLPI is asked for two short lists at a time, and less and less often.
func TestAQuietFleetCostsTwoCallsALook(t *testing.T) {
	w := newOffice(t, roster.Options{Fastest: 10 * time.Millisecond, Slowest: 10 * time.Millisecond, Whole: time.Hour})
	w.eventually("everything is told", func() bool { return w.all })
	w.mu.Lock()
	w.calls = nil
	w.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.calls {
		if call != "GET PluginFlyvemdmAgent" {
			t.Errorf("a quiet look made the call %s", call)
		}
	}
	if n := len(w.calls); n < 4 {
		t.Errorf("only %d calls in 200 ms: is it looking?", n)
	}
}

func TestItGoesOnWhenGLPIIsBack(t *testing.T) {
	w := newOffice(t, hurried)
	w.setDown(true)
	time.Sleep(50 * time.Millisecond)
	w.setDown(false)
	w.eventually("everything is told", func() bool { return w.all })
}

func TestLookupFindsASerialInWhateverEntity(t *testing.T) {
	w := newOffice(t, hurried)
	service, err := w.client.SignInWithToken(t.Context(), w.demo.ServiceToken)
	if err != nil {
		t.Fatal(err)
	}
	lookup := roster.Lookup(func(context.Context) (*glpiproxy.Session, error) { return service, nil })
	d := w.demo.Devices[5]
	found, err := lookup(t.Context(), bridge.DeviceKey{EntityID: d.EntityID + 1000, Serial: d.Serial})
	if err != nil || len(found) != 1 || found[0].AgentID != d.AgentID || found[0].Device.EntityID != d.EntityID {
		t.Errorf("got %+v, %v", found, err)
	}
	for _, stranger := range []string{"NOBODY", "%", "_______", "' OR 1=1 -- "} {
		if found, err := lookup(t.Context(), bridge.DeviceKey{EntityID: d.EntityID, Serial: stranger}); err != nil || len(found) != 0 {
			t.Errorf("%q: %+v, %v", stranger, found, err)
		}
	}
}

// put writes as a device does, over HTTP with its own token.
func (w *office) put(token, path string, id int, body string) {
	w.t.Helper()
	device, err := w.client.SignInWithToken(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, w.root+path+strconv.Itoa(id), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Session-Token", device.Token())
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("writing as the device: %s", response.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}
