package glpiproxy

import (
	"container/list"
	"math"
	"sync"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

// cache keeps answers for a while, on go-cache, to which it adds what go-cache
// lacks: bounds, tags, and answers that are too old but better than none. Each entry
// carries tags and the moment (a count of invalidations) at which its reading began;
// it is void once one of its tags was invalidated after that. So a read that was
// under way during an invalidation never comes back as a fresh answer.
type cache struct {
	entries  *gocache.Cache // of *cacheEntry
	voided   *gocache.Cache // tag to the moment of its last invalidation
	now      func() time.Time
	staleFor time.Duration

	mu         sync.Mutex
	moment     uint64
	order      *list.List               // of *cacheEntry, the oldest first
	places     map[string]*list.Element // in order, by key
	bytes      int
	maxEntries int
	maxBytes   int
}

type cacheEntry struct {
	key   string
	value any
	size  int       // bytes of JSON that GLPI sent for it
	at    time.Time // when it was kept
	until time.Time // until when it is fresh
	tags  []string
	since uint64
}

const (
	// held is a moment that no reading can be younger than.
	held = math.MaxUint64
	// entrySize is what an entry takes apart from its value, in bytes.
	entrySize = 256
)

// cacheBounds are the limits of a cache.
type cacheBounds struct {
	entries, bytes int
	// staleFor is how long an entry is kept after it is fresh.
	staleFor time.Duration
	// longest is the longest time that an entry is fresh or a reading may last.
	longest time.Duration
}

func newCache(b cacheBounds, now func() time.Time) *cache {
	c := &cache{
		entries:    gocache.New(gocache.NoExpiration, time.Minute),
		voided:     gocache.New(2*(b.longest+b.staleFor), time.Minute),
		now:        now,
		staleFor:   b.staleFor,
		order:      list.New(),
		places:     map[string]*list.Element{},
		maxEntries: b.entries,
		maxBytes:   b.bytes,
	}
	c.entries.OnEvicted(func(_ string, gone any) { c.forget(gone.(*cacheEntry)) })
	return c
}

// begin is the moment to be given to put; take it before the reading begins.
func (c *cache) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moment
}

// get gives a value that is neither old nor void.
func (c *cache) get(key string) (any, bool) {
	e, ok := c.fresh(key)
	if !ok {
		return nil, false
	}
	return e.value, true
}

// fresh gives the entry of a value that is neither old nor void.
func (c *cache) fresh(key string) (*cacheEntry, bool) {
	e, ok := c.valid(key)
	return e, ok && c.now().Before(e.until)
}

// stale gives a value that may be old, but was not invalidated, and the time at
// which it was true.
func (c *cache) stale(key string) (value any, at time.Time, ok bool) {
	e, ok := c.valid(key)
	if !ok {
		return nil, time.Time{}, false
	}
	return e.value, e.at, true
}

func (c *cache) valid(key string) (*cacheEntry, bool) {
	found, ok := c.entries.Get(key)
	if !ok {
		return nil, false
	}
	e := found.(*cacheEntry)
	if !c.now().Before(e.until.Add(c.staleFor)) || c.lastVoided(e.tags) > e.since {
		return nil, false // and left where it is: to delete it could hit the one that takes its place just now
	}
	return e, true
}

// put keeps a value that is fresh for ttl, unless one of its tags was invalidated
// since. No entry may push out more than a quarter of the others. The entry of a value
// that is not kept has no until.
func (c *cache) put(key string, value any, size int, ttl time.Duration, since uint64, tags ...string) *cacheEntry {
	size += len(key) + entrySize
	if ttl <= 0 || size > c.maxBytes/4 || c.lastVoided(tags) > since {
		return &cacheEntry{value: value}
	}
	now := c.now()
	e := &cacheEntry{key: key, value: value, size: size, at: now, until: now.Add(ttl), tags: tags, since: since}
	for _, old := range c.keep(e, ttl+c.staleFor) {
		c.entries.Delete(old)
	}
	return e
}

// keep stores an entry and tells which ones are beyond the bounds now.
func (c *cache) keep(e *cacheEntry, life time.Duration) (beyond []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.places[e.key])
	c.entries.Set(e.key, e, life)
	c.places[e.key] = c.order.PushBack(e)
	c.bytes += e.size
	for c.order.Len() > c.maxEntries || c.bytes > c.maxBytes {
		beyond = append(beyond, c.order.Front().Value.(*cacheEntry).key)
		c.remove(c.order.Front())
	}
	return beyond
}

// remove is called with the lock held.
func (c *cache) remove(place *list.Element) {
	if place == nil {
		return
	}
	e := c.order.Remove(place).(*cacheEntry)
	delete(c.places, e.key)
	c.bytes -= e.size
}

// forget takes an entry that go-cache let go out of the count.
func (c *cache) forget(gone *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place := c.places[gone.key]; place != nil && place.Value == gone {
		c.remove(place)
	}
}

// void makes every entry with one of the tags worthless.
func (c *cache) void(tags ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moment++
	for _, tag := range tags {
		c.voided.SetDefault(tag, c.moment)
	}
}

// hold keeps anything with the tag from being stored or given, until void.
func (c *cache) hold(tag string) { c.voided.SetDefault(tag, uint64(held)) }

// lastVoided is the last moment at which one of the tags was invalidated.
func (c *cache) lastVoided(tags []string) uint64 {
	var last uint64
	for _, tag := range tags {
		if m, ok := c.voided.Get(tag); ok {
			last = max(last, m.(uint64))
		}
	}
	return last
}
