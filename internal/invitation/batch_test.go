package invitation_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/invitation"
)

// What broke off is gone on with where it began, on another replica too; what is under way is not begun twice; what ended is
// begun anew.
func TestBatches(t *testing.T) {
	c := &clock{now: noon}
	s := openStore(t, "")
	here, there := newDesk(t, s, c), newDesk(t, s, c)
	ctx := t.Context()
	begin := func(d *invitation.Desk, what string, id int) *invitation.Batch {
		t.Helper()
		b, err := d.BeginBatch(ctx, what, invitation.Standing{InvitationID: id, UserID: id + 1})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := begin(here, "ann invites two", 10)
	if first.Again || first.InvitationID != 10 {
		t.Errorf("the first: %+v", first.Standing)
	}
	if _, err := there.BeginBatch(ctx, "ann invites two", invitation.Standing{}); !errors.Is(err, invitation.ErrUnderWay) {
		t.Errorf("while it is under way: %v", err)
	}
	if other := begin(there, "ann invites three", 12); other.Again || other.InvitationID != 12 {
		t.Errorf("another one: %+v", other.Standing)
	}
	c.add(9 * time.Second)
	if err := first.GoOn(ctx); err != nil {
		t.Fatal(err)
	}
	c.add(9 * time.Second)
	if _, err := there.BeginBatch(ctx, "ann invites two", invitation.Standing{}); !errors.Is(err, invitation.ErrUnderWay) {
		t.Errorf("after a sign of life: %v", err)
	}
	c.add(2 * time.Second) // it died
	second := begin(there, "ann invites two", 40)
	if !second.Again || second.InvitationID != 10 || second.UserID != 11 {
		t.Errorf("gone on: %+v", second)
	}
	if err := second.End(ctx); err != nil {
		t.Fatal(err)
	}
	if third := begin(here, "ann invites two", 60); third.Again || third.InvitationID != 60 {
		t.Errorf("begun anew: %+v", third)
	}
}

// What was done is not done again for who asks with the same words, for a day, on whichever replica; nobody can read it in
// the store.
func TestAnAnswerIsKept(t *testing.T) {
	c := &clock{now: noon}
	s := openStore(t, "")
	here, there := newDesk(t, s, c), newDesk(t, s, c)
	ctx := t.Context()
	begin := func(d *invitation.Desk, what string) (answer []string, done bool) {
		t.Helper()
		b, err := d.BeginBatch(ctx, what, invitation.Standing{})
		if err != nil {
			t.Fatal(err)
		}
		if done, err = b.Answer(&answer); err != nil {
			t.Fatal(err)
		}
		if !done {
			if err := b.Keep(ctx, []string{what, "done"}); err != nil {
				t.Fatal(err)
			}
		}
		return answer, done
	}
	for _, what := range []string{"key 1", "key 2"} {
		if answer, done := begin(here, what); done {
			t.Errorf("%s: %v at first", what, answer)
		}
		if answer, done := begin(there, what); !done || !slices.Equal(answer, []string{what, "done"}) {
			t.Errorf("%s: %v, %t", what, answer, done)
		}
	}
	if err := s.Each(ctx, "invitation-batch", func(_ string, value []byte) bool {
		if bytes.Contains(value, []byte("done")) {
			t.Errorf("in the store lies %s", value)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// Of many that begin the same at once, one does it.
func TestABatchIsBegunOnce(t *testing.T) {
	d, _ := newWorld(t)
	var wg sync.WaitGroup
	begun := make(chan *invitation.Batch, 20)
	for range cap(begun) {
		wg.Go(func() {
			b, err := d.BeginBatch(t.Context(), "the same", invitation.Standing{})
			if err == nil {
				begun <- b
			} else if !errors.Is(err, invitation.ErrUnderWay) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(begun) != 1 {
		t.Errorf("%d began", len(begun))
	}
}
