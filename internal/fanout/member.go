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
	m.operation = m.exchange.shared(m)
	if after == "" {
		return m.settle()
	}
	m.after = after
	events, err := m.exchange.o.Bridge.Subscribe(view.Filter, after)
	if err != nil {
		return err
	}
	m.follow(events)
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
// way to it has arrived before, or never will.
func (m *member) move(view View) error {
	if alone := m.alone.Load(); alone != nil {
		alone.stop()
		<-alone.done
	}
	m.exchange.detach(m)
	m.delivering.Lock()
	position := m.position
	m.delivering.Unlock()
	m.view = view
	m.operation = m.exchange.shared(m)
	events, err := m.resubscribe(view.Filter, position)
	if err != nil {
		return err
	}
	m.follow(events)
	return nil
}

func (m *member) resubscribe(filter bridge.Filter, position uint64) (*bridge.Subscription, error) {
	if position == 0 && m.after != "" { // it has had nothing yet
		return m.exchange.o.Bridge.Subscribe(filter, m.after)
	}
	return m.exchange.o.Bridge.SubscribeAfter(filter, position)
}

// follow begins to catch up.
func (m *member) follow(events *bridge.Subscription) {
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
		defer events.Close()
		if err := m.catchUp(ctx, events, operation, view); err != nil && ctx.Err() == nil {
			m.exchange.end(m, operation, err)
		}
	})
}

// catchUp executes what the member has missed, for it alone, and hands it over to its group once there is nothing left.
func (m *member) catchUp(ctx context.Context, events *bridge.Subscription, operation Operation, view View) error {
	execution := operation.Begin(ctx)
	for ctx.Err() == nil {
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
		if err != nil {
			return err
		}
		result, err := respond(ctx, execution, event)
		switch {
		case errors.Is(err, ErrSessionEnded):
			m.watch.lookSoon()
		case err != nil:
			return err
		}
		if result != nil && !m.to.Replay(ctx, result) {
			if ctx.Err() == nil {
				m.exchange.leave(m)
			}
			return nil
		}
		m.position = event.Number
	}
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
