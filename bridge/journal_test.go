package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// replica is a journal of its own with its hub, over a log that others may share. It runs until stop or the test's end.
type replica struct {
	*journal
	leading atomic.Bool
	stop    func()
}

func newReplica(t *testing.T, log Log, leads bool) *replica {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{}
	r.leading.Store(leads)
	o, err := Options{URL: "mqtt://nowhere", Log: log, Leads: r.leading.Load, CursorSecret: []byte("shared"), LogSize: 1000}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r.journal = newJournal(o, newHub(newEventLog(o.LogSize, o.LogAge, o.CursorSecret, o.Now), 1000, m), newRegistry(o, m), m)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.follow(ctx) })
	running.Go(func() { r.write(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait(); r.hub.close() })
	t.Cleanup(r.stop)
	return r
}

// hear gives the replica an event, as if its own connection to the broker had brought it.
func (r *replica) hear(number int) {
	r.add([]Event{{Kind: TaskStatusChanged, At: time.Now(), Device: DeviceKey{1, "A"}, Task: &TaskStatus{TaskID: number, Status: "done"}}})
}

func (r *replica) subscribe(t *testing.T, after string) *Subscription {
	t.Helper()
	return open(t, r.hub, everything, after)
}

func wantTask(t *testing.T, s *Subscription, number int) Event {
	t.Helper()
	e := next(t, s)
	if e.Task.TaskID != number {
		t.Fatalf("got %d, want %d", e.Task.TaskID, number)
	}
	return e
}

func wantNoMore(t *testing.T, s *Subscription) {
	t.Helper()
	if events, err := waiting(s); err != nil || len(events) != 0 {
		t.Fatalf("more came: %+v, %v", events, err)
	}
}

func TestACursorOutlivesTheProcess(t *testing.T) {
	log := newMemoryLog(1000, time.Now)
	first := newReplica(t, log, true)
	s := first.subscribe(t, "")
	first.hear(1)
	cursor := wantTask(t, s, 1).Cursor
	first.hear(2)
	wantTask(t, s, 2)
	first.stop()

	second := newReplica(t, log, true)
	back := second.subscribe(t, cursor)
	second.hear(3)
	wantTask(t, back, 2)
	last := wantTask(t, back, 3)
	wantNoMore(t, back)
	wantNoMore(t, second.subscribe(t, last.Cursor))
}

// A cursor of a log that is gone must not be taken for one of the new log: what came between would be lost
// without a word.
func TestACursorOfALostLogNeedsAResync(t *testing.T) {
	first := newReplica(t, newMemoryLog(1000, time.Now), true)
	s := first.subscribe(t, "")
	first.hear(1)
	cursor := wantTask(t, s, 1).Cursor
	first.stop()
	time.Sleep(2 * time.Millisecond) // IDs count milliseconds
	second := newReplica(t, newMemoryLog(1000, time.Now), true)
	if _, err := second.hub.subscribe(everything, cursor); !errors.Is(err, ErrResync) {
		t.Errorf("got %v", err)
	}
}

// Both replicas hear everything; each subscriber sees it once, and under the same cursors.
func TestReplicasTellTheSame(t *testing.T) {
	log := newMemoryLog(1000, time.Now)
	leader, follower := newReplica(t, log, true), newReplica(t, log, false)
	here, there := leader.subscribe(t, ""), follower.subscribe(t, "")
	var cursors []string
	for i := range 50 {
		leader.hear(i)
		follower.hear(i)
		a, b := wantTask(t, here, i), wantTask(t, there, i)
		if a.Cursor != b.Cursor {
			t.Fatalf("event %d has two cursors", i)
		}
		cursors = append(cursors, a.Cursor)
	}
	moved := follower.subscribe(t, cursors[48]) // a client that goes to the other replica
	wantTask(t, moved, 49)
	wantNoMore(t, moved)
	wantNoMore(t, here)
}

