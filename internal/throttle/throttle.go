// Package throttle slows down guessing: it counts failed tries by key (a user name, an address)
// in leaky buckets and refuses further ones while a bucket is full. Successful tries cost nothing.
// It keeps its counts in memory: every replica of the gateway counts for itself.
package throttle

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Options say how much is too much.
type Options struct {
	Burst  int              // failures in a row before a key is refused; 0 means 10
	Refill time.Duration    // how long until one failure is forgiven; 0 means 30 s
	Keys   int              // keys remembered, the longest unused forgotten first; 0 means 10,000
	Now    func() time.Time // nil means time.Now
}

// Failures counts the failed tries of many keys. It is safe for concurrent use.
type Failures struct {
	burst  float64
	refill time.Duration
	now    func() time.Time

	mu      sync.Mutex
	buckets *lru.Cache[string, *bucket]
}

type bucket struct {
	level float64 // tries that failed or are under way, less what time has forgiven
	at    time.Time
}

// New makes an empty count.
func New(o Options) *Failures {
	if o.Burst == 0 {
		o.Burst = 10
	}
	if o.Refill == 0 {
		o.Refill = 30 * time.Second
	}
	if o.Keys <= 0 {
		o.Keys = 10_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	buckets, _ := lru.New[string, *bucket](o.Keys) // fails only for a size below one
	return &Failures{burst: float64(o.Burst), refill: o.Refill, now: o.Now, buckets: buckets}
}

// Begin asks for a try. When it is refused, wait says how long until one is allowed again. Otherwise done
// must be called once with what came of it. A try under way counts as failed until then, so that many at
// once can't slip through together.
func (f *Failures) Begin(key string) (done func(failed bool), wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.leak(key)
	if b.level+1 > f.burst {
		over := b.level + 1 - f.burst
		return nil, time.Duration(over * float64(f.refill))
	}
	b.level++
	var once sync.Once
	return func(failed bool) {
		once.Do(func() {
			if !failed {
				f.forgive(key)
			}
		})
	}, 0
}

func (f *Failures) forgive(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.leak(key)
	b.level = max(0, b.level-1)
}

// leak brings a key's bucket up to date. The lock is held.
func (f *Failures) leak(key string) *bucket {
	now := f.now()
	b, ok := f.buckets.Get(key)
	if !ok {
		b = &bucket{at: now}
		f.buckets.Add(key, b)
	}
	b.level = max(0, b.level-now.Sub(b.at).Seconds()/f.refill.Seconds())
	b.at = now
	return b
}
