package graph_test

import (
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// mutate runs a mutation with one input and answers its payload.
func (w *world) mutate(token, name, fields string, input map[string]any) answer {
	w.t.Helper()
	typename := strings.ToUpper(name[:1]) + name[1:] + "Input!"
	a := w.must(token, `mutation ($in: `+typename+`) { `+name+`(input: $in) { `+fields+` userErrors { code message field } } }`, map[string]any{"in": input})
	payload, _ := a.at(name).(map[string]any)
	return answer{Data: payload, text: a.text}
}

// codes are the codes and fields of a payload's userErrors.
func (a answer) codes() (found []string) {
	for _, e := range a.at("userErrors").([]any) {
		one := answer{Data: e.(map[string]any)}
		var field []string
		steps, _ := one.at("field").([]any)
		for _, step := range steps {
			field = append(field, step.(string))
		}
		found = append(found, one.at("code").(string)+" "+strings.Join(field, "."))
	}
	return found
}

// canSignIn tells whether a name and a password open a session.
func (w *world) canSignIn(username, password string) bool {
	w.t.Helper()
	a := w.must("", `mutation ($u: String!, $p: String!) { login(input: {username: $u, password: $p}) { token } }`, map[string]any{"u": username, "p": password})
	return a.at("login", "token") != nil
}

// person makes somebody behind the gateway's back, with a profile in each of some entities.
func (o *operator) person(username, profile string, entities ...string) string {
	o.w.t.Helper()
	id := o.add("User", map[string]any{
		"name": username, "password": "demo", "password2": "demo", "_profiles_id": o.idOf("Profile", profile),
		"_entities_id": o.idOf("Entity", entities[0]), "_is_recursive": 1, "_useremails": map[string]string{"-1": username + "@mail.test"},
	})
	for _, entity := range entities[1:] {
		o.grant(username, profile, entity, 1)
	}
	return model.GlobalID("User", id)
}

func TestCreatingAPerson(t *testing.T) {
	w := newWorld(t)
	for _, company := range []string{"acme", "globex"} {
		token := w.signIn("admin@" + company + ".test")
		choices := w.must(token, `{ userFormChoices { titles { id name } profiles { id name } } viewer { activeEntity { id name } } }`, nil)
		a := w.mutate(token, "createUser", "user { "+userFields+" grants { profile { name } entity { id } isRecursive } }", map[string]any{
			"username": "siobhan@" + company + ".test", "password": "a password", "firstName": "Siobhán", "lastName": "O'Brien <x> & \"co\"",
			"phone": "+33 6 12 34 56 78", "mobile": "0612345678", "emails": []any{"s@" + company + ".test", "second@" + company + ".test"},
			"titleId": choices.at("userFormChoices", "titles", 0, "id"), "language": "fr_FR", "comment": "line 1\nline 2",
			"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2099-01-01T10:15:00+02:00", "registrationNumber": "R-17",
			"grant": map[string]any{"profileId": model.GlobalID("Profile", 1), "isRecursive": true},
		})
		if len(a.codes()) > 0 {
			t.Fatal(a.text)
		}
		for _, c := range []struct {
			path []any
			want any
		}{
			{[]any{"username"}, "siobhan@" + company + ".test"},
			{[]any{"displayName"}, "Siobhán O'Brien <x> & \"co\""},
			{[]any{"phone"}, "+33 6 12 34 56 78"},
			{[]any{"mobile"}, "612345678"}, // GLPI tells digits as a number
			{[]any{"emails", 0, "address"}, "s@" + company + ".test"},
			{[]any{"emails", 0, "isDefault"}, true},
			{[]any{"emails", 1, "address"}, "second@" + company + ".test"},
			{[]any{"emails", 1, "isDefault"}, false},
			{[]any{"title", "name"}, choices.at("userFormChoices", "titles", 0, "name")},
			{[]any{"language"}, "fr_FR"},
			{[]any{"comment"}, "line 1\nline 2"},
			{[]any{"validFrom"}, "2026-01-01T00:00:00Z"},
			{[]any{"validUntil"}, "2099-01-01T08:15:00Z"},
			{[]any{"isActive"}, true},
			{[]any{"grants", 0, "entity", "id"}, choices.at("viewer", "activeEntity", "id")},
			{[]any{"grants", 0, "profile", "name"}, "Self-Service"},
			{[]any{"grants", 0, "isRecursive"}, true},
			{[]any{"grants", 1}, nil},
		} {
			if got := a.at(append([]any{"user"}, c.path...)...); got != c.want {
				t.Errorf("%v is %v, want %v", c.path, got, c.want)
			}
		}
		if !w.canSignIn("siobhan@"+company+".test", "a password") {
			t.Error("the new person can't sign in")
		}
		if strings.Contains(w.log.String(), "a password") {
			t.Error("the log holds the password")
		}
		if _, listed := w.peopleOf(token, "", "id")["siobhan@"+company+".test"]; !listed {
			t.Error("the new person is not listed")
		}
	}
}

func TestWhoCanNotBeCreated(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	o.person("clerk", "Admin", "ACME")
	admin, clerk := w.signIn("admin@acme.test"), w.signIn("clerk")
	globex := model.GlobalID("Entity", o.idOf("Entity", "Globex"))
	profile := func(name string) string { return model.GlobalID("Profile", o.idOf("Profile", name)) }
	grant := func(in map[string]any) map[string]any { return map[string]any{"username": "new", "grant": in} }
	many := slices.Repeat([]any{"a@b.test"}, 21)
	for name, c := range map[string]struct {
		token string
		input map[string]any
		want  string
	}{
		"a taken name":               {admin, map[string]any{"username": "admin@acme.test"}, "BAD_USER_INPUT input.username"},
		"a name with odd letters":    {admin, map[string]any{"username": "a;b"}, "BAD_USER_INPUT input.username"},
		"a name without letters":     {admin, map[string]any{"username": "  "}, "BAD_USER_INPUT input.username"},
		"a machine":                  {admin, map[string]any{"username": "flyvemdm-1"}, "BAD_USER_INPUT input.username"},
		"a machine behind a space":   {admin, map[string]any{"username": " flyvemdm-1"}, "BAD_USER_INPUT input.username"},
		"a taken name and a space":   {admin, map[string]any{"username": "admin@acme.test "}, "BAD_USER_INPUT input.username"},
		"too many addresses":         {admin, map[string]any{"username": "new", "emails": many}, "BAD_USER_INPUT input.emails"},
		"no language":                {admin, map[string]any{"username": "new", "language": "English"}, "BAD_USER_INPUT input.language"},
		"an unknown title":           {admin, map[string]any{"username": "new", "titleId": model.GlobalID("UserTitle", 9999)}, "NOT_FOUND input.titleId"},
		"an id of something else":    {admin, map[string]any{"username": "new", "titleId": globex}, "BAD_USER_INPUT input.titleId"},
		"too long a name":            {admin, map[string]any{"username": "new", "lastName": strings.Repeat("é", 200)}, "BAD_USER_INPUT input.lastName"},
		"a control character":        {admin, map[string]any{"username": "new", "phone": "1\x002"}, "BAD_USER_INPUT input.phone"},
		"an empty password":          {admin, map[string]any{"username": "new", "password": ""}, "BAD_USER_INPUT input.password"},
		"another company's entity":   {admin, grant(map[string]any{"profileId": profile("Self-Service"), "entityId": globex}), "NOT_FOUND input.grant.entityId"},
		"the root":                   {admin, grant(map[string]any{"profileId": profile("Self-Service"), "entityId": model.GlobalID("Entity", 0)}), "NOT_FOUND input.grant.entityId"},
		"an unknown profile":         {admin, grant(map[string]any{"profileId": model.GlobalID("Profile", 9999)}), "NOT_FOUND input.grant.profileId"},
		"a higher profile":           {clerk, grant(map[string]any{"profileId": profile("Super-Admin")}), "FORBIDDEN input.grant.profileId"},
		"by a viewer":                {w.signIn("viewer@acme.test"), map[string]any{"username": "new"}, "FORBIDDEN "},
		"by somebody without rights": {w.signIn("sally@acme.test"), map[string]any{"username": "new"}, "FORBIDDEN "},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.mutate(c.token, "createUser", "user { id }", c.input)
			if got := a.codes(); a.at("user") != nil || !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %q, want %q: %s", got, c.want, a.text)
			}
		})
	}
	if _, there := w.peopleOf(w.signIn("admin@acme.test"), "", "id")["new"]; there {
		t.Error("somebody was created all the same")
	}
	if a := w.ask("", `mutation { createUser(input: {username: "new"}) { user { id } userErrors { code } } }`, nil); a.code() != "UNAUTHENTICATED" {
		t.Errorf("nobody signed in: %s", a.text)
	}
}

