package screens

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// The goal for any screen: what GLPI is asked for, and how much of it has to wait for one another. Signing in
// (initSession) is apart.
const (
	mostCalls  = 8
	mostRounds = 3
)

// tries is how often a screen may try: a busy machine keeps calls apart that could go together or side by side.
const tries = 5

func TestEveryScreenIsAFewCalls(t *testing.T) {
	w := newWorld(t)
	for _, s := range screens {
		t.Run(s.name, func(t *testing.T) {
			most, rounds := cmp.Or(s.calls, mostCalls), cmp.Or(s.rounds, mostRounds)
			for try := 1; ; try++ {
				cold, warm := w.visit(s, 25*time.Millisecond)
				cold = cold.withoutSignIn()
				t.Logf("cold: %d calls in %d rounds: %q", len(cold.calls), cold.rounds, cold.calls)
				if !s.writes && !s.signsIn && len(warm.calls) > 0 {
					t.Errorf("%d calls to GLPI, warm: %q", len(warm.calls), warm.calls)
				}
				if len(cold.calls) <= most && cold.rounds <= rounds {
					break
				}
				if try == tries {
					t.Fatalf("%d calls to GLPI in %d rounds, want %d in %d at most", len(cold.calls), cold.rounds, most, rounds)
				}
			}
		})
	}
}

// withoutSignIn leaves out initSession, for which all others wait.
func (c cost) withoutSignIn() cost {
	calls := slices.DeleteFunc(slices.Clone(c.calls), func(name string) bool { return name == "GET /initSession" })
	c.rounds -= len(c.calls) - len(calls)
	c.calls = calls
	return c
}

// visit shows a screen twice, first through a gateway that has never seen GLPI's data.
func (w *world) visit(s screen, latency time.Duration) (cold, warm cost) {
	w.tb.Helper()
	if s.writes {
		w.unsave()
	}
	g := w.open()
	defer g.stop()
	show := func() { g.showScreen(s) }
	cold = w.measure(latency, show)
	return cold, w.measure(latency, show)
}

// showScreen runs the operation of a screen.
func (g *gate) showScreen(s screen) {
	g.w.tb.Helper()
	var variables map[string]any
	if s.variables != nil {
		variables = s.variables(g.w.shown)
	}
	g.show(operation(s.operation), variables)
}
