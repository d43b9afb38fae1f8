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

// These tests try what GLPI and Flyve MDM let somebody do to a person by inviting them. Each begins by showing that the
// backend has the hole.

// status is what GLPI answers to a GET that may be refused.
func (o *operator) status(path string) int {
	o.w.t.Helper()
	request, err := http.NewRequestWithContext(o.w.t.Context(), http.MethodGet, o.w.rest+path, nil)
	if err != nil {
		o.w.t.Fatal(err)
	}
	return restSession{w: o.w, token: o.session}.send(request, nil)
}

// victim makes a person of Globex who may do everything there.
func (o *operator) victim(name string) (globalID string, id int) {
	o.w.t.Helper()
	globalID = o.person(name, "Super-Admin", "Globex")
	_, id, err := model.ParseGlobalID(globalID)
	if err != nil {
		o.w.t.Fatal(err)
	}
	return globalID, id
}

// In GLPI whoever may invite may invite anybody who has an address, then reads them, and with them the token that signs
// in as them. Through the gateway nobody out of sight is invited, by their id or by their address.
func TestAnInvitationIsNoWayIntoAnAccount(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	_, lost := o.victim("lost")
	direct := o.as("admin@acme.test")
	if status := direct.status(fmt.Sprint("/User/", lost)); status == http.StatusOK {
		t.Fatal("the victim is in sight from the start")
	}
	direct.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": lost, "entities_id": o.idOf("Entity", "ACME")}, nil)
	var taken struct {
		Token string `json:"api_token"`
	}
	direct.call(http.MethodGet, fmt.Sprint("/User/", lost), nil, &taken)
	if taken.Token == "" || direct.status(fmt.Sprint("/User/", lost)) != http.StatusOK {
		t.Fatal("the hole is not there: the token is not shown")
	}

	safe, safeID := o.victim("safe")
	before := w.personInGLPI(safeID)
	admin := w.signIn("admin@acme.test")
	hers := w.invite(w.signIn("admin@globex.test"), map[string]any{"userId": safe}).at("results", 0, "invitation", "id")
	between := w.personInGLPI(safeID)
	if hers == nil || between == before {
		t.Fatal("her own company can't invite the victim")
	}
	for name, who := range map[string]map[string]any{
		"by id": {"userId": safe}, "by address": {"email": "safe@mail.test"}, "by address in capitals": {"email": "SAFE@MAIL.TEST"},
		"by a pattern": {"email": "s_fe@mail.test"}, "by another pattern": {"email": "saf%@mail.test"},
		"a device's account": {"userId": model.GlobalID("User", o.machine())},
	} {
		a := w.invite(admin, who)
		if invited := a.at("results", 0, "invitation", "user", "id"); invited == who["userId"] && invited != nil || invited == safe {
			t.Errorf("%s: invited: %s", name, a.text)
		}
		if who["userId"] != nil && !slices.Equal(a.resultCodes(0), []string{"NOT_FOUND input.invitees.0.userId"}) {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	for _, mutation := range []string{"renewInvitation", "deactivateInvitations", "deleteInvitations"} {
		a := w.mutate(admin, mutation, "results { userErrors { code message field } }", map[string]any{"invitationIds": []any{hers}})
		if !slices.Equal(a.resultCodes(0), []string{"NOT_FOUND input.invitationIds.0"}) {
			t.Errorf("%s of her own invitation: %s", mutation, a.text)
		}
	}
	if after := w.personInGLPI(safeID); after != between {
		t.Errorf("the victim was\n%s\nand is\n%s", between, after)
	}
	if status := o.as("admin@acme.test").status(fmt.Sprint("/User/", safeID)); status == http.StatusOK {
		t.Error("the victim is in ACME's sight")
	}
}

// personInGLPI is all that an invitation may change of somebody: their row, profiles and addresses.
func (w *world) personInGLPI(id int) string {
	w.t.Helper()
	var text strings.Builder
	for _, path := range []string{"/User/%d", "/User/%d/Profile_User", "/User/%d/UserEmail", "/PluginFlyvemdmInvitation?searchText[users_id]=^%d$&range=0-99"} {
		var rows any
		w.operator().call(http.MethodGet, fmt.Sprintf(path, id), nil, &rows)
		fmt.Fprintln(&text, rows)
	}
	return text.String()
}

// machine is the account of one of the devices.
func (o *operator) machine() int {
	o.w.t.Helper()
	var users []struct {
		ID   int
		Name string
	}
	o.call(http.MethodGet, "/User?range=0-999", nil, &users)
	for _, user := range users {
		if strings.HasPrefix(user.Name, "flyvemdm-") {
			return user.ID
		}
	}
	o.w.t.Fatal("no device has an account")
	return 0
}

// GLPI makes a guest of everybody who is invited, and who has chosen no profile signs in as one from then on. Through the
// gateway everybody keeps the profile that they had.
func TestAnInvitationLeavesTheProfileAlone(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	_, lost := o.victim("lost")
	o.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": lost, "entities_id": o.idOf("Entity", "Globex")}, nil)
	if got := w.profileAtSignIn("lost"); !strings.Contains(got, "guest") {
		t.Fatalf("the hole is not there: the profile is %s", got)
	}

	many := o.person("many", "Self-Service", "ACME")
	o.grant("many", "Super-Admin", "ACME", 1)
	chosen := o.person("chosen", "Super-Admin", "ACME")
	o.grant("chosen", "Self-Service", "ACME", 1)
	_, id, _ := model.ParseGlobalID(chosen)
	o.call(http.MethodPut, fmt.Sprint("/User/", id), map[string]any{"profiles_id": o.idOf("Profile", "Self-Service")}, nil)
	people := map[string]string{"one": o.person("one", "Super-Admin", "ACME"), "many": many, "chosen": chosen}
	before := map[string]string{}
	var invitees []map[string]any
	for name, person := range people {
		before[name] = w.profileAtSignIn(name)
		invitees = append(invitees, map[string]any{"userId": person})
	}
	admin := w.signIn("admin@acme.test")
	for range 2 { // the second time they are guests already
		if a := w.invite(admin, invitees...); len(a.resultCodes(0))+len(a.resultCodes(1))+len(a.resultCodes(2)) > 0 {
			t.Fatal(a.text)
		}
		for name := range people {
			if after := w.profileAtSignIn(name); after != before[name] {
				t.Errorf("%s had %s and has %s", name, before[name], after)
			}
		}
	}
}

// profileAtSignIn is the profile that GLPI gives somebody who signs in.
func (w *world) profileAtSignIn(username string) string {
	w.t.Helper()
	var session struct {
		Session struct {
			Profile struct{ Name string } `json:"glpiactiveprofile"`
		}
	}
	w.operator().as(username).call(http.MethodGet, "/getFullSession", nil, &session)
	return session.Session.Profile.Name
}
