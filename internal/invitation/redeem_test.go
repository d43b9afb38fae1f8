package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

// tries redeems wrong PINs until one is refused for being too many, and tells how many were answered before.
func tries(t *testing.T, most int, redeem func(i int) error) int {
	t.Helper()
	for i := range most {
		err := redeem(i)
		var locked *invitation.Locked
		if errors.As(err, &locked) {
			if locked.Wait <= 0 || locked.Wait > 15*time.Minute {
				t.Errorf("locked for %s", locked.Wait)
			}
			return i
		}
		if !errors.Is(err, invitation.ErrUnknown) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	t.Fatalf("%d tries were all answered", most)
	return 0
}

func TestGuessingLocks(t *testing.T) {
	for _, test := range []struct {
		name          string
		email, client func(i int) string
		answered      int
	}{
		{"one address", func(int) string { return "ann@acme.test" }, func(i int) string { return fmt.Sprintf("192.0.2.%d", i%250) }, 5},
		{"an address that nobody has", func(int) string { return "nobody@acme.test" }, func(i int) string { return fmt.Sprintf("192.0.2.%d", i%250) }, 5},
		{"one client", func(i int) string { return fmt.Sprintf("p%d@acme.test", i) }, func(int) string { return client }, 20},
		{"one household", func(i int) string { return fmt.Sprintf("p%d@acme.test", i) }, func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 20},
		{"all together", func(i int) string { return fmt.Sprintf("p%d@acme.test", i) }, func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/250, i%250) }, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, c := newWorld(t)
			got := issue(t, d, grant(10))
			answered := tries(t, 1100, func(i int) error {
				_, err := d.Redeem(t.Context(), test.email(i), "00000000x", test.client(i))
				return err
			})
			if answered != test.answered {
				t.Errorf("%d tries were answered, want %d", answered, test.answered)
			}
			c.add(15 * time.Minute)
			if _, pin := opens(t, d, got); pin != 10 {
				t.Error("a quarter of an hour later the right PIN is refused")
			}
		})
	}
}

func TestALockHoldsForTheRightPINAndOnEveryReplica(t *testing.T) {
	s, c := openStore(t, ""), &clock{now: noon}
	d, replica := newDesk(t, s, c), newDesk(t, s, c)
	got := issue(t, d, grant(10))
	for range 5 {
		if _, err := d.Redeem(t.Context(), "ann@acme.test", "wrong", client); !errors.Is(err, invitation.ErrUnknown) {
			t.Fatal(err)
		}
	}
	var locked *invitation.Locked
	if _, err := replica.Redeem(t.Context(), "ann@acme.test", got.PIN, "192.0.2.99"); !errors.As(err, &locked) {
		t.Errorf("got %v, want a lock", err)
	}
}

// The right PIN costs nothing, however often it is used.
func TestRightPINsAreNotCounted(t *testing.T) {
	d, _ := newWorld(t)
	got := issue(t, d, grant(10))
	for i := range 50 {
		if _, err := d.Redeem(t.Context(), "ann@acme.test", got.PIN, client); err != nil {
			t.Fatalf("time %d: %v", i, err)
		}
	}
}

func TestManyGuessesAtOnceDoNotSlipThrough(t *testing.T) {
	d, _ := newWorld(t)
	var answered atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := d.Redeem(t.Context(), "ann@acme.test", "wrong", client); errors.Is(err, invitation.ErrUnknown) {
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if answered.Load() != 5 {
		t.Errorf("%d guesses were answered, want 5", answered.Load())
	}
}

func TestGuessingCodesLocksTheClient(t *testing.T) {
	d, c := newWorld(t)
	got := issue(t, d, grant(10))
	answered := tries(t, 100, func(i int) error {
		_, err := d.Open(t.Context(), fmt.Sprintf("code%d", i), client)
		return err
	})
	if answered != 30 {
		t.Errorf("%d codes were answered, want 30", answered)
	}
	var locked *invitation.Locked
	if _, err := d.Open(t.Context(), got.Code, client); !errors.As(err, &locked) {
		t.Errorf("the right code after that: %v", err)
	}
	if _, err := d.Open(t.Context(), got.Code, "192.0.2.8"); err != nil {
		t.Errorf("another client: %v", err)
	}
	c.add(15 * time.Minute)
	if _, err := d.Open(t.Context(), got.Code, client); err != nil {
		t.Errorf("a quarter of an hour later: %v", err)
	}
}

// An address keeps its newest PINs, however many invitations it gets.
func TestAnAddressHasAFewPINs(t *testing.T) {
	d, _ := newWorld(t)
	var all []invitation.Credentials
	for id := 10; id < 40; id++ {
		all = append(all, issue(t, d, grant(id)))
	}
	if _, err := d.Redeem(t.Context(), "ann@acme.test", all[29].PIN, client); err != nil {
		t.Errorf("the newest: %v", err)
	}
	if _, err := d.Redeem(t.Context(), "ann@acme.test", all[0].PIN, client); !errors.Is(err, invitation.ErrUnknown) {
		t.Errorf("the oldest: %v", err)
	}
}

// counting tells how often something was counted in a store.
type counting struct {
	store.Store
	counts atomic.Int64
}

func (c *counting) Count(ctx context.Context, bucket, key string, by int64, ttl time.Duration) (int64, error) {
	if by != 0 {
		c.counts.Add(1)
	}
	return c.Store.Count(ctx, bucket, key, by, ttl)
}

// Who is locked out can go on trying, and has the store write nothing: each write waits for the disk.
func TestTriesOfWhoIsLockedOutAreNotWritten(t *testing.T) {
	s := &counting{Store: openStore(t, "")}
	d := newDesk(t, s, &clock{now: noon})
	try := func() {
		_, _ = d.Redeem(t.Context(), "ann@acme.test", "wrong", client)
		_, _ = d.Open(t.Context(), "wrong", client)
	}
	for range 50 {
		try()
	}
	before := s.counts.Load()
	for range 50 {
		try()
	}
	if written := s.counts.Load() - before; written != 0 {
		t.Errorf("%d writes", written)
	}
}
