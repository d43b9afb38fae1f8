package glpiproxy

import "testing"

// What the database may take for one text counts as one, since GLPI would.
func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"SN-1", "SN-1", true}, {"SN-1", "sn-1", true}, {"12", "0012", true}, {"SN-é", "SN-e", true},
		{"SN-1", "SN_1", false}, {"SN-1", "SN-10", false}, {"", "SN-1", false}, {"12", "13", false},
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("alike(%q, %q) is %t", c.a, c.b, got)
		}
	}
}
