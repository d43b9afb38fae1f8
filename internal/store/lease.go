package store

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// Lease is held by one replica at a time: the one that does what must not be done twice. It is lost by not being
// renewed, so that another one takes over within the lease's life when a replica dies.
type Lease struct {
	store  Store
	name   string
	holder []byte
	life   time.Duration
	log    *slog.Logger
	until  atomic.Int64 // Unix nanoseconds until which it is surely held
}

// leaseMargin is the part of its life for which a lease counts as lost although the store still has it: clocks
// differ in speed, and what was begun under it wants to end under it.
const leaseMargin = 5 // a fifth

// NewLease makes a Lease that nobody holds by that.
func NewLease(s Store, name string, life time.Duration, log *slog.Logger) *Lease {
	return &Lease{store: s, name: name, holder: []byte(rand.Text()), life: life, log: log}
}

// Held says whether this replica holds the lease now.
func (l *Lease) Held() bool { return time.Now().UnixNano() < l.until.Load() }

// Run takes the lease when it is free and renews it, until ctx is done; then it lets go of it.
func (l *Lease) Run(ctx context.Context) {
	tick := time.NewTicker(l.life / 4)
	defer tick.Stop()
	for {
		l.renew(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			l.release()
			return
		}
	}
}

func (l *Lease) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.life/4)
	defer cancel()
	was, began := l.Held(), time.Now()
	held, err := l.store.Swap(ctx, "lease", l.name, l.holder, l.holder, l.life)
	if err == nil && !held {
		held, err = l.store.Swap(ctx, "lease", l.name, nil, l.holder, l.life)
	}
	switch {
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			l.log.Debug("the lease could not be renewed", "lease", l.name, "error", err)
		}
	case held:
		l.until.Store(began.Add(l.life - l.life/leaseMargin).UnixNano())
	default:
		l.until.Store(0)
	}
	if now := l.Held(); now != was {
		l.log.Info("the lease has changed hands", "lease", l.name, "held", now)
	}
}

func (l *Lease) release() {
	if l.until.Swap(0) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := l.store.Swap(ctx, "lease", l.name, l.holder, nil, 0); err != nil {
		l.log.Debug("the lease is left to end by itself", "lease", l.name, "error", err)
	}
}
