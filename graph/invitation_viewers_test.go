package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// Two who work in the same company see live what the other one does to invitations, and what the invited do; one who may
// only look sees the same.
func TestTwoViewersSeeEachOthersInvitations(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	w.operator().person("bea", "Super-Admin", "ACME")
	ann, bea, victor := w.signIn("admin@acme.test"), w.signIn("bea"), w.signIn("viewer@acme.test")
	first := w.invite(ann, map[string]any{"email": "first@mail.test"}).at("results", 0, "invitation", "id")
	after := map[string]any{"after": w.invitationCursor(ann, first)}
	streams := map[string]func() (string, answer){
		"ann": w.subscribe(ann, invitationEvents, after), "bea": w.subscribe(bea, invitationEvents, after), "victor": w.subscribe(victor, invitationEvents, after),
	}
	see := func(kind, state string, id any) {
		t.Helper()
		for name, next := range streams {
			a := w.hears(next)
			shown := a.at("invitationEvents", "invitation", "state")
			if a.at("invitationEvents", "kind") != kind || a.at("invitationEvents", "invitationId") != id || shown != state && (state != "" || shown != nil) {
				t.Errorf("%s sees %s, want %s of %v, which is %s", name, a.text, kind, id, state)
			}
		}
	}
	made := w.invite(ann, map[string]any{"email": "second@mail.test"}).at("results", 0, "invitation", "id")
	see("CREATED", "PENDING", made)
	issued := w.must(bea, issueIt, map[string]any{"id": made})
	w.visit(issued.at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string))
	see("OPENED", "OPENED", made)
	for name, token := range map[string]string{"ann": ann, "bea": bea, "victor": victor} {
		if a := w.invitationOf(token, made); a.at("state") != "OPENED" || a.at("openedAt") == nil {
			t.Errorf("%s reads %s", name, a.text)
		}
	}
	w.mutate(bea, "deactivateInvitations", "results { id }", map[string]any{"invitationIds": []any{made}})
	see("DEACTIVATED", "DEACTIVATED", made)
	w.mutate(ann, "deleteInvitations", "results { id }", map[string]any{"invitationIds": []any{made}})
	see("DELETED", "", made)
}

// By no road does another company come to an invitation: not by its id, by a list, a filter, a search, a count, a slot, an
// event, a mutation, nor by what the answers to one of nothing differ in.
func TestNoRoadLeadsToAnotherCompanysInvitation(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	made := w.invite(acme, map[string]any{"email": "hidden@mail.test", "firstName": "Hidden", "lastName": "Person"})
	id := made.at("results", 0, "invitation", "id")
	user, entity := made.at("results", 0, "invitation", "user", "id"), made.at("results", 0, "invitation", "entity", "id")
	issued := w.must(acme, issueIt, map[string]any{"id": id})
	pin := issued.at("issueInvitationCredentials", "credentials", "pin").(string)
	nothing := model.GlobalID("Invitation", 98765)

	roads := map[string]string{
		"invitation":            `query ($id: ID!) { invitation(id: $id) { ` + invitationFields + ` } }`,
		"node":                  `query ($id: ID!) { node(id: $id) { id ... on Invitation { state user { username } } } }`,
		"nodes":                 `query ($id: ID!) { nodes(ids: [$id]) { id } }`,
		"credentials":           issueIt,
		"renewInvitation":       `mutation ($id: ID!) { renewInvitation(input: {invitationIds: [$id]}) { results { invitation { id } userErrors { code } } } }`,
		"deactivateInvitations": `mutation ($id: ID!) { deactivateInvitations(input: {invitationIds: [$id]}) { results { invitation { id } userErrors { code } } } }`,
		"deleteInvitations":     `mutation ($id: ID!) { deleteInvitations(input: {invitationIds: [$id]}) { results { deleted userErrors { code } } } }`,
	}
	for name, road := range roads {
		theirs, none := w.ask(globex, road, map[string]any{"id": id}), w.ask(globex, road, map[string]any{"id": nothing})
		if !strings.Contains(theirs.text, `"NOT_FOUND"`) || theirs.text != none.text {
			t.Errorf("%s: %s\none of nothing: %s", name, theirs.text, none.text)
		}
	}
	shown := `{ id user { username emails { address } } }`
	for name, road := range map[string]string{
		"all":       `{ invitations(first: 500) { nodes ` + shown + ` } }`,
		"by person": fmt.Sprintf(`{ invitations(filter: {userIds: ["%s"]}) { totalCount nodes `+shown+` } }`, user),
		"by entity": fmt.Sprintf(`{ invitations(filter: {entityIds: ["%s"]}) { totalCount nodes `+shown+` } }`, entity),
		"by search": `{ invitations(filter: {search: "hidden"}) { totalCount nodes ` + shown + ` } }`,
		"by state":  `{ invitations(first: 500, filter: {states: [PENDING]}) { nodes ` + shown + ` } }`,
		"slots":     `{ deviceSlots(first: 500) { nodes { id user { username } invitation { id } } } }`,
		"slots of":  fmt.Sprintf(`{ deviceSlots(filter: {entityIds: ["%s"]}) { totalCount nodes { invitation { id } } } }`, entity),
	} {
		a := w.ask(globex, road, nil)
		for _, mark := range []string{id.(string), "hidden", pin} {
			if strings.Contains(a.text, mark) {
				t.Errorf("%s shows %q", name, mark)
			}
		}
		if total := a.at("invitations", "totalCount"); total != nil && total != 0.0 {
			t.Errorf("%s counts %v", name, total)
		}
	}
	counts := `{ overview { invitationCount pendingInvitationCount } }`
	before := w.must(globex, counts, nil).text
	w.invite(acme, map[string]any{"email": "another@mail.test"})
	if after := w.must(globex, counts, nil).text; after != before {
		t.Errorf("counts: %s, then %s", before, after)
	}

	hers := w.invite(globex, map[string]any{"email": "hers@mail.test"}).at("results", 0, "invitation", "id")
	stream := w.subscribe(globex, invitationEvents, map[string]any{"after": w.invitationCursor(globex, hers)})
	w.visit(issued.at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string))
	w.mutate(acme, "deactivateInvitations", "results { id }", map[string]any{"invitationIds": []any{id}})
	w.mutate(globex, "deactivateInvitations", "results { id }", map[string]any{"invitationIds": []any{hers}})
	if a := w.hears(stream); a.at("invitationEvents", "invitationId") != hers {
		t.Errorf("the stream has %s", a.text)
	}
	status, gone := w.visit(issued.at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string))
	if _, none := w.visit(w.url + "/enroll/aaaaaaaaaaaaaaaa"); status != http.StatusNotFound || gone != none {
		t.Errorf("the page of an ended one: %d", status)
	}
	if state := w.invitationOf(acme, id).at("state"); state != "DEACTIVATED" {
		t.Errorf("it is %v", state)
	}
	if ids, _ := w.invitationsIn(acme, "", nil); !slices.Contains(ids, id) {
		t.Error("its own company does not see it")
	}
}