// A password that GLPI refuses leaves nobody behind: GLPI itself would create the person without one, and not say so.
func TestAWeakFirstPasswordCreatesNobody(t *testing.T) {
	w := newWorld(t)
	w.demandGoodPasswords()
	token := w.signIn("admin@acme.test")
	a := w.mutate(token, "createUser", "user { id }", map[string]any{"username": "weak", "password": "short"})
	if a.at("user") != nil || !slices.Equal(a.codes(), []string{"BAD_USER_INPUT input.password"}) || !strings.Contains(a.text, "Password") {
		t.Errorf("got %s", a.text)
	}
	if _, there := w.peopleOf(token, "", "id")["weak"]; there {
		t.Error("the person is there")
	}
	a = w.mutate(token, "createUser", "user { id }", map[string]any{"username": "weak", "password": "Long3nough!"})
	if a.at("user") == nil || !w.canSignIn("weak", "Long3nough!") {
		t.Errorf("a good password: %s", a.text)
	}
}

// demandGoodPasswords switches GLPI's password rules on.
func (w *world) demandGoodPasswords() {
	w.t.Helper()
	w.glpi.SetConfig("core", "use_password_security", "1")
}

func TestChangingAPerson(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	token := w.signIn("admin@acme.test")
	id := o.person("tom", "Self-Service", "ACME")
	paris := w.entityNamed(token, "ACME Paris")
	title := w.must(token, `{ userFormChoices { titles { id } } }`, nil).at("userFormChoices", "titles", 0, "id")
	change := func(input map[string]any) answer {
		t.Helper()
		input["id"] = id
		a := w.mutate(token, "updateUser", "user { "+userFields+" grants { id profile { name } entity { name } } }", input)
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
		{map[string]any{"firstName": "Tom", "lastName": "D'Angelo"}, []any{"displayName"}, "Tom D'Angelo"},
		{map[string]any{"firstName": ""}, []any{"firstName"}, nil},
		{map[string]any{"phone": nil}, []any{"lastName"}, "D'Angelo"}, // null changes nothing
		{map[string]any{"mobile": "0033612345678"}, []any{"mobile"}, "33612345678"},
		{map[string]any{"phone2": "007"}, []any{"phone2"}, "7"},
		{map[string]any{"titleId": title}, []any{"title", "id"}, title},
		{map[string]any{"titleId": ""}, []any{"title"}, nil},
		{map[string]any{"validUntil": "2099-12-31T22:00:00Z"}, []any{"validUntil"}, "2099-12-31T22:00:00Z"},
		{map[string]any{"clearValidUntil": true}, []any{"validUntil"}, nil},
		{map[string]any{"language": "de_DE"}, []any{"language"}, "de_DE"},
		{map[string]any{"language": ""}, []any{"language"}, nil},
		{map[string]any{"comment": "<b>&"}, []any{"comment"}, "<b>&"},
		{map[string]any{"isActive": false}, []any{"isActive"}, false},
		{map[string]any{"isActive": true}, []any{"isActive"}, true},
		{map[string]any{"username": "thomas"}, []any{"username"}, "thomas"},
		{map[string]any{"addEmails": []any{"t@acme.test"}, "defaultEmail": "t@acme.test"}, []any{"emails", 0, "address"}, "t@acme.test"},
		{map[string]any{"removeEmails": []any{"T@acme.test"}}, []any{"emails", 0, "address"}, "tom@mail.test"},
		{map[string]any{"addGrants": []any{map[string]any{"profileId": model.GlobalID("Profile", 2), "entityId": paris}}}, []any{"grants", 1, "entity", "name"}, "ACME Paris"},
		{map[string]any{"defaultProfileId": model.GlobalID("Profile", 2), "defaultEntityId": paris}, []any{"defaultEntity", "name"}, "ACME Paris"},
	} {
		a := change(c.input)
		if got := a.at(append([]any{"user"}, c.path...)...); got != c.want {
			t.Errorf("%v: %v is %v, want %v", c.input, c.path, got, c.want)
		}
	}
	a := change(map[string]any{"password": "another one"})
	if !w.canSignIn("thomas", "another one") || w.canSignIn("thomas", "demo") {
		t.Error("the password is not the new one")
	}
	first := a.at("user", "grants", 0, "id")
	if a := change(map[string]any{"removeGrantIds": []any{first}}); a.at("user", "grants", 1) != nil || a.at("user", "grants", 0, "entity", "name") != "ACME Paris" {
		t.Errorf("after a grant was taken away: %s", a.text)
	}
}

