package responsecache

import (
	"context"
	"sync"
	"time"
)

// Recording notes what a response rests on while it is made. Whoever reads for the response tells it: what was read,
// Rests; and Spoil, where nobody would tell of a change. End must be called.
type Recording struct {
	cache  *Cache
	voided map[string]struct{} // since it began; under the cache's lock

	mu     sync.Mutex
	tags   map[string]struct{}
	values map[string]string // what had to stay the same
	until  time.Time         // zero: nothing was noted
	spoilt bool
}

type recordingKey struct{}

// Begin begins a recording, and gives the context in which FromContext finds it. Begin before anything is read.
func (c *Cache) Begin(ctx context.Context) (context.Context, *Recording) {
	r := &Recording{cache: c, voided: map[string]struct{}{}, tags: map[string]struct{}{}, values: map[string]string{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[r] = struct{}{}
	return context.WithValue(ctx, recordingKey{}, r), r
}

// FromContext is the recording of the response that is being made; nil: it is not to be kept.
func FromContext(ctx context.Context) *Recording {
	r, _ := ctx.Value(recordingKey{}).(*Recording)
	return r
}

// Rests notes that the response shows what the tags name, and is true until a moment at the latest, however little of that
// changes.
func (r *Recording) Rests(until time.Time, tags ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until.IsZero() || until.Before(r.until) {
		r.until = until
	}
	for _, tag := range tags {
		r.tags[tag] = struct{}{}
	}
}

// Same notes that something had a value, for as long as the response was made: with another one it can't be kept.
func (r *Recording) Same(what, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if former, noted := r.values[what]; noted && former != value {
		r.spoilt = true
	}
	r.values[what] = value
}

// Spoil notes that the response can't be kept.
func (r *Recording) Spoil() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoilt = true
}

// Keep keeps the response under a key, if all that it shows is known and still true. The body is the cache's from now on.
func (r *Recording) Keep(key, body []byte) {
	outcome := "miss"
	if e := r.entry(key, body); e != nil && r.cache.keep(e, r) {
		outcome = "kept"
	}
	r.cache.outcomes.WithLabelValues(outcome).Inc()
}

// entry is what is to be kept; nil: nothing.
func (r *Recording) entry(key, body []byte) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spoilt || r.until.IsZero() || len(r.tags) > mostTags {
		return nil
	}
	e := &entry{key: string(key), response: Response{Body: body, ETag: etag(body)}, until: r.until, tags: make([]string, 0, len(r.tags))}
	e.size = len(key) + len(body) + entrySize
	for tag := range r.tags {
		e.tags = append(e.tags, tag)
		e.size += len(tag) + tagSize
	}
	return e
}

// End ends the recording.
func (r *Recording) End() {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	delete(r.cache.open, r)
}
