package bridge

import (
	"sync"
	"time"
)

// hub keeps the log of events and hands each event to the subscriptions that may see it. They are found by
// device or by entity, so an event costs nothing for those that may not.
type hub struct {
	metrics *metrics
	buffer  int

	mu       sync.Mutex
	log      *eventLog
	closed   bool
	loaded   chan struct{} // closed when what the Log kept from before is here
	all      subscriptions // every one that is open
	anywhere subscriptions // those that see all entities
	entities map[int]subscriptions
	devices  map[DeviceKey]subscriptions
}

type subscriptions map[*Subscription]struct{}

func newHub(log *eventLog, buffer int, metrics *metrics) *hub {
	return &hub{
		metrics: metrics, buffer: buffer, log: log, loaded: make(chan struct{}),
		all: subscriptions{}, anywhere: subscriptions{},
		entities: map[int]subscriptions{}, devices: map[DeviceKey]subscriptions{},
	}
}

// subscribe begins a subscription with what follows a cursor, or now where there is none.
func (h *hub) subscribe(filter Filter, after string) (*Subscription, error) {
	if after == "" {
		return h.open(filter, func(*Subscription) error { return nil })
	}
	if !h.isLoaded() {
		return nil, ErrResync
	}
	return h.open(filter, func(s *Subscription) (err error) {
		s.replay, s.notBefore, err = h.log.after(after)
		return err
	})
}

// subscribeAfter begins a subscription with what follows the event of a number.
func (h *hub) subscribeAfter(filter Filter, number uint64) (*Subscription, error) {
	return h.open(filter, func(s *Subscription) error {
		if number+1 < h.log.oldest() {
			return ErrLagged
		}
		s.replay = min(number+1, h.log.next)
		return nil
	})
}

// open begins a subscription now, unless place puts it at an earlier event of the log.
func (h *hub) open(filter Filter, place func(*Subscription) error) (*Subscription, error) {
	s := &Subscription{hub: h, live: make(chan *Event, h.buffer), done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	s.replay, s.replayEnd = h.log.next, h.log.next
	if err := place(s); err != nil {
		return nil, err
	}
	h.all[s] = struct{}{}
	h.metrics.subscribers.Set(float64(len(h.all)))
	h.admit(s, filter.clone())
	return s, nil
}

// latest is the number of the latest event of the log; known is false where the log has not come to id yet.
func (h *hub) latest(id LogID) (number uint64, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.next - 1, !id.after(h.log.last)
}

// loadTime is how long a subscriber with a cursor waits for what the Log kept from before.
const loadTime = 5 * time.Second

func (h *hub) isLoaded() bool {
	patience := time.NewTimer(loadTime)
	defer patience.Stop()
	select {
	case <-h.loaded:
		return true
	case <-patience.C:
		return false
	}
}

// keep notes an event of the log from before this process: only who comes back with a cursor is to see it. nil is a
// gap in the log.
func (h *hub) keep(e *Event, id LogID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e == nil {
		h.log.forget()
		return
	}
	h.log.add(e, id)
}

// publish notes an event of the log and hands it out. It never waits: a subscription whose buffer is full reads on
// from the log once it comes to it.
func (h *hub) publish(e Event, id LogID) {
	h.metrics.events.WithLabelValues(string(e.Kind)).Inc()
	h.mu.Lock()
	defer h.mu.Unlock()
	number := h.log.next
	h.log.add(&e, id)
	for _, listeners := range []subscriptions{h.anywhere, h.entities[e.Device.EntityID], h.devices[e.Device.canonical()]} {
		for s := range listeners {
			if s.behind != 0 || !s.filter.Load().admits(&e) || !id.after(s.notBefore) {
				continue
			}
			select {
			case s.live <- &e:
			default:
				s.behind = number
			}
		}
	}
}

// lose ends every stream, after what is buffered, with ErrLagged: events are missing from the log. Cursors from before
// are worth nothing any more.
func (h *hub) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.forget()
	for s := range h.all {
		h.metrics.lagged.Inc()
		close(s.live)
		h.forget(s)
	}
}

// admit puts a subscription where the events for its filter will find it: in one place only for each device.
func (h *hub) admit(s *Subscription, filter *Filter) {
	s.filter.Store(filter)
	switch {
	case filter.Devices != nil:
		for key := range filter.Devices {
			if filter.seesEntity(key.EntityID) {
				add(h.devices, key, s)
			}
		}
	case filter.AllEntities:
		h.anywhere[s] = struct{}{}
	default:
		for entity := range filter.Entities {
			add(h.entities, entity, s)
		}
	}
}

// dismiss takes a subscription out of the places that admit put it into.
func (h *hub) dismiss(s *Subscription) {
	filter := s.filter.Load()
	for key := range filter.Devices {
		remove(h.devices, key, s)
	}
	for entity := range filter.Entities {
		remove(h.entities, entity, s)
	}
	delete(h.anywhere, s)
}

// forget lets go of a subscription; false when that was done before.
func (h *hub) forget(s *Subscription) bool {
	if _, open := h.all[s]; !open {
		return false
	}
	h.dismiss(s)
	delete(h.all, s)
	h.metrics.subscribers.Set(float64(len(h.all)))
	return true
}

// read looks for the next event of a subscription's replay in the log; nil when the replay is at its end, and
// ErrLagged when the log has moved on past it. It looks through a part of the log at a time, so as not to keep
// the log from those who write it.
func (h *hub) read(s *Subscription) (*Event, error) {
	for s.replay < s.replayEnd {
		if e, err := h.readPart(s, 512); e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}

func (h *hub) readPart(s *Subscription, length uint64) (*Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.replay < h.log.oldest() {
		if h.forget(s) {
			h.metrics.lagged.Inc()
		}
		return nil, ErrLagged
	}
	filter := s.filter.Load()
	for end := min(s.replayEnd, s.replay+length); s.replay < end; {
		e := h.log.at(s.replay)
		s.replay++
		if filter.admits(e) {
			return e, nil
		}
	}
	return nil, nil
}

// catchUp has a subscription that has emptied its buffer read from the log what found no room there; false when there
// is nothing of that.
func (h *hub) catchUp(s *Subscription) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.behind == 0 || len(s.live) > 0 { // what was put there meanwhile comes first
		return false
	}
	s.replay, s.replayEnd, s.behind = s.behind, h.log.next, 0
	return true
}

// close ends every subscription.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.all {
		s.end()
		h.forget(s)
	}
}

func add[K comparable](index map[K]subscriptions, key K, s *Subscription) {
	if index[key] == nil {
		index[key] = subscriptions{}
	}
	index[key][s] = struct{}{}
}

func remove[K comparable](index map[K]subscriptions, key K, s *Subscription) {
	delete(index[key], s)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}
