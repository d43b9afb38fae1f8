package graphqlsse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"fleetgate/internal/delivery"
	"fleetgate/internal/graphqlsse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { hello: String panics: String }
	type Subscription { count(to: Int!): Int! forever: Int! breaks: Int! last: String }
`})

// execute executes the schema, one field for each way an operation can go.
func execute(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	sent := 0
	switch field := operation.Operation.SelectionSet[0].(*ast.Field); field.Name {
	case "hello":
		return graphql.OneShot(&graphql.Response{Data: []byte(`{"hello":"world"}`)})
	case "panics":
		return func(context.Context) *graphql.Response { panic("a resolver's mistake") }
	case "count":
		return func(context.Context) *graphql.Response {
			if sent++; fmt.Sprint(field.ArgumentMap(nil)["to"]) < fmt.Sprint(sent) {
				return nil
			}
			return &graphql.Response{Data: fmt.Appendf(nil, `{"count":%d}`, sent)}
		}
	case "last":
		return graphql.OneShot(&graphql.Response{Data: fmt.Appendf(nil, `{"last":%q}`, delivery.LastCursor(ctx))})
	case "breaks":
		return func(ctx context.Context) *graphql.Response {
			delivery.Fail(ctx, errors.New("the source broke"))
			return nil
		}
	}
	return func(ctx context.Context) *graphql.Response {
		if sent++; sent > 1 {
			<-ctx.Done()
			return nil
		}
		return &graphql.Response{Data: []byte(`{"forever":1}`)}
	}
}

// world is a server whose requests' bodies are queries.
type world struct {
	connections *delivery.Connections
	url         string
	registry    *prometheus.Registry
}

func serve(t *testing.T, limits delivery.Options, o graphqlsse.Options) *world {
	t.Helper()
	connections, err := delivery.New(limits)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	o.Connections, o.Registerer = connections, registry
	events, err := graphqlsse.New(o)
	if err != nil {
		t.Fatal(err)
	}
	exec := executor.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema }, ExecFunc: execute,
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Other", "kept")
		query, _ := io.ReadAll(r.Body)
		ctx := graphql.StartOperationTrace(r.Context())
		op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: string(query)})
		if len(errs) > 0 {
			events.Refuse(w, errs)
			return
		}
		events.Execute(w, r.WithContext(ctx), exec, op)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := connections.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &world{connections, server.URL, registry}
}

func (w *world) ask(t *testing.T, query string) *http.Response {
	t.Helper()
	response, err := http.Post(w.url, "text/plain", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func (w *world) open() float64 {
	n, _ := testutil.GatherAndCount(w.registry, "fleetgate_sse_connections")
	families, _ := w.registry.Gather()
	if n != 1 {
		return -1
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

const complete = "event: complete\ndata: \n\n"

func TestOperations(t *testing.T) {
	w := serve(t, delivery.Options{}, graphqlsse.Options{})
	for query, want := range map[string]string{
		`{hello}`:                   "event: next\ndata: {\"data\":{\"hello\":\"world\"}}\n\n" + complete,
		`subscription{count(to:2)}`: "event: next\ndata: {\"data\":{\"count\":1}}\n\nevent: next\ndata: {\"data\":{\"count\":2}}\n\n" + complete,
		`subscription{breaks}`:      "event: next\ndata: {\"errors\":[{\"message\":\"the source broke\"}]}\n\n" + complete,
		`{panics}`:                  "event: next\ndata: {\"errors\":[{\"message\":\"internal error\",\"extensions\":{\"code\":\"INTERNAL\"}}]}\n\n" + complete,
		`}`: "event: next\ndata: {\"errors\":[{\"message\":\"Unexpected }\",\"locations\":[{\"line\":1,\"column\":1}]," +
			"\"extensions\":{\"code\":\"GRAPHQL_PARSE_FAILED\"}}]}\n\n" + complete,
	} {
		response := w.ask(t, query)
		if got := text(t, response); got != want {
			t.Errorf("%s:\n got %q\nwant %q", query, got, want)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream; charset=utf-8", "X-Other": "kept", "X-Accel-Buffering": "no",
		} {
			if got := response.Header.Get(name); got != want || response.StatusCode != 200 {
				t.Errorf("%s: %d, %s: %q, want %q", query, response.StatusCode, name, got, want)
			}
		}
	}
}

// Who comes back says which event it has had last, also where nothing is kept of its request.
func TestTheLastEventIsTold(t *testing.T) {
	nothing := func(context.Context) context.Context { return context.Background() }
	for _, detach := range []func(context.Context) context.Context{nil, nothing} {
		w := serve(t, delivery.Options{}, graphqlsse.Options{Detach: detach})
		for id, want := range map[string]string{"": "", "x7": "x7", strings.Repeat("x", 5000): strings.Repeat("x", 256)} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url, strings.NewReader(`subscription{last}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Last-Event-ID", id)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got, want := text(t, response), fmt.Sprintf("event: next\ndata: {\"data\":{\"last\":%q}}\n\n%s", want, complete); got != want {
				t.Errorf("%q: got %q, want %q", id, got, want)
			}
		}
	}
}

