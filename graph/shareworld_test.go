package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph"
	"fleetgate/internal/delivery"
	"fleetgate/internal/signin"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
)

// shareWorld is what subscriptions are made of, without connections: a simulated GLPI, a real broker, and the schema,
// whose subscriptions are shared out to inboxes.
type shareWorld struct {
	t      failer
	glpi   *glpi.Server
	demo   glpi.Demo
	broker *broker.Broker
	client *glpiproxy.Client
	plain  *glpiproxy.Client // that remembers nothing
	bridge *bridge.Bridge
	desk   *signin.Desk
	shared *graph.Resolver
	exec   *executor.Executor
	all    *bridge.Subscription // to every event there is
	late   atomic.Int64         // how far the gateway's clock is ahead
	said   int                  // positions reported
	closes []func()
}

// failer is what tests, benchmarks and properties have in common.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newShareWorld(t testing.TB) *shareWorld {
	t.Helper()
	w := openShareWorld(t, 20)
	t.Cleanup(w.close)
	return w
}

func openShareWorld(t failer, devices int) *shareWorld {
	t.Helper()
	w := &shareWorld{t: t, glpi: glpi.New(glpi.Options{})}
	w.demo = w.glpi.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	rest := httptest.NewServer(w.glpi)
	w.closes = append(w.closes, rest.Close)
	now := func() time.Time { return time.Now().Add(time.Duration(w.late.Load())) }
	w.client = must(glpiproxy.New(glpiproxy.Options{URL: rest.URL + "/glpi", Now: now, Location: time.UTC}))(t)
	var calls atomic.Int64
	w.plain = must(glpiproxy.New(glpiproxy.Options{URL: rest.URL + "/glpi", CacheTTL: -1, Location: time.UTC, Now: func() time.Time {
		return time.Now().Add(time.Duration(calls.Add(1)) * time.Minute) // who somebody is, is asked anew each time too
	}}))(t)
	w.closes = append(w.closes, func() { _, _ = w.client.Close(), w.plain.Close() })
	w.connect(t)
	sealer := must(signin.NewSealer([]byte("sixteen characters"), nil))(t)
	w.desk = must(signin.NewDesk(signin.Options{GLPI: w.client, Sealer: sealer, AcceptSessionTokens: true}))(t)
	w.shared = &graph.Resolver{GLPI: w.client, Bridge: w.bridge, SignIn: w.desk}
	w.exec = executor.New(w.shared.Schema())
	w.exec.SetErrorPresenter(w.shared.PresentError)
	w.exec.SetQueryCache(lru.New[*ast.QueryDocument](100))
	w.exec.AroundResponses(graph.AroundResponse)
	return w
}

// connect starts the broker and the bridge.
func (w *shareWorld) connect(t failer) {
	w.broker = must(broker.Start(broker.Options{}))(t)
	w.closes = append(w.closes, func() { w.broker.Close() })
	w.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	w.bridge = must(bridge.New(bridge.Options{URL: w.broker.URL(), Username: "fleetgate", Password: "demo"}))(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.bridge.Run(ctx)
	}()
	w.closes = append(w.closes, func() { stop(); <-ended })
	w.all = must(w.bridge.Subscribe(bridge.Filter{AllEntities: true}, ""))(t)
	eventually(t, func() bool { return w.bridge.Status().Connected })
}

func (w *shareWorld) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

func must[V any](v V, err error) func(failer) V {
	return func(t failer) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eventually waits until something holds.
func eventually(t failer, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came about")
		}
	}
}

// person is somebody with a session and a socket that is signed in with it.
type person struct {
	name    string
	session *glpiproxy.Session
	ctx     context.Context
	hangUp  context.CancelFunc
}

func (w *shareWorld) signIn(name string) *person {
	w.t.Helper()
	p := &person{name: name, session: must(w.client.SignIn(context.Background(), name, glpi.DemoPassword))(w.t)}
	ctx, hangUp := context.WithCancel(context.Background())
	p.hangUp = hangUp
	p.ctx = must(w.desk.AuthenticateSocket(ctx, map[string]any{"Session-Token": p.session.Token()}))(w.t)
	return p
}

