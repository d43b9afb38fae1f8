package glpiproxy

import (
	"context"
	"time"
)

// ReadObserver is told what reads rest on, by whoever keeps what was made of their answers. Together with
// Options.OnInvalidate it knows how long that stays true.
type ReadObserver interface {
	// Rests says that an answer is good until a moment, unless one of the tags is
	// invalidated before.
	Rests(until time.Time, tags ...string)
	// Same says that a session had this View. It has another one when rights or
	// entities have changed meanwhile.
	Same(session, view string)
	// Spoil says that nobody tells when an answer ceases to be true.
	Spoil()
}

type observerKey struct{}

// WithReadObserver has the reads made with the context observed.
func WithReadObserver(ctx context.Context, o ReadObserver) context.Context {
	return context.WithValue(ctx, observerKey{}, o)
}

func observer(ctx context.Context) (ReadObserver, bool) {
	o, ok := ctx.Value(observerKey{}).(ReadObserver)
	return o, ok
}

// observe tells of an answer.
func observe(ctx context.Context, e *cacheEntry) {
	o, ok := observer(ctx)
	switch {
	case !ok:
	case e.until.IsZero():
		o.Spoil()
	default:
		o.Rests(e.until, e.tags...)
	}
}

// spoil tells of an answer that was not, or not only, read through the cache.
func spoil(ctx context.Context) {
	if o, ok := observer(ctx); ok {
		o.Spoil()
	}
}

type waitKey struct{}

// BeforeWaiting has waits called, with the context that a call was made with, whenever that call is about to wait for GLPI:
// then others can go on meanwhile. What is in memory is not waited for.
func BeforeWaiting(ctx context.Context, waits func(ctx context.Context)) context.Context {
	return context.WithValue(ctx, waitKey{}, waits)
}

// waits tells that GLPI is about to be waited for.
func waits(ctx context.Context) {
	if tell, ok := ctx.Value(waitKey{}).(func(context.Context)); ok {
		tell(ctx)
	}
}

// void forgets rows by their tags, here and, after that, wherever else they are kept.
func (c *Client) void(tags ...string) {
	c.rows.void(tags...)
	c.tell(tags)
}

func (c *Client) tell(tags []string) {
	if c.onInvalidate != nil {
		c.onInvalidate(tags...)
	}
}