func TestWhatCanNotBeChangedOfAPerson(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService) // which proves what profiles allow to those who may not read them
	o := w.operator()
	token := w.signIn("admin@acme.test")
	tom, boss, root := o.person("tom", "Self-Service", "ACME"), o.person("boss", "Super-Admin", "ACME"), model.GlobalID("User", o.idOf("User", "glpi"))
	o.person("clerk", "Admin", "ACME")
	clerk := w.signIn("clerk")
	theirs := o.person("theirs", "Self-Service", "Globex")
	machine := model.GlobalID("User", w.machineOf(o, w.demo.Devices[0].AgentID))
	w.demandGoodPasswords()
	grants := w.must(token, `query ($id: ID!) { user(id: $id) { grants { id } } }`, map[string]any{"id": tom})
	profile := func(name string) string { return model.GlobalID("Profile", o.idOf("Profile", name)) }
	for name, c := range map[string]struct {
		token, id string
		input     map[string]any
		want      string
	}{
		"another company's person":        {token, theirs, map[string]any{"firstName": "x"}, "NOT_FOUND input.id"},
		"nobody":                          {token, model.GlobalID("User", 98765), map[string]any{"firstName": "x"}, "NOT_FOUND input.id"},
		"a device's account":              {token, machine, map[string]any{"firstName": "x"}, "NOT_FOUND input.id"},
		"no id":                           {token, "x", map[string]any{"firstName": "x"}, "BAD_USER_INPUT input.id"},
		"a weak password":                 {token, tom, map[string]any{"password": "short", "firstName": "Saved?"}, "BAD_USER_INPUT input.password"},
		"a taken name":                    {token, tom, map[string]any{"username": "boss"}, "BAD_USER_INPUT input.username"},
		"an unknown default address":      {token, tom, map[string]any{"defaultEmail": "x@acme.test"}, "NOT_FOUND input.defaultEmail"},
		"a default that is to go":         {token, tom, map[string]any{"defaultEmail": "tom@mail.test", "removeEmails": []any{"tom@mail.test"}}, "NOT_FOUND input.defaultEmail"},
		"an address that isn't theirs":    {token, tom, map[string]any{"removeEmails": []any{"boss@mail.test"}}, "NOT_FOUND input.removeEmails.0"},
		"a date and none":                 {token, tom, map[string]any{"validFrom": "2026-01-01T00:00:00Z", "clearValidFrom": true}, "BAD_USER_INPUT input.validFrom"},
		"a default profile not held":      {token, tom, map[string]any{"defaultProfileId": profile("Technician")}, "UNCHANGED input.defaultProfileId"},
		"another company's entity":        {token, tom, map[string]any{"defaultEntityId": model.GlobalID("Entity", o.idOf("Entity", "Globex"))}, "NOT_FOUND input.defaultEntityId"},
		"a grant in another company":      {token, tom, map[string]any{"addGrants": []any{map[string]any{"profileId": profile("Self-Service"), "entityId": model.GlobalID("Entity", o.idOf("Entity", "Globex"))}}}, "NOT_FOUND input.addGrants.0.entityId"},
		"a higher profile":                {clerk, tom, map[string]any{"addGrants": []any{map[string]any{"profileId": profile("Super-Admin")}}}, "FORBIDDEN input.addGrants.0.profileId"},
		"the last grant":                  {token, tom, map[string]any{"removeGrantIds": []any{grants.at("user", "grants", 0, "id")}}, "BAD_USER_INPUT input.removeGrantIds"},
		"somebody else's grant":           {token, boss, map[string]any{"removeGrantIds": []any{grants.at("user", "grants", 0, "id")}}, "NOT_FOUND input.removeGrantIds.0"},
		"the password of somebody higher": {clerk, boss, map[string]any{"password": "Long3nough!"}, "FORBIDDEN input.password"},
		"an address of somebody higher":   {clerk, boss, map[string]any{"addEmails": []any{"mine@acme.test"}}, "FORBIDDEN input.addEmails"},
		"the name of somebody higher":     {clerk, boss, map[string]any{"username": "x"}, "FORBIDDEN input.username"},
		"a grant to the root's admin":     {token, root, map[string]any{"addGrants": []any{map[string]any{"profileId": profile("Self-Service")}}}, "FORBIDDEN input.addGrants"},
		"an address of the root's admin":  {token, root, map[string]any{"addEmails": []any{"mine@acme.test"}}, "FORBIDDEN input.addEmails"},
		"by a viewer":                     {w.signIn("viewer@acme.test"), tom, map[string]any{"firstName": "x"}, "FORBIDDEN "},
		"by somebody without rights":      {w.signIn("sally@acme.test"), tom, map[string]any{"firstName": "x"}, "FORBIDDEN "},
	} {
		t.Run(name, func(t *testing.T) {
			c.input["id"] = c.id
			a := w.mutate(c.token, "updateUser", "user { id }", c.input)
			got := a.codes()
			if slices.Sort(got); len(got) != 1 || got[0] != c.want {
				t.Errorf("got %q, want %q: %s", got, c.want, a.text)
			}
		})
	}
	if a := w.must(token, `query ($id: ID!) { user(id: $id) { firstName username emails { address } grants { id } } }`, map[string]any{"id": tom}); a.at("user", "firstName") != nil ||
		a.at("user", "username") != "tom" || a.at("user", "emails", 1) != nil || a.at("user", "grants", 1) != nil {
		t.Errorf("something of it was done: %s", a.text)
	}
	// What opens nothing can be changed of those above, as in GLPI.
	if a := w.mutate(clerk, "updateUser", "user { comment }", map[string]any{"id": boss, "comment": "out on Fridays"}); a.at("user", "comment") != "out on Fridays" {
		t.Errorf("a remark on somebody higher: %s", a.text)
	}
}

