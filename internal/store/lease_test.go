package store

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// holdLease runs a lease until stop, or the test's end.
func holdLease(t *testing.T, s Store, life time.Duration) (l *Lease, stop func()) {
	t.Helper()
	l = NewLease(s, "leader", life, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return l, stop
}

func TestALeaseHasOneHolder(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s := open()
		first, stop := holdLease(t, s, 200*time.Millisecond)
		eventually(t, first.Held)
		second, _ := holdLease(t, s, 200*time.Millisecond)
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if second.Held() {
				t.Fatal("the lease has two holders")
			}
		}
		stop() // lets go of it at once
		eventually(t, second.Held)
		if first.Held() {
			t.Error("the first one still thinks it holds the lease")
		}
	})
}

// A replica that dies, or that can't reach the store, is followed by another within the lease's life.
func TestALeaseThatIsNotRenewedIsLost(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s := open()
		dead := NewLease(s, "leader", 100*time.Millisecond, slog.New(slog.DiscardHandler))
		dead.renew(t.Context()) // and never again
		if !dead.Held() {
			t.Fatal("the lease was not taken")
		}
		heir, _ := holdLease(t, s, 100*time.Millisecond)
		eventually(t, func() bool {
			if heir.Held() && dead.Held() {
				t.Fatal("the lease has two holders")
			}
			return heir.Held()
		})
	})
}
