package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// waiters enters a queue for many sessions and notes the order of admission.
type waiters struct {
	t      *testing.T
	q      *queue
	length atomic.Int64

	mu       sync.Mutex
	admitted []string
	wg       sync.WaitGroup
}

func newWaiters(t *testing.T, limit, each int) *waiters {
	w := &waiters{t: t}
	w.q = newQueue("calls", limit, each, func(change float64) { w.length.Add(int64(change)) })
	return w
}

// enter has a session's caller join the queue, behind all those that came before.
func (w *waiters) enter(ctx context.Context, session string) {
	w.t.Helper()
	before := w.waiting()
	w.wg.Go(func() {
		if w.q.enter(ctx, session) == nil {
			w.mu.Lock()
			w.admitted = append(w.admitted, session)
			w.mu.Unlock()
		}
	})
	eventually(w.t, session+" in the queue", func() bool { return w.waiting() == before+1 })
}

func (w *waiters) waiting() (n int) {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	for _, l := range w.q.lines {
		n += len(l.waiting)
	}
	return n
}

func (w *waiters) order() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.admitted, "")
}

// serve ends the calls under way one after another until everybody was admitted.
func (w *waiters) serve(first string, all int) {
	w.t.Helper()
	for i, session := 0, first; i < all; i++ {
		w.q.leave(session)
		eventually(w.t, "the next admitted", func() bool { return len(w.order()) == i+1 })
		session = w.order()[i:]
	}
	w.q.leave(w.order()[all-1:])
	w.wg.Wait()
	if w.q.running != 0 || len(w.q.lines) != 0 || len(w.q.turns) != 0 || w.length.Load() != 0 {
		w.t.Errorf("left behind: %d running, %d lines, %d turns, length %d", w.q.running, len(w.q.lines), len(w.q.turns), w.length.Load())
	}
}

