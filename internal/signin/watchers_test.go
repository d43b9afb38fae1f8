package signin_test

import (
	"sync/atomic"
	"testing"

	"fleetgate/internal/signin"
)

func TestOnlyTheWatchersOfASessionAreTold(t *testing.T) {
	desk := openOffice(t, signin.Options{})
	var mine, mineToo, others atomic.Int32
	stop := desk.WatchScope("alive", func() { mine.Add(1) })
	defer desk.WatchScope("alive", func() { mineToo.Add(1) })()
	defer desk.WatchScope("another", func() { others.Add(1) })()
	desk.ScopeChanged("nobody's")
	desk.ScopeChanged("alive")
	stop()
	stop() // twice does no harm
	desk.ScopeChanged("alive")
	if mine.Load() != 1 || mineToo.Load() != 2 || others.Load() != 0 {
		t.Errorf("told %d, %d and %d times, want 1, 2 and 0", mine.Load(), mineToo.Load(), others.Load())
	}
}

// One that stops watching while it is told must not hang.
func TestAWatcherMayStopWhileItIsTold(t *testing.T) {
	desk := openOffice(t, signin.Options{})
	var stop func()
	stop = desk.WatchScope("alive", func() { stop() })
	desk.ScopeChanged("alive")
}
