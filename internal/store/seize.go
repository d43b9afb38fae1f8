package store

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// ErrTaken says that somebody else kept what was to be seized.
var ErrTaken = errors.New("another one has it")

// seizePause is how long is waited before asking again for what another one has.
const seizePause = 50 * time.Millisecond

// Seize takes what only one may have at a time, on all replicas, and waits for it where another one has it: until ctx
// is done, which is ErrTaken. It is let go of by release, or by itself after life, in case this process dies.
func Seize(ctx context.Context, s Store, bucket, key string, life time.Duration) (release func(), err error) {
	holder := []byte(rand.Text())
	pause := time.NewTicker(seizePause)
	defer pause.Stop()
	for {
		done, err := s.Swap(ctx, bucket, key, nil, holder, life)
		switch {
		case done:
			return func() { letGo(context.WithoutCancel(ctx), s, bucket, key, holder) }, nil
		case ctx.Err() != nil:
			return nil, ErrTaken
		case err != nil:
			return nil, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, ErrTaken
		}
	}
}

func letGo(ctx context.Context, s Store, bucket, key string, holder []byte) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = s.Swap(ctx, bucket, key, holder, nil, 0) // it ends by itself otherwise
}
