package bridge

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
)

// Subscription is one reader of the event stream.
type Subscription struct {
	hub    *hub
	filter atomic.Pointer[Filter]
	// replay and replayEnd bound what is still to be read from the log, by sequence number, before live has
	// its turn. Only Next touches them.
	replay, replayEnd uint64
	// notBefore is the ID of the last event that the subscriber has seen, where this replica has yet to read it.
	notBefore LogID
	// behind is the number of the first event that found no room in live, 0 while all did. What follows it is read from
	// the log. The hub's lock guards it.
	behind uint64
	live   chan *Event   // closed by the hub when events are missing from the log
	done   chan struct{} // closed by Close or the bridge's end
	once   sync.Once
}

// Next waits for the next event. The error is that of ctx; ErrLagged when the subscriber fell further behind than the
// log goes back; ErrClosed after Close or when the bridge has ended. Call it from one goroutine at a time.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		e, err := s.take(ctx)
		if err != nil {
			return Event{}, err
		}
		// The filter may have changed while the event was waiting.
		if s.filter.Load().admits(e) {
			return *e, nil
		}
	}
}

// TryNext is Next for who does not want to wait: ok is false when no event is there. Call neither while the other runs.
func (s *Subscription) TryNext() (event Event, ok bool, err error) {
	for {
		e, err := s.takeNow()
		if e == nil || err != nil {
			return Event{}, false, err
		}
		if s.filter.Load().admits(e) {
			return *e, true, nil
		}
	}
}

// Level is the number of the latest event now: once TryNext has nothing more, the subscriber has had all of theirs up to
// there. known is false while the subscription's cursor is of an event that another bridge has heard of, and this one not
// yet.
func (s *Subscription) Level() (number uint64, known bool) { return s.hub.latest(s.notBefore) }

func (s *Subscription) take(ctx context.Context) (*Event, error) {
	if e, err := s.takeNow(); e != nil || err != nil {
		return e, err
	}
	select {
	case e, open := <-s.live:
		return received(e, open)
	case <-s.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// takeNow is the next event where one is there: of the replay, of what was handed out, or of what found no room then.
func (s *Subscription) takeNow() (*Event, error) {
	select {
	case <-s.done:
		return nil, ErrClosed
	default:
	}
	for {
		if e, err := s.hub.read(s); e != nil || err != nil {
			return e, err
		}
		select {
		case e, open := <-s.live:
			return received(e, open)
		default:
		}
		if !s.hub.catchUp(s) {
			return nil, nil
		}
	}
}

func received(e *Event, open bool) (*Event, error) {
	if !open {
		return nil, ErrLagged
	}
	return e, nil
}

// SetFilter changes what the subscription may see, from the next event on that Next returns: also for events
// that are waiting already.
func (s *Subscription) SetFilter(filter Filter) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if _, open := s.hub.all[s]; !open {
		s.filter.Store(filter.clone())
		return
	}
	s.hub.dismiss(s)
	s.hub.admit(s, filter.clone())
}

// Close ends the subscription: Next returns ErrClosed. It may be called more than once.
func (s *Subscription) Close() {
	s.end()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.forget(s)
}

func (s *Subscription) end() { s.once.Do(func() { close(s.done) }) }

func (f *Filter) admits(e *Event) bool {
	if !f.seesEntity(e.Device.EntityID) {
		return false
	}
	if f.Devices != nil {
		if _, ok := f.Devices[e.Device.canonical()]; !ok {
			return false
		}
	}
	_, ok := f.Kinds[e.Kind]
	return f.Kinds == nil || ok
}

func (f *Filter) seesEntity(id int) bool {
	_, ok := f.Entities[id]
	return ok || f.AllEntities
}

// clone keeps the caller's later changes to its maps out, and names the devices by their canonical keys.
func (f Filter) clone() *Filter {
	f.Entities, f.Kinds = maps.Clone(f.Entities), maps.Clone(f.Kinds)
	if f.Devices != nil {
		canonical := make(map[DeviceKey]struct{}, len(f.Devices))
		for key := range f.Devices {
			canonical[key.canonical()] = struct{}{}
		}
		f.Devices = canonical
	}
	return &f
}
