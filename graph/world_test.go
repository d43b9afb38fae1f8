package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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

// world is a gateway in front of a simulated GLPI and a real broker, all in this process.
type world struct {
	t      testing.TB
	url    string
	rest   string // of GLPI
	glpi   *glpi.Server
	demo   glpi.Demo
	broker *broker.Broker
	log    *lockedBuffer
	chosen settings.Gateway
	end    func() // of the gateway
	// stand, if not nil, stands for GLPI.
	stand http.Handler

	mu    sync.Mutex
	calls []string // to GLPI, as "METHOD path"
	slow  time.Duration
	spans []span // of the calls
}

// span is the time that a call took.
type span struct{ from, to time.Time }

const devices = 60

// newWorld starts one with the demonstration's companies; it ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, glpi.Options{}, nil)
}

// newWorldOf starts one around a GLPI with options, with the demonstration's companies where it has Flyve MDM. adjust
// may change the gateway's settings.
func newWorldOf(t testing.TB, o glpi.Options, adjust func(*world, *settings.Gateway)) *world {
	t.Helper()
	w := &world{t: t, glpi: glpi.New(o), log: &lockedBuffer{}}
	if !o.NoFlyve {
		w.demo = w.glpi.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	}
	backend := httptest.NewServer(http.HandlerFunc(w.count))
	t.Cleanup(backend.Close)
	w.rest = backend.URL + "/apirest.php"

	var err error
	if w.broker, err = broker.Start(broker.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.broker.Close() })
	w.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})

	chosen := settings.Gateway{
		GLPIURL: w.rest, MQTTURL: w.broker.URL(), MQTTUsername: "fleetgate", MQTTPassword: "demo",
		SessionLifetime: time.Hour, StaleAfter: 15 * time.Minute, MaxUpload: 4, AcceptSessionTokens: true, Secret: "sixteen characters", ResponseCacheMB: 16,
	}
	if adjust != nil {
		adjust(w, &chosen)
	}
	w.chosen = chosen
	w.serve()
	return w
}

// serve runs a gateway until the test ends, or end is called.
func (w *world) serve() {
	t := w.t
	t.Helper()
	g, err := gateway.New(w.chosen, "test", slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, listener) }()
	w.end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(w.end)
	if err := g.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
}

// restart ends the gateway and begins another one with the same settings.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.serve()
}

// withService gives the gateway an account of its own in GLPI.
func withService(w *world, s *settings.Gateway) { s.GLPIServiceToken = w.demo.ServiceToken }

// count is GLPI's front door.
func (w *world) count(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.calls = append(w.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/apirest.php"))
	stand, slow := w.stand, w.slow
	w.mu.Unlock()
	if stand != nil {
		stand.ServeHTTP(rw, r)
		return
	}
	from := time.Now()
	time.Sleep(slow)
	w.glpi.ServeHTTP(rw, r)
	w.mu.Lock()
	w.spans = append(w.spans, span{from, time.Now()})
	w.mu.Unlock()
}

// roundsOf are the calls to GLPI that something made, and how many of them had to wait for one another: the longest
// chain in which each began after the one before had ended. GLPI is made slow, so that calls side by side overlap.
func (w *world) roundsOf(do func()) (calls []string, rounds int) {
	w.mu.Lock()
	w.spans, w.slow = nil, 30*time.Millisecond
	w.mu.Unlock()
	calls = w.callsOf(do)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = 0
	slices.SortFunc(w.spans, func(a, b span) int { return a.to.Compare(b.to) })
	var end time.Time
	for _, s := range w.spans {
		if !s.from.Before(end) {
			rounds, end = rounds+1, s.to
		}
	}
	return calls, rounds
}

// callsOf are the calls to GLPI that something made.
func (w *world) callsOf(do func()) []string {
	w.mu.Lock()
	before := len(w.calls)
	w.mu.Unlock()
	do()
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls[before:]...)
}

// answer is what the gateway answers.
type answer struct {
	Data   map[string]any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
	text string
}

func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	return code
}

// at follows a path of names and numbers into the data.
func (a answer) at(path ...any) any {
	var value any = a.Data
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// ask posts an operation with headers given as name, value pairs.
func (w *world) ask(token, query string, variables map[string]any, headers ...string) answer {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var a answer
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		w.t.Fatal(err)
	}
	a.text = text.String()
	if err := json.Unmarshal(text.Bytes(), &a); err != nil {
		w.t.Fatalf("%s: %v in %s", query, err, a.text)
	}
	return a
}

// must asks and wants no errors.
func (w *world) must(token, query string, variables map[string]any) answer {
	w.t.Helper()
	a := w.ask(token, query, variables)
	if len(a.Errors) > 0 {
		w.t.Fatalf("%s: %+v", query, a.Errors)
	}
	return a
}

// signIn answers a token.
func (w *world) signIn(username string) string {
	w.t.Helper()
	a := w.must("", `mutation ($u: String!) { login(input: {username: $u, password: "demo"}) { token userErrors { message } } }`,
		map[string]any{"u": username})
	token, _ := a.at("login", "token").(string)
	if token == "" {
		w.t.Fatalf("%s could not sign in: %s", username, a.text)
	}
	return token
}

// subscribe starts a subscription and answers a function that waits for its next message. Several phones have to
// speak before it is known that the subscription has begun; announce is called until it has.
func (w *world) subscribe(token, query string, variables map[string]any) func() (kind string, a answer) {
	w.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: 5 * time.Second}
	socket, _, err := dialer.DialContext(w.t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/graphql", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { socket.Close() })
	send := func(v any) {
		if err := socket.WriteJSON(v); err != nil {
			w.t.Fatal(err)
		}
	}
	next := func() (string, answer) {
		w.t.Helper()
		var message struct {
			Type    string
			Payload json.RawMessage
		}
		for message.Type == "" || message.Type == "ping" {
			_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
			if err := socket.ReadJSON(&message); err != nil {
				w.t.Fatal(err)
			}
		}
		a := answer{text: string(message.Payload)}
		if message.Type == "error" {
			message.Payload = append(append([]byte(`{"errors":`), message.Payload...), '}')
		}
		if len(message.Payload) > 0 {
			if err := json.Unmarshal(message.Payload, &a); err != nil {
				w.t.Fatalf("%v in %s", err, message.Payload)
			}
		}
		return message.Type, a
	}
	send(map[string]any{"type": "connection_init", "payload": map[string]string{"Authorization": "Bearer " + token}})
	if kind, a := next(); kind != "connection_ack" {
		w.t.Fatalf("got %s %s", kind, a.text)
	}
	send(map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": query, "variables": variables}})
	return next
}

// chatter has devices say something again and again until the test ends: nothing tells when a subscription has
// begun, so one message could be too early.
func (w *world) chatter(say func(i int)) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			say(i)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	w.t.Cleanup(func() { close(stop); <-ended })
}

// publish sends a message as a device.
func (w *world) publish(topic, payload string) {
	if err := w.broker.Publish(topic, []byte(payload), false); err != nil {
		w.t.Errorf("publishing: %v", err)
	}
}

// devicesOf are the devices whose agents a token may see, by serial.
func (w *world) devicesOf(token string) map[string]bool {
	w.t.Helper()
	serials := map[string]bool{}
	nodes, _ := w.must(token, `{ agents(first: 500) { nodes { serial } } }`, nil).at("agents", "nodes").([]any)
	for _, node := range nodes {
		serials[node.(map[string]any)["serial"].(string)] = true
	}
	return serials
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
