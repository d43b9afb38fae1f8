package glpiproxy

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrCircuitOpen is in the chain of the errors of calls that were not made, since
// GLPI failed too often just before. Their kind is Unavailable.
var ErrCircuitOpen = errors.New("the circuit is open")

// breaker keeps calls away from a GLPI that does not answer, and lets a single
// call through after a pause, to see whether it does again.
type breaker struct {
	circuit *gobreaker.TwoStepCircuitBreaker[any]
	pause   time.Duration
	openTil atomic.Pointer[time.Time] // nil: closed
}

// The circuit opens after so many failures in a row (more than the calls that are
// under way at once, so that their repetitions still get their chance), or when
// half of the calls of a window failed.
const (
	failuresInARow = 10
	failureWindow  = 10 * time.Second
	windowStep     = time.Second
	callsForARatio = 20
	failureRatio   = 0.5

	defaultPause = 2 * time.Second
)

// newBreaker makes a closed one; changed is told when it opens (true) or closes.
func newBreaker(pause time.Duration, changed func(open bool)) *breaker {
	b := &breaker{pause: pause}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Interval: failureWindow, BucketPeriod: windowStep, Timeout: pause,
		IsExcluded:   func(err error) bool { return err != nil && !isOutage(err) && !isAnswer(err) },
		IsSuccessful: func(err error) bool { return !isOutage(err) },
		ReadyToTrip: func(c gobreaker.Counts) bool {
			tooMany := c.Requests >= callsForARatio && float64(c.TotalFailures) >= failureRatio*float64(c.Requests)
			return c.ConsecutiveFailures >= failuresInARow || tooMany
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			switch to {
			case gobreaker.StateOpen:
				until := time.Now().Add(pause)
				b.openTil.Store(&until)
				changed(true)
			case gobreaker.StateClosed:
				b.openTil.Store(nil)
				changed(false)
			}
		},
	})
	return b
}

// allow tells whether a call may be made, and wants to be told how it ended. A slow
// call tells nothing of GLPI: it may be the device or the file that takes long.
func (b *breaker) allow(k call) (done func(error), err error) {
	if k.slow {
		if b.circuit.State() != gobreaker.StateClosed {
			return nil, b.refusal(k)
		}
		return func(error) {}, nil
	}
	done, err = b.circuit.Allow()
	if err != nil {
		return nil, b.refusal(k)
	}
	return done, nil
}

func (b *breaker) isOpen() bool { return b.openTil.Load() != nil }

func (b *breaker) refusal(k call) *Error {
	message := "GLPI has not answered lately; one call is trying it now"
	if until := b.openTil.Load(); until != nil && time.Until(*until) > 0 {
		message = "GLPI has not answered lately; it is tried again in " + time.Until(*until).Round(100*time.Millisecond).String()
	}
	return &Error{Kind: Unavailable, Operation: k.operation, Message: message, Err: ErrCircuitOpen}
}

// isOutage tells of a call that GLPI could not be brought to answer. A caller's own
// deadline is none, nor is a web server's or firewall's refusal of one request.
func isOutage(err error) bool {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return e.Kind == Timeout || unreached(e) || e.Status == http.StatusTooManyRequests
}

// unreached tells of a broken connection and of a proxy whose GLPI was away.
func unreached(e *Error) bool {
	if e.Kind != Unavailable || errors.Is(e, ErrCircuitOpen) {
		return false
	}
	switch e.Status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// isAnswer tells of an error that GLPI itself gave, which shows that it is there.
func isAnswer(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status != 0 && e.Kind != Unavailable
}
