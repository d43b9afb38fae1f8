package broker

import "testing"

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		one, other string
		want       bool
	}{
		{"1/agent/S/Status/#", "1/agent/S/Status/Online", true},
		{"1/agent/S/Status/#", "1/agent/S/Status", true},
		{"1/agent/S/Status/#", "1/agent/S/StatusX/Online", false},
		{"1/agent/S/Status/#", "1/agent/S/Command/Ping", false},
		{"1/agent/S/Status/#", "1/agent/T/Status/Online", false},
		{"1/agent/S/Status/#", "/1/agent/S/Status/Online", false},
		{"1/agent/S/Status/#", "1/agent/S/#", true},
		{"1/agent/S/Status/#", "#", true},
		{"1/agent/S/Status/#", "+/agent/+/Status/Task/+", true},
		{"1/agent/S/Status/#", "+/agent/+", false},
		{"1/fleet/2/#", "1/fleet/20/Policy/x", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/c/d", false},
		{"a/+/c", "a/b", false},
		{"a", "a", true},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/+", "a", false},
		{"a/#", "a", true},
		{"", "", true},
		{"", "a", false},
	} {
		if got := overlap(c.one, c.other); got != c.want {
			t.Errorf("overlap(%q, %q) = %v", c.one, c.other, got)
		}
		if got := overlap(c.other, c.one); got != c.want {
			t.Errorf("overlap(%q, %q) = %v", c.other, c.one, got)
		}
	}
}