// When the leader ends, the other one appends what the leader heard and didn't come to, and only that.
func TestTakingOverLosesAndRepeatsNothing(t *testing.T) {
	log := newMemoryLog(1000, time.Now)
	leader, follower := newReplica(t, log, true), newReplica(t, log, false)
	s := follower.subscribe(t, "")
	for i := range 10 {
		leader.hear(i)
		wantTask(t, s, i)
	}
	leader.stop()
	for i := range 15 { // the follower heard the first ten as well
		follower.hear(i)
	}
	follower.leading.Store(true)
	for i := 10; i < 15; i++ {
		wantTask(t, s, i)
	}
	follower.hear(15)
	wantTask(t, s, 15)
	wantNoMore(t, s)
}

// flaky is a log that can be out of reach.
type flaky struct {
	Log
	down  atomic.Bool
	tries atomic.Int32 // while it was down
}

var errDown = errors.New("out of reach")

func (f *flaky) Append(ctx context.Context, entries ...[]byte) error {
	if f.down.Load() {
		f.tries.Add(1)
		return errDown
	}
	return f.Log.Append(ctx, entries...)
}

func (f *flaky) Tail(ctx context.Context, limit int) ([]LogEntry, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Log.Tail(ctx, limit)
}

func TestEventsWaitForALogOutOfReach(t *testing.T) {
	log := &flaky{Log: newMemoryLog(1000, time.Now)}
	r := newReplica(t, log, true)
	s := r.subscribe(t, "")
	log.down.Store(true)
	for i := range 20 {
		r.hear(i)
	}
	wantNoMore(t, s)
	log.down.Store(false)
	for i := range 20 {
		wantTask(t, s, i)
	}
}

func TestALogThatIsDownAtTheStartIsReadLater(t *testing.T) {
	log := &flaky{Log: newMemoryLog(1000, time.Now)}
	log.down.Store(true)
	r := newReplica(t, log, true)
	s := r.subscribe(t, "")
	r.hear(1)
	log.down.Store(false)
	wantTask(t, s, 1)
}

// A Log that is out of reach is neither asked nor complained of for each event.
func TestALogOutOfReachIsLeftInPeace(t *testing.T) {
	log, said := &flaky{Log: newMemoryLog(1000, time.Now)}, &notes{}
	r := newReplica(t, log, true)
	r.options.Logger = slog.New(slog.NewTextHandler(said, nil))
	eventually(t, "the log was read", func() bool { return r.hub.isLoaded() })
	log.down.Store(true)
	for i := range 100 {
		r.hear(i)
		time.Sleep(time.Millisecond)
	}
	if tries := log.tries.Load(); tries > 5 {
		t.Errorf("it was tried %d times", tries)
	}
	if lines := strings.Count(said.String(), "writing the event log"); lines != 1 {
		t.Errorf("%d lines of log", lines)
	}
}

// What the Log kept from before is for those who come back, not for those who listen from now on.
func TestOldEventsAreNotLive(t *testing.T) {
	log := &flaky{Log: newMemoryLog(1000, time.Now)}
	first := newReplica(t, log, true)
	s := first.subscribe(t, "")
	first.hear(1)
	cursor := wantTask(t, s, 1).Cursor
	first.hear(2)
	wantTask(t, s, 2)
	first.stop()
	time.Sleep(2 * time.Millisecond) // IDs count milliseconds
	log.down.Store(true)
	second := newReplica(t, log, true)
	live := second.subscribe(t, "") // before the log could be read
	log.down.Store(false)
	second.hear(3)
	wantTask(t, live, 3)
	back := second.subscribe(t, cursor)
	wantTask(t, back, 2)
	wantTask(t, back, 3)
}

// busy is a log that hears of more than can wait while it is written.
type busy struct {
	Log
	meanwhile func()
}

func (b *busy) Append(ctx context.Context, entries ...[]byte) error {
	if b.meanwhile != nil {
		b.meanwhile()
		b.meanwhile = nil
	}
	return b.Log.Append(ctx, entries...)
}

