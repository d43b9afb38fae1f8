package glpiproxy

import (
	"math"
	"strings"
	"sync"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

// cache keeps answers for a while, on go-cache, to which it adds what go-cache
// lacks: a bound, and tags. Each entry carries tags and the moment (a count of
// invalidations) at which its reading began; it is void once one of its tags was
// invalidated after that. So a read that was under way during an invalidation
// never comes back as a fresh answer.
type cache struct {
	entries *gocache.Cache
	voided  *gocache.Cache // tag to the moment of its last invalidation
	now     func() time.Time

	mu     sync.Mutex
	moment uint64
	queue  []queued // in order of arrival, for the bound
	weight int
	limit  int
}

type queued struct {
	key    string
	weight int
}

type cacheEntry struct {
	value any
	until time.Time
	tags  []string
	since uint64
}

// held is a moment that no reading can be younger than.
const held = math.MaxUint64

// newCache bounds the sum of the entries' weights by limit. longest is the
// longest time that an entry is kept or a reading may last.
func newCache(limit int, longest time.Duration, now func() time.Time) *cache {
	return &cache{
		entries: gocache.New(gocache.NoExpiration, time.Minute),
		voided:  gocache.New(2*longest, time.Minute),
		now:     now,
		limit:   limit,
	}
}

// begin is the moment to be given to put; take it before the reading begins.
func (c *cache) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moment
}

// get gives a value that is neither old nor void.
func (c *cache) get(key string) (any, bool) {
	found, ok := c.entries.Get(key)
	if !ok {
		return nil, false
	}
	e := found.(cacheEntry)
	if !c.now().Before(e.until) || c.lastVoided(e.tags) > e.since {
		c.entries.Delete(key)
		return nil, false
	}
	return e.value, true
}

// put keeps a value for ttl, unless one of its tags was invalidated since.
func (c *cache) put(key string, value any, weight int, ttl time.Duration, since uint64, tags ...string) {
	if ttl <= 0 || weight > c.limit/4 || c.lastVoided(tags) > since {
		return
	}
	c.entries.Set(key, cacheEntry{value, c.now().Add(ttl), tags, since}, ttl)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, queued{key, weight})
	for c.weight += weight; c.weight > c.limit; {
		oldest := c.queue[0]
		c.queue = c.queue[1:]
		c.weight -= oldest.weight
		c.entries.Delete(oldest.key)
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

// Invalidate forgets what the cache holds under the tags: an item type
// ("PluginFlyvemdmAgent": its lists, counts and items) or one item
// ("PluginFlyvemdmAgent:17": that item and the type's lists and counts).
func (c *Client) Invalidate(tags ...string) {
	var all []string
	for _, tag := range tags {
		all = append(all, tag)
		if itemtype, _, one := strings.Cut(tag, ":"); one {
			all = append(all, listTag(itemtype))
		}
	}
	c.rows.void(all...)
}

// listTag is carried by lists and counts, which any change of an item may touch.
func listTag(itemtype string) string { return itemtype + ":*" }
