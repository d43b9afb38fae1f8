package graphqlws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"fleetgate/internal/delivery"
	"fleetgate/internal/graphqlws"
)

func TestManyOperationsAtOnce(t *testing.T) {
	_, address := serve(t, graphqlws.Options{MaxOperations: 3})
	forBoth(t, func(t *testing.T, protocol string) {
		c := connect(t, address, protocol)
		for _, id := range []string{"a", "b", "c"} {
			c.subscribe(id, `subscription{forever}`)
			c.wants(`{"type":"next","id":"` + id + `","payload":{"data":{"forever":1}}}`)
		}
		c.subscribe("d", `{hello}`)
		if got := c.read(); !strings.Contains(got, `"type":"error","id":"d"`) || !strings.Contains(got, "RATE_LIMITED") {
			t.Errorf("the fourth operation got %s", got)
		}
		c.send(`{"type":"complete","id":"b"}`)
		if c.legacy {
			c.wants(`{"type":"complete","id":"b"}`)
		}
		c.send(`{"type":"complete","id":"unknown"}`) // is no error
		deadline := time.Now().Add(5 * time.Second)
		for { // until b's goroutine has ended
			c.subscribe("d", `{hello}`)
			if got := c.read(); !strings.Contains(got, "RATE_LIMITED") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a stopped operation is counted for ever")
			}
		}
	})
}

