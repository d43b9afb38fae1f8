package graph_test

import (
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// GLPI leaves the open sessions alive of somebody whose password has changed, or who may not sign in any more.
func TestSessionsEndWithThePassword(t *testing.T) {
	type people struct {
		w          *world
		admin, own string // tokens
		id         string // of the person
	}
	for name, c := range map[string]struct {
		change   func(people) answer
		keepsOwn bool
	}{
		"an administrator sets it": {change: func(p people) answer {
			return p.w.must(p.admin, `mutation ($id: ID!) { updateUser(input: {id: $id, password: "Another-1"}) { userErrors { code } } }`, map[string]any{"id": p.id})
		}},
		"an administrator switches the account off": {change: func(p people) answer {
			return p.w.must(p.admin, `mutation ($id: ID!) { updateUser(input: {id: $id, isActive: false}) { userErrors { code } } }`, map[string]any{"id": p.id})
		}},
		"an administrator deletes the account": {change: func(p people) answer {
			return p.w.must(p.admin, `mutation ($id: ID!) { deleteUsers(input: {ids: [$id]}) { results { deleted userErrors { code } } } }`, map[string]any{"id": p.id})
		}},
		"an administrator changes the name": {keepsOwn: true, change: func(p people) answer {
			return p.w.must(p.admin, `mutation ($id: ID!) { updateUser(input: {id: $id, firstName: "Vic"}) { userErrors { code } } }`, map[string]any{"id": p.id})
		}},
		"the person changes it": {keepsOwn: true, change: func(p people) answer {
			return p.w.must(p.own, `mutation { updateMyProfile(input: {currentPassword: "demo", newPassword: "Another-1"}) { userErrors { code } } }`, nil)
		}},
		"the person lost it": {change: func(p people) answer {
			p.w.must("", requestReset, map[string]any{"email": "viewer@acme.test"})
			mail := p.w.glpi.Mails("viewer@acme.test")[0]
			return p.w.must("", resetToNew, map[string]any{"email": "viewer@acme.test", "token": mail.Token(), "password": "Another-1"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, glpi.Options{}, withService)
			p := people{w, w.signIn("admin@acme.test"), w.signIn("viewer@acme.test"), model.GlobalID("User", w.operator().idOf("User", "viewer@acme.test"))}
			elsewhere, bystander := w.signIn("viewer@acme.test"), w.signIn("viewer@globex.test")
			ask := `{ viewer { username } }`
			for _, token := range []string{p.own, elsewhere, bystander} {
				w.must(token, ask, nil)
			}
			a := c.change(p)
			lives := func(token string) bool { return w.ask(token, ask, nil).code() != "UNAUTHENTICATED" }
			if lives(p.own) != c.keepsOwn {
				t.Errorf("their own session lives: %v, after %s", !c.keepsOwn, a.text)
			}
			if wanted := name == "an administrator changes the name"; lives(elsewhere) != wanted {
				t.Errorf("their session elsewhere lives: %v, after %s", !wanted, a.text)
			}
			if !lives(p.admin) || !lives(bystander) {
				t.Error("somebody else's session was ended")
			}
		})
	}
}
