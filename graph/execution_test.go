package graph_test

import (
	"context"
	"os"
	"runtime/metrics"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// deviceList is the dashboard's page of 50 devices.
func deviceList(t testing.TB) string {
	query, err := os.ReadFile("../bench/screens/operations/deviceList.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return string(query)
}

// execute executes a query that must succeed.
func (w *shareWorld) execute(ctx context.Context, query string) *graphql.Response {
	w.t.Helper()
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := w.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	responses, ctx := w.exec.DispatchOperation(ctx, op)
	response := responses(ctx)
	if len(response.Errors) > 0 {
		w.t.Fatal(response.Errors)
	}
	return response
}

// A page has 400 fields with resolvers. Where all that they show is at hand, they are resolved without a goroutine each.
func TestAPageAtHandIsResolvedInPlace(t *testing.T) {
	w := openShareWorld(t, 160)
	defer w.close()
	ada, query := w.signIn("admin@acme.test"), deviceList(t)
	first := w.execute(ada.ctx, query)
	least := uint64(1 << 32)
	for range 5 { // others begin some in the meantime
		before := goroutinesBegun()
		if again := w.execute(ada.ctx, query); string(again.Data) != string(first.Data) {
			t.Fatalf("got %s, at first %s", again.Data, first.Data)
		}
		least = min(least, goroutinesBegun()-before)
	}
	if least > 20 {
		t.Errorf("%d goroutines were begun", least)
	}
}

// goroutinesBegun are all that this process has begun so far.
func goroutinesBegun() uint64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// BenchmarkExecution measures what it takes to execute the dashboard's page of 50 devices from live objects: GLPI's rows are
// in memory, and the response is not.
func BenchmarkExecution(b *testing.B) {
	w := openShareWorld(b, 160)
	defer w.close()
	ada, query := w.signIn("admin@acme.test"), deviceList(b)
	b.SetBytes(int64(len(w.execute(ada.ctx, query).Data)))
	b.ReportAllocs()
	cpu := cpuTime()
	for b.Loop() {
		w.execute(ada.ctx, query)
	}
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}
