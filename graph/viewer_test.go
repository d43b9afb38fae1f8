package graph_test

import (
	"maps"
	"testing"
)

const allRights = `{ viewer { rights { canReadAgents canUpdateAgents canLocate canWipe canUnenroll canDeleteAgents canReadInvitations canInvite
  canManageInvitations canReadFleets canManageFleets canReadPolicies canManageTasks canReadTaskStatuses canReadFiles canManageFiles
  canReadApplications canManageApplications canReadPositions canReadComputers canReadUsers canManageUsers canReadEntitySettings
  canUpdateEntitySettings } } }`

func TestRightsInWords(t *testing.T) {
	w := newWorld(t)
	reads := []string{
		"canReadAgents", "canReadInvitations", "canReadFleets", "canReadPolicies", "canReadTaskStatuses", "canReadFiles",
		"canReadApplications", "canReadPositions", "canReadComputers", "canReadUsers", "canReadEntitySettings",
	}
	all := append([]string{
		"canUpdateAgents", "canLocate", "canWipe", "canUnenroll", "canDeleteAgents", "canInvite", "canManageInvitations", "canManageFleets",
		"canManageTasks", "canManageFiles", "canManageApplications", "canManageUsers", "canUpdateEntitySettings",
	}, reads...)
	for username, held := range map[string][]string{
		"admin@acme.test": all, "admin@globex.test": all, "viewer@acme.test": reads, "viewer@globex.test": reads, "sally@acme.test": nil,
	} {
		want := map[string]any{}
		for _, right := range all {
			want[right] = false
		}
		for _, right := range held {
			want[right] = true
		}
		got := w.must(w.signIn(username), allRights, nil).at("viewer", "rights").(map[string]any)
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", username, got, want)
		}
	}
}

// What is asked below a sign-in is read by the one who has just signed in, whoever sent the request.
func TestWhatIsAskedBelowASignInIsTheirs(t *testing.T) {
	w := newWorld(t)
	const query = `mutation ($input: LoginInput!) { login(input: $input) { viewer {
		username user { username emails { address } title { name } } activeEntity { name } } userErrors { code } } }`
	for name, token := range map[string]string{"by nobody": "", "by another company's admin": w.signIn("admin@globex.test")} {
		a := w.must(token, query, map[string]any{"input": map[string]any{"username": "admin@acme.test", "password": "demo"}})
		if a.at("login", "viewer", "user", "username") != "admin@acme.test" || a.at("login", "viewer", "user", "emails", 0, "address") != "admin@acme.test" {
			t.Errorf("%s: got %s", name, a.text)
		}
	}
}
