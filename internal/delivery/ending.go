package delivery

import "context"

type endKey struct{}

// Endings are how a connection ends.
type Endings interface {
	// EndFor ends it, with what the client is to be told as the cause. It is called from any goroutine, and has the
	// connection's context cancelled before it returns.
	EndFor(cause error)
	// Afterwards has f called once it is over. Whoever takes the connection's viewer in calls it, once at most.
	Afterwards(f func())
}

// WithEndings gives a context that brings the way to end its connection.
func WithEndings(ctx context.Context, of Endings) context.Context {
	return context.WithValue(ctx, endKey{}, of)
}

// Endable is the way to end the connection that a context belongs to, and the context to go on with. One that brings no
// way gets its own: it is merely cancelled. A cancellable context for each of many idle connections would take more
// memory than the rest of what is known of who is at their other end.
func Endable(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	if of, ok := ctx.Value(endKey{}).(Endings); ok {
		return ctx, of.EndFor
	}
	return context.WithCancelCause(ctx)
}

// Afterwards calls f when the connection that a context belongs to is over, or, where it brings no way to end one, when
// the context is done.
func Afterwards(ctx context.Context, f func()) {
	if of, ok := ctx.Value(endKey{}).(Endings); ok {
		of.Afterwards(f)
		return
	}
	context.AfterFunc(ctx, f)
}

// OnEnd calls f with the cause when a context is done, unless that is merely since the one that it comes from is.
func OnEnd(ctx, from context.Context, f func(cause error)) {
	if ctx.Done() == from.Done() { // it can't be done alone: nothing to wait for, and nothing to hold
		return
	}
	context.AfterFunc(ctx, func() {
		if from.Err() == nil {
			f(context.Cause(ctx))
		}
	})
}
