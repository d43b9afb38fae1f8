package fanout

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"fleetgate/bridge"
	"fleetgate/internal/delivery"
)

// mostAtOnce is how many events that wait are handed over together: where there is much to tell, the connections write
// less often.
const mostAtOnce = 32

// group are the members with one operation and one view. It has one subscription to the bridge and one goroutine, which
// end with its last member.
type group struct {
	exchange  *Exchange
	key       string
	operation Operation
	events    *bridge.Subscription
	ctx       context.Context
	stop      context.CancelFunc

	// Guarded by the exchange's lock.
	members  map[*member]struct{}
	listed   []*member // the members, until somebody comes or goes; nil: to be listed anew
	position uint64    // the number of the last event that was handed to whoever was a member then

	// Of the group's goroutine.
	lead      *member // whose rights events are executed with
	leading   context.Context
	unfollow  func() // ends leading; nil: there was no lead yet
	execution Execution
}

// batch are responses, oldest first, with the numbers of their events.
type batch struct {
	results []*delivery.Result
	numbers []uint64
	end     uint64 // the number of the last event, whether there is a response to it or not
}

// after are the results of the events after a number.
func (b *batch) after(number uint64) []*delivery.Result {
	for i, n := range b.numbers {
		if n > number {
			return b.results[i:]
		}
	}
	return nil
}

// run hands on events until the last member has left, or nothing more can come.
func (g *group) run() {
	defer g.events.Close()
	for {
		event, err := g.events.Next(g.ctx)
		if err != nil {
			g.end(err)
			return
		}
		waiting := []bridge.Event{event}
		for more := true; more && len(waiting) < mostAtOnce; {
			if event, more, _ = g.events.TryNext(); more { // an error is there the next time too
				waiting = append(waiting, event)
			}
		}
		batch, err := g.respond(waiting)
		if err != nil {
			g.end(err)
			return
		}
		for _, m := range g.exchange.advance(g, batch.end) {
			if !m.hand(g, batch) {
				g.exchange.leave(m)
			}
		}
	}
}

// end ends all members with an error, unless the group is over because they have left.
func (g *group) end(err error) {
	if g.ctx.Err() != nil {
		return
	}
	for _, m := range g.exchange.advance(g, 0) {
		g.exchange.end(m, g.operation, err)
	}
}

// respond executes events for the whole group.
func (g *group) respond(events []bridge.Event) (*batch, error) {
	b := &batch{}
	for _, event := range events {
		result, err := g.execute(event)
		if err != nil {
			return nil, err
		}
		if b.end = event.Number; result != nil {
			b.results, b.numbers = append(b.results, result), append(b.numbers, event.Number)
		}
	}
	return b, nil
}

// execute executes an event with the rights of a member, and with those of another one where the first turns out to have
// none any more.
func (g *group) execute(event bridge.Event) (*delivery.Result, error) {
	for {
		m := g.exchange.present(g)
		if m == nil {
			return nil, nil
		}
		if m != g.lead {
			g.follow(m)
		}
		result, err := respond(g.leading, g.execution, event)
		if !errors.Is(err, ErrSessionEnded) {
			return result, err
		}
		g.exchange.look(m.watch, true)
		if m.home.Load() == g { // it may go on: that is what there is to say about the event
			return result, nil
		}
	}
}

// follow executes with the rights of a member from now on, though that member may leave meanwhile.
func (g *group) follow(m *member) {
	if g.unfollow != nil {
		g.unfollow()
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(m.ctx))
	release := context.AfterFunc(g.ctx, stop)
	g.lead, g.leading = m, ctx
	g.unfollow = func() {
		release()
		stop()
	}
	g.execution = g.operation.Begin(ctx)
}

// respond is Respond that survives what panics there.
func respond(ctx context.Context, execution Execution, event bridge.Event) (result *delivery.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("responding to an event panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return execution.Respond(ctx, event)
}
