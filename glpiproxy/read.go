package glpiproxy

import (
	"context"
	"fmt"
	"sync/atomic"
)

// reading describes a read to the cache.
type reading struct {
	operation string
	itemtype  string
	key       string // what is read, unique within the viewer's scope
	tag       string // listTag or itemTag: whose change makes it worthless
	fresh     bool   // not answered from the cache
}

// tags are those that an entry of the reading carries.
func (r reading) tags(s *Session) []string {
	return []string{everything, r.itemtype, r.tag, s.tag}
}

// scopeKey is what the cached rows of a reading belong to: the viewer's scope, or
// the language alone for what every viewer with the right sees alike.
func scopeKey(scope *Scope, itemtype string) string {
	if t := traitsOf(itemtype); t.global && (t.right == "" || scope.Can(t.right, Read)) {
		return "language=" + scope.Language
	}
	return scope.fingerprint
}

// cachedRead answers from the cache, from an equal read under way, or by fetch; and
// while GLPI is away from what the cache still has, though it is old. The viewer is
// asked for first: a session that has ended gets nothing.
func cachedRead[V any](ctx context.Context, s *Session, r reading, fetch func(context.Context, *Scope) (V, error)) (V, error) {
	var none V
	c := s.client
	since := c.rows.begin()
	scope, err := s.Scope(ctx)
	if err != nil {
		return none, err
	}
	if err := checkViewer(r.operation, r.itemtype, scope); err != nil {
		return none, err
	}
	key := scopeKey(scope, r.itemtype) + "|" + r.key
	tags := r.tags(s)
	run := func(ctx context.Context) (any, error) {
		ctx, size := withMeter(ctx)
		v, err := fetch(ctx, scope)
		if err != nil {
			return nil, err
		}
		return c.rows.put(key, v, size(), c.ttlOf(traitsOf(r.itemtype)), since, tags...), nil
	}
	if r.fresh {
		c.metrics.cached("fresh", 1)
		return valueOf[V](ctx)(run(ctx))
	}
	if found, ok := c.rows.fresh(key); ok {
		c.metrics.cached("hit", 1)
		return valueOf[V](ctx)(found, nil)
	}
	// The moment keeps a read that follows an invalidation from joining one that
	// began before it.
	flightKey := fmt.Sprint(s.tag, "|", key, "|", c.rows.lastVoided(tags))
	found, shared, err := c.flights.do(ctx, flightKey, r.operation, func(ctx context.Context) (any, error) {
		if found, ok := c.rows.fresh(key); ok { // an equal read has ended just now
			return found, nil
		}
		return run(ctx)
	})
	if old, ok := c.insteadOf(ctx, err, key); ok {
		return old.(V), nil
	}
	if shared {
		c.metrics.cached("shared", 1)
	} else {
		c.metrics.cached("miss", 1)
	}
	return valueOf[V](ctx)(found, err)
}

// valueOf picks the value out of a read's entry, and tells who observes the reads.
func valueOf[V any](ctx context.Context) func(found any, err error) (V, error) {
	return func(found any, err error) (V, error) {
		if err != nil {
			var none V
			return none, err
		}
		e := found.(*cacheEntry)
		observe(ctx, e)
		return e.value.(V), nil
	}
}

type meterKey struct{}

// withMeter counts the bytes of GLPI's answers to what is done with the context.
func withMeter(ctx context.Context) (metered context.Context, size func() int) {
	var bytes atomic.Int64
	return context.WithValue(ctx, meterKey{}, &bytes), func() int { return int(bytes.Load()) }
}

func meter(ctx context.Context, a *answer) {
	if bytes, ok := ctx.Value(meterKey{}).(*atomic.Int64); ok {
		bytes.Add(int64(len(a.body)))
	}
}