func TestSessionsTakeTurns(t *testing.T) {
	for _, c := range []struct{ come, served string }{
		{"aaaaab", "abaaaa"}, // the greedy one doesn't keep the other waiting
		{"aaabbbccc", "abcabcabc"},
		{"abacab", "abcaba"},
		{"bbbba", "babbb"},
	} {
		w := newWaiters(t, 1, 1)
		if err := w.q.enter(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		for _, session := range c.come {
			w.enter(t.Context(), string(session))
		}
		w.serve("x", len(c.come))
		if got := w.order(); got != c.served {
			t.Errorf("%s came, %s were served, want %s", c.come, got, c.served)
		}
	}
}

func TestASessionHasItsBound(t *testing.T) {
	w := newWaiters(t, 3, 2)
	for _, session := range []string{"a", "a"} {
		if err := w.q.enter(t.Context(), session); err != nil {
			t.Fatal(err)
		}
	}
	w.enter(t.Context(), "a") // there is room, but not for this session
	if err := w.q.enter(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	w.enter(t.Context(), "b")
	w.q.leave("a") // a's turn came first, and it is within its bound again
	eventually(t, "a admitted", func() bool { return w.order() == "a" })
	w.q.leave("a")
	eventually(t, "b admitted", func() bool { return w.order() == "ab" })
	w.wg.Wait()
	for _, session := range []string{"a", "b", "b"} {
		w.q.leave(session)
	}
	if w.q.running != 0 || len(w.q.lines) != 0 {
		t.Errorf("%d running, %d lines", w.q.running, len(w.q.lines))
	}
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	w := newWaiters(t, 1, 1)
	if err := w.q.enter(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	w.enter(impatient, "a")
	w.enter(t.Context(), "b")
	w.enter(impatient, "b")
	w.enter(t.Context(), "b")
	cancel()
	eventually(t, "the impatient gone", func() bool { return w.waiting() == 2 && w.length.Load() == 2 })
	w.serve("x", 2)
	if got := w.order(); got != "bb" {
		t.Errorf("%s were served", got)
	}
	late := make(chan struct{}) // admitted in the moment of giving up
	w.q.lines["a"] = &line{running: 1}
	w.q.running = 1
	w.q.giveUp("a", w.q.lines["a"], late)
	if w.q.running != 0 || len(w.q.lines) != 0 {
		t.Errorf("a call that never began still counts")
	}
}

func TestTheQueueHoldsItsBoundsInACrowd(t *testing.T) {
	w := newWaiters(t, 4, 2)
	var running, most atomic.Int32
	each := map[string]*atomic.Int32{"a": {}, "b": {}, "c": {}}
	for i := range 300 {
		session := string("abc"[i%3])
		w.wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
			defer cancel()
			if i%2 == 0 {
				ctx = t.Context()
			}
			if w.q.enter(ctx, session) != nil {
				return
			}
			if n := each[session].Add(1); n > 2 {
				t.Errorf("%d calls of one session", n)
			}
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(100 * time.Microsecond)
			running.Add(-1)
			each[session].Add(-1)
			w.q.leave(session)
		})
	}
	w.wg.Wait()
	if most.Load() > 4 || w.q.running != 0 || len(w.q.lines) != 0 || len(w.q.turns) != 0 || w.length.Load() != 0 {
		t.Errorf("%d at once, %d running, %d lines, %d turns, length %d", most.Load(), w.q.running, len(w.q.lines), len(w.q.turns), w.length.Load())
	}
}

// A dashboard that asks for much must not keep another waiting, nor may calls that
// wait for devices keep anybody.
func TestGreedyAndSlowCallsLeaveRoom(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(9, 2)})
	goOn := make(chan bool)
	var mu sync.Mutex
	var order []string
	g.on("/search/PluginFlyvemdmFleet", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		order = append(order, r.Header.Get("Session-Token"))
		mu.Unlock()
		<-goOn
		says(200, `{"totalcount":1,"data":[{"2":1}]}`)(w, r)
	})
	g.on("/slow", func(w http.ResponseWriter, r *http.Request) { <-goOn; says(200, `{}`)(w, r) })
	c := g.client(func(o *Options) { o.Concurrency, o.SessionConcurrency, o.SlowConcurrency = 1, 1, 1 })
	count := func(token string, i int) {
		if _, err := Count[Fleet](t.Context(), c.Resume(token), Criterion{Field: 1, Type: Contains, Value: fmt.Sprint(i)}); err != nil {
			t.Error(err)
		}
	}
	for _, token := range []string{alice, bob} {
		must(c.Resume(token).Scope(t.Context()))(t)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = c.Resume(alice).call(t.Context(), call{operation: "slow", path: "/slow", slow: true}) })
	}
	eventually(t, "one slow call waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("slow")) == 1 })
	for i := range 20 {
		wg.Go(func() { count(alice, i) })
	}
	eventually(t, "19 waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("calls")) == 19 })
	wg.Go(func() { count(bob, 0) })
	eventually(t, "20 waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("calls")) == 20 })
	close(goOn)
	wg.Wait()
	if place := slices.Index(order, bob); place != 2 && place != 1 {
		t.Errorf("bob was served after %d calls of alice", place)
	}
}

// Whoever signs in many times must not take all the room by it.
func TestManySessionsOfOnePersonAreOneCaller(t *testing.T) {
	g := newGLPI(t)
	const again = "tokenofalice0000000000000c"
	g.sessions(map[string]string{alice: sessionBody(8, 1), again: sessionBody(8, 1), bob: sessionBody(9, 2)})
	goOn := make(chan bool)
	g.on("/slow", func(w http.ResponseWriter, r *http.Request) { <-goOn; says(200, `{}`)(w, r) })
	g.on("/quick", says(200, `{}`))
	c := g.client(func(o *Options) { o.SlowConcurrency = 4 })
	for _, token := range []string{alice, again, bob} {
		must(c.Resume(token).Scope(t.Context()))(t)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		token := []string{alice, again}[i%2]
		wg.Go(func() { _, _ = c.Resume(token).call(t.Context(), call{operation: "slow", path: "/slow", slow: true}) })
	}
	eventually(t, "six waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("slow")) == 6 })
	if _, err := c.Resume(bob).call(t.Context(), call{operation: "quick", path: "/quick", slow: true}); err != nil {
		t.Error(err)
	}
	close(goOn)
	wg.Wait()
}

// GLPI goes on asking a device when nobody waits for the answer any more, so the place stays taken, or whoever asks and
// leaves could keep all of GLPI's workers busy.
func TestALastingCallKeepsItsPlace(t *testing.T) {
	g := newGLPI(t)
	began, goOn := make(chan bool, 2), make(chan bool)
	g.on("/slow", func(w http.ResponseWriter, r *http.Request) { began <- true; <-goOn; says(200, `{}`)(w, r) })
	c := g.client(func(o *Options) { o.SlowConcurrency = 1 })
	k := call{operation: "update", path: "/slow", slow: true, lasting: true, once: true}
	asking, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := c.attempt(asking, k); left <- err }()
	<-began
	leave()
	var e *Error
	if err := <-left; !errors.As(err, &e) || e.Kind != Canceled {
		t.Errorf("who left was told %v", err)
	}
	next := make(chan error, 1)
	go func() { _, err := c.attempt(t.Context(), k); next <- err }()
	eventually(t, "the next one waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("slow")) == 1 })
	goOn <- true // GLPI has done with the first
	<-began
	goOn <- true
	if err := <-next; err != nil {
		t.Error(err)
	}
}

func TestAClosedClientCarriesNothingOut(t *testing.T) {
	g := newGLPI(t)
	began := make(chan bool)
	g.on("/slow", func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done() })
	c := g.client()
	k := call{operation: "update", path: "/slow", slow: true, lasting: true, once: true}
	ended := make(chan error, 1)
	go func() { _, err := c.attempt(t.Context(), k); ended <- err }()
	<-began
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := <-ended; !errors.As(err, &e) || e.Kind != Unavailable {
		t.Errorf("the call under way ended with %v", err)
	}
	if _, err := c.attempt(t.Context(), k); !errors.As(err, &e) || e.Kind != Unavailable {
		t.Errorf("the one after it ended with %v", err)
	}
}

// Whoever makes up tokens, as many as they like, must not take the turns of those who have signed in, nor any memory.
func TestStrangersAreOneCaller(t *testing.T) {
	g := newGLPI(t)
	goOn := make(chan bool)
	var mu sync.Mutex
	var order []string
	g.on("/getFullSession", func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Session-Token")
		mu.Lock()
		order = append(order, token)
		mu.Unlock()
		<-goOn
		if token == bob {
			says(200, sessionBody(9, 2))(w, r)
			return
		}
		recorded(t, "035-bad-session")(w, r)
	})
	c := g.client(func(o *Options) { o.Concurrency, o.SessionConcurrency = 1, 1 })
	var wg sync.WaitGroup
	queued := func() float64 { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("calls")) }
	for i := range 50 {
		wg.Go(func() {
			if _, err := c.Stranger(fmt.Sprint("madeup", i)).Scope(t.Context()); KindOf(err) != Unauthenticated {
				t.Error(err)
			}
		})
	}
	eventually(t, "49 waiting", func() bool { return queued() == 49 })
	wg.Go(func() {
		if _, err := c.Resume(bob).Scope(t.Context()); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "50 waiting", func() bool { return queued() == 50 })
	close(goOn)
	wg.Wait()
	if place := slices.Index(order, bob); place < 1 || place > 2 {
		t.Errorf("bob was served after %d strangers", place)
	}
	if left := c.scopes.voided.ItemCount() + c.rows.voided.ItemCount(); left != 0 {
		t.Errorf("%d things are remembered of strangers", left)
	}
	if caller := c.Stranger(bob).caller(); caller != c.Resume(bob).caller() {
		t.Errorf("who is known is still %s", caller)
	}
}

func TestSlowCallsHaveTheirOwnTimeout(t *testing.T) {
	g := newGLPI(t)
	g.on("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(100 * time.Millisecond):
			says(200, `{}`)(w, r)
		case <-r.Context().Done():
		}
	})
	for _, c := range []struct {
		slow time.Duration
		ok   bool
	}{{5 * time.Second, true}, {20 * time.Millisecond, false}} {
		client := g.client(func(o *Options) { o.Timeout, o.SlowTimeout = 10*time.Millisecond, c.slow })
		_, err := client.Resume(alice).call(t.Context(), call{operation: "slow", path: "/slow", slow: true, once: true})
		if c.ok && err != nil || !c.ok && KindOf(err) != Timeout {
			t.Errorf("within %v: %v", c.slow, err)
		}
	}
}

func TestWaitingHasAnEnd(t *testing.T) {
	g := newGLPI(t)
	begun, goOn := make(chan bool, 1), make(chan bool)
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, r *http.Request) { begun <- true; <-goOn })
	defer close(goOn)
	c := g.client(func(o *Options) { o.Concurrency = 1 })
	go func() { _, _ = Get[Fleet](context.Background(), c.Resume(alice), 6) }()
	<-begun
	c.timeout = 20 * time.Millisecond // of those that come from now on
	_, err := c.Resume(bob).call(t.Context(), call{operation: "get", path: "/PluginFlyvemdmFleet/7"})
	wantKind(t, err, Timeout)
	if errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "busy") {
		t.Errorf("the caller's own time was not over: %v", err)
	}
	failed := make(chan error)
	c.timeout = time.Minute
	go func() {
		_, err := c.Resume(bob).call(context.Background(), call{operation: "get", path: "/PluginFlyvemdmFleet/7"})
		failed <- err
	}()
	eventually(t, "one waiting", func() bool { return testutil.ToFloat64(c.metrics.queued.WithLabelValues("calls")) == 1 })
	go c.Close()
	wantKind(t, <-failed, Unavailable)
}
