// Package gqlgen is a server as gqlgen's documentation builds one: gqlgen's own transports and executor, gorilla beneath
// its WebSockets, the same part of the schema, and everything in memory. Fleetgate is compared with it.
package gqlgen

//go:generate go tool gqlgen generate

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
)

// New makes the server. It answers with a page, as GraphQL's JSON has it ({"data": {"agents": ...}}), and streams what is
// posted to /emit: one event, in the same form. GraphQL is at /graphql.
func New(page []byte) (http.Handler, error) {
	var answer struct {
		Data struct{ Agents *AgentConnection }
	}
	if err := json.Unmarshal(page, &answer); err != nil {
		return nil, err
	}
	r := &resolver{page: answer.Data.Agents, streams: map[chan DeviceEvent][]DeviceEventKind{}}
	server := handler.New(NewExecutableSchema(Config{Resolvers: r}))
	server.AddTransport(transport.Websocket{Implementation: gorilla{}})
	server.AddTransport(transport.SSE{})
	server.AddTransport(transport.POST{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	routes := http.NewServeMux()
	routes.Handle("/graphql", server)
	routes.HandleFunc("POST /emit", r.emit)
	return routes, nil
}

// resolver has a page of devices, and the streams that are open with the kinds of events that they want.
type resolver struct {
	page *AgentConnection

	mu      sync.Mutex
	streams map[chan DeviceEvent][]DeviceEventKind
}

// Query answers itself.
func (r *resolver) Query() QueryResolver { return r }

// Subscription answers itself.
func (r *resolver) Subscription() SubscriptionResolver { return r }

// Agents is the page, whatever is asked for.
func (r *resolver) Agents(context.Context, *int) (*AgentConnection, error) { return r.page, nil }

// waiting is how many events may wait for a subscriber.
const waiting = 256

// DeviceEvents streams what is emitted from now on.
func (r *resolver) DeviceEvents(ctx context.Context, filter *DeviceEventFilter) (<-chan DeviceEvent, error) {
	var kinds []DeviceEventKind
	if filter != nil {
		kinds = filter.Kinds
	}
	stream := make(chan DeviceEvent, waiting)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams[stream] = kinds
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.streams, stream)
		close(stream)
	})
	return stream, nil
}

// emit hands an event to all streams that want it. It waits for none.
func (r *resolver) emit(w http.ResponseWriter, request *http.Request) {
	event := &PositionReported{}
	if err := json.NewDecoder(request.Body).Decode(event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for stream, kinds := range r.streams {
		if len(kinds) > 0 && !slices.Contains(kinds, event.Kind) {
			continue
		}
		select {
		case stream <- event:
		default:
		}
	}
}
