package graph_test

import (
	"slices"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// capabilitiesOf are what a viewer is offered.
func capabilitiesOf(a answer, object string) []string {
	offered := []string{}
	list, _ := a.at(object, "capabilities").([]any)
	for _, capability := range list {
		offered = append(offered, capability.(string))
	}
	return offered
}

func TestWhatIsOffered(t *testing.T) {
	w := newWorld(t)
	a := w.must(w.signIn("viewer@acme.test"), `{ viewer { capabilities } gateway { capabilities } }`, nil)
	if got, want := capabilitiesOf(a, "viewer"), []string{"FLYVE_MDM", "FUSION_INVENTORY", "LIVE_EVENTS", "PASSWORD_RESET"}; !slices.Equal(got, want) {
		t.Errorf("the viewer is offered %q, want %q", got, want)
	}
	calls := w.callsOf(func() {
		a = w.must("", `{ gateway { capabilities } }`, nil)
	})
	if got, want := capabilitiesOf(a, "gateway"), []string{"LIVE_EVENTS", "PASSWORD_RESET"}; !slices.Equal(got, want) {
		t.Errorf("anybody is offered %q, want %q", got, want)
	}
	if len(calls) != 0 {
		t.Errorf("GLPI was asked again: %q", calls)
	}
}

// A GLPI without Flyve MDM serves what it has.
func TestAGLPIWithoutFlyveMDM(t *testing.T) {
	w := newWorldOf(t, glpi.Options{NoFlyve: true}, nil)
	a := w.must("", `mutation { login(input: {username: "glpi", password: "glpi"}) { token viewer { username } } }`, nil)
	token := a.at("login", "token").(string)
	a = w.ask(token, `{
	  viewer { username profile { name } activeEntity { name } entities { name } grantedEntities { name } rights { canReadUsers canReadAgents } capabilities }
	  users(first: 3) { totalCount nodes { username } }
	  overview { userCount agentCount fleetCount invitationCount pendingInvitationCount fileCount applicationCount }
	}`, nil)
	if a.at("viewer", "username") != "glpi" || a.at("users", "totalCount") == 0.0 || a.at("overview", "userCount") == nil ||
		a.at("viewer", "rights", "canReadUsers") != true || a.at("viewer", "rights", "canReadAgents") != false {
		t.Errorf("got %s", a.text)
	}
	if offered := capabilitiesOf(a, "viewer"); slices.Contains(offered, "FLYVE_MDM") || !slices.Contains(offered, "LIVE_EVENTS") {
		t.Errorf("offered %q", offered)
	}
	if len(a.Errors) != 6 {
		t.Errorf("want an error at each of the six counters that Flyve MDM brings: %s", a.text)
	}
	for _, e := range a.Errors {
		if e.Extensions["code"] != "CAPABILITY_MISSING" || len(e.Path) != 2 || e.Path[0] != "overview" {
			t.Errorf("got %v at %v", e.Extensions, e.Path)
		}
	}
	for query, typename := range map[string]string{
		`{ agents { totalCount } }`: "", `{ fleets { totalCount } }`: "", `{ invitations { totalCount } }`: "",
		`{ policies { id } }`: "", `{ policyCategories { id } }`: "", `{ files { totalCount } }`: "",
		`{ applications { totalCount } }`: "", `{ wellKnownPaths { id } }`: "",
		`query ($id: ID!) { agent(id: $id) { id } }`: "Agent", `query ($id: ID!) { fleet(id: $id) { id } }`: "Fleet",
		`query ($id: ID!) { invitation(id: $id) { id } }`: "Invitation", `query ($id: ID!) { node(id: $id) { id } }`: "Fleet",
	} {
		variables := map[string]any{}
		if typename != "" {
			variables["id"] = model.GlobalID(typename, 1)
		}
		if a := w.ask(token, query, variables); a.code() != "CAPABILITY_MISSING" || len(a.Errors[0].Path) != 1 {
			t.Errorf("%s: %s", query, a.text)
		}
	}
	if kind, a := w.subscribe(token, `subscription { deviceEvents { at } }`, nil)(); kind != "error" || a.code() != "CAPABILITY_MISSING" {
		t.Errorf("events: %s %s", kind, a.text)
	}
}
