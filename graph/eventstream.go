package graph

import (
	"context"
	"errors"
	"sync"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/delivery"
)

// eventStream is a subscription to the bridge that follows what its viewer may see, for streams that no two viewers
// share.
type eventStream struct {
	resolver     *Resolver
	session      *glpiproxy.Session
	wanted       eventFilter
	subscription *bridge.Subscription
	leave        func() // the place that it takes
	// narrowing keeps two looks at the viewer's scope apart: the one that began first must not have the last word.
	narrowing sync.Mutex
}

// open takes one of the places that its viewer has, and subscribes to what the viewer may see, from after a cursor on
// or from now on. carry gives both back.
func (e *eventStream) open(ctx context.Context, places *streamPlaces, most int, after string) error {
	visible, err := e.wanted.visible(ctx, e.session)
	if err != nil {
		return err
	}
	scope, err := e.session.Scope(ctx)
	if err != nil {
		return err
	}
	leave, err := places.take(scope.UserID, most)
	if err != nil {
		return err
	}
	if e.subscription, err = e.resolver.Bridge.Subscribe(visible, after); err != nil {
		leave()
		return err
	}
	e.leave = leave
	return nil
}

// carry does the work of a stream until it fails or ctx is done. It follows a switch of the viewer's profile or entity
// at once.
func (e *eventStream) carry(ctx context.Context, work func(context.Context) error) {
	defer e.leave()
	defer func() { e.subscription.Close() }() // the one that it has at the end
	seeing, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer e.resolver.SignIn.WatchScope(e.session.Token(), func() {
		if err := e.narrow(seeing); err != nil {
			end(err) // after a switch nothing stays allowed by default
		}
	})()
	if err := work(seeing); ctx.Err() == nil {
		delivery.Fail(ctx, err)
	}
}

// next waits for an event, but not beyond the time of the next check; nil when none came until then.
func (e *eventStream) next(ctx context.Context, until time.Time) (*bridge.Event, error) {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	event, err := e.subscription.Next(waiting)
	if err != nil && waiting.Err() != nil {
		return nil, nil
	}
	return &event, err
}

// narrow asks GLPI what the viewer may see now, and lets through only that.
func (e *eventStream) narrow(ctx context.Context) error {
	e.narrowing.Lock()
	defer e.narrowing.Unlock()
	visible, err := e.wanted.visible(ctx, e.session)
	if err != nil {
		return err
	}
	e.subscription.SetFilter(visible)
	return nil
}

// refresh narrows the stream from time to time. GLPI being away is no reason to end it: what was allowed stays
// allowed until GLPI says otherwise.
func (e *eventStream) refresh(ctx context.Context) error {
	err := e.narrow(ctx)
	if err == nil {
		return nil
	}
	return e.lasting(err)
}

// lasting is the error that ends a stream; nil where GLPI is merely away.
func (e *eventStream) lasting(err error) error {
	if glpiproxy.IsAway(err) {
		return nil
	}
	var failed *glpiproxy.Error
	if errors.As(err, &failed) && failed.Kind == glpiproxy.Unauthenticated {
		e.resolver.SignIn.End(e.session.Token())
	}
	return err
}
