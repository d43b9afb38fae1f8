package fanout_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/delivery"
	"fleetgate/internal/fanout"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"),
		goleak.IgnoreTopFunction("github.com/mochi-mqtt/server/v2/listeners.(*TCP).Serve"))
}

// world is an exchange in front of a simulated GLPI and a real broker.
type world struct {
	t        *testing.T
	demo     glpi.Demo
	glpi     *glpiproxy.Client
	broker   *broker.Broker
	bridge   *bridge.Bridge
	exchange *fanout.Exchange
	looks    atomic.Int64 // how often GLPI was asked what a session may see
	away     atomic.Bool  // GLPI is
	ahead    atomic.Int64 // the clock is
	ended    atomic.Int64 // sessions that were said to have ended
	stop     func()       // the bridge

	mu      sync.Mutex
	refresh map[string][]*func() // by session token
}

func newWorld(t *testing.T, lookEvery time.Duration, options bridge.Options) *world {
	t.Helper()
	w := &world{t: t, refresh: map[string][]*func(){}}
	simulated := glpi.New(glpi.Options{})
	w.demo = simulated.SeedDemo(glpi.DemoOptions{Devices: 8, Seed: 1})
	rest := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/getFullSession") {
			w.looks.Add(1)
		}
		if w.away.Load() {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		simulated.ServeHTTP(rw, r)
	}))
	t.Cleanup(rest.Close)
	var err error
	now := func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	if w.glpi, err = glpiproxy.New(glpiproxy.Options{URL: rest.URL + "/glpi", Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.glpi.Close() })
	w.connect(options)
	w.exchange = fanout.New(fanout.Options{
		Bridge: w.bridge, WatchScope: w.watch, End: func(string) { w.ended.Add(1) }, LookEvery: lookEvery,
	})
	t.Cleanup(w.exchange.Wait)
	return w
}

func (w *world) connect(options bridge.Options) {
	w.t.Helper()
	var err error
	if w.broker, err = broker.Start(broker.Options{}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.broker.Close() })
	w.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	options.URL, options.Username, options.Password = w.broker.URL(), "fleetgate", "demo"
	if w.bridge, err = bridge.New(options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.bridge.Run(ctx)
	}()
	w.stop = func() { cancel(); <-ended }
	w.t.Cleanup(w.stop)
	w.eventually(func() bool { return w.bridge.Status().Connected })
}

func (w *world) watch(token string, refresh func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refresh[token] = append(w.refresh[token], &refresh)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.refresh, token)
	}
}

// switched tells the exchange that a session sees something else.
func (w *world) switched(s *glpiproxy.Session) {
	w.mu.Lock()
	told := w.refresh[s.Token()]
	w.mu.Unlock()
	for _, refresh := range told {
		(*refresh)()
	}
}

func (w *world) signIn(name string) *glpiproxy.Session {
	w.t.Helper()
	s, err := w.glpi.SignIn(context.Background(), name, glpi.DemoPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// say has a device say something, number by number, and waits until the bridge has heard it.
func (w *world) say(device, times int) {
	w.t.Helper()
	before := w.bridge.Latest()
	for i := range times {
		payload := fmt.Sprintf(`{"status":"%s"}`, []string{"done", "failed"}[i%2])
		if err := w.broker.Publish(w.demo.Devices[device].Topic+"/Status/Task/7", []byte(payload), false); err != nil {
			w.t.Fatal(err)
		}
	}
	w.eventually(func() bool { return w.bridge.Latest() >= before+uint64(times) })
}

func (w *world) eventually(holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("it never came about")
		}
	}
}

// everything is an operation that shows its viewers whatever happens in their entities: its responses are the numbers of
// the events.
type everything struct {
	key     string
	respond func(bridge.Event) error
	write   func(context.Context) string // the response; nil: see above
}

func (e everything) Key() string { return e.key }

func (e everything) View(ctx context.Context, s *glpiproxy.Session) (fanout.View, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return fanout.View{}, err
	}
	key, _ := scope.Visibility()
	view := fanout.View{Key: key, Filter: bridge.Filter{Entities: map[int]struct{}{}}}
	for _, id := range scope.EntityIDs {
		view.Filter.Entities[id] = struct{}{}
	}
	return view, nil
}

func (e everything) Begin(context.Context) fanout.Execution { return e }

func (e everything) Respond(ctx context.Context, event bridge.Event) (*delivery.Result, error) {
	if e.respond != nil {
		if err := e.respond(event); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprint(event.Number)
	if e.write != nil {
		text = e.write(ctx)
	}
	return &delivery.Result{JSON: []byte(text), Cursor: event.Cursor}, nil
}

func (e everything) Present(_ context.Context, err error) gqlerror.List {
	return gqlerror.List{gqlerror.Wrap(err)}
}

// reader is a delivery.Receiver that keeps what it gets.
type reader struct {
	leave func()
	left  atomic.Int64
	stuck chan struct{} // not nil: a replay waits for it

	mu    sync.Mutex
	got   []string
	end   bool
	cause gqlerror.List
}

func (r *reader) Deliver(results ...*delivery.Result) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, result := range results {
		r.got = append(r.got, string(result.JSON))
	}
	return true
}

func (r *reader) Replay(ctx context.Context, result *delivery.Result) bool {
	if r.stuck != nil {
		select {
		case <-r.stuck:
		case <-ctx.Done():
			return false
		}
	}
	return r.Deliver(result)
}

func (r *reader) End(errs gqlerror.List) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end, r.cause = true, errs
}

func (r *reader) results() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

func (r *reader) ended() (cause string, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cause) > 0 {
		cause = r.cause[0].Message
	}
	return cause, r.end
}

// viewerKey is that of the session that a context is of.
type viewerKey struct{}

func (w *world) join(s *glpiproxy.Session, o fanout.Operation, after string) *reader {
	w.t.Helper()
	r := &reader{}
	w.joinAs(r, s, o, after)
	return r
}

func (w *world) joinAs(r *reader, s *glpiproxy.Session, o fanout.Operation, after string) {
	w.t.Helper()
	ctx := context.WithValue(context.Background(), viewerKey{}, s)
	leave, err := w.exchange.Join(ctx, fanout.Wish{
		Operation: o, Session: s, After: after, To: r, Left: func() { r.left.Add(1) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r.leave = leave
	w.t.Cleanup(leave)
}
