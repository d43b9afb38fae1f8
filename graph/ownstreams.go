package graph

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
)

// steps are the events of a subscription whose viewers have a stream each, taken one by one: each is looked at before it
// is executed.
type steps struct {
	take    func(ctx context.Context) bool // waits for the next event; false: nothing more comes
	execute func()                         // has the event taken be executed
	what    string                         // the same for equal events only
	cursor  string                         // of the event taken; "": it has none
}

type stepsKey struct{}

// stepped gives the events of a stream to those who take them one by one, where ctx is of such a subscription. describe
// tells what is the same of equal events only, and an event's cursor.
func stepped[E any](ctx context.Context, events <-chan E, describe func(E) (what, cursor string)) <-chan E {
	s, there := ctx.Value(stepsKey{}).(*steps)
	if !there {
		return events
	}
	executed := make(chan E, 1)
	var event E
	s.take = func(ctx context.Context) (open bool) {
		select {
		case event, open = <-events:
		case <-ctx.Done():
		}
		if open {
			s.what, s.cursor = describe(event)
		}
		return open
	}
	s.execute = func() { executed <- event }
	return executed
}

// ownStream is a subscription that has a stream of its own, and makes the responses together with others.
type ownStream struct {
	resolver *Resolver
	exec     graphql.GraphExecutor
	op       *graphql.OperationContext
	steps    *steps
	next     graphql.ResponseHandler
	key      string // the same for subscriptions that ask for the same; "": others' responses are none for it
}

// runOwnStream runs a subscription until it ends.
func (r *Resolver) runOwnStream(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, to delivery.Receiver) {
	s := &ownStream{resolver: r, exec: exec, op: op, steps: &steps{}}
	if !isPersonal(op) {
		s.key = requestKey(op, eventFilter{})
	}
	ctx, failures := delivery.WithFailures(graphql.WithOperationContext(ctx, op))
	s.next, ctx = exec.DispatchOperation(context.WithValue(ctx, stepsKey{}, s.steps), op)
	if s.steps.take == nil { // refused
		if response := s.next(ctx); response != nil {
			to.End(response.Errors)
		}
		return
	}
	for s.steps.take(ctx) {
		result := s.respond(ctx)
		if result == nil || !to.Replay(ctx, result) {
			break
		}
	}
	if errs := failures.List(); len(errs) > 0 {
		to.End(exec.DispatchError(ctx, errs).Errors)
		return
	}
	to.End(nil)
}

// respond makes the response to the event taken, or gets it from somebody to whom it looks the same. nil: ctx is done.
func (s *ownStream) respond(ctx context.Context) *delivery.Result {
	view := s.view(ctx)
	if view == "" {
		result, _ := s.execute(ctx)
		return result
	}
	key := strings.Join([]string{s.key, view, s.steps.what}, "\x00")
	return s.resolver.moments.Respond(ctx, key, func() (*delivery.Result, bool) {
		viewer, err := session(ctx)
		if err != nil {
			return s.execute(ctx)
		}
		before, settled := viewer.Epoch()
		result, whole := s.execute(ctx)
		after, _ := viewer.Epoch()
		return result, whole && settled && before == after && view == s.view(ctx)
	})
}

// view is the same for those to whom an event looks the same; "": it may look otherwise to everybody else.
func (s *ownStream) view(ctx context.Context) string {
	viewer, err := session(ctx)
	if s.key == "" || err != nil {
		return ""
	}
	scope, err := viewer.Scope(ctx)
	if err != nil {
		return ""
	}
	if view, shared := scope.Visibility(); shared {
		return view
	}
	return ""
}

// execute makes the response to the event taken. It is whole if nothing of it is missing, or old.
func (s *ownStream) execute(ctx context.Context) (result *delivery.Result, whole bool) {
	s.steps.execute()
	response := s.next(ctx)
	if response == nil {
		return nil, false
	}
	whole = len(response.Errors) == 0 && len(response.Extensions) == 0
	return &delivery.Result{JSON: delivery.Encode(response), Cursor: s.steps.cursor}, whole
}

func describeInvitationEvent(event *model.InvitationEvent) (what, cursor string) {
	return event.Cursor, event.Cursor
}

// describeRollout tells rollouts of which a single count, task or value differs. They have no cursors.
func describeRollout(rollout *model.Rollout) (what, cursor string) {
	text, err := json.Marshal(rollout)
	if err != nil { // of numbers and texts there is always one
		return rand.Text(), ""
	}
	return string(text), ""
}
