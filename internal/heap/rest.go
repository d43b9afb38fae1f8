package heap

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// When memory is given back to the system: when little is allocated between two looks, and some is held that is not used.
const (
	lookEvery = 5 * time.Second
	calm      = 16 << 20 // bytes allocated between two looks: thousands of idle subscribers take less
	worth     = 48 << 20 // bytes allocated since the last time: after less than that a collection is not worth its time
	spare     = 16 << 20 // bytes held beyond what lives that are let be
)

// usage is what Go has of memory, in bytes.
type usage struct {
	allocated uint64 // ever
	held      uint64 // of the heap, from the system
	live      uint64 // of the heap, when it was last collected
}

// keeper gives memory back once a crowd has come, or gone, and is at rest. Go by itself keeps what the heap grew to, up to
// twice of what lives, for as long as nothing happens.
type keeper struct {
	read     func() usage
	giveBack func()
	before   uint64 // allocated, at the last look
	returned uint64 // allocated, when memory was last given back
}

// look gives memory back where it is time to.
func (k *keeper) look() {
	now := k.read()
	atRest := now.allocated-k.before < calm
	k.before = now.allocated
	// What is held beyond what lives stays so where objects are scattered: only what was allocated since can be had.
	if !atRest || now.allocated-k.returned < worth || now.held < now.live+spare {
		return
	}
	k.giveBack()
	k.returned = now.allocated
}

// keep looks from time to time until stop is called.
func keep() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{read: readUsage, giveBack: debug.FreeOSMemory}
	var looking sync.WaitGroup
	looking.Go(func() {
		looks := time.NewTicker(lookEvery)
		defer looks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-looks.C:
				k.look()
			}
		}
	})
	return func() {
		cancel()
		looking.Wait()
	}
}

func readUsage() usage {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	value := func(i int) uint64 { return s[i].Value.Uint64() }
	return usage{allocated: value(0), live: value(1), held: value(2) + value(3) + value(4)}
}
