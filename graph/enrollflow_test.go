package graph_test

import (
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
	"fleetgate/internal/settings"
	"fleetgate/internal/store"
)

const issueQuery = `mutation ($id: ID!) { issueInvitationCredentials(input: {invitationId: $id}) {
	credentials { deeplink enrollmentUrl pin qrCodePng expiresAt } userErrors { code field } } }`

// From an e-mail address to a phone online: by the QR code, and by the PIN, with a restart in between. Two companies look
// on, and only the right one sees anything.
func TestFromAnAddressToAPhoneOnline(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
	})
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	for _, c := range []struct {
		way, email, serial string
		link               func(credentials answer, email string) string // as the phone gets it
	}{
		{"QR code", "quinn@acme.test", "SN-QR", func(a answer, _ string) string { return scan(t, a.at("qrCodePng").(string)) }},
		{"PIN", "pia@acme.test", "SN-PIN", func(a answer, email string) string {
			redeemed := w.must("", `mutation ($email: EmailAddress!, $pin: String!) { redeemPin(input: {email: $email, pin: $pin}) { deeplink userErrors { code } } }`,
				map[string]any{"email": email, "pin": a.at("pin")})
			text, _ := redeemed.at("redeemPin", "deeplink").(string)
			return text
		}},
	} {
		t.Run(c.way, func(t *testing.T) {
			id, _ := w.invited(c.email)
			global := map[string]any{"id": model.GlobalID("Invitation", id)}
			if a := w.must(globex, issueQuery, global); a.at("issueInvitationCredentials", "userErrors", 0, "code") != "NOT_FOUND" {
				t.Errorf("another company gets %s", a.text)
			}
			issued := w.must(acme, issueQuery, global)
			credentials, _ := issued.at("issueInvitationCredentials", "credentials").(map[string]any)
			if credentials == nil {
				t.Fatalf("no credentials: %s", issued.text)
			}
			w.restart()
			link := c.link(answer{Data: credentials}, c.email)
			if link != credentials["deeplink"] {
				t.Fatalf("the phone reads a link of %d characters, not the one that was issued", len(link))
			}
			a := w.must("", enrollQuery, application(link, c.email, c.serial, nil))
			if a.at("enroll", "agent") == nil {
				t.Fatalf("not enrolled: %s", a.text)
			}
			w.restart()
			w.switchOn(a)
			w.becomes(acme, a.at("enroll", "agent", "agentId"), "ONLINE")
			all := map[string]any{"first": 500}
			if slot := slotOf(w.must(acme, slotsQuery, all), id); slot == nil || slot["agent"] == nil {
				t.Errorf("the invitation did not become a device: %v", slot)
			}
			if slot := slotOf(w.must(globex, slotsQuery, all), id); slot != nil {
				t.Errorf("another company sees %v", slot)
			}
			if a := w.must(acme, issueQuery, global); a.at("issueInvitationCredentials", "credentials") != nil {
				t.Errorf("a used invitation gets credentials: %s", a.text)
			}
			again := w.must("", enrollQuery, application(link, c.email, "SN-SECOND", nil))
			if again.at("enroll", "userErrors", 0, "code") != "INVITATION_USED" {
				t.Errorf("used twice: %s", again.text)
			}
		})
	}
}

// An invitation for two devices is good for two, with the same link, and for no third.
func TestAnInvitationForTwoDevices(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
	})
	id, link := w.invited("tom@acme.test")
	w.end()
	w.allow(id, 2)
	w.serve()
	for i, want := range []any{nil, nil, "INVITATION_USED"} {
		a := w.must("", enrollQuery, application(link, "tom@acme.test", []string{"SN-A", "SN-B", "SN-C"}[i], nil))
		if a.at("enroll", "userErrors", 0, "code") != want {
			t.Fatalf("device %d: %s", i+1, a.text)
		}
		if want == nil {
			w.switchOn(a)
		}
	}
}

// allow notes in the store of a gateway that has ended how many devices may enrol with an invitation.
func (w *world) allow(invitationID, devices int) {
	w.t.Helper()
	kept, err := store.OpenFile(w.chosen.DataDir)
	if err != nil {
		w.t.Fatal(err)
	}
	defer kept.Close()
	desk, err := invitation.NewDesk(invitation.Options{Store: kept, Secret: []byte(w.chosen.Secret)})
	if err == nil {
		err = desk.Allow(w.t.Context(), invitationID, devices)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
