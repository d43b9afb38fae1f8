// Package heap sets Go's garbage collector for a gateway: a small heap may grow to a size that costs nobody anything before
// it is collected, and a container's memory is not outgrown. As shipped, Go collects whenever the heap has doubled; the
// heap of a gateway for some thousand devices is 10 MiB, so that under load it is collected 50 times a second, which is a
// third of the work. And what a heap that has come to rest does not use goes back to the system. GOGC and GOMEMLIMIT still
// win where an operator has set them.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

const (
	// floor is the size in bytes up to which a heap grows before it is collected.
	floor = 64 << 20
	// standard is Go's own growth in percent.
	standard = 100
	// large is that of heaps beyond the floor. Most of such a heap are idle subscribers, and the less garbage came between
	// them, the fewer holes stay there: 20 MiB of them for 20,000.
	large = 40
	// share is how much of a container's memory Go may take; the rest is for what Go doesn't count.
	share = 0.9
)

// Tune sets the collector until restore is called.
func Tune() (restore func()) {
	var restorers []func()
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit, known := containerLimit("/sys/fs/cgroup"); known {
			before := debug.SetMemoryLimit(int64(share * float64(limit)))
			restorers = append(restorers, func() { debug.SetMemoryLimit(before) })
		}
	}
	if os.Getenv("GOGC") == "" {
		g := &governor{percent: standard}
		g.watch()
		restorers = append(restorers, g.stop, keep())
	}
	return func() {
		for _, restore := range restorers {
			restore()
		}
	}
}

// containerLimit is the memory that the process may use, in bytes, as the kernel says under a cgroup's folder.
func containerLimit(folder string) (bytes int64, known bool) {
	for _, name := range []string{"/memory.max", "/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(folder + name)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		const unlimited = 1 << 60 // the older form says "none" by a huge number, the newer by a word
		return limit, err == nil && limit > 0 && limit < unlimited
	}
	return 0, false
}

// growth is by how many percent a heap of which live bytes are in use may grow, to reach the floor.
func growth(live uint64) int {
	const most = 1000
	return int(min(max(floor*100/max(live, 1), large+100)-100, most))
}

// governor sets the growth anew after each collection.
type governor struct {
	mu      sync.Mutex
	percent int
	stopped bool
}

// watch looks when an object that nobody holds is collected, which is at the end of the next collection.
func (g *governor) watch() {
	sentinel := new([16]byte) // alone in its block of memory: Go puts smaller ones without pointers together
	runtime.AddCleanup(sentinel, func(g *governor) { g.adjust() }, g)
}

// adjust follows the heap. A change stops the program for an instant, so small ones are let be.
func (g *governor) adjust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if percent := growth(sample[0].Value.Uint64()); 10*abs(percent-g.percent) > g.percent {
		debug.SetGCPercent(percent)
		g.percent = percent
	}
	g.watch()
}

func (g *governor) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	debug.SetGCPercent(standard)
}

func abs(n int) int { return max(n, -n) }
