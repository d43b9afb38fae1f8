package delivery

import "context"

type endKey struct{}

// WithEnd gives a context that brings the way to end its connection: end is called with what the client is to be told as
// the cause, from any goroutine, and cancels the context before it returns.
func WithEnd(ctx context.Context, end func(cause error)) context.Context {
	return context.WithValue(ctx, endKey{}, end)
}

// Endable is the way to end the connection that a context belongs to, and the context to go on with. One that brings no
// way gets its own: it is merely cancelled. A cancellable context for each of many idle connections would take more
// memory than the rest of what is known of who is at their other end.
func Endable(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	if end, ok := ctx.Value(endKey{}).(func(cause error)); ok {
		return ctx, end
	}
	return context.WithCancelCause(ctx)
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
