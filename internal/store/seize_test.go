package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What is seized has one holder at a time; it is free when that one lets go of it, or has died.
func TestSeize(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s := open()
		var holders, turns atomic.Int32
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				release, err := Seize(t.Context(), s, "hold", "one", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n > 1 {
					t.Errorf("%d hold it", n)
				}
				time.Sleep(2 * time.Millisecond) // so that others would come in
				holders.Add(-1)
				turns.Add(1)
				release()
			})
		}
		group.Wait()
		if turns.Load() != 5 {
			t.Errorf("%d had it of 5", turns.Load())
		}
		if _, err := Seize(t.Context(), s, "hold", "one", 300*time.Millisecond); err != nil { // and dies
			t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := Seize(soon, s, "hold", "one", time.Minute); !errors.Is(err, ErrTaken) {
			t.Errorf("taken twice: %v", err)
		}
		release, err := Seize(t.Context(), s, "hold", "one", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		release()
	})
}
