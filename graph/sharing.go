package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
	"fleetgate/internal/fanout"
)

// Share runs subscriptions together where they ask for the same and may see the same. It is a delivery.Share.
func (r *Resolver) Share(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, to delivery.Receiver) (leave func(), ok bool) {
	field := subscriptionField(op)
	if field == nil {
		return nil, false
	}
	switch field.Name {
	case "deviceEvents":
		return r.shareEvents(ctx, exec, op, field, to), true
	case "invitationEvents", "rolloutProgress":
		r.runOwnStream(ctx, exec, op, to)
		return func() {}, true
	}
	return nil, false
}

// shareEvents runs subscriptions to device events together.
func (r *Resolver) shareEvents(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, field *graphql.CollectedField, to delivery.Receiver) (leave func()) {
	nothing := func() {}
	execution := newEventExecution()
	responses, executed := exec.DispatchOperation(withExecution(ctx, execution), op)
	if execution.request == nil { // refused
		if response := responses(executed); response != nil {
			to.End(response.Errors)
		}
		return nothing
	}
	shared := &sharedEvents{eventRequest: execution.request, exec: exec, op: op, key: requestKey(op, execution.request.wanted)}
	shared.personal = isPersonal(op)
	op.Headers = nil // they are the first subscriber's own
	leave, err := shared.join(ctx, shared, to)
	if err != nil {
		at := graphql.WithPathContext(ctx, graphql.NewPathWithField(field.Alias))
		to.End(shared.Present(at, err))
		return nothing
	}
	return leave
}

// Events are the metrics of subscriptions to device events; there are none before Schema.
func (r *Resolver) Events() prometheus.Collector { return r.events }

// eventRequest is what a subscription to device events asks for.
type eventRequest struct {
	resolver *Resolver
	session  *glpiproxy.Session // of the viewer that asked first
	wanted   eventFilter
	after    string
	personal bool // responses may differ between viewers with equal rights
}

// join takes one of the places that the viewer has, and begins to receive.
func (q *eventRequest) join(ctx context.Context, operation fanout.Operation, to delivery.Receiver) (leave func(), err error) {
	scope, err := q.session.Scope(ctx)
	if err != nil {
		return nil, err
	}
	free, err := q.resolver.eventStreams.take(scope.UserID, mostEventStreams)
	if err != nil {
		return nil, err
	}
	return q.resolver.events.Join(ctx, fanout.Wish{Operation: operation, Session: q.session, After: q.after, To: to, Left: free})
}

// View is what a viewer may see of what is asked for.
func (q *eventRequest) View(ctx context.Context, s *glpiproxy.Session) (fanout.View, error) {
	filter, err := q.wanted.visible(ctx, s)
	if err != nil {
		return fanout.View{}, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return fanout.View{}, err
	}
	key, shared := scope.Visibility()
	if q.personal || !shared {
		key += " " + s.String()
	}
	return fanout.View{Key: key, Filter: filter}, nil
}

// inFleets says whether an event's device is in one of the fleets asked for. A device moves between fleets,
// so its present one is looked up, in the cache mostly.
func (q *eventRequest) inFleets(ctx context.Context, event bridge.Event) (bool, error) {
	if q.wanted.fleets == nil {
		return true, nil
	}
	agent, err := q.resolver.findAgent(ctx, event.Device)
	if err != nil || agent == nil {
		return false, err
	}
	_, wanted := q.wanted.fleets[agent.FleetID]
	return wanted, nil
}

// sharedEvents is a subscription to device events that any number of viewers may have in common.
type sharedEvents struct {
	*eventRequest
	exec graphql.GraphExecutor
	op   *graphql.OperationContext
	key  string
}

// Key is the same for subscriptions that ask for the same.
func (s *sharedEvents) Key() string { return s.key }

// Begin begins an execution of the subscription.
func (s *sharedEvents) Begin(ctx context.Context) fanout.Execution {
	execution := newEventExecution()
	execution.begun, execution.of = true, s
	execution.responses, _ = s.exec.DispatchOperation(withExecution(ctx, execution), s.op)
	return execution
}

// Present makes of an error what clients may see.
func (s *sharedEvents) Present(ctx context.Context, err error) gqlerror.List {
	var presented gqlerror.List
	if errors.As(err, &presented) {
		return presented
	}
	return gqlerror.List{s.resolver.PresentError(ctx, err)}
}

// eventExecution is one execution of a subscription, which is given its events one by one.
type eventExecution struct {
	request   *eventRequest          // what the resolver found to be asked for
	begun     bool                   // the resolver is to give its events, and ask nothing
	events    chan model.DeviceEvent // holds the event that is executed next
	of        *sharedEvents
	responses graphql.ResponseHandler
}

func newEventExecution() *eventExecution {
	return &eventExecution{events: make(chan model.DeviceEvent, 1)}
}

type executionKey struct{}

func withExecution(ctx context.Context, e *eventExecution) context.Context {
	return context.WithValue(ctx, executionKey{}, e)
}

func executionIn(ctx context.Context) (*eventExecution, bool) {
	e, there := ctx.Value(executionKey{}).(*eventExecution)
	return e, there
}

// Respond makes the response to an event with the rights of the viewer that ctx is of.
func (e *eventExecution) Respond(ctx context.Context, event bridge.Event) (*delivery.Result, error) {
	wanted, err := e.of.inFleets(ctx, event)
	if err != nil && glpiproxy.KindOf(err) == glpiproxy.Unauthenticated {
		return nil, fanout.ErrSessionEnded
	}
	if !wanted {
		return nil, nil
	}
	select {
	case <-e.events: // of a response that was given up
	default:
	}
	e.events <- e.of.resolver.presentEvent(event)
	response := e.responses(graphql.WithOperationContext(ctx, e.of.op))
	switch {
	case response == nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case response == nil:
		return nil, errors.New("an event of a subscription has no response")
	case response.Data == nil && len(response.Errors) > 0: // nothing was executed
		return nil, response.Errors
	}
	for _, wrong := range response.Errors {
		wrong.Locations = nil // each subscriber has set the document in lines of their own
	}
	text, err := json.Marshal(response)
	if err != nil {
		return nil, fmt.Errorf("encoding the response to an event: %w", err)
	}
	if slices.ContainsFunc(response.Errors, meansSignedOut) {
		err = fanout.ErrSessionEnded
	}
	return &delivery.Result{JSON: text, Latest: latestKey(event), Cursor: event.Cursor}, err
}

func meansSignedOut(e *gqlerror.Error) bool { return e.Extensions["code"] == CodeUnauthenticated }

// latestKey names what only the latest word on counts: a device's presence.
func latestKey(event bridge.Event) string {
	if event.Kind != bridge.PresenceChanged {
		return ""
	}
	return fmt.Sprintf("presence %d %s", event.Device.EntityID, event.Device.Serial)
}

// requestKey is the same for subscriptions that ask for the same in the same words, but for the place to begin at.
func requestKey(op *graphql.OperationContext, wanted eventFilter) string {
	document, variables := withoutAfter(op)
	text, err := json.Marshal(variables)
	if err != nil { // JSON came in
		text = fmt.Appendf(nil, "%v", variables)
	}
	devices := make([]string, 0, len(wanted.devices))
	for key := range wanted.devices {
		devices = append(devices, fmt.Sprintf("%d/%q", key.EntityID, key.Serial))
	}
	slices.Sort(devices)
	return strings.Join([]string{op.Operation.Name, document, string(text), strings.Join(devices, " ")}, "\x00")
}
