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

func TestChangingSettings(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	paris := w.entityNamed(token, "ACME Paris")
	change := func(input map[string]any) answer {
		t.Helper()
		input["entityId"] = paris
		a := w.mutate(token, "updateEntitySettings", "settings { "+settingsFields+" }", input)
		if len(a.codes()) > 0 {
			t.Errorf("%v: %s", input, a.text)
		}
		return a
	}
	for _, c := range []struct {
		input map[string]any
		path  []any
		want  any
	}{
		{map[string]any{"agentTokenLife": 30}, []any{"agentTokenLife", "value"}, 30.0},
		{map[string]any{"deviceLimit": 200}, []any{"deviceLimit", "value"}, 200.0},
		{map[string]any{"deviceLimit": 0}, []any{"deviceLimit", "value"}, 0.0},
		{map[string]any{"supportName": "Paris desk"}, []any{"supportName", "source"}, "OWN"},
		{map[string]any{"supportPhone": "+33 1 22", "supportEmail": "desk@acme.test"}, []any{"supportName", "value"}, "Paris desk"},
		// GLPI would make an inherited value of an own one that is sent again.
		{map[string]any{"supportName": "Paris desk"}, []any{"supportName", "source"}, "OWN"},
		{map[string]any{"supportName": "Paris desk"}, []any{"supportName", "value"}, "Paris desk"},
		{map[string]any{"supportAddress": "1 rue X\nParis"}, []any{"supportAddress", "value"}, "1 rue X\nParis"},
		{map[string]any{"supportName": ""}, []any{"supportName", "source"}, "INHERITED"},
		{map[string]any{"supportName": ""}, []any{"supportName", "value"}, "ACME IT help desk"},
		{map[string]any{"supportName": nil}, []any{"supportEmail", "value"}, "desk@acme.test"},
		{map[string]any{"supportWebsite": "https://paris.acme.test/?a=1&b=2"}, []any{"supportWebsite", "value"}, "https://paris.acme.test/?a=1&b=2"},
		{map[string]any{"downloadUrl": "https://mdm.acme.test/agent.apk"}, []any{"downloadUrl", "source"}, "OWN"},
		{map[string]any{"contact": map[string]any{"phone": "+33 1 70", "town": "Paris", "email": "p@acme.test"}}, []any{"contact", "town"}, "Paris"},
		{map[string]any{"contact": map[string]any{"town": ""}}, []any{"contact", "town"}, nil},
		{map[string]any{"contact": map[string]any{}}, []any{"contact", "email"}, "p@acme.test"},
	} {
		a := change(c.input)
		if got := a.at(append([]any{"settings"}, c.path...)...); got != c.want {
			t.Errorf("%v: %v is %v, want %v", c.input, c.path, got, c.want)
		}
	}
	if name := w.settings(token, w.entityNamed(token, "ACME Lyon")).at("entitySettings", "supportPhone", "value"); name != "+33 1 70 00 00 00" {
		t.Errorf("Lyon's telephone is %v", name)
	}
}

func TestSettingsThatCanNotBeChanged(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	token := w.signIn("admin@acme.test")
	paris := w.entityNamed(token, "ACME Paris")
	viewer := w.signIn("viewer@acme.test")
	for name, c := range map[string]struct {
		token, entity string
		input         map[string]any
		want          string
	}{
		"another company's":     {token, model.GlobalID("Entity", o.idOf("Entity", "Globex")), map[string]any{"deviceLimit": 1}, "NOT_FOUND input.entityId"},
		"the root's":            {token, model.GlobalID("Entity", 0), map[string]any{"deviceLimit": 1}, "NOT_FOUND input.entityId"},
		"no id":                 {token, "x", map[string]any{"deviceLimit": 1}, "BAD_USER_INPUT input.entityId"},
		"no days":               {token, paris, map[string]any{"agentTokenLife": 0}, "BAD_USER_INPUT input.agentTokenLife"},
		"too many days":         {token, paris, map[string]any{"agentTokenLife": 181}, "BAD_USER_INPUT input.agentTokenLife"},
		"a negative limit":      {token, paris, map[string]any{"deviceLimit": -1}, "BAD_USER_INPUT input.deviceLimit"},
		"a script for an URL":   {token, paris, map[string]any{"downloadUrl": "javascript:alert(1)"}, "BAD_USER_INPUT input.downloadUrl"},
		"no e-mail address":     {token, paris, map[string]any{"supportEmail": "desk"}, "BAD_USER_INPUT input.supportEmail"},
		"too long a name":       {token, paris, map[string]any{"supportName": strings.Repeat("x", 300)}, "BAD_USER_INPUT input.supportName"},
		"a contact's web site":  {token, paris, map[string]any{"contact": map[string]any{"website": "acme"}}, "BAD_USER_INPUT input.contact.website"},
		"too long a town":       {token, paris, map[string]any{"contact": map[string]any{"town": strings.Repeat("x", 300)}}, "BAD_USER_INPUT input.contact.town"},
		"by a viewer":           {viewer, paris, map[string]any{"deviceLimit": 1}, "FORBIDDEN input FORBIDDEN input FORBIDDEN input"},
		"a contact by a viewer": {viewer, paris, map[string]any{"contact": map[string]any{"town": "x"}}, "FORBIDDEN input.contact"},
		"without rights":        {w.signIn("sally@acme.test"), paris, map[string]any{"deviceLimit": 1}, "FORBIDDEN "},
	} {
		t.Run(name, func(t *testing.T) {
			c.input["entityId"] = c.entity
			a := w.mutate(c.token, "updateEntitySettings", "settings { deviceLimit { value } }", c.input)
			if got := strings.Join(a.codes(), " "); got != c.want {
				t.Errorf("got %q, want %q: %s", got, c.want, a.text)
			}
		})
	}
	a := w.mutate(viewer, "updateEntitySettings", "settings { canEdit }", map[string]any{"entityId": paris, "deviceLimit": 1})
	for _, named := range []string{"limit of devices", "download URL", "how long invitations hold"} {
		if !strings.Contains(a.text, named) {
			t.Errorf("%q is not named: %s", named, a.text)
		}
	}
	if got := w.settings(token, paris).at("entitySettings", "deviceLimit", "value"); got != 0.0 {
		t.Errorf("the limit is %v all the same", got)
	}
}
