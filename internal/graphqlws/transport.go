// Package graphqlws carries GraphQL over WebSockets: a gqlgen transport for the subprotocols
// graphql-transport-ws and the older graphql-ws, with their close codes, and with limits on everything that
// a client can make it hold. It knows nothing of who is asking: Options.Init does.
//
// An idle connection has one goroutine, which reads. Writing is the delivery package's; an operation that is not run
// together with others has a goroutine while it runs. All end with the connection.
package graphqlws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"fleetgate/internal/delivery"
)

// Options configure a Transport. Every zero value means the default named.
type Options struct {
	// Init looks at the payload of connection_init (nil when there was none) and returns the context of the
	// connection's operations, derived from ctx. Its error closes the socket: a *CloseError with its own
	// code and reason, any other with 4403 and no detail. When the returned context is cancelled with a
	// *CloseError as its cause, or delivery.Endable's way is used with one, the socket is closed with that. nil:
	// everybody is let in.
	Init func(ctx context.Context, payload map[string]any) (context.Context, error)
	// Detach gives a context that outlives a request's, with what is to be kept of that; nil: all its values.
	Detach func(ctx context.Context) context.Context
	// CheckOrigin tells whether the page that opens the socket may; nil: pages of the same host, and
	// clients that send no Origin.
	CheckOrigin func(r *http.Request) bool

	MaxMessage    int64         // bytes of an incoming message; 0: 128 KiB
	MaxOperations int           // under way at once on one connection; 0: 50
	InitTimeout   time.Duration // from the handshake to connection_init; 0: 5 s

	// Connections limit and look after those of this transport, maybe together with others'. Required.
	Connections *delivery.Connections
	// Share runs subscriptions together; nil: each is run alone.
	Share delivery.Share

	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: no metrics
}

func (o *Options) setDefaults() {
	orDefault(&o.MaxMessage, 128<<10)
	orDefault(&o.MaxOperations, 50)
	orDefault(&o.InitTimeout, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Detach == nil {
		o.Detach = context.WithoutCancel
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
}

var _ graphql.Transport = (*Transport)(nil)

// readBuffer is what a connection holds in bytes: enough for the usual message of a client. Longer ones are read past it.
const readBuffer = 256

// New makes a Transport. Its error is that of registering the metrics, or of a missing option.
func New(o Options) (*Transport, error) {
	o.setDefaults()
	if o.Connections == nil {
		return nil, errors.New("a transport for WebSockets needs its connections looked after")
	}
	t := &Transport{
		o: o,
		upgrader: websocket.Upgrader{
			HandshakeTimeout: o.Connections.Options().WriteTimeout,
			Subprotocols:     []string{modern.name, legacy.name},
			CheckOrigin:      o.CheckOrigin,
			ReadBufferSize:   readBuffer,
			WriteBufferPool:  &sync.Pool{}, // gorilla writes next to nothing: no connection holds a buffer for it
		},
		metrics: newMetrics(),
	}
	if err := t.metrics.register(o.Registerer); err != nil {
		return nil, fmt.Errorf("registering the metrics of websockets: %w", err)
	}
	return t, nil
}

// Supports says whether the request asks for a WebSocket.
func (t *Transport) Supports(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// Do begins a connection, which goes on when Do has returned. What is over a limit is refused before the handshake, with
// 429 for one client's limit and 503 for everybody's.
func (t *Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	place, ok := t.o.Connections.Admit(w, r)
	if !ok {
		return
	}
	wire := &wire{}
	ws, err := t.upgrader.Upgrade(&handshake{w, wire}, r, nil)
	if err != nil { // and Upgrade has answered
		place.Leave()
		t.o.Logger.DebugContext(r.Context(), "refused a websocket", "client", delivery.ClientAddress(r), "error", err)
		return
	}
	go newConnection(t, ws, wire, r, exec).serve(place)
}
