package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/settings"
)

const issueQuery = `mutation ($id: ID!) { issueInvitationCredentials(input: {invitationId: $id}) {
	credentials { deeplink enrollmentUrl pin qrCodePng expiresAt } userErrors { code field } } }`

// From an e-mail address to a phone online: by the mail, by the QR code, and by the PIN, with a restart at each step. Two
// companies look on, and only the right one sees anything.
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
		{"mail", "mia@acme.test", "SN-MAIL", func(_ answer, email string) string { return w.linkMailed(email) }},
		{"QR code", "quinn@acme.test", "SN-QR", func(a answer, _ string) string { return scan(t, a.at("qrCodePng").(string)) }},
		{"PIN", "pia@acme.test", "SN-PIN", func(a answer, email string) string {
			redeemed := w.must("", `mutation ($email: EmailAddress!, $pin: String!) { redeemPin(input: {email: $email, pin: $pin}) { deeplink userErrors { code } } }`,
				map[string]any{"email": email, "pin": a.at("pin")})
			text, _ := redeemed.at("redeemPin", "deeplink").(string)
			return text
		}},
	} {
		t.Run(c.way, func(t *testing.T) {
			invited := w.invite(acme, map[string]any{"email": c.email, "firstName": "Ann", "lastName": "Lee"}).at("results", 0, "invitation")
			if invited == nil {
				t.Fatal("not invited")
			}
			id := int(invited.(map[string]any)["databaseId"].(float64))
			global := map[string]any{"id": invited.(map[string]any)["id"]}
			w.slotIs(acme, id, "SENT")
			w.restart()
			if a := w.must(globex, issueQuery, global); a.at("issueInvitationCredentials", "userErrors", 0, "code") != "NOT_FOUND" {
				t.Errorf("another company gets %s", a.text)
			}
			issued := w.must(acme, issueQuery, global)
			credentials, _ := issued.at("issueInvitationCredentials", "credentials").(map[string]any)
			if credentials == nil {
				t.Fatalf("no credentials: %s", issued.text)
			}
			w.restart()
			_, code, _ := strings.Cut(credentials["enrollmentUrl"].(string), "/enroll/")
			if status, _ := w.visit(w.url + "/enroll/" + code); status != http.StatusOK {
				t.Errorf("the invitation's page answers %d", status)
			}
			w.slotIs(acme, id, "OPENED")
			a := w.must("", enrollQuery, application(c.link(answer{Data: credentials}, c.email), c.email, c.serial, nil))
			if a.at("enroll", "agent") == nil {
				t.Fatalf("not enrolled: %s", a.text)
			}
			w.restart()
			w.slotIs(acme, id, "ENROLLED")
			w.switchOn(a)
			if slot := w.slotIs(acme, id, "ONLINE"); slot["agent"].(map[string]any)["serial"] != c.serial || slot["user"].(map[string]any)["lastName"] != "Lee" {
				t.Errorf("the device in the slot is %v", slot)
			}
			if slot := slotOf(w.must(globex, slotsQuery, map[string]any{"first": 500}), id); slot != nil {
				t.Errorf("another company sees %v", slot)
			}
			if a := w.must(acme, issueQuery, global); a.at("issueInvitationCredentials", "credentials") != nil {
				t.Errorf("a used invitation gets credentials: %s", a.text)
			}
			again := w.must("", enrollQuery, application(w.linkMailed(c.email), c.email, "SN-SECOND", nil))
			if again.at("enroll", "userErrors", 0, "code") != "INVITATION_USED" {
				t.Errorf("used twice: %s", again.text)
			}
		})
	}
}

// A device of which nothing is heard any more is no longer shown as online.
func TestASlotGoesStale(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.StaleAfter = time.Second
	})
	id, link := w.invited("ann@acme.test")
	w.switchOn(w.must("", enrollQuery, application(link, "ann@acme.test", "SN-7", nil)))
	w.slotIs(w.signIn("admin@acme.test"), id, "STALE")
}

// slotIs waits until the slot of an invitation is in a state.
func (w *world) slotIs(token string, invitationID int, state string) (slot map[string]any) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if slot = slotOf(w.must(token, slotsQuery, map[string]any{"first": 500}), invitationID); slot != nil && slot["state"] == state {
			return slot
		}
	}
	w.t.Fatalf("the slot never became %s: %v", state, slot)
	return nil
}

// An invitation for two devices is good for two, with the same link, and for no third; also where both come at
// once.
func TestAnInvitationForTwoDevices(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
	})
	token := w.signIn("admin@acme.test")
	if a := w.invite(token, map[string]any{"email": "tom@acme.test", "slots": 2}); a.at("results", 0, "invitation", "devicesLeft") != 2.0 {
		t.Fatalf("not invited for two: %s", a.text)
	}
	link := w.linkMailed("tom@acme.test")
	answers := make([]answer, 2)
	var phones sync.WaitGroup
	for i := range answers {
		phones.Go(func() {
			answers[i] = w.must("", enrollQuery, application(link, "tom@acme.test", fmt.Sprint("SN-", i), nil))
		})
	}
	phones.Wait()
	for i, a := range answers {
		if a.at("enroll", "agent") == nil {
			t.Fatalf("device %d: %s", i+1, a.text)
		}
		w.switchOn(a)
	}
	if a := w.must("", enrollQuery, application(link, "tom@acme.test", "SN-3", nil)); a.at("enroll", "userErrors", 0, "code") != "INVITATION_USED" {
		t.Errorf("a third device: %s", a.text)
	}
}
