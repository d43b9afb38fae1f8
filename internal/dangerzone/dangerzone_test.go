package dangerzone_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/store"
)

// Devices that never answer are waited for, and then it is said so.
func TestADeviceThatNeverAnswersExpires(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	wipe, leave := r.begin(d, s, dangerzone.Wipe, r.devs[0]), r.begin(d, s, dangerzone.Unenroll, r.devs[1])
	r.reaches(d, wipe, dangerzone.Dispatched, 1)
	r.reaches(d, leave, dangerzone.Dispatched, 1)
	r.pass(6 * 24 * time.Hour)
	r.pass(25 * time.Hour)
	if op := r.reaches(d, wipe, dangerzone.Expired, 1); !strings.Contains(op.Targets[0].Message, "CANCEL_WIPE takes it back") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
	if op := r.reaches(d, leave, dangerzone.Expired, 1); !strings.Contains(op.Targets[0].Message, "never confirmed") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
}

// An unenrolment that is never confirmed is settled when the device fell silent at the command, and says so.
func TestADeviceThatFallsSilentHasLeft(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	device := r.devs[0]
	say := func(word string) {
		if err := r.medium.b.Publish(device.Topic+"/Status/Online", []byte(`{"online":`+word+`}`), false); err != nil {
			t.Fatal(err)
		}
	}
	say("true")
	id := r.begin(d, s, dangerzone.Unenroll, device)
	r.reaches(d, id, dangerzone.Dispatched, 1)
	say("false")
	isAway := func(away bool) func() bool {
		return func() bool {
			op, _ := d.Operation(t.Context(), id)
			return op.Targets[0].OfflineAt.IsZero() != away
		}
	}
	r.comesTrue("it is offline", isAway(true))
	r.pass(time.Minute) // it comes back: it had merely lost its connection
	say("true")
	r.comesTrue("it is online", isAway(false))
	r.pass(time.Hour)
	say("false")
	r.comesTrue("it is offline again", isAway(true))
	r.reaches(d, id, dangerzone.Dispatched, 1)
	r.pass(3 * time.Minute)
	op := r.reaches(d, id, dangerzone.Completed, 1)
	if !strings.Contains(op.Targets[0].Message, "did not confirm") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
	r.comesTrue("the broker keeps nothing of it", func() bool { return len(r.kept(d, device)) == 0 })
}

