package glpiproxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCacheExpires(t *testing.T) {
	now := time.Now()
	c := newCache(cacheBounds{entries: 8, bytes: 10_000, staleFor: 5 * time.Second, longest: time.Hour}, func() time.Time { return now })
	began := now
	c.put("a", 1, 1, time.Second, c.begin(), "t")
	if v, ok := c.get("a"); !ok || v != 1 {
		t.Error("not kept")
	}
	now = now.Add(time.Second)
	if _, ok := c.get("a"); ok {
		t.Error("fresh too long")
	}
	if v, at, ok := c.stale("a"); !ok || v != 1 || !at.Equal(began) {
		t.Errorf("not kept for worse times: %v, %v, %v", v, at, ok)
	}
	now = now.Add(5 * time.Second)
	if _, _, ok := c.stale("a"); ok {
		t.Error("kept too long")
	}
	c.put("off", 1, 1, -1, c.begin())
	if _, ok := c.get("off"); ok {
		t.Error("kept although caching is off")
	}
	c.put("b", 1, 1, time.Second, c.begin(), "t")
	now = now.Add(2 * time.Second)
	c.void("t")
	if _, _, ok := c.stale("b"); ok {
		t.Error("given although it was invalidated")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(cacheBounds{entries: 10, bytes: 100_000, longest: time.Hour}, time.Now)
	check := func(entries int, newest string) {
		t.Helper()
		sum := 0
		for _, place := range c.places {
			sum += place.Value.(*cacheEntry).size
		}
		if n := c.entries.ItemCount(); n != entries || c.order.Len() != entries || len(c.places) != entries || c.bytes != sum || sum > 100_000 {
			t.Errorf("%d entries, %d in order, %d places, %d bytes, really %d; want %d entries", n, c.order.Len(), len(c.places), c.bytes, sum, entries)
		}
		if _, ok := c.get(newest); !ok {
			t.Errorf("the newest, %s, is gone", newest)
		}
	}
	for i := range 100 {
		c.put(fmt.Sprint(i), i, 1, time.Hour, c.begin())
	}
	check(10, "99")
	for range 100 {
		c.put("99", 0, 1, time.Hour, c.begin()) // in its own place
	}
	check(10, "90")
	for i := range 100 {
		c.put(fmt.Sprint("big", i), i, 24_000, time.Hour, c.begin())
	}
	check(4, "big99")
	c.put("huge", 1, 25_000, time.Hour, c.begin())
	if _, ok := c.get("huge"); ok {
		t.Error("one entry may not push out all others")
	}
	c.put("short", 1, 1, time.Nanosecond, c.begin())
	time.Sleep(time.Millisecond)
	c.entries.DeleteExpired() // as go-cache does from time to time
	c.entries.Delete("big98")
	check(3, "big99")
}

func TestCacheTags(t *testing.T) {
	c := newCache(cacheBounds{entries: 100, bytes: 1 << 20, longest: time.Hour}, time.Now)
	kept := func(key string, want bool) {
		t.Helper()
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s kept: %v", key, ok)
		}
	}
	c.put("both", 1, 1, time.Hour, c.begin(), "x", "y")
	c.put("x", 1, 1, time.Hour, c.begin(), "x")
	c.put("z", 1, 1, time.Hour, c.begin(), "z")
	c.void("y")
	kept("both", false)
	kept("x", true)
	since := c.begin()
	c.void("x") // while something with that tag is being read
	c.put("late", 1, 1, time.Hour, since, "x")
	kept("late", false)
	c.put("next", 1, 1, time.Hour, c.begin(), "x")
	kept("next", true)
	kept("z", true)
	c.hold("z")
	kept("z", false)
	c.put("z2", 1, 1, time.Hour, c.begin(), "z")
	kept("z2", false)
	c.void("z")
	c.put("z3", 1, 1, time.Hour, c.begin(), "z")
	kept("z3", true)
}

