package glpiproxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// maxRetries is how often a read is repeated at most.
	maxRetries = 2
	// retryPause bounds the pause before the first repetition, twice that the next.
	retryPause = 100 * time.Millisecond
)

// do makes a call: waits for its turn, sends, classifies, and repeats a read when
// GLPI could not be reached, never a write.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	c.retries.earn()
	for retry := range maxRetries {
		a, err := c.attempt(ctx, k)
		if err == nil || !c.mayRepeat(k, err) {
			return a, err
		}
		c.log.Warn("glpi could not be reached, trying once more", "operation", k.operation, "error", err)
		if !sleep(ctx, rand.N(retryPause<<retry)) {
			return nil, c.contextError(k.operation, ctx)
		}
	}
	return c.attempt(ctx, k)
}

// mayRepeat takes from the budget when a call is worth repeating.
func (c *Client) mayRepeat(k call, err error) bool {
	var e *Error
	if k.once || !errors.As(err, &e) || !unreached(e) || c.base.Err() != nil {
		return false
	}
	granted := c.retries.spend()
	c.metrics.retried(granted)
	return granted
}

// sleep pauses; false: the context ended before.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryBudget keeps repetitions to a tenth of the calls, so that they don't finish
// off a GLPI in trouble. A few are there from the beginning.
type retryBudget struct {
	mu    sync.Mutex
	spent float64 // of maxBudget, in repetitions
}

const (
	maxBudget     = 10.0 // repetitions
	earnedByACall = 0.1
)

// earn adds to the budget for a call made.
func (b *retryBudget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-earnedByACall)
}

// spend tells whether there is enough left for a repetition, and takes it.
func (b *retryBudget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+1 > maxBudget {
		return false
	}
	b.spent++
	return true
}
