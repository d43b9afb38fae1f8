package bridge

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen.
const patience = 10 * time.Second

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// next is the next event, which must come.
func next(t *testing.T, s *Subscription) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("waiting for an event: %v", err)
	}
	return e
}

// nextOf is the next event of a kind; others are skipped.
func nextOf(t *testing.T, s *Subscription, kind Kind) Event {
	t.Helper()
	for {
		if e := next(t, s); e.Kind == kind {
			return e
		}
	}
}

// start runs a bridge until the test ends, with pauses short enough for a test unless they are set.
func start(t *testing.T, options Options) *Bridge {
	t.Helper()
	if options.ReconnectMin == 0 {
		options.ReconnectMin, options.ReconnectMax = 10*time.Millisecond, 100*time.Millisecond
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
	})
	return b
}

// connected waits until a bridge hears the broker.
func connected(t *testing.T, b *Bridge) {
	t.Helper()
	eventually(t, "connected", func() bool { return b.Status().Connected })
}

// subscribe opens a subscription that the test's end closes.
func subscribe(t *testing.T, b *Bridge, f Filter, after string) *Subscription {
	t.Helper()
	s, err := b.Subscribe(f, after)
	if err != nil {
		t.Fatalf("subscribing: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

var everything = Filter{AllEntities: true}

func set[K comparable](keys ...K) map[K]struct{} {
	s := map[K]struct{}{}
	for _, key := range keys {
		s[key] = struct{}{}
	}
	return s
}
