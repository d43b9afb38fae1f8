package glpiproxy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// StaleReport collects whether answers were old, since GLPI was away.
type StaleReport struct {
	mu    sync.Mutex
	since time.Time
}

// Since tells the moment at which the oldest answer was true; false: all were fresh.
func (r *StaleReport) Since() (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, !r.since.IsZero()
}

func (r *StaleReport) add(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || at.Before(r.since) {
		r.since = at
	}
}

type staleKey struct{}

// WithStaleReport has the reads made with the context reported where GLPI could not
// be asked and they were answered from memory, up to Options.StaleFor too old.
func WithStaleReport(ctx context.Context) (context.Context, *StaleReport) {
	r := &StaleReport{}
	return context.WithValue(ctx, staleKey{}, r), r
}

// insteadOf gives what the cache still has under a key when a read failed because
// GLPI was away.
func (c *Client) insteadOf(ctx context.Context, err error, key string) (any, bool) {
	if !c.away(ctx, err) {
		return nil, false
	}
	value, at, ok := c.rows.stale(key)
	if ok {
		c.reportStale(ctx, at, 1)
	}
	return value, ok
}

// reportStale counts answers that were old, the oldest true at a moment.
func (c *Client) reportStale(ctx context.Context, at time.Time, answers int) {
	c.metrics.cached("stale", answers)
	spoil(ctx)
	if r, ok := ctx.Value(staleKey{}).(*StaleReport); ok {
		r.add(at)
	}
}

// away tells whether a read failed because GLPI could not be reached or did not
// answer in time, and not because its caller gave up or the client was closed.
func (c *Client) away(ctx context.Context, err error) bool {
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil || c.base.Err() != nil {
		return false
	}
	return e.Kind == Unavailable || e.Kind == Timeout
}