// group runs all subscriptions together.
type group struct {
	mu      sync.Mutex
	members map[delivery.Receiver]struct{}
}

func (g *group) share(_ context.Context, _ graphql.GraphExecutor, _ *graphql.OperationContext, to delivery.Receiver) (func(), bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = map[delivery.Receiver]struct{}{}
	}
	g.members[to] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.members, to)
	}, true
}

func (g *group) each(f func(delivery.Receiver) bool) (held int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for member := range g.members {
		if f(member) {
			held++
		}
	}
	return held
}

func (g *group) size() int { return g.each(func(delivery.Receiver) bool { return true }) }

func (g *group) deliver(n, padding int) int {
	result := &delivery.Result{
		JSON:   fmt.Appendf(nil, `{"data":{"forever":%d,"padding":%q}}`, n, strings.Repeat("x", padding)),
		Cursor: fmt.Sprint("c", n),
	}
	return g.each(func(r delivery.Receiver) bool { return r.Deliver(result) })
}

func TestSharedSubscriptions(t *testing.T) {
	g := &group{}
	w := serve(t, delivery.Options{}, graphqlsse.Options{Share: g.share})
	before := runtime.NumGoroutine()
	first, second := w.ask(t, `subscription{forever}`), w.ask(t, `subscription{forever}`)
	waitFor(t, func() bool { return g.size() == 2 })
	if g.deliver(1, 0) != 2 {
		t.Error("a result was not taken")
	}
	first.Body.Close() // which leaves
	waitFor(t, func() bool { return g.size() == 1 && w.open() == 1 })
	g.deliver(2, 0)
	waitFor(t, func() bool { // the client's two and the server's one, and one for the visits to all
		return runtime.NumGoroutine() <= before+4
	})
	g.each(func(r delivery.Receiver) bool {
		r.End(gqlerror.List{{Message: "no more"}})
		return true
	})
	want := "event: next\nid: c1\ndata: {\"data\":{\"forever\":1,\"padding\":\"\"}}\n\n" +
		"event: next\nid: c2\ndata: {\"data\":{\"forever\":2,\"padding\":\"\"}}\n\n" +
		"event: next\ndata: {\"errors\":[{\"message\":\"no more\"}]}\n\n" + complete
	if got := text(t, second); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	waitFor(t, func() bool { return g.size() == 0 && w.open() == 0 })
}

func TestASlowReaderIsTold(t *testing.T) {
	g := &group{}
	w := serve(t, delivery.Options{}, graphqlsse.Options{Share: g.share})
	response := w.ask(t, `subscription{forever}`)
	waitFor(t, func() bool { return g.size() == 1 })
	for n := 1; n <= 200; n++ {
		g.deliver(n, 100<<10)
	}
	events := bufio.NewScanner(response.Body)
	events.Buffer(nil, 1<<20)
	for before := 0; events.Scan(); {
		id, found := strings.CutPrefix(events.Text(), "id: c")
		if !found {
			continue
		}
		events.Scan()
		if id == fmt.Sprint(before+1) {
			before++
			continue
		}
		if want := fmt.Sprintf(`"extensions":{"after":"c%d","code":"RESYNC"}`, before); !strings.Contains(events.Text(), want) {
			t.Errorf("%s after %d: got %.100s", id, before, events.Text())
		}
		return
	}
	t.Errorf("the reader was not slow: %v", events.Err())
}

