package front_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"fleetgate/glpiproxy"
	"fleetgate/internal/front"
	"fleetgate/internal/signin"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// schema is what the tests execute or only weigh.
var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query {
		hello: String
		session: String
		address: String
		panics: String
		waits: String
		agents(first: Int, after: String, last: Int, before: String): AgentConnection!
		fleets(first: Int = 20): FleetConnection!
		policies: [Policy!]!
		nodes(ids: [ID!]!): [Agent]!
	}
	type Mutation { set(value: Int!): Int take(file: Upload): String takeIn(input: Input): String glance(file: Upload): String }
	scalar Upload
	input Input { file: Upload files: [Upload] name: String count: Int }
	type Subscription { forever: Int agentEvents: Agent }
	type AgentConnection { edges: [AgentEdge!]! nodes: [Agent!]! totalCount: Int! }
	type AgentEdge { node: Agent! cursor: String! }
	type Agent { id: ID! name: String fleet: Fleet owner: Person }
	type FleetConnection { nodes: [Fleet!]! totalCount: Int! }
	type Fleet { id: ID! name: String agents(first: Int): AgentConnection! }
	type Policy { id: ID! category: Policy }
	type Person { name: String agents(first: Int): AgentConnection! }
`})

// waiting tells a test that the field waits is being executed; release lets it end.
type gate struct{ waiting, release chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

func executable(g *gate) graphql.ExecutableSchema {
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			data := func(name string, value any) graphql.ResponseHandler {
				return graphql.OneShot(&graphql.Response{Data: fmt.Appendf(nil, `{%q:%q}`, name, fmt.Sprint(value))})
			}
			if operation := graphql.GetOperationContext(ctx); operation.DisableIntrospection && strings.Contains(operation.RawQuery, "__schema") {
				return graphql.OneShot(graphql.ErrorResponse(ctx, "introspection disabled")) // as generated code does
			}
			field := graphql.GetOperationContext(ctx).Operation.SelectionSet[0].(*ast.Field)
			switch field.Name {
			case "session":
				viewer, err := signin.FromContext(ctx)
				if err != nil {
					return data("session", err)
				}
				return data("session", viewer.Session.Token())
			case "address":
				return data("address", signin.ClientAddress(ctx))
			case "panics":
				return func(context.Context) *graphql.Response { panic("a mistake with hunter2 in it") }
			case "waits":
				g.waiting <- struct{}{}
				<-g.release
				return data("waits", "over")
			case "take", "takeIn", "glance":
				return data("took", takeFile(ctx, g, field.Name == "glance"))
			case "forever":
				sent := false
				return func(ctx context.Context) *graphql.Response {
					if sent {
						<-ctx.Done()
						return nil
					}
					sent = true
					return &graphql.Response{Data: []byte(`{"forever":1}`)}
				}
			}
			return data(field.Name, "world")
		},
	}
}

// newFront makes a front with a desk before a GLPI that knows no session.
func newFront(t *testing.T, set func(*front.Options)) (*front.Front, *signin.Desk) {
	t.Helper()
	glpiServer := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(glpiServer.Close)
	glpi, err := glpiproxy.New(glpiproxy.Options{URL: glpiServer.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = glpi.Close() })
	sealer, err := signin.NewSealer([]byte("one secret of many"), nil)
	if err != nil {
		t.Fatal(err)
	}
	desk, err := signin.NewDesk(signin.Options{GLPI: glpi, Sealer: sealer, AcceptSessionTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	options := front.Options{Schema: executable(newGate()), SignIn: desk, Metrics: prometheus.NewPedanticRegistry()}
	if set != nil {
		set(&options)
	}
	f, err := front.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return f, desk
}

// ask sends a request straight to the handler.
func ask(f http.Handler, method, target string, body string, headers ...string) *http.Response {
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, request)
	return recorder.Result()
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRoutes(t *testing.T) {
	pages := fstest.MapFS{
		"index.html":    {Data: []byte("<title>the dashboard</title>")},
		"assets/app.js": {Data: []byte("let app")},
	}
	bare, _ := newFront(t, func(o *front.Options) { o.Metrics = nil })
	full, _ := newFront(t, func(o *front.Options) { o.Dashboard = pages })
	ask(full, "GET", "/healthz", "")

	tests := []struct {
		front        *front.Front
		method, path string
		status       int
		contentType  string
		body         string // a part of it
	}{
		{bare, "GET", "/", 200, "text/html; charset=utf-8", `href="/graphiql"`},
		{bare, "GET", "/nowhere", 404, "text/plain; charset=utf-8", ""},
		{bare, "GET", "/metrics", 404, "text/plain; charset=utf-8", ""},
		{bare, "GET", "/readyz", 200, "application/json; charset=utf-8", `{"ready":true}`},
		{full, "GET", "/", 200, "text/html; charset=utf-8", "the dashboard"},
		{full, "GET", "/assets/app.js", 200, "text/javascript; charset=utf-8", "let app"},
		{full, "GET", "/assets/", 404, "text/plain; charset=utf-8", ""},
		{full, "GET", "/nowhere", 404, "text/plain; charset=utf-8", ""},
		{full, "GET", "/healthz", 200, "text/plain; charset=utf-8", "ok"},
		{full, "HEAD", "/healthz", 200, "text/plain; charset=utf-8", ""},
		{full, "POST", "/healthz", 405, "text/plain; charset=utf-8", ""},
		{full, "GET", "/metrics", 200, "", `fleetgate_http_requests_total{code="200",route="GET /healthz"}`},
		{full, "GET", "/metrics", 200, "", "fleetgate_ws_connections 0"},
		{full, "GET", "/graphiql", 200, "text/html; charset=utf-8", "/graphiql/start.js"},
		{full, "GET", "/graphiql/", 200, "text/html; charset=utf-8", "/graphiql/start.js"},
		{full, "GET", "/graphiql/start.js", 200, "text/javascript; charset=utf-8", "graphqlWs.createClient"},
		{full, "GET", "/graphiql/vendor/", 404, "text/plain; charset=utf-8", ""},
		{full, "GET", "/graphiql/vendor.sh", 404, "text/plain; charset=utf-8", ""},
		{full, "OPTIONS", "/graphql", 204, "", ""},
		{full, "DELETE", "/graphql", 405, "application/json; charset=utf-8", "BAD_USER_INPUT"},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			response := ask(test.front, test.method, test.path, "")
			body := text(t, response)
			if response.StatusCode != test.status || !strings.Contains(body, test.body) {
				t.Errorf("got %d %.300s\nwant %d %s", response.StatusCode, body, test.status, test.body)
			}
			if got := response.Header.Get("Content-Type"); test.contentType != "" && got != test.contentType {
				t.Errorf("content type %q, want %q", got, test.contentType)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options":  "nosniff",
				"Referrer-Policy":         "no-referrer",
				"Content-Security-Policy": "frame-ancestors 'none'",
				"X-Frame-Options":         "DENY",
			} {
				if got := response.Header.Get(name); !strings.Contains(got, want) {
					t.Errorf("%s is %q, want %q in it", name, got, want)
				}
			}
			if csp := response.Header.Get("Content-Security-Policy"); strings.Contains(csp, "script-src 'self' '") {
				t.Errorf("scripts of elsewhere are allowed: %s", csp)
			}
			if response.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, desk := newFront(t, nil)
	for name, options := range map[string]front.Options{
		"nothing":    {},
		"no desk":    {Schema: executable(nil)},
		"no schema":  {SignIn: desk},
		"bad origin": {Schema: executable(nil), SignIn: desk, AllowedOrigins: []string{"fleet.example"}},
		"a page":     {Schema: executable(nil), SignIn: desk, AllowedOrigins: []string{"https://fleet.example/app"}},
	} {
		if _, err := front.New(options); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func TestReadyzNamesWhatIsMissing(t *testing.T) {
	var brokerDown error = errors.New("connection refused")
	f, _ := newFront(t, func(o *front.Options) {
		o.Checks = []front.Check{
			{Name: "glpi", Probe: func(context.Context) error { return nil }},
			{Name: "broker", Probe: func(ctx context.Context) error {
				if _, limited := ctx.Deadline(); !limited {
					t.Error("the probe has no deadline")
				}
				return brokerDown
			}},
		}
	})
	response := ask(f, "GET", "/readyz", "")
	const want = `{"broker":{"ok":false,"error":"connection refused"},"glpi":{"ok":true},"ready":false}`
	if got := text(t, response); response.StatusCode != http.StatusServiceUnavailable || got != want {
		t.Errorf("got %d %s, want 503 %s", response.StatusCode, got, want)
	}
	if got := ask(f, "GET", "/healthz", ""); got.StatusCode != http.StatusOK {
		t.Errorf("healthz: got %d while the broker is down", got.StatusCode)
	}
	brokerDown = nil
	deadline := time.Now().Add(10 * time.Second)
	for ask(f, "GET", "/readyz", "").StatusCode != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("it never became ready")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	f, _ := newFront(t, nil)
	response := ask(f, "POST", "/graphql", `{"query":"{panics}"}`, "Content-Type", "application/json")
	if got := text(t, response); response.StatusCode != 500 || !strings.Contains(got, "internal error") || strings.Contains(got, "hunter2") {
		t.Errorf("got %d %s", response.StatusCode, got)
	}
}
