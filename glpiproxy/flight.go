package glpiproxy

import (
	"context"
	"sync"
)

// flights lets equal reads share one call. A call runs on its own context: it
// ends when the last of those waiting for it gives up, not when the first does.
type flights struct {
	mu     sync.Mutex
	active map[string]*flight
	ended  bool
	wg     sync.WaitGroup
	base   context.Context // the client's: its end cancels every flight
}

type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{} // closed when value and err are set
	value   any
	err     error
}

// do joins the flight of this key or starts it; shared tells that it joined.
func (f *flights) do(ctx context.Context, key, operation string, fn func(context.Context) (any, error)) (value any, shared bool, err error) {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return nil, false, closedError(operation)
	}
	current, shared := f.active[key]
	if !shared {
		current = f.start(key, fn)
	}
	current.waiting++
	f.mu.Unlock()

	waits(ctx)
	select {
	case <-current.done:
		return current.value, shared, current.err
	case <-ctx.Done():
		f.leave(key, current)
		return nil, shared, contextError(operation, ctx)
	}
}

// start is called with the lock held.
func (f *flights) start(key string, fn func(context.Context) (any, error)) *flight {
	ctx, cancel := context.WithCancel(f.base)
	started := &flight{cancel: cancel, done: make(chan struct{})}
	f.active[key] = started
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		defer cancel()
		value, err := fn(ctx)
		f.mu.Lock()
		f.forget(key, started)
		started.value, started.err = value, err
		f.mu.Unlock()
		close(started.done)
	}()
	return started
}

// carry runs what goes on whoever waits for it, unless no flight may start any more.
func (f *flights) carry(fn func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return false
	}
	f.wg.Go(fn)
	return true
}

// leave ends a flight that nobody waits for any more. It is forgotten at once, so
// that a newcomer doesn't join a call that is being cancelled.
func (f *flights) leave(key string, left *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left.waiting--; left.waiting == 0 {
		f.forget(key, left)
		left.cancel()
	}
}

func (f *flights) forget(key string, ended *flight) {
	if f.active[key] == ended {
		delete(f.active, key)
	}
}

// end lets no flight start any more and waits for those under way; the base
// context must have ended.
func (f *flights) end() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.wg.Wait()
}
