package graph_test

import (
	"slices"
	"testing"
	"time"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// chained invites somebody of ACME for several devices, where no invitation can be armed again: for each there is one.
func (w *world) chained(token, email string, devices int) (ids []any, result answer) {
	w.t.Helper()
	a := w.mutate(token, "inviteUsers", `results { behindIds `+inviteResults[len("results {"):], map[string]any{
		"invitees": []any{map[string]any{"email": email, "slots": devices}}, "message": "For all of them",
	})
	if len(a.codes())+len(a.resultCodes(0)) > 0 {
		w.t.Fatalf("not invited: %s", a.text)
	}
	ids = append([]any{a.at("results", 0, "invitation", "id")}, a.at("results", 0, "behindIds").([]any)...)
	for _, id := range ids {
		if got := w.invitationOf(token, id); len(ids) != devices || got.at("state") != "PENDING" || got.at("devicesLeft") != 1.0 {
			w.t.Fatalf("%d invitations, one of them %s", len(ids), got.text)
		}
	}
	return ids, a
}

// credentialsOf are the credentials of an invitation; nil where it can't be used.
func (w *world) credentialsOf(token string, id any) map[string]any {
	w.t.Helper()
	got, _ := w.must(token, issueIt, map[string]any{"id": id}).at("issueInvitationCredentials", "credentials").(map[string]any)
	return got
}

// redeemed is the deeplink behind an address and a PIN; nil: none.
func (w *world) redeemed(email string, pin any) any {
	w.t.Helper()
	return w.must("", redeemIt, map[string]any{"email": email, "pin": pin}).at("redeemPin", "deeplink")
}

// chainWorlds are worlds in which nobody may arm an invitation again; serve begins their gateway anew.
func chainWorlds() map[string]func(t *testing.T) (w *world, serve func()) {
	may := map[string]glpi.Rights{"flyvemdm:invitation": glpi.Standard}
	mayNot := map[string]glpi.Rights{"flyvemdm:invitation": glpi.Standard &^ glpi.Update}
	return map[string]func(t *testing.T) (*world, func()){
		"without a service account": func(t *testing.T) (*world, func()) {
			w := newPhoneShop(t, func(_ *world, s *settings.Gateway) { s.DataDir = t.TempDir() })
			return w, w.restart
		},
		"with one that may not change invitations": func(t *testing.T) (*world, func()) {
			w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
				withService(w, s)
				s.DataDir = t.TempDir()
				w.glpi.Grant("Super-Admin", mayNot) // sessions that are open keep it
			})
			w.glpi.Grant("Super-Admin", may)
			return w, func() {
				w.glpi.Grant("Super-Admin", mayNot)
				w.restart()
				w.glpi.Grant("Super-Admin", may)
			}
		},
	}
}

// Two phones follow each other by the same link and the same PIN, with a restart between any two steps.
func TestDevicesFollowEachOtherBehindOneLink(t *testing.T) {
	for name, open := range chainWorlds() {
		t.Run(name, func(t *testing.T) {
			const email = "tom@acme.test"
			w, restart := open(t)
			token := w.signIn("admin@acme.test")
			older, _ := w.chained(token, email, 3)
			mails := len(w.glpi.Mails(email))
			ids, invited := w.chained(token, email, 2)
			if got := len(w.glpi.Mails(email)) - mails; got != 2 {
				t.Errorf("%d mails", got)
			}
			ended := invited.at("results", 0, "supersededIds").([]any)
			for _, id := range older {
				if !slices.Contains(ended, id) || w.invitationOf(token, id).at("state") != "DEACTIVATED" || len(ended) != 3 {
					t.Errorf("of the older ones %v ended, not %v", ended, id)
				}
			}
			first := w.credentialsOf(token, ids[0])
			if second := w.credentialsOf(token, ids[1]); second["pin"] != first["pin"] || second["deeplink"] != first["deeplink"] {
				t.Error("the second one has other credentials")
			}
			seen := map[any]bool{}
			for _, serial := range []string{"SN-1", "SN-2"} {
				restart()
				link, _ := w.redeemed(email, first["pin"]).(string)
				again := w.credentialsOf(token, ids[0])
				if link == "" || seen[link] || again["deeplink"] != link || again["pin"] != first["pin"] || again["enrollmentUrl"] == nil {
					t.Fatalf("%s: the PIN leads to the same deeplink or to none", serial)
				}
				seen[link] = true
				restart()
				if a := w.must("", enrollQuery, application(link, email, serial, nil)); a.at("enroll", "agent") == nil {
					t.Fatalf("%s: not enrolled: %s", serial, a.text)
				}
			}
			if w.redeemed(email, first["pin"]) != nil || w.credentialsOf(token, ids[1]) != nil {
				t.Error("a third device may follow")
			}
		})
	}
}

// What somebody does to an invitation is done to those behind it, and to no other.
func TestThoseBehindAnInvitationShareItsFate(t *testing.T) {
	for name, open := range chainWorlds() {
		t.Run(name, func(t *testing.T) {
			const email = "tom@acme.test"
			w, _ := open(t)
			token := w.signIn("admin@acme.test")
			other, _ := w.chained(token, "ann@acme.test", 2)
			ids, _ := w.chained(token, email, 3)
			pin := w.credentialsOf(token, ids[0])["pin"]
			mails := len(w.glpi.Mails(email))
			until := time.Now().Add(40 * 24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
			w.mutate(token, "renewInvitation", "userErrors { code message field }", map[string]any{"invitationId": ids[0], "expiresAt": until})
			for _, id := range ids {
				if got := w.invitationOf(token, id).at("expiresAt"); got != until {
					t.Errorf("%v holds until %v", id, got)
				}
			}
			if got := len(w.glpi.Mails(email)) - mails; got != 3 {
				t.Errorf("renewing sent %d mails", got)
			}
			results := "results { id userErrors { code message field } }"
			front := w.redeemed(email, pin)
			w.mutate(token, "deactivateInvitations", results, map[string]any{"invitationIds": ids[2:]})
			if w.redeemed(email, pin) != front || front == nil {
				t.Error("without the last one the PIN leads elsewhere")
			}
			w.mutate(token, "deactivateInvitations", results, map[string]any{"invitationIds": ids[:1]})
			for _, id := range ids {
				if got := w.invitationOf(token, id).at("state"); got != "DEACTIVATED" {
					t.Errorf("%v is %v", id, got)
				}
			}
			if w.redeemed(email, pin) != nil {
				t.Error("the PIN still leads somewhere")
			}
			a := w.mutate(token, "deleteInvitations", results, map[string]any{"invitationIds": other[:1]})
			for _, id := range other {
				if got := w.invitationOf(token, id); got.code() != "NOT_FOUND" {
					t.Errorf("%v is there after %s", id, a.text)
				}
			}
		})
	}
}

// A device that enrols past the gateway uses the front of a chain up too: GLPI is asked.
func TestAChainGoesOnPastTheGateway(t *testing.T) {
	w, _ := chainWorlds()["with one that may not change invitations"](t)
	token := w.signIn("admin@acme.test")
	ids, _ := w.chained(token, "tom@acme.test", 2)
	credentials := w.credentialsOf(token, ids[0])
	number := int(w.invitationOf(token, ids[0]).at("databaseId").(float64))
	w.operator().change(number, map[string]any{"status": "done", "expiration_date": "NULL"})
	if link := w.redeemed("tom@acme.test", credentials["pin"]); link == nil || link == credentials["deeplink"] {
		t.Error("the PIN does not lead to the next one")
	}
}
