package graph_test

import (
	"testing"
)

func TestPoliciesTellWhereTheyHaveAnEffect(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		a := w.must(token, `{ policies { id symbol minimum requiresSystemPrivilege platforms { platform supported minVersion maxVersion }
		  effectiveOn { platform fromVersion beforeVersion effect } } }`, nil)
		effects := map[string][2]any{
			"disableCamera": {"UNKNOWN", "EFFECTIVE"}, "deployApp": {"EFFECTIVE", "EFFECTIVE"}, "disableNfc": {"UNKNOWN", "NO_EFFECT"},
			"disableStreamDTMF": {"UNKNOWN", "NO_EFFECT"}, "disableUnknownAppSources": {"UNKNOWN", "NO_EFFECT"},
			"periodicGeolocation": {"UNKNOWN", "NO_EFFECT"}, "disableStreamSystem": {"UNKNOWN", "NO_EFFECT"},
			"defaultStreamType": {"UNKNOWN", "NO_EFFECT"}, "maximumTimeToLock": {"UNKNOWN", "EFFECTIVE"},
		}
		seen, without := 0, 0
		for _, node := range a.at("policies").([]any) {
			p := answer{Data: node.(map[string]any)}
			if p.at("effectiveOn", 1, "effect") == "NO_EFFECT" {
				without++
			}
			if p.at("platforms", 0, "platform") != "ANDROID" || p.at("platforms", 0, "supported") != true || p.at("platforms", 0, "minVersion") == nil ||
				p.at("platforms", 1, "supported") != false || p.at("effectiveOn", 2, "effect") != "NO_EFFECT" {
				t.Errorf("got %v", node)
			}
			want, ok := effects[p.at("symbol").(string)]
			if !ok {
				continue
			}
			seen++
			if p.at("effectiveOn", 0, "effect") != want[0] || p.at("effectiveOn", 1, "effect") != want[1] {
				t.Errorf("%v: got %v", p.at("symbol"), p.at("effectiveOn"))
			}
		}
		if seen != len(effects) || without != 6 {
			t.Errorf("%d of %d policies, %d without any effect", seen, len(effects), without)
		}
	}
}

// GLPI hides the bounds of a policy when it is read alone.
func TestAPolicyIsTheSameAloneAndInTheList(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	const fields = `id symbol name type minimum choices { key label }`
	checked := 0
	for _, node := range w.must(token, `{ policies { `+fields+` } }`, nil).at("policies").([]any) {
		listed := answer{Data: node.(map[string]any)}
		if listed.at("type") != "INTEGER" && listed.at("type") != "DROPDOWN" {
			continue
		}
		checked++
		if listed.at("type") == "INTEGER" && listed.at("minimum") != 0.0 {
			t.Errorf("%v: the least is %v, want 0", listed.at("symbol"), listed.at("minimum"))
		}
		alone := w.must(token, `query ($id: ID!) { node(id: $id) { ... on Policy { `+fields+` } } }`, map[string]any{"id": listed.at("id")})
		for _, field := range []string{"name", "minimum"} {
			if alone.at("node", field) != listed.at(field) {
				t.Errorf("%v: %s is %v in the list and %v alone", listed.at("symbol"), field, listed.at(field), alone.at("node", field))
			}
		}
	}
	if checked == 0 {
		t.Error("no policy with bounds")
	}
}
