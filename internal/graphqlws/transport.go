// Package graphqlws carries GraphQL over WebSockets: a gqlgen transport for the subprotocols
// graphql-transport-ws and the older graphql-ws, with their close codes, and with limits on everything that
// a client can make it hold. It knows nothing of who is asking: Options.Init does.
package graphqlws

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
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

// Transport is the graphql.Transport for WebSockets. Mount it before those for POST and GET.
type Transport struct{}

var _ graphql.Transport = (*Transport)(nil)

// New makes a Transport. Its error is that of registering the metrics.
func New(o Options) (*Transport, error) { return nil, errors.New("not written yet") }

// Supports says whether the request asks for a WebSocket.
func (t *Transport) Supports(r *http.Request) bool { return false }

// Do serves one connection until it ends.
func (t *Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {}

// Shutdown closes all connections with 1012, which clients answer by connecting again, refuses new ones and
// waits for their operations. When ctx is done first it cuts what is left and returns the context's error.
func (t *Transport) Shutdown(ctx context.Context) error { return nil }
