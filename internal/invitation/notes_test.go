package invitation_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

func TestNotes(t *testing.T) {
	d, c := newWorld(t)
	ctx := t.Context()
	for range 2 {
		if err := d.MarkOpened(ctx, 10, 1); err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
	}
	if opened, err := d.Opened(ctx, 10, 11); err != nil || len(opened) != 1 || !opened[10].Equal(noon) {
		t.Errorf("opened: %v, %v", opened, err)
	}
	if err := d.Supersede(ctx, 10, 11); err != nil {
		t.Fatal(err)
	}
	if by, err := d.SupersededBy(ctx, 10, 11); err != nil || len(by) != 1 || by[10] != 11 {
		t.Errorf("superseded: %v, %v", by, err)
	}
	if err := d.Enrolled(ctx, invitation.Sighting{InvitationID: 11, EntityID: 1, State: invitation.StateEnrolled}, 70); err != nil {
		t.Fatal(err)
	}
	if agents, err := d.AgentOf(ctx, 10, 11); err != nil || len(agents) != 1 || agents[11] != 70 {
		t.Errorf("agents: %v, %v", agents, err)
	}
	if from, err := d.InvitationOf(ctx, 70, 71); err != nil || len(from) != 1 || from[70] != 11 {
		t.Errorf("invitations of agents: %v, %v", from, err)
	}
}

func TestDevicesAreTakenOnce(t *testing.T) {
	d, _ := newWorld(t)
	if left, err := d.Take(t.Context(), 10); left != 0 || err != nil {
		t.Errorf("without a note: %d, %v", left, err)
	}
	if err := d.Allow(t.Context(), 10, 10); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var sum atomic.Int64
	for range 8 {
		all.Go(func() {
			left, err := d.Take(context.Background(), 10)
			if err != nil {
				t.Error(err)
			}
			sum.Add(int64(left))
		})
	}
	all.Wait()
	if left, err := d.Left(t.Context(), 10); err != nil || left[10] != 2 || sum.Load() != 9+8+7+6+5+4+3+2 {
		t.Errorf("left %v, %v; takers saw %d in all", left, err, sum.Load())
	}
}

func TestWatching(t *testing.T) {
	s, c := openStore(t, ""), &clock{now: noon}
	d, replica := newDesk(t, s, c), newDesk(t, s, c)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := d.Announce(ctx, invitation.Event{Kind: invitation.Created, InvitationID: 9, EntityID: 1}); err != nil {
		t.Fatal(err)
	}
	watch, err := replica.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.MarkOpened(ctx, 10, 1); err != nil {
			t.Fatal(err)
		}
	}
	first, err := watch.Next(ctx)
	if err != nil || len(first) != 1 || first[0].Kind != invitation.Opened || first[0].InvitationID != 10 || first[0].EntityID != 1 || !first[0].At.Equal(noon) {
		t.Fatalf("got %+v, %v", first, err)
	}
	if err := d.Enrolled(ctx, invitation.Sighting{InvitationID: 10, EntityID: 1, State: invitation.StateEnrolled}, 70); err != nil {
		t.Fatal(err)
	}
	resumed, err := replica.Watch(ctx, first[0].Cursor)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*invitation.Watch{"going on": watch, "resumed": resumed} {
		if next, err := w.Next(ctx); err != nil || len(next) != 1 || next[0].Kind != invitation.Enrolled || next[0].AgentID != 70 {
			t.Errorf("%s: got %+v, %v", name, next, err)
		}
	}
	for _, cursor := range []string{"nonsense", "1-0", "-"} {
		if _, err := d.Watch(ctx, cursor); !errors.Is(err, invitation.ErrMissed) {
			t.Errorf("after %q: %v, want ErrMissed", cursor, err)
		}
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := watch.Next(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// Of each event that others made it is told once which invitation has changed, before anybody gets it, however many watch
// and from where; of the gateway's own doing it is not.
func TestWhatChangedIsToldBeforeTheEvent(t *testing.T) {
	s, c := openStore(t, ""), &clock{now: noon}
	var changed []int
	d := newDesk(t, s, c, func(o *invitation.Options) { o.Changed = func(id int) { changed = append(changed, id) } })
	replica := newDesk(t, s, c)
	ctx := t.Context()
	early, err := d.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{3, 4} {
		if err := replica.MarkOpened(ctx, id, 1); err != nil {
			t.Fatal(err)
		}
		late, err := d.Watch(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := replica.MarkOpened(ctx, 10+id, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := late.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(changed, []int{13, 14}) {
		t.Errorf("to those who came late it told %v", changed)
	}
	if err := d.MarkOpened(ctx, 5, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.See(ctx, invitation.Sighting{InvitationID: 6, State: invitation.StatePending, Since: &invitation.Sighting{}}); err != nil {
		t.Fatal(err)
	}
	if events, err := early.Next(ctx); err != nil || len(events) != 6 || !slices.Equal(changed, []int{13, 14, 3, 4, 6}) {
		t.Errorf("told %v in all, with %v, %v", changed, events, err)
	}
}

// readings counts what is read of a store.
type readings struct {
	store.Store
	one, many atomic.Int64
}

func (r *readings) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	r.one.Add(1)
	return r.Store.Get(ctx, bucket, key)
}

func (r *readings) GetMany(ctx context.Context, bucket string, keys []string) ([][]byte, error) {
	r.many.Add(1)
	return r.Store.GetMany(ctx, bucket, keys)
}

// What is noted about a page of invitations is read in one go, however many there are: the store may be a network away.
func TestNotesAreReadTogether(t *testing.T) {
	c := &clock{now: noon}
	counted := &readings{Store: openStore(t, "")}
	d := newDesk(t, counted, c)
	var ids []int
	for id := 1; id <= 500; id++ {
		ids = append(ids, id)
	}
	if err := d.MarkOpened(t.Context(), 300, 1); err != nil {
		t.Fatal(err)
	}
	counted.one.Store(0)
	counted.many.Store(0)
	opened, err := d.Opened(t.Context(), ids...)
	if err != nil || len(opened) != 1 || opened[300].IsZero() {
		t.Errorf("got %v, %v", opened, err)
	}
	if one, many := counted.one.Load(), counted.many.Load(); one != 0 || many != 1 {
		t.Errorf("%d single reads and %d of many", one, many)
	}
}

// One enrolment at a time has an invitation; the others wait, and the lookout knows.
func TestHoldingAnInvitation(t *testing.T) {
	d, _ := newWorld(t)
	release, err := d.Hold(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := d.Held(t.Context(), 10, 11); err != nil || len(held) != 1 || !held[10] {
		t.Errorf("held: %v, %v", held, err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.Hold(brief, 10); !errors.Is(err, store.ErrTaken) {
		t.Errorf("held twice: %v", err)
	}
	release()
	if held, err := d.Held(t.Context(), 10); err != nil || len(held) != 0 {
		t.Errorf("after it was let go: %v, %v", held, err)
	}
	if release, err = d.Hold(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	release()
}
