package bridge

import (
	"slices"
	"testing"
	"time"
)

// Whoever keeps what was said of a device must hear of everything that changes it.
func TestEveryChangeOfADeviceIsTold(t *testing.T) {
	var told []string
	r := newTestRegistry(t, 10)
	r.changed = func(tag string) { told = append(told, tag) }
	here, elsewhere := DeviceKey{EntityID: 1, Serial: "0042"}, DeviceKey{EntityID: 2, Serial: "42"}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"a message", func() { _, _ = r.apply(message{device: here, kind: kindPing, at: noon}) }, []string{"device:1/42"}},
		{"a silence", func() { r.grow(noon.Add(2 * time.Hour)) }, []string{"device:1/42"}},
		{"no more silence", func() { r.grow(noon.Add(2 * time.Hour)) }, nil},
		{"GLPI's word", func() { r.learn([]Enrolled{{AgentID: 7, Device: here}}, false, noon) }, []string{"device:1/42"}},
		{"a move", func() { r.learn([]Enrolled{{AgentID: 7, Device: elsewhere}}, false, noon) }, []string{"device:1/42", "device:2/42"}},
		{"its end", func() { r.forget([]int{7}, noon) }, []string{"device:2/42"}},
		{"an earlier life", func() {
			r.restore(Event{Kind: PresenceChanged, Device: here, Presence: &Presence{State: Online, Source: MQTT}})
		}, []string{"device:1/42"}},
		{"strangers go", r.close, []string{"device:1/42"}},
	} {
		told = nil
		step.do()
		slices.Sort(told)
		if got := slices.Compact(told); !slices.Equal(got, step.want) {
			t.Errorf("%s: told of %q, want %q", step.name, got, step.want)
		}
	}
}