// While the broker is away GLPI says yes, and the command is lost.
func TestACommandThatIsLostIsSaidSo(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	r.medium.goAway(true)
	id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.comesTrue("GLPI was asked", func() bool {
		op, _ := d.Operation(t.Context(), id)
		return strings.Contains(op.Targets[0].Message, "not seen on the broker")
	})
	if states := r.states(d, id); states[dangerzone.Requested] != 1 {
		t.Errorf("got %v", states)
	}
	r.pass(2 * time.Minute)
	r.reaches(d, id, dangerzone.Unverified, 1)
	r.medium.goAway(false)
	again := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.reaches(d, again, dangerzone.Dispatched, 1)
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
	r.comesTrue("it is in doubt", func() bool {
		now, _ := d.Operation(t.Context(), op.ID)
		return strings.Contains(now.Targets[0].Message, "being looked at") || now.Targets[0].State == dangerzone.Dispatched
	})
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
	r.comesTrue("GLPI was asked", func() bool { return asked.Load() == 1 })
	r.inTrouble(nil)
	r.comesTrue("GLPI is not at it any more", func() bool { r.pass(time.Minute); return r.states(d, op.ID)[dangerzone.Failed] == 1 })
	if row := r.row(s, r.devs[1]); row.EnrollStatus != "enrolled" || asked.Load() != 1 {
		t.Errorf("the device is %s, and GLPI was asked %d times", row.EnrollStatus, asked.Load())
	}
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

// Two hundred devices are asked of GLPI ten at a time, one batch after the other, and not faster than allowed.
func TestManyDevicesAreToldAtABoundedRate(t *testing.T) {
	r := newRig(t, 420)
	if len(r.devs) < 200 {
		t.Fatalf("only %d devices", len(r.devs))
	}
	d, s := r.start(func(o *dangerzone.Options) { o.PerSecond = 100 }), r.signIn()
	began := time.Now()
	watch, err := d.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := r.begin(d, s, dangerzone.Wipe, r.devs[:200]...)
	told := map[int]bool{}
	patience, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	for r.states(d, id)[dangerzone.Dispatched] < 200 {
		if _, err := watch.Next(patience); err != nil {
			op, _ := d.Operation(t.Context(), id)
			failed := slices.IndexFunc(op.Targets, func(t dangerzone.Target) bool { return t.State == dangerzone.Failed })
			t.Fatalf("%v: %v, such as %+v", err, r.states(d, id), op.Targets[max(failed, 0)])
		}
		told[r.states(d, id)[dangerzone.Dispatched]] = true
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("200 devices at 100 a second took %s", took)
	}
	if calls := r.written(); len(calls) != 20 || r.most != 1 {
		t.Errorf("%d calls, %d at once", len(calls), r.most)
	}
	if len(told) < 10 {
		t.Errorf("the progress was told at %d points only", len(told))
	}
}

// Two replicas share a store: a confirmation is good for one operation on both, one that leads follows what the other
// began, and both read it.
func TestReplicasShareOperations(t *testing.T) {
	t.Run("a file", func(t *testing.T) {
		r := newRig(t, 20)
		shareOperations(t, r, func() store.Store { return r.store })
	})
	t.Run("Redis", func(t *testing.T) {
		host := startRedis(t)
		shareOperations(t, newRig(t, 20), func() store.Store {
			s, err := store.OpenRedis("redis://" + host)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
}

func shareOperations(t *testing.T, r *rig, open func() store.Store) {
	leads := atomic.Bool{}
	first, second := open(), open() // which end after the replicas
	leader := r.start(func(o *dangerzone.Options) { o.Store, o.Leads = first, leads.Load })
	other := r.start(func(o *dangerzone.Options) { o.Store, o.Leads = second, func() bool { return !leads.Load() } })
	leads.Store(true)
	s := r.signIn()
	c := r.confirmed(leader, s, dangerzone.Wipe, r.devs[0])
	var wg sync.WaitGroup
	begun := make([]*dangerzone.Operation, 8)
	for i := range begun {
		wg.Go(func() {
			at := []*replica{leader, other}[i%2]
			op, err := at.Execute(t.Context(), s, c, "")
			if err != nil && !errors.Is(err, dangerzone.ErrConfirmation) {
				t.Error(err)
			}
			begun[i] = op
		})
	}
	wg.Wait()
	begun = slices.DeleteFunc(begun, func(op *dangerzone.Operation) bool { return op == nil })
	if len(begun) != 1 {
		t.Fatalf("%d operations", len(begun))
	}
	r.reaches(other, begun[0].ID, dangerzone.Dispatched, 1)
	id := r.begin(other, s, dangerzone.CancelWipe, r.devs[0])
	r.reaches(leader, id, dangerzone.Completed, 1)
	r.reaches(leader, begun[0].ID, dangerzone.Failed, 1) // taken back
	id = r.begin(other, s, dangerzone.Unenroll, r.devs[1])
	r.reaches(leader, id, dangerzone.Dispatched, 1)
	leads.Store(false) // the other takes over
	leader.end()
	if err := r.medium.b.Publish(r.devs[1].Topic+"/Status/Unenroll", []byte(`{"unenroll":"unenrolled"}`), false); err != nil {
		t.Fatal(err)
	}
	r.reaches(other, id, dangerzone.Completed, 1)
}

// The audit trail has what was asked before GLPI was, and what became of it.
func TestTheTrailHasBothEnds(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	trail := audit.NewTrail(r.store)
	var before []audit.Entry
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if q.Method == http.MethodDelete && before == nil {
			before, _ = trail.Newest(q.Context(), 10)
		}
		serve.ServeHTTP(rw, q)
	})
	id := r.begin(d, s, dangerzone.Delete, r.devs[0])
	r.reaches(d, id, dangerzone.Completed, 1)
	var after []audit.Entry
	r.comesTrue("the end is recorded", func() bool {
		after, _ = trail.Newest(t.Context(), 10)
		return len(after) > 1
	})
	if len(before) != 1 || before[0].Outcome != "requested" || len(after) != 2 || after[1].Outcome != "COMPLETED 1" || !slices.Equal(after[0].Targets, after[1].Targets) {
		t.Errorf("before GLPI was asked: %+v; at the end: %+v", before, after)
	}
}

// A wipe that can't be cleared off the broker is not taken back until it can be.
func TestAWipeIsTakenBackWhenTheBrokerLets(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	device := r.devs[0]
	r.reaches(d, r.begin(d, s, dangerzone.Wipe, device), dangerzone.Dispatched, 1)
	r.medium.b.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true})
	id := r.begin(d, s, dangerzone.CancelWipe, device)
	r.comesTrue("it is said what is in the way", func() bool {
		op, _ := d.Operation(t.Context(), id)
		return strings.Contains(op.Targets[0].Message, "may still hold it")
	})
	if row := r.row(s, device); row.Wipe || r.states(d, id)[dangerzone.Requested] != 1 {
		t.Errorf("wipe %t, %v", row.Wipe, r.states(d, id))
	}
	r.medium.b.SetAccount("fleetgate", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	r.reaches(d, id, dangerzone.Completed, 1)
	if kept := r.kept(d, device); slices.Contains(kept, "Wipe") {
		t.Errorf("the broker keeps %q", kept)
	}
}

// GLPI refuses a deletion, or fails in the middle of one: that is told with its reason, and planned again it is finished.
func TestAHalfDeletedAgentIsFinished(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	scope, err := s.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.glpi.SetConfig("flyvemdm", "guest_profiles_id", "9999")
	op := r.reaches(d, r.begin(d, s, dangerzone.Delete, r.devs[0]), dangerzone.Failed, 1)
	if words := op.Targets[0].Message; !strings.Contains(words, "guest user profile") || !strings.Contains(words, "plan it again") {
		t.Errorf("got %q", words)
	}
	r.glpi.SetConfig("flyvemdm", "guest_profiles_id", strconv.Itoa(scope.GuestProfileID))
	r.reaches(d, r.begin(d, s, dangerzone.Delete, r.devs[0]), dangerzone.Completed, 1)

	// What GLPI refuses once, as when its own cleaning up got in its way, is tried a second time.
	failed := atomic.Bool{}
	r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
		if q.Method == http.MethodDelete && failed.CompareAndSwap(false, true) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(rw, `["ERROR_GLPI_DELETE",[{"%d":false,"message":"Failed to delete MQTT user for the device"}]]`, r.devs[1].AgentID)
			return
		}
		serve.ServeHTTP(rw, q)
	})
	r.reaches(d, r.begin(d, s, dangerzone.Delete, r.devs[1]), dangerzone.Completed, 1)
	if !failed.Load() {
		t.Error("GLPI refused nothing")
	}
}

