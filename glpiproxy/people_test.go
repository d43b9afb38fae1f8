package glpiproxy_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"fleetgate/glpiproxy"
)

func TestAddressesOfManyPeople(t *testing.T) {
	c := newCompany(t)
	ada := c.signIn("ada@acme.test", "demo")
	var ids []int
	for i := range 40 { // more than one search takes
		ids = append(ids, c.add("User", map[string]any{
			"name": fmt.Sprintf("user%d", i), "_profiles_id": 1, "_entities_id": c.acme,
			"_useremails": map[string]string{"-1": fmt.Sprintf("user%d@acme.test", i)},
		}))
	}
	c.add("UserEmail", map[string]any{"users_id": ids[0], "email": "new@acme.test", "is_default": 1})
	if err := glpiproxy.DeleteItem[glpiproxy.User](t.Context(), ada, ids[1]); err != nil { // into the trash, which is not searched
		t.Fatal(err)
	}
	foreign := c.add("User", map[string]any{
		"name": "theirs", "_profiles_id": 1, "_entities_id": c.globex, "_useremails": map[string]string{"-1": "theirs@globex.test"},
	})
	emails, err := glpiproxy.EmailsOf(t.Context(), ada, append(ids, foreign, 98765))
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		want := []string{fmt.Sprintf("user%d@acme.test true", i)}
		if i == 0 {
			want = []string{"new@acme.test true", "user0@acme.test false"}
		}
		var got []string
		for _, email := range emails[id] {
			got = append(got, fmt.Sprintf("%s %t", email.Email, email.Default))
		}
		if !slices.Equal(got, want) {
			t.Errorf("user %d has %q, want %q", i, got, want)
		}
	}
	if len(emails[foreign])+len(emails[98765]) != 0 {
		t.Errorf("another company's and nobody's: %v", emails)
	}
}

func TestGrantsOutOfSightAreNotShown(t *testing.T) {
	c := newCompany(t)
	both := c.add("User", map[string]any{"name": "both", "_profiles_id": 1, "_entities_id": c.acme})
	c.add("Profile_User", map[string]any{"users_id": both, "profiles_id": 2, "entities_id": c.globex})
	for username, entity := range map[string]int{"ada@acme.test": c.acme, "gus@globex.test": c.globex} {
		grants, err := glpiproxy.GrantsOf(t.Context(), c.signIn(username, "demo"), []int{both})
		if err != nil || len(grants[both]) != 1 || grants[both][0].EntityID != entity {
			t.Errorf("%s sees %+v, %v", username, grants, err)
		}
	}
}

func TestWhichProfilesAreWithinOnesOwn(t *testing.T) {
	c := newCompany(t)
	c.add("User", map[string]any{
		"name": "clerk", "password": "demo", "password2": "demo", "_profiles_id": 3, "_entities_id": c.acme,
	})
	profiles, err := glpiproxy.Profiles(t.Context(), c.client.Resume(c.root))
	if err != nil {
		t.Fatal(err)
	}
	for username, want := range map[string]map[string]bool{
		"ada@acme.test": {"Super-Admin": true, "Admin": true, "Self-Service": true},
		"clerk":         {"Super-Admin": false, "Admin": true, "Self-Service": true},
	} {
		scope, err := c.signIn(username, "demo").Scope(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, p := range profiles {
			if _, asked := want[p.Name]; asked {
				got[p.Name] = p.Within(scope)
			}
			if p.Rights = nil; p.Within(scope) != (p.ID == scope.Profile.ID) {
				t.Errorf("%s: %s without known rights", username, p.Name)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", username, got, want)
		}
	}
}

// GLPI says success and keeps the password of somebody with more rights; nothing in its answer tells.
func TestAPasswordThatWasKeptIsNoSuccess(t *testing.T) {
	c := newCompany(t)
	c.add("User", map[string]any{
		"name": "clerk", "password": "demo", "password2": "demo", "_profiles_id": 3, "_entities_id": c.acme,
	})
	below := c.add("User", map[string]any{"name": "below", "_profiles_id": 1, "_entities_id": c.acme})
	above := c.add("User", map[string]any{
		"name": "above", "password": "demo", "password2": "demo", "_profiles_id": 4, "_entities_id": c.acme,
	})
	clerk := c.signIn("clerk", "demo")
	if err := glpiproxy.SetPassword(t.Context(), clerk, above, "mine now"); glpiproxy.KindOf(err) != glpiproxy.Unchanged {
		t.Errorf("somebody above: %v", err)
	}
	c.signIn("above", "demo")
	for range 2 { // within a second of each other, and of the creation
		if err := glpiproxy.SetPassword(t.Context(), clerk, below, "another one"); err != nil {
			t.Errorf("somebody below: %v", err)
		}
	}
	c.signIn("below", "another one")
	if err := glpiproxy.SetPassword(t.Context(), clerk, 98765, "x"); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Errorf("nobody: %v", err)
	}
}
