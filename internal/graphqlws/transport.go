// Package graphqlws carries GraphQL over WebSockets: a gqlgen transport for the subprotocols
// graphql-transport-ws and the older graphql-ws, with their close codes, and with limits on everything that
// a client can make it hold. It knows nothing of who is asking: Options.Init does.
//
// A connection has one goroutine that reads, one that writes, and one for each operation under way; all end
// with it.
package graphqlws

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Transport. Every zero value means the default named.
type Options struct {
	// Init looks at the payload of connection_init (nil when there was none) and returns the context of the
	// connection's operations, derived from ctx. Its error closes the socket: a *CloseError with its own
	// code and reason, any other with 4403 and no detail. When the returned context is cancelled with a
	// *CloseError as its cause, the socket is closed with that. nil: everybody is let in.
	Init func(ctx context.Context, payload map[string]any) (context.Context, error)
	// CheckOrigin tells whether the page that opens the socket may; nil: pages of the same host, and
	// clients that send no Origin.
	CheckOrigin func(r *http.Request) bool

	MaxMessage              int64         // bytes of an incoming message; 0: 128 KiB
	MaxOperations           int           // under way at once on one connection; 0: 50
	MaxConnections          int           // in all; 0: 10,000
	MaxConnectionsPerClient int           // from one IP address; 0: 1,000
	QueueFrames             int           // waiting for a slow reader, a connection; 0: 256
	QueueBytes              int           // the same in bytes; 0: 4 MiB
	InitTimeout             time.Duration // from the handshake to connection_init; 0: 5 s
	WriteTimeout            time.Duration // for every frame; 0: 10 s
	PingInterval            time.Duration // between keep-alive pings; 0: 25 s
	PongTimeout             time.Duration // how long after a ping a silent peer is gone; 0: 10 s

	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: no metrics
}

func (o *Options) setDefaults() {
	orDefault(&o.MaxMessage, 128<<10)
	orDefault(&o.MaxOperations, 50)
	orDefault(&o.MaxConnections, 10_000)
	orDefault(&o.MaxConnectionsPerClient, 1_000)
	orDefault(&o.QueueFrames, 256)
	orDefault(&o.QueueBytes, 4<<20)
	orDefault(&o.InitTimeout, 5*time.Second)
	orDefault(&o.WriteTimeout, 10*time.Second)
	orDefault(&o.PingInterval, 25*time.Second)
	orDefault(&o.PongTimeout, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Init == nil {
		o.Init = func(ctx context.Context, _ map[string]any) (context.Context, error) { return ctx, nil }
	}
}

func orDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Transport is the graphql.Transport for WebSockets. Mount it before those for POST and GET.
type Transport struct {
	o        Options
	upgrader websocket.Upgrader
	metrics  metrics

	mu          sync.Mutex
	total       int            // connections, from before their handshake to their very end
	byClient    map[string]int // the same by IP address
	connections map[*connection]struct{}
	draining    bool
	drained     chan struct{} // closed once draining and empty
}

var _ graphql.Transport = (*Transport)(nil)

// New makes a Transport. Its error is that of registering the metrics.
func New(o Options) (*Transport, error) {
	o.setDefaults()
	t := &Transport{
		o: o,
		upgrader: websocket.Upgrader{
			HandshakeTimeout: o.WriteTimeout,
			Subprotocols:     []string{modern.name, legacy.name},
			CheckOrigin:      o.CheckOrigin,
			WriteBufferPool:  &sync.Pool{}, // idle connections hold no buffer
		},
		metrics:     newMetrics(),
		byClient:    map[string]int{},
		connections: map[*connection]struct{}{},
		drained:     make(chan struct{}),
	}
	if err := t.metrics.register(o.Registerer); err != nil {
		return nil, fmt.Errorf("registering the metrics of websockets: %w", err)
	}
	return t, nil
}

// Supports says whether the request asks for a WebSocket.
func (t *Transport) Supports(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// Do serves one connection until it ends. What is over a limit is refused before the handshake, with 429
// for one client's limit and 503 for everybody's.
func (t *Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	client := ClientAddress(r)
	if status := t.admit(client); status != 0 {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many websockets", status)
		return
	}
	defer t.leave(client)
	ws, err := t.upgrader.Upgrade(w, r, nil)
	if err != nil { // and Upgrade has answered
		t.o.Logger.DebugContext(r.Context(), "refused a websocket", "client", client, "error", err)
		return
	}
	c := newConnection(t, ws, r, exec)
	t.track(c)
	defer t.untrack(c)
	c.serve()
}

// admit counts a connection in, or returns the HTTP status to refuse it with.
func (t *Transport) admit(client string) (status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.draining || t.total >= t.o.MaxConnections:
		return http.StatusServiceUnavailable
	case t.byClient[client] >= t.o.MaxConnectionsPerClient:
		return http.StatusTooManyRequests
	}
	t.total++
	t.byClient[client]++
	return 0
}

func (t *Transport) leave(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.byClient[client]--; t.byClient[client] == 0 {
		delete(t.byClient, client)
	}
	t.noteDrained()
}

func (t *Transport) track(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connections[c] = struct{}{}
	t.metrics.connections.Inc()
	if t.draining {
		c.close(websocket.CloseServiceRestart, restarting)
	}
}

func (t *Transport) untrack(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.connections, c)
	t.metrics.connections.Dec()
	t.metrics.closed.WithLabelValues(closeLabel(context.Cause(c.ctx))).Inc()
}

const restarting = "the gateway restarts: connect again"

// Shutdown closes all connections with 1012, which clients answer by connecting again, refuses new ones and
// waits for their operations. When ctx is done first it cuts what is left and returns the context's error.
func (t *Transport) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	if !t.draining {
		t.draining = true
		t.noteDrained()
	}
	for c := range t.connections {
		c.close(websocket.CloseServiceRestart, restarting)
	}
	t.mu.Unlock()

	select {
	case <-t.drained:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.connections {
		_ = c.ws.Close()
	}
	return fmt.Errorf("closing websockets: %d left: %w", t.total, ctx.Err())
}

// noteDrained tells Shutdown once that nothing is left. The lock is held.
func (t *Transport) noteDrained() {
	if !t.draining || t.total > 0 {
		return
	}
	select {
	case <-t.drained:
	default:
		close(t.drained)
	}
}

// ClientAddress is the IP address that a request comes from, of IPv6 the network ("2001:db8::/64"): whoever has one of
// its addresses has them all. Headers that tell otherwise can be forged and are not read: behind a reverse proxy it is
// the proxy's.
func ClientAddress(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := from.Addr().Unmap().WithZone("")
	if address.Is4() || address.IsLoopback() {
		return address.String()
	}
	network, _ := address.Prefix(64) // fails only for more bits than an address has
	return network.String()
}
