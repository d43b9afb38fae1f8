package fanout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"fleetgate/bridge"
	"fleetgate/internal/delivery"
)

// member is one client's subscription: in a group, or on its way to one.
type member struct {
	exchange *Exchange
	ctx      context.Context // the viewer's
	to       delivery.Receiver
	left     func()
	watch    *watch
	gone     atomic.Bool

	// Guarded by the watch's looking: who holds that may move the member.
	operation Operation
	view      View

	alone atomic.Pointer[catchUp] // the last one; nil: it was never behind
	home  atomic.Pointer[group]   // changed with the exchange's lock only; nil: it is catching up, or gone

	delivering sync.Mutex // held while something is handed to it
	position   uint64     // the number of the last event that it has had, or that was none of its own; 0: see after
	after      string     // the cursor that it began with
}

// catchUp is a goroutine that brings a member to the present of its group.
type catchUp struct {
	stop context.CancelFunc
	done chan struct{}
}

// begin finds the member its place, after a cursor or now.
func (m *member) begin(after string) error {
	view, err := m.operation.View(m.ctx, m.watch.session)
	if err != nil {
		return err
	}
	m.view = view
	m.exchange.share(m)
	if after == "" {
		return m.settle()
	}
	m.after = after
	events, err := m.exchange.o.Bridge.Subscribe(m.view.Filter, after)
	if err != nil {
		return err
	}
	m.follow(events, 0)
	return nil
}

// settle puts the member into its group now.
func (m *member) settle() error {
	for {
		arrived, err := m.exchange.attach(m, m.operation, m.view, m.exchange.o.Bridge.Latest())
		if arrived || err != nil {
			return err
		}
	}
}

// move takes the member from where it is to the group of another view, which it joins where it left off. What is under
// way to it has arrived before, or never will; what has happened already is still for its eyes where both views show it.
func (m *member) move(view View) error {
	if alone := m.alone.Load(); alone != nil {
		alone.stop()
		<-alone.done
	}
	level := m.exchange.detach(m)
	m.delivering.Lock()
	position := max(m.position, level)
	m.delivering.Unlock()
	present := m.exchange.o.Bridge.Latest()
	events, err := m.resubscribe(m.view.Filter.And(view.Filter), position)
	if err != nil {
		return err
	}
	if _, known := events.Level(); !known { // nothing has happened yet, after its cursor
		events.SetFilter(view.Filter)
		present = 0
	}
	m.view = view
	m.exchange.share(m)
	m.follow(events, present)
	return nil
}

func (m *member) resubscribe(filter bridge.Filter, position uint64) (*bridge.Subscription, error) {
	if position == 0 && m.after != "" { // it has had nothing yet
		return m.exchange.o.Bridge.Subscribe(filter, m.after)
	}
	return m.exchange.o.Bridge.SubscribeAfter(filter, position)
}

// follow begins to catch up: with events, up to the number of one where that is not 0, and then with all of the view.
func (m *member) follow(events *bridge.Subscription, until uint64) {
	ctx, stop := context.WithCancel(m.ctx)
	alone := &catchUp{stop: stop, done: make(chan struct{})}
	operation, view := m.operation, m.view
	m.alone.Store(alone)
	if m.gone.Load() { // left when there was nothing to stop yet
		stop()
	}
	m.exchange.running.Go(func() {
		defer close(alone.done)
		defer stop()
		if err := m.catchUp(ctx, events, until, operation, view); err != nil && ctx.Err() == nil {
			m.exchange.end(m, operation, err)
		}
	})
}

// catchUp executes what the member has missed, for it alone, and hands it over to its group once there is nothing left.
func (m *member) catchUp(ctx context.Context, events *bridge.Subscription, until uint64, operation Operation, view View) error {
	defer func() { events.Close() }() // that which it has at the end
	execution := operation.Begin(ctx)
	for until > 0 {
		event, waiting, err := events.TryNext()
		if err == nil && waiting && event.Number <= until {
			err = m.give(ctx, execution, event)
		} else if err == nil {
			m.position = max(m.position, until)
			until = 0
			err = m.widen(&events, view.Filter)
		}
		if err != nil {
			return err
		}
	}
	for {
		level, known := events.Level()
		event, waiting, err := events.TryNext()
		if err == nil && !waiting {
			if known {
				arrived, err := m.exchange.attach(m, operation, view, level)
				if arrived || err != nil {
					return err
				}
				continue // the group is ahead by what has just come
			}
			event, err = events.Next(ctx)
		}
		if err == nil {
			err = m.give(ctx, execution, event)
		}
		if err != nil {
			return err
		}
	}
}

// widen goes on where the member is with another filter.
func (m *member) widen(events **bridge.Subscription, filter bridge.Filter) error {
	more, err := m.exchange.o.Bridge.SubscribeAfter(filter, m.position)
	if err != nil {
		return err
	}
	(*events).Close()
	*events = more
	return nil
}

// give executes an event for the member alone; an error where that is over.
func (m *member) give(ctx context.Context, execution Execution, event bridge.Event) error {
	result, err := respond(ctx, execution, event)
	if errors.Is(err, ErrSessionEnded) {
		m.watch.lookSoon()
	} else if err != nil {
		return err
	}
	if result != nil && !m.to.Replay(ctx, result) {
		if ctx.Err() == nil { // it was not told to stop
			m.exchange.leave(m)
		}
		return context.Canceled
	}
	m.position = event.Number
	return nil
}

// hand gives the member what it has not had of a batch, as long as it is of that group. false: it is gone.
func (m *member) hand(g *group, batch *batch) bool {
	m.delivering.Lock()
	defer m.delivering.Unlock()
	if m.home.Load() != g || m.ctx.Err() != nil {
		return true
	}
	results := batch.after(m.position)
	m.position = max(m.position, batch.end)
	return len(results) == 0 || m.to.Deliver(results...)
}
