package graph_test

import (
	"slices"
	"strconv"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

func TestDeletingPeople(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	token := w.signIn("admin@acme.test")
	fields := "results { id deleted deletedInvitationIds userErrors { code field } }"
	anna, bob := o.person("anna", "Self-Service", "ACME Paris"), o.person("bob", "Self-Service", "ACME")
	a := w.mutate(token, "deleteUsers", fields, map[string]any{"ids": []any{anna, bob}})
	for i := range 2 {
		if a.at("results", i, "deleted") != true || len(a.at("results", i, "userErrors").([]any)) != 0 {
			t.Errorf("into the trash: %s", a.text)
		}
	}
	if _, listed := w.peopleOf(token, "", "id")["anna"]; listed || w.canSignIn("anna", "demo") {
		t.Error("anna is still there")
	}
	if a := w.must(token, `query ($id: ID!) { user(id: $id) { isDeleted emails { address } } }`, map[string]any{"id": anna}); a.at("user", "isDeleted") != true || a.at("user", "emails", 0, "address") != "anna@mail.test" {
		t.Errorf("in the trash: %s", a.text)
	}
	if a := w.mutate(token, "deleteUsers", fields, map[string]any{"ids": []any{anna}, "purge": true}); a.at("results", 0, "deleted") != true {
		t.Errorf("out of the trash: %s", a.text)
	}
	if a := w.ask(token, `query ($id: ID!) { user(id: $id) { id } }`, map[string]any{"id": anna}); a.code() != "NOT_FOUND" {
		t.Errorf("after the purge: %s", a.text)
	}

	invited := w.must(token, `{ invitations(first: 500) { nodes { id state user { id } } } }`, nil)
	byUser := map[any][]any{}
	for _, node := range invited.at("invitations", "nodes").([]any) {
		n := answer{Data: node.(map[string]any)}
		byUser[n.at("user", "id")] = append(byUser[n.at("user", "id")], n.at("id"))
	}
	for user, invitations := range byUser {
		a := w.mutate(token, "deleteUsers", fields, map[string]any{"ids": []any{user}, "purge": true})
		if got := a.at("results", 0, "deletedInvitationIds"); len(got.([]any)) != len(invitations) || got.([]any)[0] != invitations[0] {
			t.Errorf("invitations %v were deleted, the answer tells %s", invitations, a.text)
		}
		if left := w.ask(token, `query ($id: ID!) { invitation(id: $id) { id } }`, map[string]any{"id": invitations[0]}); left.code() != "NOT_FOUND" {
			t.Errorf("the invitation is still there: %s", left.text)
		}
		break
	}
}

func TestWhoCanNotBeDeleted(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	token := w.signIn("admin@acme.test")
	o.person("clerk", "Admin", "ACME")
	tom, boss, theirs := o.person("tom", "Self-Service", "ACME"), o.person("boss", "Super-Admin", "ACME"), o.person("theirs", "Self-Service", "Globex")
	both := o.person("both", "Self-Service", "ACME", "Globex")
	machine := model.GlobalID("User", w.machineOf(o, w.demo.Devices[0].AgentID))
	me := w.must(token, `{ viewer { user { id } } }`, nil).at("viewer", "user", "id")
	fields := "results { id deleted userErrors { code field } }"
	for _, purge := range []bool{false, true} {
		a := w.mutate(token, "deleteUsers", fields, map[string]any{
			"ids":   []any{me, theirs, model.GlobalID("User", 98765), machine, "x", both, model.GlobalID("User", o.idOf("User", "fleetgate-service")), tom, tom},
			"purge": purge,
		})
		want := []string{"FORBIDDEN", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "BAD_USER_INPUT", "FORBIDDEN", "FORBIDDEN", "", "BAD_USER_INPUT"}
		for i, code := range want { // the second time tom is deleted out of the trash
			got, _ := a.at("results", i, "userErrors", 0, "code").(string)
			if got != code || a.at("results", i, "deleted") != (code == "") {
				t.Errorf("purge %t, number %d: %v", purge, i, a.at("results", i))
			}
		}
	}
	for name, c := range map[string]struct {
		token string
		ids   []any
		want  string
	}{
		"nobody":                     {token, []any{}, "BAD_USER_INPUT input.ids"},
		"too many":                   {token, slices.Repeat([]any{boss}, 501), "BAD_USER_INPUT input.ids"},
		"by a viewer":                {w.signIn("viewer@acme.test"), []any{boss}, "FORBIDDEN "},
		"by somebody without rights": {w.signIn("sally@acme.test"), []any{boss}, "FORBIDDEN "},
	} {
		if a := w.mutate(c.token, "deleteUsers", fields, map[string]any{"ids": c.ids}); !slices.Equal(a.codes(), []string{c.want}) {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	if a := w.mutate(w.signIn("clerk"), "deleteUsers", fields, map[string]any{"ids": []any{boss}}); a.at("results", 0, "userErrors", 0, "code") != "FORBIDDEN" {
		t.Errorf("somebody with more rights: %s", a.text)
	}
}

// machineOf is the id of the account of a device.
func (w *world) machineOf(o *operator, agentID int) int {
	var agent struct {
		User int `json:"users_id"`
	}
	o.call("GET", "/PluginFlyvemdmAgent/"+strconv.Itoa(agentID), nil, &agent)
	return agent.User
}
