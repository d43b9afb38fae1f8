package throttle_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/throttle"
)

func TestFailuresAreCountedByKeyAndForgivenWithTime(t *testing.T) {
	now := time.Unix(0, 0)
	failures := throttle.New(throttle.Options{Burst: 3, Refill: 10 * time.Second, Now: func() time.Time { return now }})
	fail := func(key string) bool {
		done, _ := failures.Begin(key)
		if done == nil {
			return false
		}
		done(true)
		return true
	}
	for range 3 {
		if !fail("ada") {
			t.Fatal("refused before the burst was used up")
		}
	}
	done, wait := failures.Begin("ada")
	if done != nil || wait <= 0 || wait > 10*time.Second {
		t.Fatalf("fourth try: allowed %v, wait %s; want refused for at most 10 s", done != nil, wait)
	}
	if !fail("grace") {
		t.Fatal("another key pays for the first one")
	}
	now = now.Add(wait)
	if !fail("ada") {
		t.Fatal("refused although the wait is over")
	}
	if fail("ada") {
		t.Fatal("one forgiven failure allowed two tries")
	}
}

func TestSuccessesCostNothing(t *testing.T) {
	failures := throttle.New(throttle.Options{Burst: 2})
	for range 100 {
		done, _ := failures.Begin("ada")
		if done == nil {
			t.Fatal("refused although every try succeeded")
		}
		done(false)
		done(false) // a second word about the same try changes nothing
	}
}

func TestTriesAtOnceCannotSlipThroughTogether(t *testing.T) {
	failures := throttle.New(throttle.Options{Burst: 5, Refill: time.Hour})
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if done, _ := failures.Begin("ada"); done != nil {
				allowed.Add(1)
				done(true)
			}
		})
	}
	wg.Wait()
	if got := allowed.Load(); got != 5 {
		t.Fatalf("%d tries allowed at once, want 5", got)
	}
}