func TestViewersDoNotShare(t *testing.T) {
	for name, c := range map[string]struct {
		bob    string
		shared bool
	}{
		"the same person, twice":      {sessionBody(8, 1), true},
		"another person":              {sessionBody(9, 1), false},
		"another entity":              {sessionBody(8, 2), false},
		"with descendants":            {strings.Replace(sessionBody(8, 1), `"glpiID"`, `"glpiactive_entity_recursive":1,"glpiID"`, 1), false},
		"another language":            {strings.Replace(sessionBody(8, 1), "en_GB", "fr_FR", 1), false},
		"another profile":             {strings.Replace(sessionBody(8, 1), `"id":4`, `"id":5`, 1), false},
		"another right":               {strings.Replace(sessionBody(8, 1), `"flyvemdm:agent":115`, `"flyvemdm:agent":1`, 1), false},
		"an entity added since":       {strings.Replace(sessionBody(8, 1), `"glpiactiveentities":[1]`, `"glpiactiveentities":[1,7]`, 1), false},
		"the entities in other order": {strings.Replace(sessionBody(8, 1), `"glpiactiveentities":[1]`, `"glpiactiveentities":{"1":"1"}`, 1), true},
	} {
		g := newGLPI(t)
		g.sessions(map[string]string{alice: sessionBody(8, 1), bob: c.bob})
		byToken := func(id int) func(responseWriter, *request) {
			return func(w responseWriter, r *request) {
				row := fmt.Sprintf(`{"id":%d,"name":"%s"}`, id, r.Header.Get("Session-Token"))
				switch {
				case strings.Contains(r.URL.Path, "/search/"):
					says(200, `{"totalcount":1,"data":[{"2":1,"1":"`+r.Header.Get("Session-Token")+`"}]}`)(w, r)
				case id == 0:
					says(200, "["+strings.Replace(row, ":0", ":1", 1)+"]", "Content-Range", "0-0/1")(w, r)
				default:
					says(200, row)(w, r)
				}
			}
		}
		g.on("/PluginFlyvemdmFleet/6", byToken(6))
		g.on("/PluginFlyvemdmFleet", byToken(0))
		g.on("/search/PluginFlyvemdmFleet", byToken(0))
		client := g.client()
		see := func(token string) []string {
			s := client.Resume(token)
			many := must(GetMany[Fleet](context.Background(), s, []int{6}))(t)
			return []string{
				must(Get[Fleet](context.Background(), s, 6))(t).Name, many[0].Item.Name,
				must(List[Fleet](context.Background(), s, ListOptions{}))(t).Items[0].Name,
				must(Search[Fleet](context.Background(), s, Query{}))(t).Rows[0].Text(1),
			}
		}
		want := bob
		if c.shared {
			want = alice
		}
		for i, got := range see(alice) {
			if got != alice {
				t.Errorf("%s: alice sees the rows of %s in %d", name, got, i)
			}
		}
		for i, got := range see(bob) {
			if got != want {
				t.Errorf("%s: bob sees the rows of %s in %d", name, got, i)
			}
		}
	}
}

func TestCataloguesAreSharedByLanguage(t *testing.T) {
	g := newGLPI(t)
	noRight := strings.Replace(sessionBody(10, 1), `"flyvemdm:policy":1`, `"flyvemdm:policy":0`, 1)
	french := strings.Replace(sessionBody(11, 1), "en_GB", "fr_FR", 1)
	g.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(9, 2), "norightnoright": noRight, "frenchfrench": french})
	g.on("/PluginFlyvemdmPolicy", func(w responseWriter, r *request) {
		if r.Header.Get("Session-Token") == "norightnoright" {
			recorded(t, "239-bob-fleet-list")(w, r)
			return
		}
		recorded(t, "025-policy-list")(w, r)
	})
	now := time.Now()
	c := g.client(func(o *Options) { o.Now = func() time.Time { return now } })
	list := func(token string) error {
		_, err := List[Policy](context.Background(), c.Resume(token), ListOptions{Range: Range{Count: 100}})
		return err
	}
	for _, token := range []string{alice, bob, "frenchfrench"} {
		if err := list(token); err != nil {
			t.Error(err)
		}
	}
	if n := len(g.requests("")); n != 2 {
		t.Errorf("%d calls for two languages", n)
	}
	wantKind(t, list("norightnoright"), Forbidden)
	now = now.Add(4 * time.Minute)
	if err := list(alice); err != nil || len(g.requests("")) != 3 {
		t.Errorf("%v, %d calls", err, len(g.requests("")))
	}
	now = now.Add(2 * time.Minute)
	if err := list(alice); err != nil || len(g.requests("")) != 4 {
		t.Errorf("%v, %d calls", err, len(g.requests("")))
	}
}