// another makes another person with the profile and the entities of one.
func (w *shareWorld) another(like, name string) {
	w.t.Helper()
	ctx := context.Background()
	one := must(must(w.plain.SignIn(ctx, like, glpi.DemoPassword))(w.t).Scope(ctx))(w.t)
	root := must(w.plain.SignInWithToken(ctx, w.demo.ServiceToken))(w.t)
	password, active := glpi.DemoPassword, true
	must(glpiproxy.CreateItem(ctx, root, glpiproxy.UserInput{
		Username: name, Password: &password, ProfileID: one.Profile.ID, EntityID: one.EntityID, Recursive: one.Recursive,
		Person: glpiproxy.Person{Language: &one.Language, Active: &active},
	}))(w.t)
}

// subscribe shares a subscription out to an inbox.
func (w *shareWorld) subscribe(p *person, query string, variables map[string]any) *inbox {
	w.t.Helper()
	in := &inbox{}
	in.leave = w.share(p, query, variables, in)
	return in
}

// share shares a subscription out to a receiver.
func (w *shareWorld) share(p *person, query string, variables map[string]any, to delivery.Receiver) (leave func()) {
	w.t.Helper()
	ctx := graphql.StartOperationTrace(p.ctx)
	params := &graphql.RawParams{Query: query}
	text := must(json.Marshal(variables))(w.t) // each subscriber sends their own, which gqlgen changes
	must(0, json.Unmarshal(text, &params.Variables))(w.t)
	op, errs := w.exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	leave, ok := w.shared.Share(p.ctx, w.exec, op, to)
	if !ok {
		w.t.Fatal("not shared")
	}
	return leave
}

// locate has a device report its position, and answers the events up to that, as the bridge tells them.
func (w *shareWorld) locate(d glpi.DemoDevice) []bridge.Event {
	w.t.Helper()
	w.said++
	at := float64(w.said) / 10_000
	w.publish(d.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":%g,"longitude":2.35,"datetime":"%d"}`, at, time.Now().Unix()))
	var events []bridge.Event
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		e, err := w.all.Next(ctx)
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
		if events = append(events, e); e.Position != nil && e.Position.Latitude == at {
			return events
		}
	}
}

func (w *shareWorld) publish(topic, payload string) {
	w.t.Helper()
	if err := w.broker.Publish(topic, []byte(payload), false); err != nil {
		w.t.Fatal(err)
	}
}

// devicesIn are the devices of an entity.
func (w *shareWorld) devicesIn(entity int) (found []glpi.DemoDevice) {
	for _, d := range w.demo.Devices {
		if d.EntityID == entity {
			found = append(found, d)
		}
	}
	return found
}

// inbox is a delivery.Receiver that keeps everything.
type inbox struct {
	leave func()
	full  atomic.Bool // it is gone: it takes nothing more

	mu      sync.Mutex
	results []*delivery.Result
	ended   bool
	errors  gqlerror.List
}

func (in *inbox) Deliver(results ...*delivery.Result) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.full.Load() {
		return false
	}
	in.results = append(in.results, results...)
	return true
}

func (in *inbox) Replay(ctx context.Context, result *delivery.Result) bool {
	return ctx.Err() == nil && in.Deliver(result)
}

func (in *inbox) End(errs gqlerror.List) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended, in.errors = true, errs
}

func (in *inbox) got() []*delivery.Result {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]*delivery.Result(nil), in.results...)
}

// code is that of the error with which the subscription has ended; "" while it goes on.
func (in *inbox) code() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.ended {
		return ""
	}
	if len(in.errors) == 0 {
		return "complete"
	}
	return fmt.Sprint(in.errors[0].Extensions["code"])
}

// wait waits until there are as many results.
func (in *inbox) wait(t failer, count int) []*delivery.Result {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(in.got()) < count; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d results, want %d; %s", len(in.got()), count, in.code())
		}
	}
	return in.got()
}

// fieldOf is a field of a result's event.
func fieldOf(r *delivery.Result, path ...any) any {
	var a answer
	if json.Unmarshal(r.JSON, &a) != nil {
		return nil
	}
	return a.at(append([]any{"deviceEvents"}, path...)...)
}
