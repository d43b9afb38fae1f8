package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func newTestHub(t *testing.T, logSize, buffer int) *hub {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(newEventLog(logSize, time.Hour, nil, time.Now), buffer, m)
	close(h.loaded)
	return h
}

var publishing sync.Mutex

func (h *hub) publishPing(entity int, serial string, number int) {
	publishing.Lock() // as the Log does, which gives the IDs their order
	defer publishing.Unlock()
	id := NewLogID(uint64(time.Now().UnixMilli()), h.log.next)
	h.publish(Event{Kind: TaskStatusChanged, Device: DeviceKey{entity, serial}, Task: &TaskStatus{TaskID: number}}, id)
}

func open(t *testing.T, h *hub, f Filter, after string) *Subscription {
	t.Helper()
	s, err := h.subscribe(f, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// waiting are the events that a subscription gives without waiting, and the error at their end if there is one.
func waiting(s *Subscription) (events []Event, err error) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		e, err := s.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

// TestFiltersKeepCompaniesApart tries to see what happens in entity 2 by every filter that is good for entity 1.
func TestFiltersKeepCompaniesApart(t *testing.T) {
	mine, theirs := DeviceKey{1, "A"}, DeviceKey{2, "A"} // even with the same serial
	for name, c := range map[string]struct {
		filter     Filter
		mine, them int
	}{
		"nothing":                         {Filter{}, 0, 0},
		"no entities":                     {Filter{Entities: set[int]()}, 0, 0},
		"a device without its entity":     {Filter{Devices: set(mine, theirs)}, 0, 0},
		"kinds without an entity":         {Filter{Kinds: set(TaskStatusChanged)}, 0, 0},
		"my entity":                       {Filter{Entities: set(1)}, 1, 0},
		"my entity and their device":      {Filter{Entities: set(1), Devices: set(theirs)}, 0, 0},
		"my entity and both devices":      {Filter{Entities: set(1), Devices: set(mine, theirs)}, 1, 0},
		"my entity, the kind":             {Filter{Entities: set(1), Kinds: set(TaskStatusChanged)}, 1, 0},
		"my entity, another kind":         {Filter{Entities: set(1), Kinds: set(AgentUnenrolled)}, 0, 0},
		"my entity, no device":            {Filter{Entities: set(1), Devices: set[DeviceKey]()}, 0, 0},
		"my entity, no kind":              {Filter{Entities: set(1), Kinds: set[Kind]()}, 0, 0},
		"all entities on purpose":         {Filter{AllEntities: true}, 1, 1},
		"all entities, one device":        {Filter{AllEntities: true, Devices: set(theirs)}, 0, 1},
		"all entities and one by name":    {Filter{AllEntities: true, Entities: set(1)}, 1, 1},
		"both entities, both devices too": {Filter{Entities: set(1, 2), Devices: set(mine, theirs)}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHub(t, 100, 100)
			before := open(t, h, everything, "")
			h.publishPing(1, "before", 0)
			cursor := next(t, before).Cursor
			live := open(t, h, c.filter, "")
			h.publishPing(1, "A", 1)
			h.publishPing(2, "A", 2)
			replayed := open(t, h, c.filter, cursor)
			switched := open(t, h, everything, cursor)
			switched.SetFilter(c.filter)
			for way, s := range map[string]*Subscription{"live": live, "replayed": replayed, "filter set later": switched} {
				events, err := waiting(s)
				if err != nil {
					t.Fatal(err)
				}
				got := map[DeviceKey]int{}
				for _, e := range events {
					got[e.Device]++
				}
				if got[mine] != c.mine || got[theirs] != c.them {
					t.Errorf("%s: got %v, want %d of mine and %d of theirs", way, got, c.mine, c.them)
				}
			}
		})
	}
}

func TestSetFilterHoldsForEventsThatWait(t *testing.T) {
	h := newTestHub(t, 100, 100)
	s := open(t, h, Filter{Entities: set(1, 2)}, "")
	h.publishPing(2, "A", 1)
	h.publishPing(1, "A", 2)
	s.SetFilter(Filter{Entities: set(1)})
	h.publishPing(2, "A", 3)
	h.publishPing(1, "A", 4)
	events, err := waiting(s)
	if err != nil || len(events) != 2 || events[0].Task.TaskID != 2 || events[1].Task.TaskID != 4 {
		t.Errorf("got %+v, %v", events, err)
	}
	if len(h.entities) != 1 || len(h.all) != 1 {
		t.Errorf("the index is %v", h.entities)
	}
}

func TestTheCallersMapsAreTheirs(t *testing.T) {
	h := newTestHub(t, 100, 100)
	entities := set(1)
	s := open(t, h, Filter{Entities: entities}, "")
	entities[2] = struct{}{}
	h.publishPing(2, "A", 1)
	if events, err := waiting(s); err != nil || len(events) != 0 {
		t.Errorf("got %+v, %v", events, err)
	}
}

// A burst that is larger than a subscriber's buffer is read from the log, once and in order.
func TestABurstIsReadFromTheLog(t *testing.T) {
	h := newTestHub(t, 1000, 4)
	s := open(t, h, Filter{Entities: set(1)}, "")
	want := 0
	for _, burst := range []int{3, 4, 5, 200, 1, 50} {
		for range burst {
			h.publishPing(2, "B", -1)
			h.publishPing(1, "A", want)
			want++
		}
		first, middle := want-burst, want-burst/2
		for i := first; i < want; i++ {
			if e := next(t, s); e.Task.TaskID != i {
				t.Fatalf("got %d, want %d", e.Task.TaskID, i)
			}
			if i == middle { // what comes while it catches up waits for its turn
				h.publishPing(1, "A", want)
				want++
			}
		}
	}
	if events, err := waiting(s); err != nil || len(events) != 0 {
		t.Errorf("then %+v, %v", events, err)
	}
}

func TestASlowSubscriberLagsAlone(t *testing.T) {
	h := newTestHub(t, 10, 4)
	slow, quick := open(t, h, everything, ""), open(t, h, everything, "")
	var last Event
	for i := range 16 {
		h.publishPing(1, "A", i)
		if e := next(t, quick); e.Task.TaskID != i {
			t.Fatalf("the quick one got %d at %d", e.Task.TaskID, i)
		}
	}
	for i := range 4 {
		if last = next(t, slow); last.Task.TaskID != i {
			t.Fatalf("the slow one got %d at %d", last.Task.TaskID, i)
		}
	}
	_, err := slow.Next(t.Context())
	if !errors.Is(err, ErrLagged) || !errors.Is(err, ErrResync) {
		t.Errorf("the slow one got %v", err)
	}
	if _, there := h.all[slow]; there {
		t.Error("the slow one is still served")
	}
	if _, err := h.subscribe(everything, last.Cursor); !errors.Is(err, ErrResync) {
		t.Errorf("coming back with its last cursor: %v", err)
	}
}

func TestReplay(t *testing.T) {
	h := newTestHub(t, 2000, 10)
	first := open(t, h, everything, "")
	var cursors []string
	for i := range 1500 {
		h.publishPing(i%2, "A", i)
		cursors = append(cursors, next(t, first).Cursor)
	}
	s := open(t, h, Filter{Entities: set(1)}, cursors[10])
	h.publishPing(1, "A", 1501)
	for want := 11; want <= 1501; want += 2 {
		if e := next(t, s); e.Task.TaskID != want {
			t.Fatalf("got %d, want %d", e.Task.TaskID, want)
		}
	}
	if events, err := waiting(s); err != nil || len(events) != 0 {
		t.Errorf("then %+v, %v", events, err)
	}
	if newest := open(t, h, everything, first.cursorOfNext(t)); newest.replay != newest.replayEnd {
		t.Errorf("after the newest event %d are replayed", newest.replayEnd-newest.replay)
	}
}

// cursorOfNext is the cursor of the next event that waits.
func (s *Subscription) cursorOfNext(t *testing.T) string { return next(t, s).Cursor }

func TestCursorsThatDoNotHold(t *testing.T) {
	h, other := newTestHub(t, 10, 100), newTestHub(t, 10, 100)
	s := open(t, h, everything, "")
	var cursors []string
	for i := range 15 {
		h.publishPing(1, "A", i)
		other.publishPing(1, "A", i)
		cursors = append(cursors, next(t, s).Cursor)
	}
	for name, c := range map[string]struct {
		cursor string
		want   error
	}{
		"just old enough":      {cursors[5], nil},
		"the newest":           {cursors[14], nil},
		"too old":              {cursors[4], ErrResync},
		"of the start":         {h.log.cursor(LogID{}), ErrResync},
		"of a former life":     {h.log.cursor(NewLogID(uint64(time.Now().Add(-time.Minute).UnixMilli()), 7)), ErrResync},
		"older than a cursor":  {h.log.cursor(NewLogID(uint64(time.Now().Add(-2*time.Hour).UnixMilli()), 7)), ErrResync},
		"a replica is ahead":   {h.log.cursor(NewLogID(uint64(time.Now().UnixMilli()), 1000)), nil},
		"with another secret":  {other.log.cursor(other.log.last), ErrResync},
		"nonsense":             {"nonsense", ErrResync},
		"of the right length":  {"AAAAAAAAAAAAAAAAAAAAAA", ErrResync},
		"with a line break":    {cursors[14][:21] + "\n", ErrResync},
		"long":                 {long(100_000), ErrResync},
		"one that was changed": {"A" + cursors[14][1:len(cursors[14])-1] + "A", ErrResync},
	} {
		s, err := h.subscribe(everything, c.cursor)
		if err != c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if s != nil {
			s.Close()
		}
	}
}

func TestAReplayThatIsOvertakenLags(t *testing.T) {
	h := newTestHub(t, 10, 100)
	first := open(t, h, everything, "")
	h.publishPing(1, "A", 0)
	cursor := next(t, first).Cursor
	s := open(t, h, everything, cursor)
	h.publishPing(1, "A", 1)
	back := open(t, h, everything, cursor)
	for i := range 20 {
		h.publishPing(1, "A", i)
	}
	if _, err := back.Next(t.Context()); !errors.Is(err, ErrLagged) {
		t.Errorf("got %v", err)
	}
	if e := next(t, s); e.Task.TaskID != 1 { // it had no replay to do: its events are in its buffer
		t.Errorf("got %d", e.Task.TaskID)
	}
}

// TestReplayOnceUnderLoad lets subscribers come back again and again with their last cursor while several
// goroutines publish: each must see every event once and in order.
func TestReplayOnceUnderLoad(t *testing.T) {
	const publishers, each, readers = 4, 2000, 8
	h := newTestHub(t, publishers*each+1, 32)
	first := open(t, h, everything, "")
	h.publishPing(0, "start", 0)
	begin := next(t, first).Cursor
	first.Close()
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for i := range each {
				h.publishPing(1, fmt.Sprint(p), i)
			}
		})
	}
	for range readers {
		running.Go(func() {
			cursor, seen := begin, map[string]int{}
			for total := 0; total < publishers*each; {
				s, err := h.subscribe(Filter{Entities: set(1)}, cursor)
				if err != nil {
					t.Error(err)
					return
				}
				for range 100 {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					e, err := s.Next(ctx)
					cancel()
					if errors.Is(err, ErrLagged) {
						break
					}
					if err != nil || e.Task.TaskID != seen[e.Device.Serial] {
						t.Errorf("got %+v, %v; want number %d", e.Task, err, seen[e.Device.Serial])
						s.Close()
						return
					}
					seen[e.Device.Serial]++
					cursor = e.Cursor
					if total++; total == publishers*each {
						break
					}
				}
				s.Close()
			}
		})
	}
	running.Wait()
	if len(h.all)+len(h.entities) != 0 {
		t.Errorf("%d subscriptions are left", len(h.all))
	}
}

