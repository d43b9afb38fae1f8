package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
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

// lockedBuffer is a log that may be read while it is written.
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

// backends are a GLPI and a broker.
type backends struct {
	settings settings.Gateway
	broker   *broker.Broker

	mu    sync.Mutex
	calls []string // to GLPI, as "METHOD path"
}

func newBackends(t *testing.T) *backends {
	t.Helper()
	b := &backends{}
	world := glpi.New(glpi.Options{})
	demo := world.SeedDemo(glpi.DemoOptions{Devices: 2, Seed: 1})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.calls = append(b.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/apirest.php"))
		b.mu.Unlock()
		world.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	if b.broker, err = broker.Start(broker.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.broker.Close() })
	b.broker.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	b.settings = settings.Gateway{
		GLPIURL: server.URL + "/apirest.php", GLPIServiceToken: demo.ServiceToken,
		MQTTURL: b.broker.URL(), MQTTUsername: "fleetgate", MQTTPassword: "demo",
		SessionLifetime: time.Hour, StaleAfter: time.Minute, Secret: "sixteen characters",
	}
	return b
}

func (b *backends) called(call string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if c == call {
			return true
		}
	}
	return false
}

// run runs a gateway until stop is called, which answers what Run did.
func run(t *testing.T, s settings.Gateway, log *slog.Logger) (g *gateway.Gateway, url string, stop func() error) {
	t.Helper()
	g, err := gateway.New(s, "1.2.3", log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, listener) }()
	stop = sync.OnceValue(func() error {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			t.Error("it does not end")
			return nil
		}
	})
	t.Cleanup(func() { _ = stop() })
	return g, "http://" + listener.Addr().String(), stop
}

// get answers the status and the JSON of a page.
func get(t *testing.T, url string) (status int, body map[string]any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return response.StatusCode, body
}

func TestItIsReadyAndEndsInGoodOrder(t *testing.T) {
	b := newBackends(t)
	log := &lockedBuffer{}
	g, url, stop := run(t, b.settings, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := g.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, url+"/readyz"); status != http.StatusOK || body["ready"] != true {
		t.Errorf("/readyz: status %d, %v", status, body)
	}
	if err := stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := http.Get(url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
	if !b.called("GET /killSession") {
		t.Error("the service account's session was left open in GLPI")
	}
	for _, secret := range []string{b.settings.GLPIServiceToken, b.settings.Secret, "password=demo"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for name, c := range map[string]struct {
		spoil   func(*settings.Gateway)
		missing string
		present string
	}{
		"no GLPI":               {func(s *settings.Gateway) { s.GLPIURL = "http://" + nobody.Addr().String() }, "glpi", "broker"},
		"a wrong service token": {func(s *settings.Gateway) { s.GLPIServiceToken = "hunter2" }, "glpi", "broker"},
		"no broker":             {func(s *settings.Gateway) { s.MQTTURL = "mqtt://" + nobody.Addr().String() }, "broker", "glpi"},
		"a wrong MQTT password": {func(s *settings.Gateway) { s.MQTTPassword = "hunter2" }, "broker", "glpi"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackends(t)
			c.spoil(&b.settings)
			g, url, stop := run(t, b.settings, slog.New(slog.DiscardHandler))
			var status int
			var body map[string]any
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				status, body = get(t, url+"/readyz")
				if present := body[c.present].(map[string]any); present["ok"] == true {
					break
				}
			}
			missing, present := body[c.missing].(map[string]any), body[c.present].(map[string]any)
			if status != http.StatusServiceUnavailable || missing["ok"] != false || missing["error"] == nil || present["ok"] != true {
				t.Errorf("status %d, %v", status, body)
			}
			if why, _ := missing["error"].(string); strings.Contains(why, "hunter2") {
				t.Errorf("it tells a secret: %s", why)
			}
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := g.WaitReady(short); err == nil {
				t.Error("it says that all is there")
			}
			if err := stop(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	for want, spoil := range map[string]func(*settings.Gateway){
		"--glpi-url: ":      func(s *settings.Gateway) { s.GLPIURL = "ftp://glpi.test" },
		"--glpi-timezone: ": func(s *settings.Gateway) { s.GLPITimezone = "Mars/Olympus" },
		"--mqtt-url: ":      func(s *settings.Gateway) { s.MQTTURL = "http://broker.test" },
		"--data-dir: ":      func(s *settings.Gateway) { s.Secret, s.DataDir = "", "/dev/null/x" },
	} {
		s := settings.Gateway{
			GLPIURL: "http://glpi.test", MQTTURL: "mqtt://broker.test", Secret: "sixteen characters",
			SessionLifetime: time.Hour, StaleAfter: time.Minute,
		}
		spoil(&s)
		if _, err := gateway.New(s, "test", slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want an error that begins with %q", err, want)
		}
	}
}

func TestAnErrorOfTheListenerEndsIt(t *testing.T) {
	b := newBackends(t)
	b.settings.MQTTURL = "mqtt://127.0.0.1:1" // mochi-mqtt races with those who connect while it closes
	g, err := gateway.New(b.settings, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	ended := make(chan error, 1)
	go func() { ended <- g.Run(t.Context(), listener) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended without saying why")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}
