package graph_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// enrolPast tries to enrol a device past the gateway, as the old agents do.
func (w *world) enrolPast(link, email, serial string) error {
	w.t.Helper()
	client, err := glpiproxy.New(glpiproxy.Options{URL: w.rest})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	opened, err := invitation.ParseDeeplink(link)
	if err != nil {
		w.t.Fatal(err)
	}
	guest, err := client.Guest(w.t.Context(), opened.UserToken)
	if err != nil {
		w.t.Fatal(err)
	}
	defer guest.End(w.t.Context())
	inventory := "<REQUEST><DEVICEID>x</DEVICEID><CONTENT><BIOS><SSN>" + serial + "</SSN></BIOS></CONTENT></REQUEST>"
	_, err = guest.Enroll(w.t.Context(), glpiproxy.Enrolment{
		Email: email, InvitationToken: opened.InvitationToken, Serial: serial, Version: "2.1.0", Type: "android",
		Inventory: base64.StdEncoding.EncodeToString([]byte(inventory)),
	})
	return err
}

// says has GLPI say one text for another in all that it answers, as in another language.
func (w *world) says(text, instead string) {
	w.standIn(func(rw http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		w.glpi.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			if name != "Content-Length" {
				rw.Header()[name] = values
			}
		}
		rw.WriteHeader(answer.Code)
		fmt.Fprint(rw, strings.ReplaceAll(answer.Body.String(), text, instead))
	})
}

// GLPI logs in the language of the invited person. What can be found out without its words is, and what can't be is told
// in them: never a wrong reason.
func TestReasonsInAnotherLanguage(t *testing.T) {
	w := newPhoneShop(t, withService)
	o := w.operator()
	for i, c := range []struct {
		text, french, want string
		changes            map[string]any
		before             func(id int)
		after              func()
	}{
		{text: "Wrong email address", french: "Adresse de courriel erronée", want: "WRONG_EMAIL", changes: map[string]any{"email": "else@acme.test"}},
		{text: "The agent version is too low", french: "Version trop ancienne", want: "VERSION_TOO_LOW", changes: map[string]any{"version": "1.0.0"}},
		{
			text: "Invitation token expired", french: "Invitation périmée", want: "INVITATION_EXPIRED",
			before: func(id int) {
				o.call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmInvitation/", id), map[string]any{"expiration_date": "2020-01-01 00:00:00"}, nil)
			},
		},
		{
			text: "Invitation is not pending", french: "Invitation non disponible", want: "INVITATION_DEACTIVATED",
			before: func(id int) {
				o.call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmInvitation/", id), map[string]any{"status": "done"}, nil)
			},
		},
		{
			text: "MQTT service is not available", french: "Le service MQTT dort", want: "REFUSED",
			before: func(int) { w.glpi.SetConfig("flyvemdm", "mqtt_enabled", "0") },
			after:  func() { w.glpi.SetConfig("flyvemdm", "mqtt_enabled", "1") },
		},
	} {
		email := fmt.Sprintf("guest%d@acme.test", i)
		id, link := w.invited(email)
		if c.before != nil {
			c.before(id)
		}
		w.says(c.text, c.french)
		a := w.must("", enrollQuery, application(link, email, fmt.Sprint("SN-", i), c.changes))
		w.standIn(nil)
		if c.after != nil {
			c.after()
		}
		if got := a.at("enroll", "userErrors", 0, "code"); got != c.want {
			t.Errorf("%s: got %s", c.french, a.text)
		}
		message, _ := a.at("enroll", "userErrors", 0, "message").(string)
		if strings.Contains(message, c.french) != (c.want == "REFUSED") {
			t.Errorf("%s: the person is told %q", c.french, message)
		}
	}
}

// Tries that failed past the gateway show in the slots, with GLPI's reason, or its words; read for all slots at once.
func TestSlotsTellOfTriesPastTheGateway(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
	})
	token := w.signIn("admin@acme.test")
	all := map[string]any{"first": 500}
	slots := func() (a answer, calls []string) {
		w.restart() // with nothing cached
		token = w.signIn("admin@acme.test")
		calls = w.callsOf(func() { a = w.must(token, slotsQuery, all) })
		return a, calls
	}
	id, link := w.invited("guest@acme.test")
	if err := w.enrolPast(link, "else@acme.test", "SN-0"); err == nil {
		t.Fatal("enrolled with a wrong address")
	}
	before, few := slots()
	if slot := slotOf(before, id); slot["state"] != "FAILED" || slot["reason"] != "WRONG_EMAIL" {
		t.Errorf("the slot is %v", slot)
	}
	for i := range 30 {
		if _, link := w.invited(fmt.Sprintf("guest%d@acme.test", i)); w.enrolPast(link, "else@acme.test", "SN-0") == nil {
			t.Fatal("enrolled with a wrong address")
		}
	}
	after, many := slots()
	if got := w.countOf(after, "FAILED") - w.countOf(before, "FAILED"); got != 30 {
		t.Errorf("%v more have failed, of 30", got)
	}
	looks := func(calls []string) (n int) {
		for _, call := range calls {
			if strings.HasPrefix(call, "GET /search/PluginFlyvemdmInvitationlog") || strings.HasPrefix(call, "GET /PluginFlyvemdmInvitation/") {
				n++
			}
		}
		return n
	}
	if looks(many) > looks(few)+1 || looks(few) > 1 { // 50 invitations a call
		t.Errorf("%d looks at logs for 30 slots more, %d before:\n%q", looks(many), looks(few), many)
	}
	w.says("Wrong email address", "Adresse de courriel erronée")
	french, _ := slots()
	slot := slotOf(french, id)
	if message, _ := slot["message"].(string); slot["reason"] != "REFUSED" || !strings.Contains(message, "Adresse de courriel erronée") {
		t.Errorf("in French the slot is %v", slot)
	}
	w.standIn(nil)
	if a := w.must("", enrollQuery, application(link, "guest@acme.test", "SN-0", map[string]any{"version": "1.0.0"})); a.at("enroll", "agent") != nil {
		t.Fatalf("enrolled: %s", a.text)
	}
	if slot := slotOf(w.must(token, slotsQuery, all), id); slot["reason"] != "VERSION_TOO_LOW" {
		t.Errorf("after a later try through the gateway the slot is %v", slot)
	}
	w.glpi.Grant("Super-Admin", map[string]glpi.Rights{"flyvemdm:invitationLog": 0})
	blind, _ := slots()
	if slot := slotOf(blind, id); slot["reason"] != "VERSION_TOO_LOW" {
		t.Errorf("who may not read logs sees %v", slot)
	}
}

// countOf is how many slots are in a state.
func (w *world) countOf(a answer, state string) float64 {
	counts, _ := a.at("deviceSlots", "counts").([]any)
	for _, c := range counts {
		if one := c.(map[string]any); one["state"] == state {
			return one["count"].(float64)
		}
	}
	w.t.Fatalf("no count of %s in %s", state, a.text)
	return 0
}
