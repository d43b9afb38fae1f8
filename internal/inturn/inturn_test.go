package inturn_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/internal/inturn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// do is Do with a row of its own.
func do(ctx context.Context, count int, do func(ctx context.Context, i int)) {
	var row inturn.Row
	row.Do(ctx, count, do)
}

func TestWhatNeedNotWaitIsDoneInOrderWithoutGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	var order []int
	do(t.Context(), 5, func(ctx context.Context, i int) {
		do(ctx, 2, func(_ context.Context, k int) { order = append(order, 10*i+k) })
		if now := runtime.NumGoroutine(); now > before {
			t.Errorf("%d goroutines, %d before", now, before)
		}
	})
	if want := []int{0, 1, 10, 11, 20, 21, 30, 31, 40, 41}; !slices.Equal(order, want) {
		t.Errorf("got %v", order)
	}
}

// Each waits until all have begun: were any kept from it, none would end.
func TestThoseThatWaitWaitTogether(t *testing.T) {
	const rows, each = 20, 7
	var begun sync.WaitGroup
	begun.Add(rows * each)
	var done atomic.Int32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		do(t.Context(), rows, func(ctx context.Context, _ int) {
			do(ctx, each, func(ctx context.Context, _ int) {
				begun.Done()
				inturn.Waits(ctx)
				begun.Wait()
				done.Add(1)
			})
		})
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("they wait for one another")
	}
	if done.Load() != rows*each {
		t.Errorf("%d were done", done.Load())
	}
}

func TestEachIsDoneOnceHoweverOftenTheyWait(t *testing.T) {
	const count = 200
	var times [count]atomic.Int32
	do(t.Context(), count, func(ctx context.Context, i int) {
		for range i % 4 {
			inturn.Waits(ctx)
			runtime.Gosched()
		}
		times[i].Add(1)
	})
	for i := range times {
		if n := times[i].Load(); n != 1 {
			t.Errorf("%d was done %d times", i, n)
		}
	}
}

func TestAPanicIsThatOfDo(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("waits=%t", waits), func(t *testing.T) {
			var done atomic.Int32
			defer func() {
				if p := recover(); p != "no" || done.Load() != 9 {
					t.Errorf("got %v, and %d were done", p, done.Load())
				}
			}()
			do(t.Context(), 10, func(ctx context.Context, i int) {
				if waits {
					inturn.Waits(ctx)
				}
				if i == 3 {
					panic("no")
				}
				done.Add(1)
			})
		})
	}
}

type key struct{}

func TestTheContextIsThatOfDo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	do(ctx, 1, func(ctx context.Context, _ int) {
		if ctx.Value(key{}) != "value" || ctx.Err() != nil {
			t.Errorf("got %v, %v", ctx.Value(key{}), ctx.Err())
		}
		cancel()
		if ctx.Err() == nil {
			t.Error("it is not cancelled")
		}
	})
	inturn.Waits(ctx) // outside of any row
}
