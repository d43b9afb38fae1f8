// Package responsecache keeps whole responses to queries, as the bytes that were sent, for those who ask the same and may
// see the same. Each carries tags, which name what it shows, and is dropped as soon as one of them is voided. It knows
// neither GraphQL nor GLPI nor what a tag stands for.
package responsecache

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options bound a Cache.
type Options struct {
	// Bytes are how much memory responses may take, with their keys and tags.
	Bytes int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Registerer gets the fleetgate_response_cache_* metrics; nil: none are registered.
	Registerer prometheus.Registerer
}

// Response is a kept response. Don't change it.
type Response struct {
	Body []byte
	// ETag is the entity tag of the body, with its quotes.
	ETag string
}

// Cache keeps responses; when there is no room for another, the one that was not asked for for longest goes. It is safe
// for concurrent use.
type Cache struct {
	most     int
	now      func() time.Time
	outcomes *prometheus.CounterVec

	mu     sync.Mutex
	byKey  map[string]*list.Element
	order  *list.List // of *entry, the least used first
	byTag  map[string]map[*entry]struct{}
	open   map[*Recording]struct{}
	amount int // bytes
}

type entry struct {
	key      string
	response Response
	until    time.Time
	tags     []string
	size     int
}

const (
	// mostTags bounds what one response may rest on: what shows more changes soon anyway.
	mostTags = 2000
	// tagSize and entrySize are about what a tag and an entry take apart from their bytes.
	tagSize, entrySize = 64, 512
	// share is the part of the memory that one response may take at most.
	share = 8
)

// New makes a Cache.
func New(o Options) (*Cache, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{
		most: o.Bytes, now: o.Now,
		byKey: map[string]*list.Element{}, order: list.New(),
		byTag: map[string]map[*entry]struct{}{}, open: map[*Recording]struct{}{},
	}
	return c, c.register(o.Registerer)
}

func (c *Cache) register(r prometheus.Registerer) error {
	c.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fleetgate_response_cache_requests_total",
		Help: "Requests, by whether the response cache had the response (hit), kept it (kept), could not keep it (miss), or was not asked (bypass).",
	}, []string{"outcome"})
	if r == nil {
		return nil
	}
	for _, metric := range []prometheus.Collector{
		c.outcomes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fleetgate_response_cache_bytes", Help: "What the response cache holds, in bytes.",
		}, func() float64 { _, bytes := c.Held(); return float64(bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fleetgate_response_cache_entries", Help: "The responses that the response cache holds.",
		}, func() float64 { entries, _ := c.Held(); return float64(entries) }),
	} {
		if err := r.Register(metric); err != nil {
			return fmt.Errorf("registering the metrics of the response cache: %w", err)
		}
	}
	return nil
}

// Held is what the cache holds.
func (c *Cache) Held() (entries, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len(), c.amount
}

// Get gives the response that is kept under a key and still true.
func (c *Cache) Get(key []byte) (Response, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, ok := c.byKey[string(key)]
	if !ok {
		return Response{}, false
	}
	e := place.Value.(*entry)
	if !c.now().Before(e.until) {
		c.drop(e)
		return Response{}, false
	}
	c.order.MoveToBack(place)
	c.outcomes.WithLabelValues("hit").Inc()
	return e.response, true
}

// Bypass counts a request whose response can't be kept, whatever it reads.
func (c *Cache) Bypass() { c.outcomes.WithLabelValues("bypass").Inc() }

// Void drops the responses that carry one of the tags, and those that are being made now and will turn out to. What was
// read before and what is read after is told apart by the order of the calls: void first wherever else the change is
// noted, then here, then tell others.
func (c *Cache) Void(tags ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range tags {
		for recording := range c.open {
			recording.voided[tag] = struct{}{}
		}
		for e := range c.byTag[tag] {
			c.drop(e)
		}
	}
}

// keep stores an entry, unless what it rests on has changed since its recording began.
func (c *Cache) keep(e *entry, r *Recording) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range e.tags {
		if _, voided := r.voided[tag]; voided {
			return false
		}
	}
	if e.size > c.most/share || !c.now().Before(e.until) {
		return false
	}
	if place, known := c.byKey[e.key]; known {
		c.drop(place.Value.(*entry))
	}
	c.byKey[e.key] = c.order.PushBack(e)
	c.amount += e.size
	for _, tag := range e.tags {
		if c.byTag[tag] == nil {
			c.byTag[tag] = map[*entry]struct{}{}
		}
		c.byTag[tag][e] = struct{}{}
	}
	for c.amount > c.most {
		c.drop(c.order.Front().Value.(*entry))
	}
	return true
}

// drop is called with the lock held.
func (c *Cache) drop(e *entry) {
	c.order.Remove(c.byKey[e.key])
	delete(c.byKey, e.key)
	c.amount -= e.size
	for _, tag := range e.tags {
		if delete(c.byTag[tag], e); len(c.byTag[tag]) == 0 {
			delete(c.byTag, tag)
		}
	}
}

// etag is the same for equal bodies only.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}
