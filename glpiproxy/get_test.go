package glpiproxy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

type (
	responseWriter = http.ResponseWriter
	request        = http.Request
)

func second[A any](_ A, err error) error { return err }

func TestGetPlaysTranscripts(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	s := g.client().Resume(alice)
	for file, want := range map[string]struct {
		id   int
		name string
	}{
		"full-104-Fleet-get-odd-name": {10, "7"},
		"full-106-Fleet-get-odd-name": {11, "1000"},
		"full-112-Fleet-get-odd-name": {14, `<b>bold</b> & "quoted" 'single' é 漢字`},
		"full-114-Fleet-get-odd-name": {15, "1.2345678901234567e+19"},
		"full-116-Fleet-get-odd-name": {16, "1.1"},
	} {
		g.on(fmt.Sprintf("/PluginFlyvemdmFleet/%d", want.id), recorded(t, file))
		if fleet := must(Get[Fleet](ctx, s, want.id))(t); fleet.Name != want.name || fleet.EntityID != 2 {
			t.Errorf("%+v", fleet)
		}
	}
	g.on("/Computer/3", recorded(t, "full-411-Computer-get"))
	if c := must(Get[Computer](ctx, s, 3))(t); c.Serial != "SER-CARL-1" || c.EntityID != 3 || c.ModifiedAt.IsZero() {
		t.Errorf("%+v", c)
	}
	g.on("/PluginFlyvemdmAgent/2", recorded(t, "234-globex-agent-get"))
	wantKind(t, second(Get[Agent](ctx, s, 2)), NotFound)
	g.on("/PluginFlyvemdmFleet/6", recorded(t, "235-globex-fleet-get"))
	wantKind(t, second(Get[Fleet](ctx, s, 6)), Forbidden)
	g.on("/Entity/2", recorded(t, "031-entity-forbidden"))
	wantKind(t, second(Get[Entity](ctx, s, 2)), Forbidden)
}

func TestIDsThatAreNone(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	s := g.client().Resume(alice)
	for _, id := range []int{0, -1, -1 << 40} {
		wantKind(t, second(Get[Agent](ctx, s, id)), Invalid)
	}
	wantKind(t, second(Get[Entity](ctx, s, -1)), Invalid)
	wantKind(t, second(Get[Geolocation](ctx, s, 1)), Invalid) // not by its id: it may be anybody's
	if n := len(g.requests("")); n != 0 {
		t.Errorf("%d calls", n)
	}
	g.on("/Entity/0", says(200, `{"id":0,"name":"Root entity","entities_id":-1,"completename":"Root entity","level":1}`))
	if root := must(Get[Entity](ctx, s, 0))(t); root.ParentID != -1 || root.Name != "Root entity" {
		t.Errorf("%+v", root)
	}
}

func ids(from, to int) (list []int) {
	for id := from; id <= to; id++ {
		list = append(list, id)
	}
	return list
}

