package graph_test

import (
	"strings"
	"testing"

	"fleetgate/graph/model"
)

const settingsFields = `entity { id name } agentTokenLife { value source } deviceLimit { value source } deviceCount
  downloadUrl { value source inheritedFrom { name } } supportName { value source inheritedFrom { name } }
  supportPhone { value source inheritedFrom { name } } supportWebsite { value source } supportEmail { value source }
  supportAddress { value source inheritedFrom { name } }
  contact { phone website email address postcode town state country } canEdit canEditContact missingRights { right explanation }`

// entityNamed is the global id of an entity that a token sees.
func (w *world) entityNamed(token, name string) string {
	w.t.Helper()
	for _, e := range w.must(token, `{ viewer { entities { id name } } }`, nil).at("viewer", "entities").([]any) {
		if entity := e.(map[string]any); entity["name"] == name {
			return entity["id"].(string)
		}
	}
	w.t.Fatalf("no entity %q", name)
	return ""
}

func (w *world) settings(token, entityID string) answer {
	w.t.Helper()
	return w.ask(token, `query ($id: ID!) { entitySettings(entityId: $id) { `+settingsFields+` } }`, map[string]any{"id": entityID})
}

func TestSettingsTellWhereTheyComeFrom(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	paris := w.settings(token, w.entityNamed(token, "ACME Paris"))
	if len(paris.Errors) > 0 {
		t.Fatal(paris.text)
	}
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"entity", "name"}, "ACME Paris"},
		{[]any{"supportName", "value"}, "ACME IT help desk"},
		{[]any{"supportName", "source"}, "INHERITED"},
		{[]any{"supportName", "inheritedFrom", "name"}, "ACME"},
		{[]any{"agentTokenLife", "value"}, 7.0},
		{[]any{"agentTokenLife", "source"}, "OWN"},
		{[]any{"deviceLimit", "value"}, 0.0},
		{[]any{"supportAddress", "value"}, nil},
		{[]any{"supportAddress", "source"}, "INHERITED"},
		{[]any{"supportAddress", "inheritedFrom"}, nil}, // nowhere in sight
		{[]any{"canEdit"}, true},
		{[]any{"canEditContact"}, true},
		{[]any{"contact", "phone"}, nil},
	} {
		if got := paris.at(append([]any{"entitySettings"}, c.path...)...); got != c.want {
			t.Errorf("%v is %v, want %v", c.path, got, c.want)
		}
	}
	acme := w.settings(token, w.entityNamed(token, "ACME"))
	if acme.at("entitySettings", "supportName", "source") != "OWN" || acme.at("entitySettings", "supportName", "inheritedFrom") != nil {
		t.Errorf("ACME's own: %s", acme.text)
	}
	inParis := 0.0
	for _, node := range w.must(token, `{ agents(first: 500) { nodes { entity { name } } } }`, nil).at("agents", "nodes").([]any) {
		if (answer{Data: node.(map[string]any)}).at("entity", "name") == "ACME Paris" {
			inParis++
		}
	}
	if got := paris.at("entitySettings", "deviceCount"); got != inParis || inParis == 0 {
		t.Errorf("%v devices in Paris, want %v", got, inParis)
	}
}

func TestSettingsOfTheRootEntity(t *testing.T) {
	w := newWorld(t)
	service := w.must("", `mutation ($t: String!) { loginWithUserToken(input: {userToken: $t}) { token } }`, map[string]any{"t": w.demo.ServiceToken})
	root := w.settings(service.at("loginWithUserToken", "token").(string), model.GlobalID("Entity", 0))
	if root.at("entitySettings", "supportName", "source") != "OWN" || root.at("entitySettings", "entity", "name") != "Root entity" {
		t.Errorf("the root entity: %s", root.text)
	}
}

func TestWhoMaySeeSettings(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	lyon := w.entityNamed(acme, "ACME Lyon")
	for name, c := range map[string]struct{ token, entity, code string }{
		"another company's": {globex, lyon, "NOT_FOUND"},
		"nobody's":          {globex, model.GlobalID("Entity", 987654), "NOT_FOUND"},
		"the root's":        {globex, model.GlobalID("Entity", 0), "NOT_FOUND"},
		"no right":          {w.signIn("sally@acme.test"), lyon, "FORBIDDEN"},
		"nobody signed in":  {"", lyon, "UNAUTHENTICATED"},
		"no id":             {acme, "x", "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.settings(c.token, c.entity); a.code() != c.code || a.at("entitySettings") != nil {
				t.Errorf("got %s, want %s", a.text, c.code)
			}
		})
	}
	seen := w.settings(w.signIn("viewer@acme.test"), lyon)
	missing, _ := seen.at("entitySettings", "missingRights").([]any)
	if seen.at("entitySettings", "canEdit") != false || seen.at("entitySettings", "canEditContact") != false || len(missing) != 4 {
		t.Errorf("the viewer: %s", seen.text)
	}
	for _, m := range missing {
		if explanation := m.(map[string]any)["explanation"].(string); !strings.Contains(explanation, "administrator of GLPI") {
			t.Errorf("no help in %q", explanation)
		}
	}
}