// Without an account of its own the gateway sees with the eyes of who asked, and after a restart with those of who reads.
func TestWhoReadsAnOperationHelpsToFollowIt(t *testing.T) {
	r := newRig(t, 20)
	alone := func(o *dangerzone.Options) { o.Service = nil }
	d, s := r.start(alone), r.signIn()
	id := r.begin(d, s, dangerzone.Unenroll, r.devs[0])
	r.reaches(d, id, dangerzone.Dispatched, 1)
	d.end()
	next := r.start(alone)
	if _, err := glpiproxy.DeleteMany[glpiproxy.Agent](t.Context(), s, []int{r.devs[0].AgentID}); err != nil {
		t.Fatal(err)
	}
	r.pass(time.Second)
	next.Lend(id, r.signIn())
	r.reaches(next, id, dangerzone.Completed, 1)
	r.comesTrue("the broker keeps nothing of it", func() bool { return len(r.kept(next, r.devs[0])) == 0 })
}

// A confirmation is good for five minutes.
func TestAConfirmationGrowsOld(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	plan, err := d.Plan(t.Context(), s, dangerzone.Request{Action: dangerzone.Wipe, AgentIDs: []int{r.devs[0].AgentID}})
	if err != nil {
		t.Fatal(err)
	}
	scope, err := s.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.pass(4 * time.Minute)
	if _, err := d.Confirm(s, scope, plan.Token); err != nil {
		t.Errorf("after four minutes: %v", err)
	}
	r.pass(time.Minute)
	if _, err := d.Confirm(s, scope, plan.Token); !errors.Is(err, dangerzone.ErrConfirmation) {
		t.Errorf("after five minutes: %v", err)
	}
}

// A wipe of long ago is seen to be taken back as soon as it is, although such operations are looked at seldom.
func TestWhatEndsAnotherOperationIsSeenAtOnce(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	wipe := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.reaches(d, wipe, dangerzone.Dispatched, 1)
	r.look()
	r.pass(20 * time.Hour)
	before := r.looks()
	r.comesTrue("it is looked at", func() bool { return r.looks() > before })
	r.reaches(d, r.begin(d, s, dangerzone.CancelWipe, r.devs[0]), dangerzone.Completed, 1)
	if op := r.reaches(d, wipe, dangerzone.Failed, 1); !strings.Contains(op.Targets[0].Message, "taken back") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
}