// Who has a profile in two companies is nobody's alone: an administrator of one could otherwise sign in to the other.
// A list that is too long is refused as a whole: mistakes told one by one would make a huge answer of a small request.
func TestAListThatIsTooLongIsOneMistake(t *testing.T) {
	w := newWorld(t)
	id := w.operator().person("lena", "Fleet viewer", "ACME")
	input := map[string]any{"id": id, "removeEmails": slices.Repeat([]string{""}, 10_000), "defaultEmail": "nobody@mail.test"}
	got := w.mutate(w.signIn("admin@acme.test"), "updateUser", "", input).codes()
	if !slices.Equal(got, []string{"BAD_USER_INPUT input.removeEmails"}) {
		t.Errorf("got %d mistakes: %.300v", len(got), got)
	}
}

func TestAPersonOfTwoCompaniesIsNotTakenOver(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	both := o.person("both", "Self-Service", "ACME", "Globex")
	for _, company := range []string{"acme", "globex"} {
		token := w.signIn("admin@" + company + ".test")
		for field, value := range map[string]any{"password": "mine now", "addEmails": []any{"x@" + company + ".test"}, "username": "mine"} {
			a := w.mutate(token, "updateUser", "user { id }", map[string]any{"id": both, field: value})
			if got := a.codes(); len(got) != 1 || got[0] != "FORBIDDEN input."+field {
				t.Errorf("%s: got %q", field, got)
			}
		}
		if a := w.mutate(token, "updateUser", "user { phone }", map[string]any{"id": both, "phone": "+33 1"}); a.at("user", "phone") != "+33 1" {
			t.Errorf("a harmless field: %s", a.text)
		}
	}
	if !w.canSignIn("both", "demo") {
		t.Error("the password is another one")
	}
}

// Who administers the whole GLPI is seen from every company, and GLPI lets anybody give them a profile there, which makes
// them changeable.
func TestTheRootsAdministratorIsNotTakenOver(t *testing.T) {
	w := newWorld(t) // without a service account: what protects is that no grant is in sight
	root := model.GlobalID("User", w.operator().idOf("User", "glpi"))
	token := w.signIn("admin@acme.test")
	for field, value := range map[string]any{
		"addGrants": []any{map[string]any{"profileId": model.GlobalID("Profile", 1)}}, "addEmails": []any{"mine@acme.test"}, "password": "mine now",
	} {
		a := w.mutate(token, "updateUser", "user { id }", map[string]any{"id": root, field: value})
		if got := a.codes(); !slices.Equal(got, []string{"FORBIDDEN input." + field}) {
			t.Errorf("%s: got %q", field, got)
		}
	}
	if !w.canSignIn("glpi", "glpi") {
		t.Error("the password is another one")
	}
}
