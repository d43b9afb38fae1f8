package fanout

import (
	"context"
	"sync"
	"time"

	"fleetgate/internal/delivery"
)

const (
	// momentLasts is how long a response is there for those to whom the same happens at the same moment.
	momentLasts = time.Second
	// mostMoments bounds the responses that are there at a time.
	mostMoments = 1_000
)

// Moments are where subscribers meet who have streams of their own, and whose streams tell the same at the same moment: the
// response to it is made once. The zero value is ready. It is safe for concurrent use.
type Moments struct {
	mu   sync.Mutex
	made map[string]*moment
}

type moment struct {
	made   chan struct{}    // closed when there is a result, or will be none
	result *delivery.Result // nil: it is not for others
}

// Respond gives the response to what a key stands for: to what happened, to whom it looks the same, and to what they ask.
// It is that of somebody who has just made it, or is making it; else it is made, and shared says whether others may have
// it. Those who wait for one that they may not have make their own. nil: make gave none, or ctx is done.
func (m *Moments) Respond(ctx context.Context, key string, make func() (result *delivery.Result, shared bool)) *delivery.Result {
	theirs, mine := m.enter(key)
	if theirs != nil {
		select {
		case <-theirs.made:
			if theirs.result != nil {
				return theirs.result
			}
		case <-ctx.Done():
			return nil
		}
	}
	if mine == nil {
		result, _ := make()
		return result
	}
	defer m.leave(key, mine)
	result, shared := make()
	if shared {
		mine.result = result
	}
	return result
}

// enter gives the moment of a key that there is, or a new one; neither where there are too many.
func (m *Moments) enter(key string) (theirs, mine *moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.made[key]; known != nil {
		return known, nil
	}
	if len(m.made) >= mostMoments {
		return nil, nil
	}
	if m.made == nil {
		m.made = map[string]*moment{}
	}
	mine = &moment{made: make(chan struct{})}
	m.made[key] = mine
	return nil, mine
}

// leave lets those go on who wait, and has the moment pass.
func (m *Moments) leave(key string, mine *moment) {
	close(mine.made)
	if mine.result == nil {
		m.forget(key)
		return
	}
	time.AfterFunc(momentLasts, func() { m.forget(key) })
}

func (m *Moments) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.made, key)
}
