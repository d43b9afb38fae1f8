package screens

import (
	"slices"
	"testing"
	"time"
)

// realLatency is what a call takes of the real GLPI at least, as it was measured; signing in takes eight times as long.
const realLatency = 10 * time.Millisecond

// BenchmarkScreens measures each screen: as the old dashboard read it, through a gateway that has seen neither the session
// nor any data (cold), through one that knows the session alone, as after signing in (known), and through a gateway that
// showed the screen a moment ago (warm). It reports the time, the calls to GLPI and how many of them had to wait for one
// another.
func BenchmarkScreens(b *testing.B) {
	w := newWorld(b)
	for _, s := range screens {
		b.Run(s.name+"/old", func(b *testing.B) { w.repeat(b, func() cost { return w.visitOld(s) }) })
		b.Run(s.name+"/cold", func(b *testing.B) {
			w.repeat(b, func() cost { cold, _ := w.visit(s, realLatency); return cold })
		})
		if s.signsIn {
			continue
		}
		b.Run(s.name+"/known", func(b *testing.B) { w.repeat(b, func() cost { return w.visitKnown(s) }) })
		if s.writes {
			continue
		}
		b.Run(s.name+"/warm", func(b *testing.B) {
			w.repeat(b, func() cost { _, warm := w.visit(s, realLatency); return warm })
		})
	}
}

// visitKnown shows a screen through a gateway that has just signed the viewer in.
func (w *world) visitKnown(s screen) cost {
	w.tb.Helper()
	if s.writes {
		w.unsave()
	}
	g := w.open()
	defer g.stop()
	g.show("{ viewer { username } }", nil)
	return w.measure(realLatency, func() { g.showScreen(s) })
}

// visitOld shows a screen as the old dashboard did.
func (w *world) visitOld(s screen) cost {
	w.tb.Helper()
	d := &dashboard{w: w, session: w.signIn(admin)}
	if s.writes {
		w.unsave()
		d.openFleet()
	}
	return w.measure(realLatency, func() { s.old(d) })
}

// repeat reports the middle of what a screen cost.
func (w *world) repeat(b *testing.B, visit func() cost) {
	w.tb = b
	var costs []cost
	for b.Loop() {
		costs = append(costs, visit())
	}
	middle := median(costs)
	b.ReportMetric(0, "ns/op") // it would count the start of a gateway
	b.ReportMetric(float64(middle.wall.Microseconds())/1000, "ms/screen")
	b.ReportMetric(float64(len(middle.calls)), "calls/screen")
	b.ReportMetric(float64(middle.rounds), "rounds/screen")
}

// median is the one of the costs with as many slower as faster ones.
func median(costs []cost) cost {
	slices.SortFunc(costs, func(a, b cost) int { return int(a.wall - b.wall) })
	return costs[len(costs)/2]
}