func TestInvalidate(t *testing.T) {
	g := newGLPI(t)
	g.fleets()
	g.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	g.on("/search/PluginFlyvemdmFleet", says(200, `{"totalcount":6,"data":[{"2":6}]}`))
	c := g.client()
	s := c.Resume(alice)
	read := func(wantCalls int, what string) {
		t.Helper()
		before := len(g.requests(""))
		must(GetMany[Fleet](context.Background(), s, []int{6, 7}))(t)
		must(Get[Fleet](context.Background(), s, 7))(t)
		must(List[Fleet](context.Background(), s, ListOptions{}))(t)
		must(Count[Fleet](context.Background(), s))(t)
		if n := len(g.requests("")) - before; n != wantCalls {
			t.Errorf("%s: %d calls, want %d", what, n, wantCalls)
		}
	}
	read(3, "at first")
	read(0, "from the cache")
	c.Invalidate("PluginFlyvemdmFleet:6")
	read(3, "fleet 6, the list and the count")
	c.Invalidate("PluginFlyvemdmAgent", "PluginFlyvemdmFleet:99")
	read(2, "the list and the count")
	c.Invalidate("PluginFlyvemdmFleet")
	read(3, "everything")
	must(List[Fleet](context.Background(), s, ListOptions{Fresh: true}))(t)
	read(0, "after a fresh one")

	off := g.client(func(o *Options) { o.CacheTTL = -1 }).Resume(alice)
	before := len(g.requests("/PluginFlyvemdmFleet"))
	for range 2 {
		must(List[Fleet](context.Background(), off, ListOptions{}))(t)
	}
	if n := len(g.requests("/PluginFlyvemdmFleet")) - before; n != 2 {
		t.Errorf("%d calls without a cache", n)
	}
}

func TestCallersCannotChangeTheCache(t *testing.T) {
	g := newGLPI(t)
	g.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	s := g.client().Resume(alice)
	page := must(List[Fleet](context.Background(), s, ListOptions{}))(t)
	page.Items[0].Name = "mine"
	if page := must(List[Fleet](context.Background(), s, ListOptions{}))(t); page.Items[0].Name == "mine" {
		t.Error("the cache was changed")
	}
}

// A read that follows an invalidation must not join one that began before it.
func TestReadAfterInvalidationAsksAnew(t *testing.T) {
	g := newGLPI(t)
	begun, goOn := make(chan bool), make(chan string)
	g.on("/PluginFlyvemdmFleet/6", func(w responseWriter, r *request) {
		begun <- true
		says(200, `{"id":6,"name":"`+<-goOn+`"}`)(w, r)
	})
	c := g.client()
	s := c.Resume(alice)
	names := make(chan string, 2)
	get := func() { fleet, _ := Get[Fleet](context.Background(), s, 6); names <- fleet.Name }
	go get()
	<-begun
	c.Invalidate("PluginFlyvemdmFleet:6")
	go get()
	<-begun
	goOn <- "one"
	goOn <- "two"
	<-names
	<-names
	if n := len(g.requests("")); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// A read that comes at the very moment when an equal one has ended finds what that brought.
func TestEqualReadsAreOneCallWheneverTheyCome(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1)})
	g.fleets()
	g.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	c := g.client()
	ctx, s := t.Context(), c.Resume(alice)
	for path, read := range map[string]func() error{
		"/PluginFlyvemdmFleet":   func() error { _, err := List[Fleet](ctx, s, ListOptions{}); return err },
		"/PluginFlyvemdmFleet/7": func() error { _, err := GetMany[Fleet](ctx, s, ids(7, 7)); return err },
		"/getFullSession":        func() error { _, err := s.Scope(ctx); return err },
	} {
		for range 30 {
			c.Invalidate("PluginFlyvemdmFleet")
			c.scopes.void(s.tag)
			before := len(g.requests(path))
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 20 * time.Microsecond) // spread over the time that a call takes
					if err := read(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := len(g.requests(path)) - before; n != 1 {
				t.Fatalf("%s: %d calls", path, n)
			}
		}
	}
}

// Everything at once, for the race detector: reads, invalidations, switches, and
// callers that give up.
func TestEverythingAtOnce(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(9, 2)})
	g.fleets(3, 30)
	g.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	g.on("/changeActiveEntities", says(200, "true"))
	c := g.client(func(o *Options) { o.CacheEntries = 40 })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			s := c.Resume([]string{alice, bob}[i%2])
			for n := i; ctx.Err() == nil; n++ {
				switch n % 5 {
				case 0:
					c.Invalidate(fmt.Sprintf("PluginFlyvemdmFleet:%d", n%40))
				case 1:
					_, _ = List[Fleet](ctx, s, ListOptions{Range: Range{Start: n % 3}})
				case 2:
					if n%35 == 2 {
						_ = s.SwitchEntity(ctx, 1, false)
					}
				default:
					results, err := GetMany[Fleet](ctx, s, ids(n%40+1, n%40+20))
					for j, r := range results {
						if r.Err == nil && r.Item.ID != n%40+1+j {
							t.Errorf("%+v in place %d, %v", r, j, err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
}
