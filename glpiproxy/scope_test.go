package glpiproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Whatever decides what GLPI shows to a session tells it from others, and who somebody is does not, unless GLPI shows
// them what is their own.
func TestWhoMaySeeTheSame(t *testing.T) {
	const session = `{"session":{"glpiID":8,"glpiname":"ada","glpilanguage":"en_GB","glpiactive_entity":1,"glpiactive_entity_recursive":1,
		"glpiactiveentities":[1,3],"glpiparententities":[0],"glpiactiveprofile":{"id":4,"computer":1,"user":1},"glpi_plugins":["flyvemdm"],
		"plugin_flyvemdm_guest_profiles_id":9,"glpinames_format":0,"glpiis_ids_visible":0,"glpiuse_flat_dropdowntree":0}}`
	scopeOf := func(t *testing.T, changes ...string) *Scope {
		t.Helper()
		g := newGLPI(t)
		text := session
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				t.Fatalf("the session has no %s", changes[i])
			}
			text = strings.Replace(text, changes[i], changes[i+1], 1)
		}
		g.on("/getFullSession", says(200, text))
		return must(g.client().Resume(alice).Scope(context.Background()))(t)
	}
	bea := []string{`"glpiID":8,"glpiname":"ada"`, `"glpiID":9,"glpiname":"bea"`}
	for name, c := range map[string]struct {
		change []string
		same   bool
	}{
		"another person":                    {nil, true},
		"another language":                  {[]string{"en_GB", "fr_FR"}, false},
		"another entity":                    {[]string{`"glpiactive_entity":1`, `"glpiactive_entity":3`}, false},
		"without those below":               {[]string{`recursive":1`, `recursive":0`}, false},
		"fewer entities":                    {[]string{`[1,3]`, `[1]`}, false},
		"other entities above":              {[]string{`"glpiparententities":[0]`, `"glpiparententities":[0,2]`}, false},
		"another profile":                   {[]string{`{"id":4`, `{"id":5`}, false},
		"another right":                     {[]string{`"computer":1`, `"computer":3`}, false},
		"one right less":                    {[]string{`"computer":1,`, ``}, false},
		"fewer plugins":                     {[]string{`["flyvemdm"]`, `[]`}, false},
		"another order of names":            {[]string{`"glpinames_format":0`, `"glpinames_format":1`}, false},
		"names with their ids":              {[]string{`"glpiis_ids_visible":0`, `"glpiis_ids_visible":1`}, false},
		"names of trees in full":            {[]string{`"glpiuse_flat_dropdowntree":0`, `"glpiuse_flat_dropdowntree":1`}, false},
		"another page size, which we give":  {[]string{`"glpinames_format":0`, `"glpinames_format":0,"glpilist_limit":50`}, true},
		"another right, as it was for both": {[]string{`"user":1`, `"user":1`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := scopeOf(t), scopeOf(t, append(bea, c.change...)...)
			if (one.View() == other.View()) != c.same {
				t.Errorf("they see the same: %v", !c.same)
			}
			again := scopeOf(t, c.change...)
			if one.fingerprint == other.fingerprint || (one.fingerprint == again.fingerprint) != c.same {
				t.Error("what is kept of GLPI's answers is not one person's in one view")
			}
		})
	}
	for name, change := range map[string][]string{
		"what is their own only": {`"computer":1`, fmt.Sprintf(`"computer":%d`, 1<<8)},
		"people of their own":    {`"user":1`, fmt.Sprintf(`"user":%d`, 1<<10)},
		"a guest's devices":      {`{"id":4`, `{"id":9`},
	} {
		one, other := scopeOf(t, change...), scopeOf(t, append(bea, change...)...)
		if one.View() == other.View() || scopeOf(t, change...).View() != one.View() {
			t.Errorf("%s is not told from another's", name)
		}
	}
}
