package dangerzone_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/sim/broker"
)

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