func TestClosing(t *testing.T) {
	h := newTestHub(t, 10, 10)
	own, theirs := open(t, h, everything, ""), open(t, h, everything, "")
	h.publishPing(1, "A", 1)
	own.Close()
	own.Close()
	if _, err := own.Next(t.Context()); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	ended := make(chan error, 1)
	next(t, theirs)
	go func() { _, err := theirs.Next(context.Background()); ended <- err }()
	h.close()
	if err := <-ended; err != ErrClosed {
		t.Errorf("after the end: %v", err)
	}
	if _, err := h.subscribe(everything, ""); err != ErrClosed {
		t.Errorf("subscribing after the end: %v", err)
	}
	own.SetFilter(everything)
	h.publishPing(1, "A", 2)
	if len(h.all) != 0 {
		t.Errorf("%d subscriptions are left", len(h.all))
	}
}

func BenchmarkPublish(b *testing.B) {
	for name, filter := range map[string]func(i int) Filter{
		"1000 others":       func(i int) Filter { return Filter{Entities: set(i + 2)} },
		"1000 devices else": func(i int) Filter { return Filter{AllEntities: true, Devices: set(DeviceKey{1, fmt.Sprint(i)})} },
	} {
		b.Run(name, func(b *testing.B) {
			m, _ := newMetrics(nil)
			h := newHub(newEventLog(10_000, time.Hour, nil, time.Now), 256, m)
			for i := range 1000 {
				if _, err := h.subscribe(filter(i), ""); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				h.publishPing(1, "A", 1)
			}
		})
	}
}