// Events that had to go while others were being appended are a gap too.
func TestAGapThatOpensMeanwhileIsTold(t *testing.T) {
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := Options{URL: "mqtt://nowhere"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	log := &busy{Log: newMemoryLog(2*mostHeard, time.Now)}
	o.Log = log
	j := newJournal(o, nil, nil, m)
	step := 0
	hear := func(n int) {
		for range n {
			step++
			j.add([]Event{{Kind: TaskStatusChanged, Device: someone, Task: &TaskStatus{TaskID: step}}})
		}
	}
	hear(1)
	log.meanwhile = func() { hear(mostHeard + 5) } // the first one, which is appended now, and five others go
	if !j.appendAll(t.Context()) {
		t.Fatal("it failed")
	}
	entries, _ := log.Tail(t.Context(), 2*mostHeard)
	if len(entries) != mostHeard+2 || len(entries[1].Value) != 0 {
		t.Errorf("%d entries, the second is %q; want a gap after the first", len(entries), entries[1].Value)
	}
}

// More than can wait is a gap, and everybody is told: nothing is lost without a word.
func TestAGapIsTold(t *testing.T) {
	log := &flaky{Log: newMemoryLog(2*mostHeard, time.Now)}
	r := newReplica(t, log, true)
	s := r.subscribe(t, "")
	r.hear(0)
	cursor := wantTask(t, s, 0).Cursor
	log.down.Store(true)
	eventually(t, "the log is down", func() bool { return log.down.Load() })
	for i := range mostHeard + 20_000 { // letting go of one must cost next to nothing
		r.hear(i)
	}
	log.down.Store(false)
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrResync) {
		t.Errorf("the subscriber got %v", err)
	}
	if _, err := r.hub.subscribe(everything, cursor); !errors.Is(err, ErrResync) {
		t.Errorf("the old cursor got %v", err)
	}
	eventually(t, "the rest has come through", func() bool {
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		return r.hub.log.next > mostHeard
	})
	fresh := r.subscribe(t, "")
	r.hear(-1)
	wantTask(t, fresh, -1)
}

func TestFingerprintsTellEventsApart(t *testing.T) {
	now := time.Now()
	events := []Event{
		{Kind: AgentUnenrolled, Device: DeviceKey{1, "A"}},
		{Kind: AgentUnenrolled, Device: DeviceKey{1, "B"}},
		{Kind: AgentUnenrolled, Device: DeviceKey{2, "A"}},
		{Kind: PresenceChanged, Device: DeviceKey{1, "A"}, Presence: &Presence{State: Online, Since: now}},
		{Kind: PresenceChanged, Device: DeviceKey{1, "A"}, Presence: &Presence{State: Offline, Since: now}},
		{Kind: PositionReported, Device: DeviceKey{1, "A"}, Position: &Position{Latitude: 1, Longitude: 2, At: now}},
		{Kind: PositionReported, Device: DeviceKey{1, "A"}, Position: &Position{Latitude: 1, Longitude: 3, At: now}},
		{Kind: CommandSent, Device: DeviceKey{1, "A"}, Command: &Command{Name: "Ping", SentAt: now}},
		{Kind: CommandSent, Device: DeviceKey{1, "A"}, Command: &Command{Name: "Lock", SentAt: now}},
		{Kind: TaskStatusChanged, Device: DeviceKey{1, "A"}, Task: &TaskStatus{1, "done"}},
		{Kind: TaskStatusChanged, Device: DeviceKey{1, "A"}, Task: &TaskStatus{1, "failed"}},
	}
	seen := map[[32]byte]string{}
	for _, e := range events {
		name := fmt.Sprintf("%s %+v", e.Kind, e)
		if other, twice := seen[fingerprint(e)]; twice {
			t.Errorf("%s looks like %s", name, other)
		}
		seen[fingerprint(e)] = name
		later := e
		later.At = now.Add(time.Millisecond)
		if fingerprint(later) != fingerprint(e) {
			t.Errorf("%s: another replica's clock makes it another event", name)
		}
	}
}
