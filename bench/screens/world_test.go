package screens

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/internal/gateway"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"),
		goleak.IgnoreTopFunction("github.com/mochi-mqtt/server/v2/listeners.(*TCP).Serve"))
}

const admin = "admin@acme.test"

// world is a simulated GLPI, as slow as it is told to be, with a broker; gateways come and go before it.
type world struct {
	tb     testing.TB
	rest   string // of GLPI
	glpi   *glpi.Server
	demo   glpi.Demo
	broker *broker.Broker
	shown  subjects

	mu      sync.Mutex
	latency time.Duration // of a call; signing in takes eight times as long, as it does in the real one
	calls   []call
}

// call is one that GLPI answered.
type call struct {
	name     string // "METHOD path"
	from, to time.Time
	failed   bool
}

// newWorld has two companies with 160 devices: one sees more than a page of them.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{tb: tb, glpi: glpi.New(glpi.Options{})}
	w.demo = w.glpi.SeedDemo(glpi.DemoOptions{Devices: 160, Seed: 1})
	backend := httptest.NewServer(http.HandlerFunc(w.answer))
	tb.Cleanup(backend.Close)
	w.rest = backend.URL + "/apirest.php"
	var err error
	if w.broker, err = broker.Start(broker.Options{}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.broker.Close() })
	w.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	w.shown = w.choose()
	return w
}

// answer is GLPI's front door.
func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	latency := w.latency
	w.mu.Unlock()
	c := call{name: r.Method + " " + strings.TrimPrefix(r.URL.Path, "/apirest.php"), from: time.Now()}
	if c.name == "GET /initSession" {
		latency *= 8
	}
	time.Sleep(latency)
	told := &watched{ResponseWriter: rw}
	w.glpi.ServeHTTP(told, r)
	c.to, c.failed = time.Now(), told.status >= http.StatusBadRequest
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
}

// watched knows the status of a response.
type watched struct {
	http.ResponseWriter
	status int
}

func (r *watched) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// cost is what something took.
type cost struct {
	calls  []string // to GLPI
	failed []string // of them
	rounds int
	wall   time.Duration
}

// measure tells what something takes when each call to GLPI takes at least a time. The rounds are the longest chain of
// calls of which each began after the one before had ended.
func (w *world) measure(latency time.Duration, do func()) cost {
	w.mu.Lock()
	w.calls, w.latency = nil, latency
	w.mu.Unlock()
	start := time.Now()
	do()
	c := cost{wall: time.Since(start)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latency = 0
	slices.SortFunc(w.calls, func(a, b call) int { return a.to.Compare(b.to) })
	var end time.Time
	for _, made := range w.calls {
		c.calls = append(c.calls, made.name)
		if made.failed {
			c.failed = append(c.failed, made.name)
		}
		if !made.from.Before(end) {
			c.rounds, end = c.rounds+1, made.to
		}
	}
	return c
}

// gate is a gateway that has just been started, and a session in GLPI that it has not seen yet.
type gate struct {
	w       *world
	url     string
	session string
	stop    func()
}

// open starts a gateway. Close it before the next one: nothing is shared but GLPI and the broker.
func (w *world) open() *gate {
	w.tb.Helper()
	g, err := gateway.New(settings.Gateway{
		GLPIURL: w.rest, MQTTURL: w.broker.URL(), MQTTUsername: "fleetgate", MQTTPassword: "demo",
		SessionLifetime: time.Hour, StaleAfter: 15 * time.Minute, MaxUpload: 4, AcceptSessionTokens: true, Secret: "sixteen characters",
	}, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		w.tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, listener) }()
	opened := &gate{w: w, url: "http://" + listener.Addr().String(), session: w.signIn(admin)}
	opened.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.tb.Errorf("the gateway ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	w.tb.Cleanup(opened.stop)
	if err := g.WaitReady(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
	return opened
}

// show runs the operation of a screen, which must succeed, and may have no userErrors.
func (g *gate) show(operation string, variables map[string]any) map[string]any {
	g.w.tb.Helper()
	var answer struct {
		Data   map[string]any
		Errors []any
	}
	g.w.exchange(http.MethodPost, g.url+"/graphql", g.session, map[string]any{"query": operation, "variables": variables}, &answer)
	for _, field := range answer.Data {
		if payload, ok := field.(map[string]any); ok {
			refused, _ := payload["userErrors"].([]any)
			answer.Errors = append(answer.Errors, refused...)
		}
	}
	if len(answer.Errors) > 0 {
		g.w.tb.Fatalf("%s\n%v", operation, answer.Errors)
	}
	return answer.Data
}

// unsave brings the fleet back to what savedFleet changes.
func (w *world) unsave() {
	w.tb.Helper()
	g := w.open()
	defer g.stop()
	g.show(operation("saveFleet"), unsaved(w.shown))
}

// signIn opens a session in GLPI, beside the gateway.
func (w *world) signIn(username string) string {
	w.tb.Helper()
	request, err := http.NewRequestWithContext(w.tb.Context(), http.MethodGet, w.rest+"/initSession", nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	request.SetBasicAuth(username, glpi.DemoPassword)
	var opened struct {
		Token string `json:"session_token"`
	}
	w.send(request, &opened)
	return opened.Token
}

// exchange sends JSON and reads JSON.
func (w *world) exchange(method, url, session string, input, output any) {
	w.tb.Helper()
	var body io.Reader
	if input != nil {
		text, err := json.Marshal(input)
		if err != nil {
			w.tb.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(w.tb.Context(), method, url, body)
	if err != nil {
		w.tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Session-Token", session)
	w.send(request, output)
}

func (w *world) send(request *http.Request, output any) {
	w.tb.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.tb.Fatal(err)
	}
	if output == nil {
		return
	}
	if err := json.Unmarshal(text, output); err != nil {
		w.tb.Fatalf("%s %s: %d, %v in %s", request.Method, request.URL, response.StatusCode, err, text)
	}
}
