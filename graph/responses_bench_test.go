package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// BenchmarkResponsesOfViewers has a thousand people of one company ask for the same page of devices, each once after every
// change: in the same words, so that what is made for one is there for the others, and each in words of their own, so that
// all is made for each. The CPU time is that of gateway, simulated GLPI and client together.
func BenchmarkResponsesOfViewers(b *testing.B) {
	const viewers = 1000
	for name, words := range map[string]string{"the same words": "# %d", "words of their own": "# %d %d"} {
		b.Run(name, func(b *testing.B) {
			w := newWorldOf(b, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.ResponseCacheMB = 64 })
			tokens := make([]string, viewers)
			glpi := w.operator()
			for i := range tokens {
				person := fmt.Sprintf("viewer%d@acme.test", i)
				glpi.another(person, "Fleet viewer", "ACME", "en_GB")
				tokens[i] = w.signIn(person)
				w.post(tokens[i], `{ agents(first: 1) { totalCount } }`) // who they are is known from here on
			}
			hits, calls := 0, len(w.callsOf(func() {}))
			b.ResetTimer()
			used := cpuTime()
			for round := range b.N {
				calls += len(w.callsOf(func() {
					for i, token := range tokens {
						got := w.post(token, pageOfDevices+fmt.Sprintf(words, []any{round, i}[:strings.Count(words, "%")]...))
						if got.status != http.StatusOK {
							b.Fatalf("%d %s", got.status, got.text)
						}
						if got.came() == "HIT" {
							hits++
						}
					}
				}))
			}
			b.StopTimer()
			requests := float64(b.N * viewers)
			b.ReportMetric(100*float64(hits)/requests, "%hits")
			b.ReportMetric(float64((cpuTime()-used).Microseconds())/requests, "cpu-µs/request")
			b.ReportMetric(float64(calls)/requests, "glpi-calls/request")
		})
	}
}
