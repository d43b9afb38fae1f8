package glpiproxy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Health is what the last real calls tell of GLPI.
type Health struct {
	Reachable bool
	Since     time.Time // when Reachable last changed
	CheckedAt time.Time // the last call that told; zero: none yet
	LastError string    // why it is not reachable; "" when it is
	// CircuitOpen tells that calls fail with ErrCircuitOpen, but for one now and
	// then that tries whether GLPI answers again.
	CircuitOpen bool
}

type healthRecord struct {
	mu        sync.Mutex
	reachable bool
	since     time.Time
	checkedAt time.Time
	lastError string
}

// Health reports without making a call. Before the first call GLPI is not
// reachable.
func (c *Client) Health() Health {
	h := &c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return Health{Reachable: h.reachable, Since: h.since, CheckedAt: h.checkedAt, LastError: h.lastError, CircuitOpen: c.breaker.isOpen()}
}

// observe learns from a call. A refusal is an answer like any other, unless it
// turns the gateway itself away; a caller that gave up tells nothing.
func (h *healthRecord) observe(err error, now time.Time) (reachable, changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var e *Error
	if errors.As(err, &e) && e.Kind == Canceled || errors.Is(err, context.DeadlineExceeded) {
		return h.reachable, false
	}
	reachable = err == nil || e != nil && !e.shutsOut()
	if changed = reachable != h.reachable || h.checkedAt.IsZero(); changed {
		h.since = now
	}
	h.reachable, h.checkedAt, h.lastError = reachable, now, ""
	if !reachable {
		h.lastError = err.Error()
	}
	return reachable, changed
}

func (c *Client) logHealth(reachable bool, err error) {
	if reachable {
		c.log.Info("glpi is reachable")
		return
	}
	c.log.Warn("glpi is not reachable", "error", err)
}

// circuitChanged is called when the circuit opens or closes.
func (c *Client) circuitChanged(open bool) {
	c.metrics.circuitIs(open)
	if open {
		c.log.Warn("glpi failed too often: it is left alone for a while", "pause", c.breaker.pause)
		return
	}
	c.log.Info("glpi answers again: calls go on")
}

// shutsOut tells of an error that would meet every viewer alike.
func (e *Error) shutsOut() bool {
	switch e.Kind {
	case Unavailable, Timeout:
		return true
	case Misconfigured:
		return shutOut[e.Code]
	}
	return false
}

// Check makes one cheap call without credentials and without opening a session.
// nil: GLPI answers and its API is on. Otherwise the kind is Misconfigured (API
// off, address or app token refused), Unavailable or Timeout.
func (c *Client) Check(ctx context.Context) error {
	a, err := c.do(ctx, call{operation: "initSession", path: "/initSession"})
	var e *Error
	switch {
	case errors.As(err, &e) && e.Code == "ERROR_LOGIN_PARAMETERS_MISSING":
		return nil
	case e != nil && e.Kind == Upstream:
		return &Error{Kind: Unavailable, Operation: e.Operation, Status: e.Status, Code: e.Code, Message: e.Message}
	case err != nil:
		return err
	}
	// A web server that signs in by itself (REMOTE_USER) opened a session.
	session, err := c.opened(a)
	if err != nil {
		return &Error{Kind: Unavailable, Operation: "initSession", Status: a.status, Message: "the answer is not GLPI's"}
	}
	return session.End(ctx)
}
