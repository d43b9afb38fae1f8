package bridge

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Enrolled is what GLPI says of an agent.
type Enrolled struct {
	AgentID int
	// Device is the agent's entity and its computer's serial, as GLPI has them.
	Device DeviceKey
	Record Record
}

// Learn takes in what GLPI says of agents: it vouches for their devices, and their records are weighed with what
// is heard over MQTT; what changes by that is an event, and so is an agent that was not known before where fresh
// says that it must be new.
func (b *Bridge) Learn(agents []Enrolled, fresh bool) {
	b.note(func() []Event { return b.registry.learn(agents, fresh, b.now()) })
}

// LearnedAll says that Learn was told of every agent: from now on a device that is none of them is heard only
// after Options.Lookup found it in GLPI.
func (b *Bridge) LearnedAll() { b.registry.close() }

// Forget takes in that GLPI has these agents no more.
func (b *Bridge) Forget(agentIDs []int) {
	b.note(func() []Event { return b.registry.forget(agentIDs, b.now()) })
}

// AgentIDs are the agents that Learn told of, in no order.
func (b *Bridge) AgentIDs() []int { return b.registry.agentIDs() }

// strangers holds back messages of devices that GLPI has not told of yet, as a phone that was enrolled a moment
// ago, until it is asked.
type strangers struct {
	lookup  func(context.Context, DeviceKey) ([]Enrolled, error)
	pace    *rate.Limiter
	asked   chan DeviceKey
	metrics *metrics

	mu      sync.Mutex
	waiting map[DeviceKey][]message
	unknown map[DeviceKey]time.Time // until when GLPI isn't asked again
}

const (
	mostStrangers     = 1000
	messagesHeld      = 8                // of one stranger
	strangerForgotten = time.Minute      // how long GLPI's "unknown" holds
	lookupTime        = 10 * time.Second // for GLPI to answer
	lookupsPerSecond  = 5
)

func newStrangers(o Options, m *metrics) *strangers {
	return &strangers{
		lookup: o.Lookup, pace: rate.NewLimiter(lookupsPerSecond, 4*lookupsPerSecond), metrics: m,
		asked:   make(chan DeviceKey, mostStrangers),
		waiting: map[DeviceKey][]message{}, unknown: map[DeviceKey]time.Time{},
	}
}

// hold keeps a stranger's message until GLPI was asked; the error is a refusal.
func (s *strangers) hold(m message) error {
	if s.lookup == nil {
		return refusedStranger
	}
	key := m.device
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, known := s.unknown[key]; known && m.at.Before(until) {
		return refusedStranger
	}
	held, waiting := s.waiting[key]
	switch {
	case len(held) >= messagesHeld, !waiting && len(s.waiting) >= mostStrangers:
		return refusedStranger
	case !waiting:
		s.asked <- key // has room: it holds no more than waiting does
	}
	s.waiting[key] = append(held, m)
	return nil
}

// take gives up what a device has waiting.
func (s *strangers) take(key DeviceKey) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.waiting[key]
	delete(s.waiting, key)
	return held
}

// refuse remembers that GLPI doesn't know a device.
func (s *strangers) refuse(key DeviceKey, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknown) >= 10*mostStrangers {
		clear(s.unknown)
	}
	s.unknown[key] = now.Add(strangerForgotten)
}

// meetStrangers asks GLPI about devices that it has not told of, one after the other, until ctx is done.
func (b *Bridge) meetStrangers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case key := <-b.strangers.asked:
			if b.strangers.pace.Wait(ctx) != nil {
				return
			}
			b.meet(ctx, key)
		}
	}
}

func (b *Bridge) meet(ctx context.Context, key DeviceKey) {
	asking, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := b.strangers.lookup(asking, key)
	b.order.Lock()
	defer b.order.Unlock()
	why, admitted := refusedStranger, false
	for _, agent := range found {
		if agent.Device.canonical() == key.canonical() {
			admitted = true
			b.journal.add(b.registry.learn([]Enrolled{agent}, true, b.now()))
		} else {
			why = refusedWrongEntity
		}
	}
	held := b.strangers.take(key)
	switch {
	case admitted:
		for _, m := range held {
			b.takeIn(m)
		}
	default:
		if err == nil {
			b.strangers.refuse(key, b.now())
		}
		for range held {
			b.link.refuse(why, key.Serial)
		}
	}
}
