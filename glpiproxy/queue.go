package glpiproxy

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue admits calls to GLPI: at most limit at once, and at most each of one
// caller. Those that wait are served in turn over the callers, and in order
// within one, so that a greedy dashboard can't starve another.
type queue struct {
	name        string
	limit, each int
	length      func(change float64) // told of callers that begin and end to wait

	mu      sync.Mutex
	running int
	lines   map[string]*line // of the callers with calls here
	turns   []*line          // those with somebody waiting, whose turn it is first
}

// line is one caller's part of a queue.
type line struct {
	running int
	waiting []chan struct{} // closed when its caller is admitted
}

func newQueue(name string, limit, each int, length func(float64)) *queue {
	return &queue{name: name, limit: limit, each: each, length: length, lines: map[string]*line{}}
}

// enter waits for admission until the context ends. Who was admitted must leave.
func (q *queue) enter(ctx context.Context, caller string) error {
	ready, at := q.join(caller)
	if ready == nil {
		return nil
	}
	q.length(1)
	defer q.length(-1)
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		q.giveUp(caller, at, ready)
		return ctx.Err()
	}
}

// join admits the caller at once (nil) or puts it at the end of its line. Whenever
// there is room nobody is waiting who could use it, so nobody is overtaken.
func (q *queue) join(caller string) (chan struct{}, *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, ok := q.lines[caller]
	if !ok {
		at = &line{}
		q.lines[caller] = at
	}
	if q.running < q.limit && at.running < q.each {
		q.running++
		at.running++
		return nil, at
	}
	if len(at.waiting) == 0 {
		q.turns = append(q.turns, at)
	}
	ready := make(chan struct{})
	at.waiting = append(at.waiting, ready)
	return ready, at
}

// giveUp takes a caller out of its line. One that was admitted at the last moment
// leaves, as if its call were over.
func (q *queue) giveUp(caller string, at *line, ready chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	place := slices.Index(at.waiting, ready)
	if place < 0 {
		q.free(caller)
		return
	}
	at.waiting = slices.Delete(at.waiting, place, place+1)
	q.tidy(caller, at)
}

// leave ends an admitted call and admits whose turn it is.
func (q *queue) leave(caller string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(caller)
}

func (q *queue) free(caller string) {
	at := q.lines[caller]
	q.running--
	at.running--
	q.tidy(caller, at)
	for q.running < q.limit {
		next := slices.IndexFunc(q.turns, func(l *line) bool { return l.running < q.each })
		if next < 0 {
			return
		}
		q.admitFrom(next)
	}
}

// admitFrom admits the first caller of a line, whose next turn comes after those
// of all others.
func (q *queue) admitFrom(turn int) {
	at := q.turns[turn]
	q.turns = slices.Delete(q.turns, turn, turn+1)
	close(at.waiting[0])
	at.waiting = at.waiting[1:]
	q.running++
	at.running++
	if len(at.waiting) > 0 {
		q.turns = append(q.turns, at)
	}
}

// tidy forgets a line's turn when nobody waits in it, and the line when nothing
// runs either.
func (q *queue) tidy(caller string, at *line) {
	if len(at.waiting) > 0 {
		return
	}
	if turn := slices.Index(q.turns, at); turn >= 0 {
		q.turns = slices.Delete(q.turns, turn, turn+1)
	}
	if at.running == 0 {
		delete(q.lines, caller)
	}
}

// admit waits until a call may be made: for its turn in the fair queue, slow calls
// in one of their own, and then for the circuit breaker's leave. Whoever is
// admitted tells by done how the call ended.
func (c *Client) admit(ctx context.Context, k call) (done func(error), err error) {
	pool := c.poolOf(k)
	if err := c.waitTurn(ctx, k, pool); err != nil {
		return nil, err
	}
	told, err := c.breaker.allow(k)
	if err != nil {
		pool.leave(k.caller)
		return nil, err
	}
	c.metrics.inFlight(1)
	return func(err error) {
		c.metrics.inFlight(-1)
		told(err)
		pool.leave(k.caller)
	}, nil
}

// waitTurn enters a pool, for as long as the caller and the call's timeout allow.
func (c *Client) waitTurn(ctx context.Context, k call, pool *queue) error {
	if ctx.Err() != nil {
		return c.contextError(k.operation, ctx)
	}
	patience, cancel := context.WithTimeout(ctx, c.timeoutOf(k))
	defer cancel()
	defer context.AfterFunc(c.base, cancel)()
	began := time.Now()
	err := pool.enter(patience, k.caller)
	c.metrics.waited(pool.name, time.Since(began))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || c.base.Err() != nil:
		return c.contextError(k.operation, ctx)
	}
	return &Error{Kind: Timeout, Operation: k.operation, Message: "all calls to GLPI stayed busy"}
}

func (c *Client) poolOf(k call) *queue {
	if k.slow {
		return c.slowCalls
	}
	return c.calls
}

// timeoutOf is how long a call may last, and apart from that wait for its turn.
func (c *Client) timeoutOf(k call) time.Duration {
	if k.slow {
		return c.slowTimeout
	}
	return c.timeout
}
