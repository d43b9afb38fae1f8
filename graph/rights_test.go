package graph_test

import (
	"slices"
	"strings"
	"testing"
)

// alreadyTheirs are mutations that need no right in GLPI: they are about oneself.
var alreadyTheirs = []string{"login", "loginWithUserToken", "logout", "switchProfile", "switchEntity", "updateMyProfile",
	"requestPasswordReset", "resetPassword", "createSignupCaptcha", "createAccount", "validateAccount"}

// Whoever may only look is told so by every mutation, and so is whoever may nothing; GLPI is not asked to write.
func TestWithoutRightsNothingIsChanged(t *testing.T) {
	w := newWorld(t)
	parsed := loadSchema(t)
	own := w.objectsOf("admin@acme.test")
	before := w.rowsOf(own)
	all := attempts(t, parsed, own, own)
	for _, name := range []string{"viewer@acme.test", "sally@acme.test"} {
		token := w.signIn(name)
		for _, a := range all {
			if slices.Contains(alreadyTheirs, a.mutation) {
				continue
			}
			t.Run(name+": "+a.mutation+"/"+a.path, func(t *testing.T) {
				var got answer
				calls := w.callsOf(func() { got, _ = w.run(token, parsed, a, own[a.typename], own[a.typename]) })
				if !strings.Contains(got.text, `"FORBIDDEN"`) {
					t.Errorf("got %s, want FORBIDDEN", got.text)
				}
				if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
					t.Errorf("GLPI was asked to write: %q", calls)
				}
			})
		}
	}
	if after := w.rowsOf(own); after != before {
		t.Errorf("the rows were\n%s\nand are\n%s", before, after)
	}
}

// Whoever may nothing is told so by every field, never with an accident, and learns nothing from it.
func TestWithoutRightsNothingIsShown(t *testing.T) {
	w := newWorld(t)
	parsed := loadSchema(t)
	token, serials := w.signIn("sally@acme.test"), w.devicesOf(w.signIn("admin@acme.test"))
	asked, refused := 0, 0
	(&crawler{parsed, func(query string) {
		a := w.ask(token, query, nil)
		asked++
		switch a.code() {
		case "FORBIDDEN":
			refused++
		case "", "NOT_FOUND", "CAPABILITY_MISSING":
		default:
			t.Errorf("%s: %.300s", query, a.text)
		}
		for serial := range serials {
			if strings.Contains(a.text, serial) {
				t.Errorf("%s shows %q", query, serial)
			}
		}
	}}).crawl(parsed.Query, "{ % }", nil)
	if asked < 100 || refused < asked/2 {
		t.Errorf("%d queries, %d refused", asked, refused)
	}
}
