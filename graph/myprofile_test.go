package graph_test

import (
	"slices"
	"strings"
	"testing"

	"fleetgate/internal/sim/glpi"
)

const detailsFields = `personalDetails { username firstName lastName phone phone2 mobile language }`

func TestOnesOwnProfile(t *testing.T) {
	for _, c := range []struct {
		username string
		world    func(*testing.T) *world
	}{
		{"admin@acme.test", func(t *testing.T) *world { return newWorld(t) }}, // with one's own rights
		{"admin@globex.test", func(t *testing.T) *world { return newWorld(t) }},
		{"viewer@acme.test", func(t *testing.T) *world { return newWorldOf(t, glpi.Options{}, withService) }}, // may read users
		{"sally@acme.test", func(t *testing.T) *world { return newWorldOf(t, glpi.Options{}, withService) }},  // may not
	} {
		t.Run(c.username, func(t *testing.T) {
			w := c.world(t)
			token := w.signIn(c.username)
			before := w.must(token, `{ viewer { `+detailsFields+` } }`, nil)
			if before.at("viewer", "personalDetails", "username") != c.username {
				t.Fatalf("got %s", before.text)
			}
			a := w.mutate(token, "updateMyProfile", detailsFields, map[string]any{
				"firstName": "Ann", "lastName": "O'Brien", "phone": "+33 1 22", "phone2": "", "mobile": "+49 151", "language": "de_DE",
				"currentPassword": "demo", "newPassword": "a new one",
			})
			if len(a.codes()) > 0 {
				t.Fatal(a.text)
			}
			for field, want := range map[string]any{"firstName": "Ann", "lastName": "O'Brien", "phone": "+33 1 22", "phone2": nil, "mobile": "+49 151", "language": "de_DE"} {
				if got := a.at("personalDetails", field); got != want {
					t.Errorf("%s is %v, want %v", field, got, want)
				}
			}
			if !w.canSignIn(c.username, "a new one") || w.canSignIn(c.username, "demo") {
				t.Error("the password is not the new one")
			}
			for _, secret := range []string{"a new one", w.demo.ServiceToken} {
				if strings.Contains(w.log.String(), secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
		})
	}
}

func TestWhatCanNotBeChangedOfOneself(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	w.operator().person("ann", "Self-Service", "ACME")
	token := w.signIn("ann")
	w.glpi.SetConfig("core", "use_password_security", "1")
	for name, c := range map[string]struct {
		input map[string]any
		want  string
	}{
		"a password without the current one": {map[string]any{"newPassword": "Long3nough!"}, "BAD_USER_INPUT input.currentPassword"},
		"with a wrong one":                   {map[string]any{"newPassword": "Long3nough!", "currentPassword": "guess"}, "UNAUTHENTICATED input.currentPassword"},
		"a weak password":                    {map[string]any{"newPassword": "x", "currentPassword": "demo", "firstName": "Saved?"}, "BAD_USER_INPUT input.newPassword"},
		"no language":                        {map[string]any{"language": "German"}, "BAD_USER_INPUT input.language"},
		"too long a name":                    {map[string]any{"firstName": strings.Repeat("x", 300)}, "BAD_USER_INPUT input.firstName"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.mutate(token, "updateMyProfile", detailsFields, c.input)
			if !slices.Equal(a.codes(), []string{c.want}) || a.at("personalDetails", "firstName") != nil {
				t.Errorf("got %s, want %s", a.text, c.want)
			}
		})
	}
	// Whose session was left open can't have the password guessed.
	var last answer
	for range 11 {
		last = w.mutate(token, "updateMyProfile", detailsFields, map[string]any{"newPassword": "Long3nough!", "currentPassword": "guess"})
	}
	if !slices.Equal(last.codes(), []string{"RATE_LIMITED "}) {
		t.Errorf("after many wrong guesses: %s", last.text)
	}
}

func TestWhoHasNoProfileOfTheirOwn(t *testing.T) {
	w := newWorld(t) // without a service account
	for _, username := range []string{"sally@acme.test", "viewer@acme.test"} {
		a := w.mutate(w.signIn(username), "updateMyProfile", detailsFields, map[string]any{"firstName": "x"})
		if !slices.Equal(a.codes(), []string{"FORBIDDEN "}) || a.at("personalDetails") != nil {
			t.Errorf("%s: %s", username, a.text)
		}
	}
	if a := w.ask("", `mutation { updateMyProfile(input: {firstName: "x"}) { userErrors { code } } }`, nil); a.code() != "UNAUTHENTICATED" {
		t.Errorf("nobody: %s", a.text)
	}

	w = newWorldOf(t, glpi.Options{}, withService)
	token := w.must("", `mutation ($t: String!) { loginWithUserToken(input: {userToken: $t}) { token } }`,
		map[string]any{"t": w.demo.Devices[0].APIToken}).at("loginWithUserToken", "token").(string)
	a := w.mutate(token, "updateMyProfile", detailsFields, map[string]any{"firstName": "x"})
	if !slices.Equal(a.codes(), []string{"FORBIDDEN "}) {
		t.Errorf("the account of a device: %s", a.text)
	}
}
