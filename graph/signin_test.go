package graph_test

import (
	"strings"
	"testing"
)

func TestSigningInAndOut(t *testing.T) {
	w := newWorld(t)
	for _, login := range []string{"admin@acme.test", "admin@globex.test", "viewer@acme.test", "sally@acme.test"} {
		for how, c := range map[string]struct {
			mutation string
			input    map[string]any
		}{
			"login":              {"login", map[string]any{"username": login, "password": "demo"}},
			"loginWithUserToken": {"loginWithUserToken", map[string]any{"userToken": w.glpi.AccountToken(login)}},
		} {
			a := w.mutate("", c.mutation, "token viewer { username sessionExpiresAt }", c.input)
			token, _ := a.at("token").(string)
			if token == "" || a.at("viewer", "username") != login || a.at("viewer", "sessionExpiresAt") == nil || len(a.codes()) > 0 {
				t.Errorf("%s as %s: %s", how, login, a.text)
				continue
			}
			if out := w.must(token, `mutation { logout { ended userErrors { code } } }`, nil); out.at("logout", "ended") != true {
				t.Errorf("%s: logout: %s", login, out.text)
			}
			if after := w.ask(token, `{ viewer { username } }`, nil); after.code() != "UNAUTHENTICATED" {
				t.Errorf("%s: after logout: %s", login, after.text)
			}
		}
	}
}

func TestWhoCanNotSignIn(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 1025)
	for name, c := range map[string]struct {
		mutation string
		input    map[string]any
		want     string // code and field
	}{
		"a wrong password":       {"login", map[string]any{"username": "admin@acme.test", "password": "no"}, "UNAUTHENTICATED "},
		"nobody":                 {"login", map[string]any{"username": "nobody@acme.test", "password": "demo"}, "UNAUTHENTICATED "},
		"no name":                {"login", map[string]any{"username": "", "password": "demo"}, "BAD_USER_INPUT input.username"},
		"no password":            {"login", map[string]any{"username": "admin@acme.test", "password": ""}, "BAD_USER_INPUT input.password"},
		"an endless password":    {"login", map[string]any{"username": "admin@acme.test", "password": long}, "BAD_USER_INPUT input.password"},
		"a token of nobody":      {"loginWithUserToken", map[string]any{"userToken": "0123456789"}, "UNAUTHENTICATED "},
		"an empty token":         {"loginWithUserToken", map[string]any{"userToken": ""}, "BAD_USER_INPUT input.userToken"},
		"a password for a token": {"loginWithUserToken", map[string]any{"userToken": "demo"}, "UNAUTHENTICATED "},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.mutate("", c.mutation, "token viewer { username }", c.input)
			if got := a.codes(); len(got) != 1 || got[0] != c.want || a.at("token") != nil || a.at("viewer") != nil {
				t.Errorf("got %s, want %s", a.text, c.want)
			}
		})
	}
	if a := w.ask("", `mutation { logout { ended } }`, nil); a.code() != "UNAUTHENTICATED" {
		t.Errorf("logout of nobody: %s", a.text)
	}
}