func TestGetManyInTheOrderAsked(t *testing.T) {
	g := newGLPI(t)
	g.fleets()
	s := g.client().Resume(alice)
	asked := []int{9, 3, 9, 0, 120, 3}
	results := must(GetMany[Fleet](context.Background(), s, asked))(t)
	for i, id := range asked {
		if id == 0 {
			wantKind(t, results[i].Err, Invalid)
		} else if results[i].Err != nil || results[i].Item.ID != id {
			t.Errorf("%d: %+v", id, results[i])
		}
	}
	if q := g.requests("/getMultipleItems")[0].URL.Query(); q.Get("items[2][items_id]") != "120" || q.Has("items[3][items_id]") {
		t.Errorf("asked for %v", q) // each once
	}
	must(GetMany[Fleet](context.Background(), s, []int{3, 9, 4}))(t)
	if q := g.requests("")[1].URL; q.Path != "/apirest.php/PluginFlyvemdmFleet/4" {
		t.Errorf("asked for %v", q) // what is known is not asked for again, and one needs no batch
	}
	if none := must(GetMany[Fleet](context.Background(), s, nil))(t); len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestBatches(t *testing.T) {
	for _, c := range []struct {
		items   int
		spoiled []int
		calls   int
	}{
		{50, nil, 1},
		{51, nil, 2}, // 50, and one by itself
		{120, nil, 3},
		{50, []int{1}, 4},           // all, the search, 49, and the one by itself
		{50, []int{1, 2, 50}, 6},    // three by themselves
		{50, []int{1, 2, 3, 50}, 3}, // more are taken for out of reach
		{4, []int{1, 2, 3, 4}, 5},   // few are asked for one by one
		{8, ids(1, 8), 2},           // nothing is left to be read
		{51, []int{51}, 2},          // alone from the beginning
		{100, []int{7, 99}, 2 * 4},  // two batches
	} {
		g := newGLPI(t)
		g.fleets(c.spoiled...)
		s := g.client().Resume(alice)
		results := must(GetMany[Fleet](context.Background(), s, ids(1, c.items)))(t)
		for i, r := range results {
			if slices.Contains(c.spoiled, i+1) {
				if !outOfReach(r.Err) {
					t.Errorf("%d: %+v", i+1, r)
				}
			} else if r.Err != nil || r.Item.ID != i+1 {
				t.Errorf("%d: %+v", i+1, r)
			}
		}
		if n := len(g.requests("")); n != c.calls {
			t.Errorf("%d items, %v spoiled: %d calls, want %d", c.items, c.spoiled, n, c.calls)
		}
		must(GetMany[Fleet](context.Background(), s, ids(1, c.items)))(t)
		if n := len(g.requests("")); n != c.calls {
			t.Errorf("%d calls for what is known, refusals included", n-c.calls)
		}
		for _, r := range g.requests("/getMultipleItems") {
			if len(r.URL.RequestURI()) > 8<<10 {
				t.Errorf("an URL of %d bytes", len(r.URL.RequestURI()))
			}
		}
	}
}

func TestBatchWithoutTheRightAtAll(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1)}) // has no right "computer"
	g.on("/getMultipleItems", recorded(t, "full-427-getMultipleItems-with-forbidden"))
	results := must(GetMany[Computer](context.Background(), g.client().Resume(alice), ids(1, 50)))(t)
	for _, r := range results {
		wantKind(t, r.Err, Forbidden)
	}
	if n := len(g.requests("")); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestBatchThatFailsAsAWhole(t *testing.T) {
	for body, c := range map[string]struct {
		status int
		want   Kind
	}{
		`["ERROR_SESSION_TOKEN_INVALID","x"]`: {401, Unauthenticated},
		``:                                    {500, Upstream},
		`[{"id":1}]`:                          {200, Upstream}, // one is missing
		`[{"id":1},{"id":3}]`:                 {200, Upstream}, // one is another
		`[{"id":1},{"id":2},{"id":3}]`:        {200, Upstream},
	} {
		g := newGLPI(t)
		g.on("/getMultipleItems", says(c.status, body))
		wantKind(t, second(GetMany[Fleet](context.Background(), g.client().Resume(alice), []int{1, 2})), c.want)
		if n := len(g.requests("")); n != 1 {
			t.Errorf("%d calls", n)
		}
	}
}

func TestEqualReadsShareOneCall(t *testing.T) {
	g := newGLPI(t)
	goOn := make(chan bool)
	var begun atomic.Int32
	g.on("/PluginFlyvemdmFleet/6", func(w responseWriter, r *request) {
		begun.Add(1)
		select {
		case <-goOn:
			says(200, fleetBody(6))(w, r)
		case <-r.Context().Done():
		}
	})
	c := g.client()
	s := c.Resume(alice)
	must(s.Scope(context.Background()))(t)

	first, cancel := context.WithCancel(context.Background())
	gaveUp := make(chan error)
	go func() { _, err := Get[Fleet](first, s, 6); gaveUp <- err }()
	eventually(t, "the first call", func() bool { return begun.Load() == 1 })
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if fleet, err := Get[Fleet](context.Background(), s, 6); err != nil || fleet.ID != 6 {
				t.Errorf("%+v %v", fleet, err)
			}
		})
	}
	eventually(t, "eleven waiting", func() bool {
		c.flights.mu.Lock()
		defer c.flights.mu.Unlock()
		for _, f := range c.flights.active {
			return f.waiting == 11
		}
		return false
	})
	cancel() // the one who began it gives up: the others still get their answer
	wantKind(t, <-gaveUp, Canceled)
	close(goOn)
	wg.Wait()
	if n := begun.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestScopeIsAskedForOnce(t *testing.T) {
	g := newGLPI(t)
	g.fleets()
	goOn := make(chan bool)
	g.on("/getFullSession", func(w responseWriter, r *request) { <-goOn; says(200, sessionBody(8, 1))(w, r) })
	s := g.client().Resume(alice)
	var wg sync.WaitGroup
	for id := 1; id <= 8; id++ {
		wg.Go(func() {
			if _, err := Get[Fleet](context.Background(), s, id); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the call", func() bool { return len(g.requests("/getFullSession")) == 1 })
	close(goOn)
	wg.Wait()
	if n := len(g.requests("/getFullSession")); n != 1 {
		t.Errorf("%d calls", n)
	}
}
