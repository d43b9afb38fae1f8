package dangerzone_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/dangerzone"
	"fleetgate/internal/store"
	"fleetgate/internal/store/redistest"
)

// Two replicas share a store: a confirmation is good for one operation on both, one that leads follows what the other
// began, and both read it.
func TestReplicasShareOperations(t *testing.T) {
	t.Run("a file", func(t *testing.T) {
		r := newRig(t, 20)
		shareOperations(t, r, func() store.Store { return r.store })
	})
	t.Run("Redis", func(t *testing.T) {
		host := redistest.Start(t)
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

// The clock of the replica that asks GLPI is ahead of that of the one that follows: what the device does at once still
// counts as done after it was asked.
func TestReplicasDifferInTime(t *testing.T) {
	r := newRig(t, 20)
	leader := r.start(nil)
	other := r.start(func(o *dangerzone.Options) {
		o.Leads = func() bool { return false }
		o.Now = func() time.Time { return r.now().Add(4 * time.Second) }
	})
	r.says(r.devs[0], true, false)
	for _, d := range []*replica{leader, other} {
		r.comesTrue("it is online", func() bool {
			device, _ := d.bridge.Device(r.enrolled()[0].Device)
			return device.Presence.State == "ONLINE"
		})
	}
	id := r.begin(other, r.signIn(), dangerzone.Wipe, r.devs[0])
	r.reaches(leader, id, dangerzone.Dispatched, 1)
	r.says(r.devs[0], false, false)
	r.comesTrue("it is offline", func() bool {
		device, _ := leader.bridge.Device(r.enrolled()[0].Device)
		return device.Presence.State == "OFFLINE"
	})
	r.pass(time.Minute)
	r.reaches(leader, id, dangerzone.Completed, 1)
}
