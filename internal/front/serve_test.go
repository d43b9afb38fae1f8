package front_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"fleetgate/internal/front"
	"fleetgate/internal/signin"
)

// running is a front that serves on loopback.
type running struct {
	address string // host:port
	desk    *signin.Desk
	stop    context.CancelFunc
	stopped chan error
}

func start(t *testing.T, set func(*front.Options)) *running {
	t.Helper()
	f, desk := newFront(t, set)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &running{address: listener.Addr().String(), desk: desk, stop: stop, stopped: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.stopped <- f.Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return s
}

func (s *running) dial(header http.Header) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	return dialer.Dial("ws://"+s.address+"/graphql", header)
}

// subscribe opens a socket and waits for the first event.
func (s *running) subscribe(t *testing.T, init string) *websocket.Conn {
	t.Helper()
	ws, _, err := s.dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	for _, message := range []string{init, `{"type":"subscribe","id":"a","payload":{"query":"subscription{forever}"}}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"connection_ack", `"forever":1`} {
		if _, data, err := ws.ReadMessage(); err != nil || !strings.Contains(string(data), want) {
			t.Fatalf("got %s, %v, want %s", data, err, want)
		}
	}
	return ws
}

const anonymous = `{"type":"connection_init"}`

func wantsClose(t *testing.T, ws *websocket.Conn, code int) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, data, err := ws.ReadMessage(); !websocket.IsCloseError(err, code) {
		t.Errorf("got %s, %v, want close %d", data, err, code)
	}
}

func TestSocketsOfOtherOriginsAreRefused(t *testing.T) {
	s := start(t, func(o *front.Options) { o.AllowedOrigins = []string{"https://fleet.example"} })
	for origin, want := range map[string]int{
		"":                      http.StatusSwitchingProtocols,
		"http://" + s.address:   http.StatusSwitchingProtocols,
		"https://fleet.example": http.StatusSwitchingProtocols,
		"https://evil.example":  http.StatusForbidden,
		"null":                  http.StatusForbidden,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		ws, response, _ := s.dial(header)
		if response == nil || response.StatusCode != want {
			t.Errorf("origin %q: got %v, want %d", origin, response, want)
		}
		if ws != nil {
			ws.Close()
		}
	}
}

func TestSocketsSignIn(t *testing.T) {
	s := start(t, nil)
	init := func(lasts time.Duration) string {
		return `{"type":"connection_init","payload":{"authorization":"Bearer ` +
			s.desk.Seal("session7", time.Now().Add(lasts)) + `"}}`
	}
	s.subscribe(t, anonymous)
	ws := s.subscribe(t, init(time.Hour))
	s.desk.End("session7")
	wantsClose(t, ws, 4403)
	const counted = `fleetgate_http_requests_total{code="101",route="/graphql"} 2`
	for deadline := time.Now().Add(10 * time.Second); ; {
		response, err := http.Get("http://" + s.address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text(t, response), counted) {
			response.Body.Close()
			break
		}
		response.Body.Close()
		if time.Now().After(deadline) {
			t.Fatal("the socket was not counted")
		}
	}
	defer http.DefaultClient.CloseIdleConnections()

	expired, _, err := s.dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer expired.Close()
	if err := expired.WriteMessage(websocket.TextMessage, []byte(init(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	wantsClose(t, expired, 4403)
}

func TestServeEndsInPeace(t *testing.T) {
	g := newGate()
	s := start(t, func(o *front.Options) { o.Schema = executable(g) })
	ws := s.subscribe(t, anonymous)

	answer := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+s.address+"/graphql", "application/json", strings.NewReader(`{"query":"{waits}"}`))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-g.waiting
	s.stop()
	wantsClose(t, ws, websocket.CloseServiceRestart)
	close(g.release)
	if got := <-answer; got != `{"data":{"waits":"over"}}` {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-s.stopped; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := net.DialTimeout("tcp", s.address, time.Second); err == nil {
		t.Error("it still listens")
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestServeDoesNotWaitForEver(t *testing.T) {
	g := newGate()
	s := start(t, func(o *front.Options) {
		o.Schema = executable(g)
		o.DrainTimeout = 50 * time.Millisecond
	})
	cut := make(chan error, 1)
	go func() {
		response, err := http.Post("http://"+s.address+"/graphql", "application/json", strings.NewReader(`{"query":"{waits}"}`))
		if err == nil {
			response.Body.Close()
		}
		cut <- err
	}()
	<-g.waiting
	s.stop()
	if err := <-s.stopped; err == nil {
		t.Error("Serve said that all ended")
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered")
	}
	close(g.release)
	http.DefaultClient.CloseIdleConnections()
}

func TestServeReportsABrokenListener(t *testing.T) {
	f, _ := newFront(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := f.Serve(t.Context(), listener); err == nil {
		t.Error("no error")
	}
}
