package delivery

import (
	"context"
	"errors"
	"sync"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

type failuresKey struct{}

// Failures are the errors with which a subscription ends.
type Failures struct {
	mu   sync.Mutex
	list gqlerror.List
}

// WithFailures gives a context in which Fail notes errors, and where they are noted.
func WithFailures(ctx context.Context) (context.Context, *Failures) {
	f := &Failures{}
	return context.WithValue(ctx, failuresKey{}, f), f
}

// List is what was noted so far.
func (f *Failures) List() gqlerror.List {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list
}

// Fail notes why a subscription is about to end: for resolvers that have returned their channel and meet an
// error later. Call it with the resolver's context before closing the channel; the client then gets an error
// instead of a complete. It stands in for transport.AddSubscriptionError, which only gqlgen's own transport
// serves. Without WithFailures it does nothing.
func Fail(ctx context.Context, err error) {
	f, _ := ctx.Value(failuresKey{}).(*Failures)
	if f == nil || err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var presented *gqlerror.Error
	if !errors.As(err, &presented) {
		presented = &gqlerror.Error{Err: err, Message: err.Error()}
	}
	f.list = append(f.list, presented)
}
