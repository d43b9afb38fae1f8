package graph

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
	"fleetgate/internal/fanout"
)

// loneEvents are device events for a transport that makes the responses itself: they go into the resolver's channel as
// they are, and nobody shares them.
type loneEvents struct {
	*eventRequest
	key    string
	events chan model.DeviceEvent // taken by the goroutine of alone
	over   chan struct{}          // closed when nothing more comes
	once   sync.Once
	ended  gqlerror.List // why, from then on
}

// alone streams the events that are asked for to one subscriber, until ctx is done.
func (q *eventRequest) alone(ctx context.Context) (<-chan model.DeviceEvent, error) {
	l := &loneEvents{eventRequest: q, key: rand.Text(), events: make(chan model.DeviceEvent), over: make(chan struct{})}
	leave, err := q.join(ctx, l, l)
	if err != nil {
		return nil, err
	}
	out := make(chan model.DeviceEvent)
	go func() {
		defer close(out)
		defer leave()
		l.forward(ctx, out)
	}()
	return out, nil
}

func (l *loneEvents) forward(ctx context.Context, out chan<- model.DeviceEvent) {
	for {
		select {
		case event := <-l.events:
			select {
			case out <- event:
			case <-ctx.Done():
				return
			}
		case <-l.over:
			for _, err := range l.ended {
				delivery.Fail(ctx, err)
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// Key is nobody else's.
func (l *loneEvents) Key() string { return l.key }

// Begin gives an execution that hands events on.
func (l *loneEvents) Begin(context.Context) fanout.Execution { return l }

// Respond hands an event on, and makes no response.
func (l *loneEvents) Respond(ctx context.Context, event bridge.Event) (*delivery.Result, error) {
	if wanted, _ := l.inFleets(ctx, event); !wanted {
		return nil, nil
	}
	select {
	case l.events <- l.resolver.presentEvent(event):
	case <-l.over:
	case <-ctx.Done():
	}
	return nil, nil
}

// Present makes of an error what clients may see.
func (l *loneEvents) Present(ctx context.Context, err error) gqlerror.List {
	return gqlerror.List{l.resolver.PresentError(ctx, err)}
}

// Deliver is for responses, of which there are none here.
func (l *loneEvents) Deliver(...*delivery.Result) bool { return true }

// Replay is for responses, of which there are none here.
func (l *loneEvents) Replay(context.Context, *delivery.Result) bool { return true }

// End ends the stream with the errors.
func (l *loneEvents) End(errs gqlerror.List) {
	l.once.Do(func() {
		l.ended = errs
		close(l.over)
	})
}
