// Package graphqlsse carries GraphQL over Server-Sent Events, as the graphql-sse protocol's "distinct connections" have
// it (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md): one operation, one response that goes on.
// A result's cursor is the id of its event, with which a client comes back as Server-Sent Events have it: in Last-Event-ID,
// which delivery.LastCursor tells.
// It knows nothing of who is asking, nor how requests are read: it is handed operations.
//
// The connection is taken from net/http, whose handler then returns: a response that waits for events has one
// goroutine, which notices that the client leaves, and no buffer.
package graphqlsse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
)

// ContentType is that of the responses.
const ContentType = "text/event-stream"

// Options configure a Transport. Connections is required.
type Options struct {
	// Connections limit and look after those of this transport, maybe together with others'.
	Connections *delivery.Connections
	// Share runs subscriptions together; nil: each is run alone.
	Share delivery.Share
	// Detach gives a context that outlives a request's, with what is to be kept of that; nil: all its values.
	Detach func(ctx context.Context) context.Context
	// Hold gives a context that ends with the sign-in of who asks in ctx; nil: it does not end by itself.
	Hold func(ctx context.Context) context.Context
	// Ended makes of the cause with which such a context, or delivery.Endable's way, ended the response what the client is told; nil: no more than that.
	Ended func(cause error) *gqlerror.Error

	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: no metrics
}

// Transport answers operations with streams of events.
type Transport struct {
	o    Options
	open prometheus.Gauge
}

// New makes a Transport. Its error is that of registering the metrics, or of a missing option.
func New(o Options) (*Transport, error) {
	if o.Connections == nil {
		return nil, errors.New("a transport for Server-Sent Events needs its connections looked after")
	}
	if o.Detach == nil {
		o.Detach = context.WithoutCancel
	}
	if o.Hold == nil {
		o.Hold = func(ctx context.Context) context.Context { return ctx }
	}
	if o.Ended == nil {
		o.Ended = func(error) *gqlerror.Error { return &gqlerror.Error{Message: "the sign-in has ended"} }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Transport{o: o, open: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fleetgate_sse_connections",
		Help: "Responses of Server-Sent Events open now.",
	})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(t.open); err != nil {
			return nil, fmt.Errorf("registering the metrics of Server-Sent Events: %w", err)
		}
	}
	return t, nil
}

// Execute answers with the results of an operation; the response goes on when Execute has returned. What is over a
// limit is refused, with 429 for one client's limit and 503 for everybody's. The header may hold what others set.
func (t *Transport) Execute(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, op *graphql.OperationContext) {
	place, ok := t.o.Connections.Admit(w, r)
	if !ok {
		return
	}
	head := responseHead(w.Header(), r)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		place.Leave()
		http.Error(w, "events go over HTTP/1.1 here", http.StatusHTTPVersionNotSupported)
		return
	}
	go newResponse(t, conn, r, head).serve(place, exec, op)
}

// Refuse answers with the errors of an operation that is not executed, as an event: many clients see nothing of a
// response that is not 200.
func (t *Transport) Refuse(w http.ResponseWriter, errs gqlerror.List) {
	setHeader(w.Header())
	_, _ = w.Write(appendEnd(nil, errs))
}
