package dangerzone_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/dangerzone"
	"fleetgate/internal/store"
)

// withoutRunners is a store in which nobody is at work on an operation any more, as after the life of what a gateway that
// died said last.
type withoutRunners struct{ store.Store }

// Get is Store's.
func (s withoutRunners) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	if bucket == "danger-zone-running" {
		return nil, nil
	}
	return s.Store.Get(ctx, bucket, key)
}

// GLPI carries a request out and dies before it answers, for a while: what it did is found, and never asked twice.
func TestGLPIDiesBetweenRequestAndAnswer(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	c := r.confirmed(d, s, dangerzone.Wipe, r.devs[0])
	lost := r.confirmed(d, s, dangerzone.Unenroll, r.devs[1])
	dead := atomic.Bool{}
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if isFor(q) {
			if dead.CompareAndSwap(false, true) {
				serve.ServeHTTP(httptest.NewRecorder(), q)
			}
			panic(http.ErrAbortHandler)
		}
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		serve.ServeHTTP(rw, q)
	})
	op, err := d.Execute(t.Context(), s, c, "")
	if err != nil {
		t.Fatal(err)
	}
	inDoubt := func() bool {
		now, _ := d.Operation(t.Context(), op.ID)
		return strings.Contains(now.Targets[0].Message, "being looked at") || now.Targets[0].State == dangerzone.Dispatched
	}
	r.comesTrue("it is in doubt", inDoubt)
	r.inTrouble(nil)
	r.reaches(d, op.ID, dangerzone.Dispatched, 1)
	if calls := r.written(); len(calls) != 1 {
		t.Errorf("GLPI was asked to write %d times: %q", len(calls), calls)
	}
	r.comesTrue("GLPI is trusted again", func() bool { _, err := s.Scope(t.Context()); return err == nil })

	// One that dies before it has done anything is asked no second time either.
	asked := atomic.Int32{}
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if isFor(q) {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		}
		serve.ServeHTTP(rw, q)
	})
	op, err = d.Execute(t.Context(), s, lost, "")
	if err != nil {
		t.Fatal(err)
	}
	r.comesTrue("it is in doubt, too", inDoubt)
	r.inTrouble(nil)
	r.comesTrue("GLPI is not at it any more", func() bool { r.pass(time.Minute); return r.states(d, op.ID)[dangerzone.Failed] == 1 })
	if row := r.row(s, r.devs[1]); row.EnrollStatus != "enrolled" || asked.Load() != 1 {
		t.Errorf("the device is %s, and GLPI was asked %d times", row.EnrollStatus, asked.Load())
	}
}

// GLPI takes minutes for its answer: as long as that is waited for, nobody says that it won't do it.
func TestGLPITakesItsTime(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	asked, answer := make(chan struct{}), make(chan struct{})
	ask, let := sync.OnceFunc(func() { close(asked) }), sync.OnceFunc(func() { close(answer) })
	defer let()
	looks := atomic.Int32{}
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if isFor(q) {
			ask()
			<-answer
		} else if strings.Contains(q.URL.Path, "PluginFlyvemdmAgent") {
			defer looks.Add(1)
		}
		serve.ServeHTTP(rw, q)
	})
	id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	<-asked
	for range 3 {
		r.pass(time.Minute)
		before := looks.Load()
		r.comesTrue("GLPI was looked at", func() bool { return looks.Load() > before })
		if got := r.states(d, id); got[dangerzone.Requested] != 1 {
			t.Fatalf("got %v", got)
		}
	}
	let()
	r.reaches(d, id, dangerzone.Dispatched, 1)
}

// A gateway dies while GLPI is being asked. The next one looks what GLPI has done, repeats nothing, and says of the rest
// that nothing was done.
func TestTheNextGatewaySettlesWhatACrashLeft(t *testing.T) {
	r := newRig(t, 60)
	dying, s := r.start(func(o *dangerzone.Options) { o.PerSecond = 0.5 }), r.signIn()
	held, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(held) })
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if !isFor(q) {
			serve.ServeHTTP(rw, q)
			return
		}
		serve.ServeHTTP(httptest.NewRecorder(), q) // done, and never answered
		once()
		<-release
		panic(http.ErrAbortHandler)
	})
	id := r.begin(dying, s, dangerzone.Wipe, r.devs[:25]...)
	<-held
	// The state that a crash leaves is what the store has now: a desk that looks at a copy of it is the next gateway.
	next := r.start(func(o *dangerzone.Options) { o.Store = withoutRunners{r.store} })
	r.reaches(next, id, dangerzone.Failed, 15)
	r.reaches(next, id, dangerzone.Dispatched, 10)
	r.inTrouble(nil)
	close(release)
	dying.end()
	if op, _ := next.Operation(t.Context(), id); !strings.Contains(op.Targets[24].Message, "nothing was done") {
		t.Errorf("got %+v", op.Targets[24])
	}
	for i, device := range r.devs[:25] {
		if row := r.row(s, device); row.Wipe != (i < 10) {
			t.Errorf("device %d: wipe %t", i, row.Wipe)
		}
	}
	if calls := r.written(); len(calls) != 1 {
		t.Errorf("GLPI was asked to write %d times: %q", len(calls), calls)
	}
}

// With the session that confirmed it an operation ends: nothing is done with anybody else's rights.
func TestALostSessionEndsAnOperation(t *testing.T) {
	r := newRig(t, 60)
	d, s := r.start(nil), r.signIn()
	first := atomic.Bool{}
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		serve.ServeHTTP(rw, q)
		if isFor(q) && first.CompareAndSwap(false, true) {
			kill := httptest.NewRequest(http.MethodGet, "/apirest.php/killSession", nil)
			kill.Header.Set("Session-Token", s.Token())
			serve.ServeHTTP(httptest.NewRecorder(), kill)
		}
	})
	id := r.begin(d, s, dangerzone.Wipe, r.devs[:25]...)
	op := r.reaches(d, id, dangerzone.Failed, 15)
	if !strings.Contains(op.Targets[24].Message, "session") {
		t.Errorf("got %q", op.Targets[24].Message)
	}
	r.inTrouble(nil)
	again := r.signIn()
	for i, device := range r.devs[:25] {
		if row := r.row(again, device); row.Wipe != (i < 10) {
			t.Errorf("device %d: wipe %t", i, row.Wipe)
		}
	}
}
