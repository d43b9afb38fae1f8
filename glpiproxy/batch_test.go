package glpiproxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestReadsOfOneViewerShareABatch(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(9, 2)})
	g.on("/getMultipleItems", func(w http.ResponseWriter, r *http.Request) {
		var rows []string
		for i := 0; r.URL.Query().Has(fmt.Sprintf("items[%d][items_id]", i)); i++ {
			query := r.URL.Query()
			rows = append(rows, fmt.Sprintf(`{"id":%s,"name":"%s of %s"}`, query.Get(fmt.Sprintf("items[%d][items_id]", i)),
				query.Get(fmt.Sprintf("items[%d][itemtype]", i)), r.Header.Get("Session-Token")))
		}
		says(200, "["+strings.Join(rows, ",")+"]")(w, r)
	})
	c := g.client()
	page := func(token string, wg *sync.WaitGroup) {
		s := c.Resume(token)
		wg.Go(func() {
			for i, r := range must(GetMany[Fleet](t.Context(), s, []int{3, 1, 2}))(t) {
				if want := "PluginFlyvemdmFleet of " + token; r.Item.Name != want || r.Item.ID != []int{3, 1, 2}[i] {
					t.Errorf("%+v, want %s", r, want)
				}
			}
		})
		wg.Go(func() {
			for _, r := range must(GetMany[ComputerModel](t.Context(), s, []int{1, 2}))(t) {
				if want := "ComputerModel of " + token; r.Item.Name != want { // the same ids as the fleets'
					t.Errorf("%+v, want %s", r, want)
				}
			}
		})
	}
	for _, token := range []string{alice, bob} {
		must(c.Resume(token).Scope(t.Context()))(t)
	}
	c.batches.mu.Lock() // so that all four come within the time of one batch
	var wg sync.WaitGroup
	page(alice, &wg)
	page(bob, &wg)
	eventually(t, "four reads", func() bool {
		c.flights.mu.Lock()
		defer c.flights.mu.Unlock()
		return len(c.flights.active) == 4
	})
	c.batches.mu.Unlock()
	wg.Wait()
	if n := len(g.requests("/getMultipleItems")); n != 2 {
		t.Errorf("%d calls for the pages of two viewers", n)
	}
}

// What is wrong with one type must not cost the others their answer.
func TestABatchOfSeveralTypesIsSplit(t *testing.T) {
	for name, c := range map[string]struct {
		refusal http.HandlerFunc // of every batch with computers in it
		models  bool             // are read all the same
		whole   Kind             // of the computers
		calls   int
	}{
		"no right":          {says(401, `["ERROR_RIGHT_MISSING","x"]`), true, -1, 3},
		"PHP died":          {says(500, ``), true, Upstream, 3},
		"plugin missing":    {says(400, `["ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM","x"]`), true, Unsupported, 3},
		"other places":      {says(200, `[{"id":12},{"id":11},{"id":1},{"id":2}]`), true, Upstream, 3},
		"the session ended": {says(401, `["ERROR_SESSION_TOKEN_INVALID","x"]`), false, Unauthenticated, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGLPI(t)
			g.sessions(map[string]string{alice: sessionBody(8, 1)}) // has no right "computer"
			g.on("/getMultipleItems", func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.RawQuery, "=Computer&") {
					c.refusal(w, r)
					return
				}
				says(200, `[{"id":11,"name":"a"},{"id":12,"name":"b"}]`)(w, r)
			})
			s := g.client().Resume(alice)
			scope := must(s.Scope(t.Context()))(t)
			wants := []want{{"Computer", 1}, {"Computer", 2}, {"ComputerModel", 11}, {"ComputerModel", 12}}
			items, err := s.fetchItems(t.Context(), scope, wants)
			if !c.models {
				wantKind(t, err, c.whole)
			} else if err != nil || items[wants[2]].row.text("name") != "a" || items[wants[3]].row.text("name") != "b" {
				t.Errorf("%v, %v", items, err)
			}
			for _, w := range wants[:2] {
				if c.models && (c.whole < 0 && !outOfReach(items[w].err) || c.whole >= 0 && KindOf(items[w].err) != c.whole) {
					t.Errorf("%v: %v", w, items[w].err)
				}
			}
			if n := len(g.requests("")); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

// Where a search can't tell who spoiled a batch, it is halved.
func TestHalvingIsTheLastResort(t *testing.T) {
	for name, search := range map[string]http.HandlerFunc{
		"the search fails": says(500, ``),
		"it shows all":     says(200, `{"totalcount":6,"data":[{"2":1},{"2":2},{"2":3},{"2":4},{"2":5},{"2":6}]}`),
	} {
		g := newGLPI(t)
		g.fleets(2)
		g.on("/search/PluginFlyvemdmFleet", search)
		results := must(GetMany[Fleet](t.Context(), g.client().Resume(alice), ids(1, 6)))(t)
		for i, r := range results {
			if (i+1 == 2) != (r.Err != nil) {
				t.Errorf("%s: %d: %v", name, i+1, r.Err)
			}
		}
		if n := len(g.requests("")); n != 1+1+2+3 { // all, the search, 3+3, 1+1+1
			t.Errorf("%s: %d calls", name, n)
		}
	}
}

// Who gives up while a batch is open doesn't spoil it for the others.
func TestGivingUpWhileABatchIsOpen(t *testing.T) {
	g := newGLPI(t)
	g.fleets()
	c := g.client()
	s := c.Resume(alice)
	scope := must(s.Scope(t.Context()))(t)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = s.fetchItems(ctx, scope, []want{{"PluginFlyvemdmFleet", 1}}) })
		wg.Go(cancel)
		wg.Go(func() {
			items, err := s.fetchItems(t.Context(), scope, []want{{"PluginFlyvemdmFleet", 2}, {"PluginFlyvemdmFleet", 3}})
			if err != nil || items[want{"PluginFlyvemdmFleet", 3}].row.int("id") != 3 {
				t.Errorf("%v, %v", items, err)
			}
		})
		wg.Wait()
		cancel()
	}
	eventually(t, "no batch open", func() bool {
		c.batches.mu.Lock()
		defer c.batches.mu.Unlock()
		return len(c.batches.open) == 0
	})
}