func TestLimitsOnConnections(t *testing.T) {
	refused := func(address string) int {
		_, response, err := (&websocket.Dialer{Subprotocols: []string{modern}}).Dial(address, nil)
		if err == nil || response == nil {
			t.Fatalf("got %v, want a refusal", err)
		}
		return response.StatusCode
	}
	for status, options := range map[int]delivery.Options{
		http.StatusServiceUnavailable: {MaxConnections: 2},
		http.StatusTooManyRequests:    {MaxConnectionsPerClient: 2},
	} {
		_, address := serveWith(t, options, graphqlws.Options{})
		first := connect(t, address, modern)
		connect(t, address, modern)
		if got := refused(address); got != status {
			t.Errorf("got %d, want %d", got, status)
		}
		first.ws.Close()
		deadline := time.Now().Add(5 * time.Second)
		for {
			ws, _, err := (&websocket.Dialer{Subprotocols: []string{modern}}).Dial(address, nil)
			if err == nil {
				ws.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a place that became free is not given again")
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestOriginIsChecked(t *testing.T) {
	_, address := serve(t, graphqlws.Options{CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "https://fleet.example"
	}})
	for origin, status := range map[string]int{
		"https://fleet.example": http.StatusSwitchingProtocols, "https://evil.example": http.StatusForbidden,
	} {
		dialer := websocket.Dialer{Subprotocols: []string{modern}}
		ws, response, _ := dialer.Dial(address, http.Header{"Origin": {origin}})
		if response == nil || response.StatusCode != status {
			t.Errorf("origin %s: got %v, want %d", origin, response, status)
		}
		if ws != nil {
			ws.Close()
		}
	}
}

func TestAReaderThatIsTooSlowIsDropped(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	_, address := serveWith(t, delivery.Options{
		QueueFrames: 16, WriteTimeout: 500 * time.Millisecond,
	}, graphqlws.Options{Registerer: registry})
	forBoth(t, func(t *testing.T, protocol string) {
		c := connect(t, address, protocol)
		c.subscribe("a", `subscription{flood(bytes:65536)}`) // and nothing is read
		waitFor(t, func() bool { return metric(t, registry, "fleetgate_ws_connections", "") == 0 })
	})
	if n := metric(t, registry, "fleetgate_ws_closed_total", "4290"); n != 2 {
		t.Errorf("%v connections were counted as too slow, want 2", n)
	}
}

func TestSilentPeerIsDropped(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	_, address := serveWith(t, delivery.Options{
		PingInterval: 50 * time.Millisecond, PongTimeout: 500 * time.Millisecond,
	}, graphqlws.Options{
		Registerer:  registry,
		InitTimeout: time.Second, // which does not hold for those who have initialised
	})
	silent := connect(t, address, modern)
	silent.ws.SetPingHandler(func(string) error { return nil }) // hears pings and does not answer
	lively := connect(t, address, legacy)
	silent.subscribe("a", `subscription{forever}`)
	for range 25 { // well beyond both times
		lively.wants(`{"type":"ka"}`)
	}
	waitFor(t, func() bool { return metric(t, registry, "fleetgate_ws_connections", "") == 1 })
	lively.subscribe("a", `{hello}`)
	for {
		if got := lively.read(); got == `{"type":"data","id":"a","payload":{"data":{"hello":"world"}}}` {
			break
		}
	}
}

func TestShutdownDrains(t *testing.T) {
	forBoth(t, func(t *testing.T, protocol string) {
		sockets, address := serve(t, graphqlws.Options{})
		c := connect(t, address, protocol)
		c.subscribe("a", `subscription{forever}`)
		c.wants(`{"type":"next","id":"a","payload":{"data":{"forever":1}}}`)
		c.subscribe("b", `{waits}`)
		fresh := dial(t, address, protocol) // not even initialised

		ended := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			ended <- sockets.Shutdown(ctx)
		}()
		if got := messagesUntilClose(t, c, websocket.CloseServiceRestart); len(got) > 0 {
			t.Errorf("operations that were cut looked as if they had ended: %s", got)
		}
		fresh.wantsClose(websocket.CloseServiceRestart)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_, response, err := (&websocket.Dialer{Subprotocols: []string{protocol}}).Dial(address, nil)
		if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a connection after the shutdown got %v, %v", response, err)
		}
	})
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	stuck := make(chan struct{})
	sockets, address := serve(t, graphqlws.Options{
		Init: func(ctx context.Context, _ map[string]any) (context.Context, error) {
			<-stuck // deaf to ctx
			return ctx, nil
		},
	})
	c := dial(t, address, modern)
	c.send(`{"type":"connection_init"}`)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := sockets.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(stuck)
}

func TestASessionThatEndsCompletesNothing(t *testing.T) {
	forBoth(t, func(t *testing.T, protocol string) {
		end := make(chan struct{})
		_, address := serve(t, graphqlws.Options{
			Init: func(ctx context.Context, _ map[string]any) (context.Context, error) {
				ctx, cancel := context.WithCancelCause(ctx)
				go func() {
					<-end
					cancel(&graphqlws.CloseError{Code: 4403, Reason: "session ended"})
				}()
				return ctx, nil
			},
		})
		c := connect(t, address, protocol)
		c.subscribe("a", `subscription{forever}`)
		c.wants(`{"type":"next","id":"a","payload":{"data":{"forever":1}}}`)
		c.subscribe("b", `{waits}`)
		close(end)
		if got := messagesUntilClose(t, c, 4403); len(got) > 0 {
			t.Errorf("operations that were cut looked as if they had ended: %s", got)
		}
	})
}

// TestConnectionsComeAndGo leaves goroutines, counts, members or connections behind when something is not let go of.
func TestConnectionsComeAndGo(t *testing.T) {
	t.Run("alone", func(t *testing.T) { manyComeAndGo(t, nil) })
	t.Run("together", func(t *testing.T) {
		g := &group{}
		manyComeAndGo(t, func(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, to delivery.Receiver) (func(), bool) {
			leave, ok := g.share(ctx, exec, op, to)
			to.Deliver(result(1))
			return leave, ok
		})
		if n := g.size(); n != 0 {
			t.Errorf("%d are still members", n)
		}
	})
}

func manyComeAndGo(t *testing.T, share delivery.Share) {
	registry := prometheus.NewPedanticRegistry()
	_, address := serve(t, graphqlws.Options{Registerer: registry, Share: share})
	const workers, rounds = 10, 100
	var group errgroup.Group
	for worker := range workers {
		protocol := []string{modern, legacy}[worker%2]
		group.Go(func() error {
			for round := range rounds {
				if err := comeAndGo(address, protocol, round%3); err != nil {
					return fmt.Errorf("round %d: %w", round, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return metric(t, registry, "fleetgate_ws_connections", "") == 0 })
	var closed float64
	for _, code := range []string{"1000", "1005", "1006"} {
		closed += metric(t, registry, "fleetgate_ws_closed_total", code)
	}
	if closed != workers*rounds {
		t.Errorf("%v connections were counted as closed, want %d", closed, workers*rounds)
	}
}

// comeAndGo connects, subscribes and leaves in one of three ways: cut off, politely, or after unsubscribing.
func comeAndGo(address, protocol string, way int) error {
	ws, _, err := (&websocket.Dialer{Subprotocols: []string{protocol}}).Dial(address, nil)
	if err != nil {
		return err
	}
	defer ws.Close()
	start, stop := "subscribe", "complete"
	if protocol == legacy {
		start, stop = "start", "stop"
	}
	say := func(message string) { err = errors.Join(err, ws.WriteMessage(websocket.TextMessage, []byte(message))) }
	say(`{"type":"connection_init"}`)
	say(`{"type":"` + start + `","id":"a","payload":{"query":"subscription{forever}"}}`)
	for err == nil {
		var data []byte
		if _, data, err = ws.ReadMessage(); strings.Contains(string(data), `"forever":1`) {
			break
		}
	}
	switch way {
	case 1:
		farewell := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		err = errors.Join(err, ws.WriteMessage(websocket.CloseMessage, farewell))
	case 2:
		say(`{"type":"` + stop + `","id":"a"}`)
	}
	return err
}

// messagesUntilClose reads until the socket is closed with the code and returns what came before.
func messagesUntilClose(t *testing.T, c *client, code int) []string {
	t.Helper()
	var messages []string
	_ = c.ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, data, err := c.ws.ReadMessage()
		if err == nil {
			messages = append(messages, string(data))
			continue
		}
		if !websocket.IsCloseError(err, code) {
			t.Fatalf("got %v, want close %d", err, code)
		}
		return messages
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

func metric(t *testing.T, registry *prometheus.Registry, name, code string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labelled := len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == code
			if family.GetName() == name && (code == "" || labelled) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
