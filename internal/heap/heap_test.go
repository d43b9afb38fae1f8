package heap

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for _, test := range []struct {
		live uint64
		want int
	}{{0, 1000}, {1 << 20, 1000}, {16 << 20, 300}, {32 << 20, 100}, {40 << 20, 60}, {64 << 20, 40}, {1 << 40, 40}} {
		if got := growth(test.live); got != test.want {
			t.Errorf("%d bytes in use may grow by %d %%, want %d", test.live, got, test.want)
		}
	}
}

func TestContainerLimit(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       int64
	}{
		{"memory.max", "268435456\n", 256 << 20}, {"memory.max", "max\n", 0}, {"memory.max", "", 0}, {"memory.max", "0\n", 0},
		{"memory/memory.limit_in_bytes", "1048576\n", 1 << 20}, {"memory/memory.limit_in_bytes", "9223372036854771712\n", 0}, {"other", "1", 0},
	} {
		folder := t.TempDir()
		if err := os.MkdirAll(filepath.Join(folder, "memory"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, test.name), []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, known := containerLimit(folder); known != (test.want > 0) || known && got != test.want {
			t.Errorf("%s of %q: %d, %t", test.name, test.text, got, known)
		}
	}
}

// A small heap may grow by far more than Go's standard once it was collected, and by the standard again at the end.
func TestTheCollectorFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	restore := Tune()
	for deadline := time.Now().Add(10 * time.Second); percent() <= standard; {
		if time.Now().After(deadline) {
			t.Fatalf("a small heap may grow by %d %% only", percent())
		}
		runtime.GC()
	}
	restore()
	runtime.GC()
	if percent() != standard {
		t.Errorf("the collector is left at %d %%", percent())
	}
}

func TestAnOperatorsWordWins(t *testing.T) {
	t.Setenv("GOGC", "150")
	t.Setenv("GOMEMLIMIT", "1GiB")
	defer Tune()()
	limit := debug.SetMemoryLimit(-1)
	for range 20 {
		runtime.GC()
		if percent() != standard || debug.SetMemoryLimit(-1) != limit { // what Go read at its start
			t.Fatalf("the collector was set to %d %%, the limit to %d", percent(), debug.SetMemoryLimit(-1))
		}
	}
}

func percent() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
