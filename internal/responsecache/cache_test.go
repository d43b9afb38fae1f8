package responsecache

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// clock is a time that stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) soon() time.Time { return c.now.Add(time.Minute) }

func newCache(t *testing.T, bytes int) (*Cache, *clock, *prometheus.Registry) {
	t.Helper()
	at, metrics := &clock{now: time.Unix(1_795_000_000, 0)}, prometheus.NewRegistry()
	c, err := New(Options{Bytes: bytes, Now: func() time.Time { return at.now }, Registerer: metrics})
	if err != nil {
		t.Fatal(err)
	}
	return c, at, metrics
}

func (c *Cache) has(key string) bool {
	_, ok := c.Get([]byte(key))
	return ok
}

// put keeps a response that rests on tags.
func (c *Cache) put(key, body string, until time.Time, tags ...string) {
	_, r := c.Begin(context.Background())
	defer r.End()
	r.Rests(until, tags...)
	r.Keep([]byte(key), []byte(body))
}

func TestWhatIsKept(t *testing.T) {
	many := make([]string, mostTags+1)
	for i := range many {
		many[i] = fmt.Sprint("tag ", i)
	}
	for _, test := range []struct {
		name string
		make func(c *Cache, at *clock, r *Recording)
		kept bool
	}{
		{"a response", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), "a") }, true},
		{"nothing was read", func(c *Cache, at *clock, r *Recording) {}, false},
		{"something that nobody tells of", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), "a"); r.Spoil() }, false},
		{"the same visibility twice", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon()); r.Same("s", "v"); r.Same("s", "v") }, true},
		{"a visibility that changed", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon()); r.Same("s", "v"); r.Same("s", "w") }, false},
		{"a tag that was voided after it was read", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), "a"); c.Void("b", "a") }, false},
		{"a tag that was voided before it was told", func(c *Cache, at *clock, r *Recording) { c.Void("a"); r.Rests(at.soon(), "a") }, false},
		{"another tag that was voided", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), "a"); c.Void("b") }, true},
		{"true no longer", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), "a"); r.Rests(at.now, "b") }, false},
		{"too many tags", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), many...) }, false},
		{"too large", func(c *Cache, at *clock, r *Recording) { r.Rests(at.soon(), strings.Repeat("a", 1<<20/share)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, at, _ := newCache(t, 1<<20)
			ctx, r := c.Begin(context.Background())
			if FromContext(ctx) != r || FromContext(context.Background()) != nil {
				t.Error("the recording is not the context's")
			}
			test.make(c, at, r)
			r.Keep([]byte("key"), []byte("body"))
			r.End()
			if got := c.has("key"); got != test.kept {
				t.Errorf("kept: %t, want %t", got, test.kept)
			}
			if len(c.open) > 0 {
				t.Error("the recording is still open")
			}
		})
	}
}

func TestWhatEndsAResponse(t *testing.T) {
	c, at, _ := newCache(t, 1<<20)
	c.put("agents", "1", at.soon(), "*", "agent", "fleet:7")
	c.put("fleets", "2", at.soon(), "*", "fleet:7", "fleet:8")
	c.put("files", "3", at.now.Add(time.Second), "*", "file")
	c.Void("nothing")
	if !c.has("agents") || !c.has("fleets") || !c.has("files") {
		t.Fatal("something is gone before it ended")
	}
	c.Void("fleet:8")
	if !c.has("agents") || c.has("fleets") {
		t.Error("only the fleets have ended")
	}
	at.now = at.now.Add(time.Second)
	if !c.has("agents") || c.has("files") {
		t.Error("only the files have ended")
	}
	c.put("fleets", "2", at.soon(), "*")
	c.Void("*")
	if entries, bytes := c.Held(); entries != 0 || bytes != 0 || len(c.byTag) != 0 || len(c.byKey) != 0 {
		t.Errorf("%d entries of %d bytes are held, %d tags, %d keys", entries, bytes, len(c.byTag), len(c.byKey))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const most = 64 << 10
	c, at, _ := newCache(t, most)
	body := strings.Repeat("x", 1000)
	for i := range 500 {
		c.put(fmt.Sprint("key ", i), body, at.soon(), fmt.Sprint("tag ", i), "*")
		c.has("key 0") // which is asked for again and again
		if entries, bytes := c.Held(); bytes > most || bytes < entries*len(body) {
			t.Fatalf("%d entries hold %d bytes", entries, bytes)
		}
	}
	if !c.has("key 0") || !c.has("key 499") || c.has("key 1") {
		t.Error("the one that was not asked for for longest has to go")
	}
	c.put("key 0", "once more", at.soon(), "*")
	if kept, _ := c.Get([]byte("key 0")); string(kept.Body) != "once more" || kept.ETag == etag([]byte(body)) || kept.ETag != etag([]byte("once more")) {
		t.Errorf("got %+v", kept)
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	c, at, metrics := newCache(t, 1<<20)
	c.put("key", "body", at.soon(), "a")
	c.put("other", "body", at.now, "a")
	c.has("key")
	c.has("none")
	c.Bypass()
	want := `
# HELP fleetgate_response_cache_entries The responses that the response cache holds.
# TYPE fleetgate_response_cache_entries gauge
fleetgate_response_cache_entries 1
# HELP fleetgate_response_cache_requests_total Requests, by whether the response cache had the response (hit), kept it (kept), could not keep it (miss), or was not asked (bypass).
# TYPE fleetgate_response_cache_requests_total counter
fleetgate_response_cache_requests_total{outcome="bypass"} 1
fleetgate_response_cache_requests_total{outcome="hit"} 1
fleetgate_response_cache_requests_total{outcome="kept"} 1
fleetgate_response_cache_requests_total{outcome="miss"} 1
`
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "fleetgate_response_cache_entries", "fleetgate_response_cache_requests_total"); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{Bytes: 1, Registerer: metrics}); err == nil {
		t.Error("a second cache has the same metrics")
	}
}

// Whoever sees a change never sees what was before it again, however many make responses meanwhile.
func TestNothingOldIsKeptInACrowd(t *testing.T) {
	c, at, _ := newCache(t, 1<<20)
	var mu sync.Mutex
	truth := 0
	read := func() int {
		mu.Lock()
		defer mu.Unlock()
		return truth
	}
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for range 2000 {
				_, r := c.Begin(context.Background())
				body := fmt.Sprint(read())
				r.Rests(at.soon(), "truth")
				r.Keep([]byte("key"), []byte(body))
				r.End()
			}
		})
	}
	for range 2000 {
		mu.Lock()
		truth++
		mu.Unlock()
		c.Void("truth")
		if kept, ok := c.Get([]byte("key")); ok && string(kept.Body) != fmt.Sprint(truth) {
			t.Fatalf("%s is kept when %d is true", kept.Body, truth)
		}
	}
	crowd.Wait()
}
