package fanout

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"fleetgate/bridge"
	"fleetgate/internal/delivery"
)

// mostAtOnce is how many events that wait are handed over together: where there is much to tell, the connections write
// less often.
const mostAtOnce = 32

// restEvery is how often a group that nothing happens to looks how far the log of events has come. In that time the
// log must not be written anew as a whole.
const restEvery = 10 * time.Second

// group are the members with one operation and one view. It has one subscription to the bridge and one goroutine, which
// end with its last member.
type group struct {
	exchange  *Exchange
	key       string
	operation Operation
	view      View
	events    *bridge.Subscription
	ctx       context.Context
	stop      context.CancelFunc

	// Guarded by the exchange's lock.
	members  map[*member]struct{}
	listed   []*member // the members, until somebody comes or goes; nil: to be listed anew
	position uint64    // the number of the last event that was handed, or is being handed, to whoever was a member then
	level    uint64    // up to there the members have had everything, however long ago their last event was

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
		waiting, err := g.next()
		if err != nil {
			g.end(err)
			return
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

// next waits for events. While there are none it notes from time to time how far the group has come: who leaves for
// another group goes on from there, which the bridge still has to know.
func (g *group) next() (waiting []bridge.Event, err error) {
	for {
		level, _ := g.events.Level()
		if waiting, err = g.take(nil); err != nil || len(waiting) > 0 {
			return waiting, err
		}
		g.exchange.rest(g, level)
		ctx, cancel := context.WithTimeout(g.ctx, restEvery)
		event, err := g.events.Next(ctx)
		late := ctx.Err() != nil && g.ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			waiting, _ = g.take([]bridge.Event{event}) // an error is there the next time too
			return waiting, nil
		case !late:
			return nil, err
		}
	}
}

// take adds the events that are there already.
func (g *group) take(waiting []bridge.Event) ([]bridge.Event, error) {
	for len(waiting) < mostAtOnce {
		event, there, err := g.events.TryNext()
		if err != nil || !there {
			return waiting, err
		}
		waiting = append(waiting, event)
	}
	return waiting, nil
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
// none, or others, by now: what was read meanwhile may be what the group must not see.
func (g *group) execute(event bridge.Event) (*delivery.Result, error) {
	for {
		m := g.exchange.present(g)
		if m == nil {
			return nil, nil
		}
		if m != g.lead {
			g.follow(m)
		}
		before, settled := m.watch.session.Epoch()
		result, err := respond(g.leading, g.execution, event)
		after, _ := m.watch.session.Epoch()
		ended := errors.Is(err, ErrSessionEnded)
		if settled && after == before && !ended {
			return result, err
		}
		if g.ctx.Err() != nil {
			return nil, g.ctx.Err()
		}
		g.exchange.look(m.watch, true)
		if ended && m.home.Load() == g { // it may go on: that is what there is to say about the event
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
