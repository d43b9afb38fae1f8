package fanout_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/delivery"
	"fleetgate/internal/fanout"
)

// respondAll has some respond to each key at once, and answers how often something was made and what each got.
func respondAll(m *fanout.Moments, keys, each int, shared bool) (made int64, got [][]*delivery.Result) {
	var count atomic.Int64
	var wg sync.WaitGroup
	got = make([][]*delivery.Result, keys)
	for key := range keys {
		got[key] = make([]*delivery.Result, each)
		for i := range each {
			wg.Go(func() {
				got[key][i] = m.Respond(context.Background(), fmt.Sprint(key), func() (*delivery.Result, bool) {
					count.Add(1)
					return &delivery.Result{Cursor: fmt.Sprint(key)}, shared
				})
			})
		}
	}
	wg.Wait()
	return count.Load(), got
}

func TestAResponseIsMadeOnce(t *testing.T) {
	made, got := respondAll(&fanout.Moments{}, 5, 200, true)
	if made != 5 {
		t.Errorf("%d were made, want 5", made)
	}
	for key, results := range got {
		for _, result := range results {
			if result != results[0] || result.Cursor != fmt.Sprint(key) {
				t.Fatalf("%d: got %v and %v", key, result, results[0])
			}
		}
	}
}

func TestWhatIsNotForOthersIsMadeByEach(t *testing.T) {
	made, got := respondAll(&fanout.Moments{}, 3, 100, false)
	if made != 300 {
		t.Errorf("%d were made, want 300", made)
	}
	seen := map[*delivery.Result]bool{}
	for _, results := range got {
		for _, result := range results {
			if result == nil || seen[result] {
				t.Fatalf("%v went to two", result)
			}
			seen[result] = true
		}
	}
}

func TestAMomentPasses(t *testing.T) {
	var m fanout.Moments
	respond := func() *delivery.Result {
		return m.Respond(t.Context(), "key", func() (*delivery.Result, bool) { return &delivery.Result{}, true })
	}
	first := respond()
	for deadline := time.Now().Add(10 * time.Second); respond() == first; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never did")
		}
	}
}

// Nobody waits for ever: neither those who leave, nor those who wait for somebody that fails.
func TestThoseWhoWaitGoOn(t *testing.T) {
	var m fanout.Moments
	begun, fail, ended := make(chan struct{}), make(chan struct{}), make(chan any)
	go func() {
		defer func() { ended <- recover() }()
		m.Respond(context.Background(), "key", func() (*delivery.Result, bool) {
			close(begun)
			<-fail
			panic("a resolver's mistake")
		})
	}()
	<-begun
	gone, leave := context.WithCancel(context.Background())
	leave()
	own := func() (*delivery.Result, bool) { return &delivery.Result{}, true }
	if got := m.Respond(gone, "key", own); got != nil {
		t.Errorf("who has gone got %v", got)
	}
	waits := make(chan *delivery.Result)
	go func() { waits <- m.Respond(context.Background(), "key", own) }()
	close(fail)
	if p := <-ended; p == nil {
		t.Error("the panic is lost")
	}
	if <-waits == nil {
		t.Error("who waited got nothing")
	}
}
