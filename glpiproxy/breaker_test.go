package glpiproxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// write is a call that is made once only, so that failures can be counted.
func write(ctx context.Context, s *Session, path string) error {
	_, err := s.call(ctx, call{operation: "update", path: path, once: true})
	return err
}

func TestTheCircuitOpensAndCloses(t *testing.T) {
	g := newGLPI(t)
	c := g.client(func(o *Options) { o.CircuitPause = 50 * time.Millisecond })
	s := c.Resume(alice)
	g.on("/x", says(503, ""))
	for i := range failuresInARow {
		if err := write(t.Context(), s, "/x"); KindOf(err) != Unavailable || errors.Is(err, ErrCircuitOpen) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	err := write(t.Context(), s, "/x")
	if KindOf(err) != Unavailable || !errors.Is(err, ErrCircuitOpen) || !strings.Contains(err.Error(), "tried again in") {
		t.Errorf("with the circuit open: %v", err)
	}
	_, err = s.call(t.Context(), call{operation: "slow", path: "/x", slow: true})
	if !errors.Is(err, ErrCircuitOpen) {
		t.Errorf("a slow call with the circuit open: %v", err)
	}
	if n := len(g.requests("/x")); n != failuresInARow {
		t.Errorf("GLPI was called %d times", n)
	}
	if h := c.Health(); !h.CircuitOpen || h.Reachable || testutil.ToFloat64(c.metrics.circuit) != 1 {
		t.Errorf("%+v", h)
	}
	g.on("/x", says(200, "{}"))
	eventually(t, "the circuit closed", func() bool { return write(t.Context(), s, "/x") == nil })
	if h := c.Health(); h.CircuitOpen || !h.Reachable || testutil.ToFloat64(c.metrics.circuit) != 0 {
		t.Errorf("%+v", h)
	}
}

// While GLPI is away one call now and then tries it; Check is as good as any.
func TestOneCallTriesGLPI(t *testing.T) {
	g := newGLPI(t)
	c := g.client(func(o *Options) { o.CircuitPause = 20 * time.Millisecond })
	s := c.Resume(alice)
	g.on("/x", says(502, ""))
	for range failuresInARow {
		_ = write(t.Context(), s, "/x")
	}
	begun, goOn := make(chan bool), make(chan bool)
	g.on("/initSession", func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-goOn
		recorded(t, "039-initSession-none")(w, r)
	})
	time.Sleep(30 * time.Millisecond) // the pause itself is what is tried
	checked := make(chan error)
	go func() { checked <- c.Check(context.Background()) }()
	<-begun
	if err := write(t.Context(), s, "/x"); !errors.Is(err, ErrCircuitOpen) || !strings.Contains(err.Error(), "one call is trying") {
		t.Errorf("a second call beside the one that tries: %v", err)
	}
	close(goOn)
	if err := <-checked; err != nil {
		t.Error(err)
	}
	g.on("/x", says(200, "{}"))
	if err := write(t.Context(), s, "/x"); err != nil {
		t.Errorf("after a good try: %v", err)
	}
}

func TestWhatOpensTheCircuit(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		call    call
		ctx     context.Context // nil: one without an end
		opens   bool
	}{
		"unavailable":            {handler: says(503, ""), opens: true},
		"too many requests":      {handler: says(429, ""), opens: true},
		"time is over":           {handler: hang, opens: true},
		"broken":                 {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, opens: true},
		"no right":               {handler: says(401, `["ERROR_RIGHT_MISSING","x"]`)},
		"not there":              {handler: says(404, `["ERROR_ITEM_NOT_FOUND","x"]`)},
		"a failure of PHP":       {handler: says(500, "")},
		"a firewall's refusal":   {handler: says(403, "<html>")},
		"the caller's cancel":    {handler: says(503, ""), ctx: canceled},
		"slow and failed":        {handler: says(503, ""), call: call{slow: true}},
		"slow and over its time": {handler: hang, call: call{slow: true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGLPI(t)
			g.on("/x", c.handler)
			client := g.client(func(o *Options) {
				o.CircuitPause, o.Timeout, o.SlowTimeout = time.Hour, 20*time.Millisecond, 20*time.Millisecond
				if !c.opens {
					o.Timeout = 5 * time.Second
				}
			})
			k := c.call
			k.operation, k.path, k.once = "update", "/x", true
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			for range failuresInARow + callsForARatio {
				_, _ = client.Resume(alice).call(ctx, k)
			}
			if open := client.Health().CircuitOpen; open != c.opens {
				t.Errorf("the circuit is open: %v", open)
			}
		})
	}
}

// A caller's own deadline says nothing of GLPI, however often it is met.
func TestImpatienceDoesNotOpenTheCircuit(t *testing.T) {
	g := newGLPI(t)
	g.on("/x", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := g.client()
	for range failuresInARow + 1 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		err := write(ctx, c.Resume(alice), "/x")
		cancel()
		wantKind(t, err, Timeout)
	}
	if c.Health().CircuitOpen {
		t.Error("the circuit is open")
	}
}

func TestHalfTheCallsFailing(t *testing.T) {
	g := newGLPI(t)
	g.on("/good", says(200, "{}"))
	g.on("/bad", says(503, ""))
	c := g.client(func(o *Options) { o.CircuitPause = time.Hour })
	for i := range callsForARatio {
		if c.Health().CircuitOpen {
			t.Fatalf("open after %d calls", i)
		}
		_ = write(t.Context(), c.Resume(alice), map[bool]string{true: "/good", false: "/bad"}[i%2 == 0])
	}
	if !c.Health().CircuitOpen {
		t.Error("half of the calls failed and the circuit is closed")
	}
}

func TestRetriesHaveABudget(t *testing.T) {
	g := newGLPI(t)
	var calls atomic.Int32
	g.on("/x", func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%3 == 0 { // every third succeeds: the circuit stays closed
			says(200, "{}")(w, r)
			return
		}
		says(503, "")(w, r)
	})
	c := g.client()
	c.breaker = newBreaker(time.Nanosecond, func(bool) {}) // what opens it by ratio is not the point here
	reads := 0
	for testutil.ToFloat64(c.metrics.retries.WithLabelValues("denied")) == 0 && reads < 100 {
		_, _ = c.Resume(alice).call(t.Context(), call{operation: "get", path: "/x"})
		reads++
	}
	repeated := testutil.ToFloat64(c.metrics.retries.WithLabelValues("repeated"))
	if repeated < maxBudget || repeated > maxBudget+float64(reads)*earnedByACall {
		t.Errorf("%v repetitions in %d reads", repeated, reads)
	}
	before := calls.Load()
	_, _ = c.Resume(alice).call(t.Context(), call{operation: "get", path: "/x"})
	if n := calls.Load() - before; n != 1 {
		t.Errorf("%d calls for a read although the budget is spent", n)
	}
}

func TestWritesAreNeverRepeated(t *testing.T) {
	g := newGLPI(t)
	g.on("/x", says(503, ""))
	_ = write(t.Context(), g.client().Resume(alice), "/x")
	if n := len(g.requests("/x")); n != 1 {
		t.Errorf("%d calls", n)
	}
}