// Whoever knows the number of an event goes on after it without a gap or a repetition, and is told where they stand.
func TestGoingOnAfterANumber(t *testing.T) {
	h := newTestHub(t, 8, 2)
	for number := 1; number <= 5; number++ {
		h.publishPing(number%2, "A", number)
	}
	for name, c := range map[string]struct {
		after uint64
		want  []int
	}{
		"the beginning":     {0, []int{1, 3, 5, 7, 9}},
		"one of mine":       {1, []int{3, 5, 7, 9}},
		"one of another's":  {2, []int{3, 5, 7, 9}},
		"the latest":        {5, []int{7, 9}},
		"one yet to happen": {99, []int{7, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHub(t, 16, 2)
			for number := 1; number <= 5; number++ {
				h.publishPing(number%2, "A", number)
			}
			s, err := h.subscribeAfter(Filter{Entities: set(1)}, c.after)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for number := 6; number <= 9; number++ {
				h.publishPing(number%2, "A", number)
			}
			for _, number := range c.want {
				e, ok, err := s.TryNext()
				if err != nil || !ok || e.Task.TaskID != number || e.Number != uint64(number) {
					t.Fatalf("got %+v %v %v, want %d", e, ok, err, number)
				}
			}
			level, known := s.Level()
			if _, ok, err := s.TryNext(); ok || err != nil || level != 9 || !known {
				t.Errorf("one too many, or %v; level %d", err, level)
			}
		})
	}
	for number := 6; number <= 10; number++ {
		h.publishPing(1, "A", number)
	}
	if _, err := h.subscribeAfter(everything, 1); !errors.Is(err, ErrLagged) {
		t.Errorf("after what is gone: %v", err)
	}
	if s, err := h.subscribeAfter(everything, 2); err != nil {
		t.Errorf("before the oldest: %v", err)
	} else {
		s.Close()
	}
}

// A cursor that another bridge gave may be ahead of what this one has read: nobody can tell where that is until then.
func TestTheLevelOfACursorThatIsAhead(t *testing.T) {
	h := newTestHub(t, 100, 10)
	h.publishPing(1, "A", 1)
	ahead := NewLogID(uint64(time.Now().Add(time.Second).UnixMilli()), 7)
	s := open(t, h, everything, h.log.cursor(ahead))
	if _, known := s.Level(); known {
		t.Error("the level is known before the cursor's event is here")
	}
	h.publish(Event{Kind: TaskStatusChanged, Device: DeviceKey{1, "A"}, Task: &TaskStatus{TaskID: 2}}, ahead)
	level, known := s.Level()
	if _, ok, err := s.TryNext(); ok || err != nil || !known || level != 2 {
		t.Errorf("the cursor's own event came: %v, %v; level %d %v", ok, err, level, known)
	}
}