func TestAReaderThatReadsNothingIsCut(t *testing.T) {
	g := &group{}
	w := serve(t, delivery.Options{WriteTimeout: 50 * time.Millisecond}, graphqlsse.Options{Share: g.share})
	w.ask(t, `subscription{forever}`)
	waitFor(t, func() bool { return g.size() == 1 })
	waitFor(t, func() bool { return g.deliver(1, 100<<10) == 0 })
	waitFor(t, func() bool { return w.open() == 0 && g.size() == 0 })
}

func TestASignInThatEnds(t *testing.T) {
	for _, share := range []delivery.Share{nil, (&group{}).share} {
		ends := make(chan context.CancelCauseFunc, 1)
		w := serve(t, delivery.Options{}, graphqlsse.Options{
			Share: share,
			Hold: func(ctx context.Context) context.Context {
				ctx, end := context.WithCancelCause(ctx)
				ends <- end
				return ctx
			},
			Ended: func(cause error) *gqlerror.Error { return &gqlerror.Error{Message: cause.Error()} },
		})
		response := w.ask(t, `subscription{forever}`)
		(<-ends)(errors.New("session ended"))
		want := "event: next\ndata: {\"errors\":[{\"message\":\"session ended\"}]}\n\n" + complete
		if got := text(t, response); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestADrainLooksLikeNoEnd(t *testing.T) {
	w := serve(t, delivery.Options{}, graphqlsse.Options{})
	response := w.ask(t, `subscription{forever}`)
	body := bufio.NewReader(response.Body)
	if line, err := body.ReadString('\n'); line != "event: next\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := w.connections.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(string(rest), "complete") {
		t.Errorf("got %q, %v", rest, err)
	}
	if again := w.ask(t, `{hello}`); again.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the drain: %d", again.StatusCode)
	}
}

func TestSignsOfLife(t *testing.T) {
	w := serve(t, delivery.Options{PingInterval: 20 * time.Millisecond, PongTimeout: 20 * time.Millisecond}, graphqlsse.Options{})
	lines := bufio.NewScanner(w.ask(t, `subscription{forever}`).Body)
	for comments := 0; comments < 5 && lines.Scan(); {
		if lines.Text() == ":" {
			comments++
		}
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
}

// An older proxy asks with HTTP/1.0, which knows no chunks.
func TestOlderHTTP(t *testing.T) {
	w := serve(t, delivery.Options{}, graphqlsse.Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.0\r\nContent-Length: 7\r\n\r\n{hello}")
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(all), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 200 OK\r\n") || strings.Contains(head, "chunked") ||
		body != "event: next\ndata: {\"data\":{\"hello\":\"world\"}}\n\n"+complete {
		t.Errorf("got %q", all)
	}
}

func TestLimits(t *testing.T) {
	w := serve(t, delivery.Options{MaxConnectionsPerClient: 1}, graphqlsse.Options{})
	first := w.ask(t, `subscription{forever}`)
	if second := w.ask(t, `{hello}`); second.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second got %d", second.StatusCode)
	}
	first.Body.Close()
	waitFor(t, func() bool { return w.ask(t, `{hello}`).StatusCode == http.StatusOK })
}

// TestResponsesComeAndGo leaves goroutines behind when something is not let go of.
func TestResponsesComeAndGo(t *testing.T) {
	g := &group{}
	for _, share := range []delivery.Share{nil, g.share} {
		w := serve(t, delivery.Options{}, graphqlsse.Options{Share: share})
		var workers sync.WaitGroup
		for range 10 {
			workers.Go(func() {
				for range 50 {
					response, err := http.Post(w.url, "text/plain", strings.NewReader(`subscription{forever}`))
					if err != nil {
						t.Error(err)
						return
					}
					response.Body.Close()
				}
			})
		}
		workers.Wait()
		waitFor(t, func() bool { return w.open() == 0 && g.size() == 0 })
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in time")
		}
		time.Sleep(2 * time.Millisecond)
	}
}
