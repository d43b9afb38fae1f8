package graph_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/graph"
	"fleetgate/internal/delivery"
)

// counter is a delivery.Receiver that counts.
type counter struct{ results *atomic.Int64 }

func (c counter) Deliver(results ...*delivery.Result) bool {
	c.results.Add(int64(len(results)))
	return true
}

func (c counter) Replay(context.Context, *delivery.Result) bool { return c.Deliver(nil) }
func (c counter) End(gqlerror.List)                             {}

// BenchmarkSharing measures what an event costs for each of its subscribers, from the broker to their connections, without
// those: the viewers of one company, who all ask the same, with and without others who see nothing of it.
func BenchmarkSharing(b *testing.B) {
	const small = `subscription { deviceEvents { cursor kind serial ... on TaskStatusChanged { taskStatus { state taskId } } } }`
	const nested = `subscription { deviceEvents { cursor kind serial agent { name entity { name } fleet { name } computer { model } } } }`
	for _, c := range []struct {
		query                      string
		members, others, documents int
	}{
		{small, 1, 0, 1}, {small, 100, 0, 1}, {small, 5_000, 0, 1}, {small, 5_000, 20_000, 1}, {small, 1, 20_000, 1},
		{small, 1_000, 0, 1_000}, {nested, 1, 0, 1}, {nested, 5_000, 0, 1},
	} {
		name := fmt.Sprintf("bytes=%d/members=%d/others=%d/documents=%d", len(c.query), c.members, c.others, c.documents)
		b.Run(name, func(b *testing.B) {
			w := openShareWorld(b, 20)
			defer w.close()
			w.all.Close()
			var mine, theirs atomic.Int64
			ada := w.signIn("admin@acme.test")
			var strangers []*person // nobody may have more than 5,000
			for i := range 5 * min(c.others, 1) {
				name := fmt.Sprintf("stranger%d@globex.test", i)
				w.another("admin@globex.test", name)
				strangers = append(strangers, w.signIn(name))
			}
			for i := range c.members {
				query := c.query
				if c.documents > 1 {
					query = fmt.Sprintf("subscription D%d %s", i%c.documents, c.query[len("subscription"):])
				}
				defer w.share(ada, query, nil, counter{&mine})()
			}
			for i := range c.others {
				defer w.share(strangers[i%len(strangers)], c.query, nil, counter{&theirs})()
			}
			device := w.demo.Devices[0]
			speak := func(i int) {
				w.publish(device.Topic+"/Status/Task/7", fmt.Sprintf(`{"status":"%s"}`, []string{"done", "failed"}[i%2]))
			}
			speak(0)
			eventually(b, func() bool { return mine.Load() >= int64(c.members) })
			time.Sleep(100 * time.Millisecond) // the device came online, too
			begun, cpu := mine.Load(), cpuTime()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.ResetTimer()
			for i := range b.N {
				speak(i + 1)
			}
			want := begun + int64(b.N*c.members)
			for mine.Load() < want {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			runtime.ReadMemStats(&after)
			deliveries := float64(b.N * c.members)
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/deliveries, "cpu-ns/delivery")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/deliveries, "allocs/delivery")
			census := graph.Census(w.shared)
			b.ReportMetric(float64(census.Groups), "groups")
			if census.Members != c.members+c.others {
				b.Errorf("%d members", census.Members)
			}
			if theirs.Load() > 0 {
				b.Error("the other company heard of it")
			}
		})
	}
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
