package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

// plugin is the broker as GLPI's plugin uses it, once there is one.
type plugin struct{ broker atomic.Pointer[broker.Broker] }

func (p *plugin) Publish(topic string, payload []byte, retain bool) error {
	if b := p.broker.Load(); b != nil {
		return b.Publish(topic, payload, retain)
	}
	return nil
}

func (p *plugin) SetAccount(username, password string, acl []glpi.ACL) {
	var access []broker.Access
	for _, a := range acl {
		access = append(access, broker.Access{Filter: a.Topic, Read: a.Access&1 != 0, Write: a.Access&2 != 0})
	}
	if b := p.broker.Load(); b != nil {
		b.SetAccount(username, password, access...)
	}
}

func (p *plugin) RemoveAccount(username string) {
	if b := p.broker.Load(); b != nil {
		b.RemoveAccount(username)
	}
}

// newPhoneShop is a world in which phones can enrol and connect. adjust may change the settings.
func newPhoneShop(t *testing.T, adjust func(*world, *settings.Gateway)) *world {
	t.Helper()
	p := &plugin{}
	return newWorldOf(t, glpi.Options{Broker: p, BrokerHost: "127.0.0.1"}, func(w *world, s *settings.Gateway) {
		p.broker.Store(w.broker)
		w.glpi.SetConfig("flyvemdm", "mqtt_broker_port", w.broker.Port())
		w.letAsk()
		if adjust != nil {
			adjust(w, s)
		}
	})
}

var linkInMail = regexp.MustCompile(`[a-z]+://\S*\?data=[A-Za-z0-9+/=]+`)

// invited makes a person of ACME with an invitation, behind the gateway's back, as GLPI's own pages do.
func (w *world) invited(email string) (invitationID int, deeplink string) {
	w.t.Helper()
	o := w.operator()
	entity := o.idOf("Entity", "ACME")
	var user, invitation struct{ ID int }
	o.call(http.MethodPost, "/User", map[string]any{
		"name": email, "_useremails": []string{email}, "entities_id": entity, "firstname": "Ann", "realname": "Lee",
		"_profiles_id": o.guestProfile(), "_entities_id": entity,
	}, &user)
	o.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": user.ID, "entities_id": entity}, &invitation)
	return invitation.ID, w.linkMailed(email)
}

// invitedAgain is the link of one more invitation of a person of ACME.
func (w *world) invitedAgain(email string) (deeplink string) {
	w.t.Helper()
	o := w.operator()
	o.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": o.idOf("User", email), "entities_id": o.idOf("Entity", "ACME")}, nil)
	return w.linkMailed(email)
}

// linkMailed is the deeplink in the latest mail to somebody.
func (w *world) linkMailed(email string) string {
	w.t.Helper()
	mails := w.glpi.Mails(email)
	if len(mails) == 0 {
		w.t.Fatalf("no mail to %s", email)
	}
	link := linkInMail.FindString(html.UnescapeString(mails[len(mails)-1].Text))
	if link == "" {
		w.t.Fatalf("no link in the mail to %s", email)
	}
	return link
}

const enrollQuery = `mutation ($in: EnrollInput!) { enroll(input: $in) { warnings userErrors { code message field }
	agent { agentId databaseId name topic apiToken certificate mqtt { broker port tls username password topic } } } }`

// application is the input of an enrolment that works, with changes; a nil takes a field away.
func application(deeplink, email, serial string, changes map[string]any) map[string]any {
	in := map[string]any{"deeplink": deeplink, "email": email, "serial": serial, "version": "2.1.0", "type": "ANDROID", "model": "Pixel 4", "osVersion": "10"}
	for name, value := range changes {
		if in[name] = value; value == nil {
			delete(in, name)
		}
	}
	return map[string]any{"in": in}
}

// switchOn makes a phone of what enrolling answered, and connects it.
func (w *world) switchOn(a answer) *phone.Phone {
	w.t.Helper()
	get := func(path ...any) string {
		text, _ := a.at(append([]any{"enroll", "agent"}, path...)...).(string)
		return text
	}
	id, _ := a.at("enroll", "agent", "databaseId").(float64)
	port, _ := a.at("enroll", "agent", "mqtt", "port").(float64)
	p := phone.New(phone.Account{
		AgentID: int(id), Serial: get("mqtt", "username"), Topic: get("topic"), APIToken: get("apiToken"), Generation: phone.A,
		MQTTUsername: get("mqtt", "username"), MQTTPassword: get("mqtt", "password"),
	}, phone.Options{MQTTURL: fmt.Sprintf("mqtt://%s:%d", get("mqtt", "broker"), int(port)), GLPIURL: w.rest})
	if err := p.SwitchOn(w.t.Context()); err != nil {
		w.t.Fatalf("the phone could not connect with what it got: %v in %s", err, a.text)
	}
	w.t.Cleanup(p.SwitchOff)
	return p
}

// becomes polls until a device's presence is as wanted.
func (w *world) becomes(token string, agentID any, state string) {
	w.t.Helper()
	var last answer
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		last = w.must(token, `query ($id: ID!) { agent(id: $id) { name serial presence { state } owner { firstName lastName } computer { model } } }`, map[string]any{"id": agentID})
		if last.at("agent", "presence", "state") == state {
			return
		}
	}
	w.t.Fatalf("the device never became %s: %s", state, last.text)
}

// A phone enrols in one step, hears nothing of an earlier life of its serial, and connects with what it got. The
// session is closed, and no secret is logged.
func TestAPhoneEnrols(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	id, link := w.invited("ann@acme.test")
	entity := w.operator().idOf("Entity", "ACME")
	for command, payload := range map[string]string{"Wipe": `{"wipe":"now"}`, "Lock": `{"lock":"now"}`} {
		if err := w.broker.Publish(fmt.Sprintf("%d/agent/SN-7/Command/%s", entity, command), []byte(payload), true); err != nil {
			t.Fatal(err)
		}
	}
	var a answer
	calls := w.callsOf(func() { a = w.must("", enrollQuery, application(link, "ann@acme.test", "SN-7", nil)) })
	if a.at("enroll", "agent", "topic") != fmt.Sprintf("%d/agent/SN-7", entity) || len(a.at("enroll", "warnings").([]any)) != 0 {
		t.Fatalf("got %s", a.text)
	}
	if opened, closed := slices.Index(calls, "GET /initSession"), slices.Index(calls, "GET /killSession"); opened < 0 || closed < opened {
		t.Errorf("the session was not closed: %q", calls)
	}
	p := w.switchOn(a)
	w.becomes(token, a.at("enroll", "agent", "agentId"), "ONLINE")
	if p.Gone() || p.Locked() {
		t.Error("the phone obeyed what was said to it in an earlier life")
	}
	shown := w.must(token, `query ($id: ID!) { agent(id: $id) { owner { firstName lastName } computer { model } } }`, map[string]any{"id": a.at("enroll", "agent", "agentId")})
	if shown.at("agent", "owner", "firstName") != "Ann" || shown.at("agent", "owner", "lastName") != "Lee" || shown.at("agent", "computer", "model") != "Pixel 4" {
		t.Errorf("the owner's name or the inventory is lost: %s", shown.text)
	}
	foreign := w.ask(w.signIn("admin@globex.test"), `query ($id: ID!) { agent(id: $id) { id } }`, map[string]any{"id": a.at("enroll", "agent", "agentId")})
	if foreign.code() != "NOT_FOUND" {
		t.Errorf("another company sees the device: %s", foreign.text)
	}
	state := w.must(token, `query ($id: ID!) { node(id: $id) { ... on Invitation { state } } }`, map[string]any{"id": model.GlobalID("Invitation", id)})
	if state.at("node", "state") != "ENROLLED" {
		t.Errorf("the invitation is %s", state.text)
	}
	opened, err := invitation.ParseDeeplink(link)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []any{
		a.at("enroll", "agent", "apiToken"), a.at("enroll", "agent", "mqtt", "password"), strings.SplitAfter(link, "data=")[1],
		opened.UserToken, opened.InvitationToken,
	} {
		if text, _ := secret.(string); text == "" || strings.Contains(w.log.String(), text) {
			t.Errorf("a secret is missing or was logged")
		}
	}
}

// Each reason for which a device is not enrolled has its code and blames its field; the session is closed all the same,
// and the invitation can still be used unless the code says otherwise.
func TestWhyAPhoneIsNotEnrolled(t *testing.T) {
	w := newPhoneShop(t, withService)
	o := w.operator()
	entity := o.idOf("Entity", "ACME")
	put := func(id int, values map[string]any) {
		o.call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmInvitation/", id), values, nil)
	}
	limit := func(devices int) {
		o.call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmEntityConfig/", entity), map[string]any{"device_limit": devices}, nil)
	}
	certificates := func(on string) {
		w.glpi.SetConfig("flyvemdm", "mqtt_tls_for_clients", on)
		w.glpi.SetConfig("flyvemdm", "mqtt_use_client_cert", on)
	}
	for i, c := range []struct {
		want, field string
		changes     map[string]any
		before      func(id int, link, email string)
		after       func()
	}{
		{want: "WRONG_EMAIL", field: "email", changes: map[string]any{"email": "ben@acme.test"}},
		{want: "VERSION_TOO_LOW", field: "version", changes: map[string]any{"version": "1.9.9"}},
		{want: "VERSION_INVALID", field: "version", changes: map[string]any{"version": "two"}},
		{want: "INVITATION_USED", field: "deeplink", before: func(_ int, link, email string) {
			w.must("", enrollQuery, application(link, email, "SN-FIRST", nil))
		}},
		{want: "INVITATION_EXPIRED", field: "deeplink", before: func(id int, _, _ string) { put(id, map[string]any{"expiration_date": "2020-01-01 00:00:00"}) }},
		{want: "INVITATION_DEACTIVATED", field: "deeplink", before: func(id int, _, _ string) { put(id, map[string]any{"status": "done"}) }},
		{want: "INVITATION_INVALID", field: "deeplink", before: func(id int, _, _ string) {
			o.call(http.MethodDelete, fmt.Sprint("/PluginFlyvemdmInvitation/", id, "?force_purge=true"), nil, nil)
		}},
		{want: "INVITATION_INVALID", field: "deeplink", changes: map[string]any{"deeplink": nil, "userToken": "nobodys", "invitationToken": "none"}},
		{want: "TOO_MANY_DEVICES", before: func(int, string, string) { limit(1) }, after: func() { limit(0) }},
		{
			want: "NOTIFICATION_UNAVAILABLE", before: func(int, string, string) { w.glpi.SetConfig("flyvemdm", "mqtt_enabled", "0") },
			after: func() { w.glpi.SetConfig("flyvemdm", "mqtt_enabled", "1") },
		},
		{
			want: "CERTIFICATE_REFUSED", field: "csr", changes: map[string]any{"csr": "no request"}, before: func(int, string, string) { certificates("1") },
			after: func() { certificates("0") },
		},
		{want: "INVENTORY_INVALID", field: "inventory", changes: map[string]any{"inventory": "<REQUEST><oops"}},
		{want: "INVENTORY_INVALID", field: "inventory", changes: map[string]any{"inventory": "!!"}},
		{want: "BAD_USER_INPUT", field: "inventory", changes: map[string]any{
			"inventory": "<REQUEST><DEVICEID>x</DEVICEID><CONTENT><BIOS><SSN>flyvemdm-backend</SSN></BIOS></CONTENT></REQUEST>",
		}},
		{want: "BAD_USER_INPUT", field: "serial", changes: map[string]any{"serial": "+"}},
		{want: "BAD_USER_INPUT", field: "serial", changes: map[string]any{"serial": "a/b"}},
		{want: "BAD_USER_INPUT", field: "serial", changes: map[string]any{"serial": "flyvemdm-backend"}},
		{want: "BAD_USER_INPUT", field: "serial", changes: map[string]any{"serial": "FleetGate"}},
		{want: "BAD_USER_INPUT", field: "serial", changes: map[string]any{"serial": nil}},
		{want: "BAD_USER_INPUT", field: "deeplink", changes: map[string]any{"deeplink": "https://x.test/?data=AAAA"}},
		{want: "BAD_USER_INPUT", field: "userToken", changes: map[string]any{"deeplink": nil}},
	} {
		t.Run(c.want+" "+c.field, func(t *testing.T) {
			email := fmt.Sprintf("guest%d@acme.test", i)
			id, link := w.invited(email)
			if c.before != nil {
				c.before(id, link, email)
			}
			var a answer
			calls := w.callsOf(func() { a = w.must("", enrollQuery, application(link, email, fmt.Sprint("SN-X", i), c.changes)) })
			if c.after != nil {
				c.after()
			}
			code, field := a.at("enroll", "userErrors", 0, "code"), a.at("enroll", "userErrors", 0, "field", 1)
			if a.at("enroll", "agent") != nil || code != c.want || c.field != "" && field != c.field || a.at("enroll", "userErrors", 0, "message") == "" {
				t.Errorf("got %s, wanted %s of %q", a.text, c.want, c.field)
			}
			opened := slices.Contains(calls, "GET /initSession") && c.changes["userToken"] == nil
			if closed := slices.Contains(calls, "GET /killSession"); opened != closed {
				t.Errorf("the session was not closed: %q", calls)
			}
			if c.changes != nil && c.changes["serial"] == nil { // what the caller did wrong costs nothing
				a := w.must("", enrollQuery, application(link, email, fmt.Sprint("SN-Y", i), nil))
				if a.at("enroll", "agent") == nil {
					t.Errorf("the invitation is lost: %s", a.text)
				}
			}
		})
	}
}

// GLPI uses an invitation up before it is sure of the device: that is told as it is, to the device's user and to the
// administrator, with what to do.
func TestAnEnrolmentThatFailsHalfWay(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	for name, spoil := range map[string]func(rw http.ResponseWriter, r *http.Request) bool{
		"the device is not made": func(_ http.ResponseWriter, r *http.Request) bool {
			alterEnrolment(r, func(sent map[string]any) { delete(sent, "csr") }) // as by an older gateway, or by another database
			return false
		},
		"its credentials can't be read": func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/PluginFlyvemdmAgent/") {
				return false
			}
			http.Error(rw, `["ERROR","broken"]`, http.StatusInternalServerError)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			email := strings.ReplaceAll(strings.ReplaceAll(name, " ", "."), "'", "") + "@acme.test"
			serial := fmt.Sprint("SN-HALF", len(name)) // nobody takes over the other one's
			invited := w.invite(token, map[string]any{"email": email}).at("results", 0, "invitation")
			id := invited.(map[string]any)["id"]
			next := w.subscribe(token, invitationEvents, map[string]any{"after": w.invitationCursor(token, id)})
			w.standIn(func(rw http.ResponseWriter, r *http.Request) {
				if !spoil(rw, r) {
					w.glpi.ServeHTTP(rw, r)
				}
			})
			a := w.must("", enrollQuery, application(w.linkMailed(email), email, serial, nil))
			w.standIn(nil)
			if a.at("enroll", "userErrors", 0, "code") != "INVITATION_CONSUMED" || a.at("enroll", "agent") != nil {
				t.Errorf("got %s", a.text)
			}
			if a := w.hears(next); a.at("invitationEvents", "kind") != "FAILED" || a.at("invitationEvents", "invitationId") != id {
				t.Errorf("the administrator hears %s", a.text)
			}
			if a := w.must("", enrollQuery, application(w.linkMailed(email), email, serial, nil)); a.at("enroll", "userErrors", 0, "code") != "INVITATION_CONSUMED" {
				t.Errorf("the second time: %s", a.text)
			}
			number := int(invited.(map[string]any)["databaseId"].(float64))
			slot := slotOf(w.must(token, slotsQuery, map[string]any{"first": 500}), number)
			message, _ := slot["message"].(string)
			if slot["state"] != "FAILED" || slot["reason"] != "INVITATION_CONSUMED" || !strings.Contains(message, "delete the device") || !strings.Contains(message, "new invitation") {
				t.Errorf("the administrator sees %v", slot)
			}
			if again := w.invite(token, map[string]any{"email": email}); again.at("results", 0, "invitation") == nil {
				t.Errorf("they can't be invited again: %s", again.text)
			}
		})
	}
}

// alterEnrolment changes what GLPI gets of a device that enrols.
func alterEnrolment(r *http.Request, change func(sent map[string]any)) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/PluginFlyvemdmAgent") {
		return
	}
	body, _ := io.ReadAll(r.Body)
	var sent map[string]map[string]any
	if json.Unmarshal(body, &sent) == nil {
		change(sent["input"])
		body, _ = json.Marshal(sent)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// A plugin may know fewer kinds of devices than the gateway.
func TestAKindOfDeviceThatThePluginDoesNotTake(t *testing.T) {
	w := newPhoneShop(t, withService)
	_, link := w.invited("ann@acme.test")
	w.standIn(func(rw http.ResponseWriter, r *http.Request) {
		alterEnrolment(r, func(sent map[string]any) { sent["type"] = "windows" })
		w.glpi.ServeHTTP(rw, r)
	})
	a := w.must("", enrollQuery, application(link, "ann@acme.test", "SN-7", map[string]any{"type": "APPLE"}))
	if a.at("enroll", "userErrors", 0, "code") != "TYPE_UNKNOWN" || a.at("enroll", "userErrors", 0, "field", 1) != "type" {
		t.Errorf("got %s", a.text)
	}
}

// Who guesses at invitations is stopped, before GLPI is asked; an invitation that is good costs nothing.
func TestGuessingInvitationsIsStopped(t *testing.T) {
	w := newPhoneShop(t, withService)
	_, good := w.invited("ann@acme.test")
	guess := application("", "ann@acme.test", "SN-7", map[string]any{"deeplink": nil, "userToken": "nobodys", "invitationToken": "none"})
	for range 50 {
		if a := w.must("", enrollQuery, guess); a.at("enroll", "userErrors", 0, "code") != "INVITATION_INVALID" {
			t.Fatalf("got %s", a.text)
		}
	}
	var a answer
	calls := w.callsOf(func() { a = w.must("", enrollQuery, application(good, "ann@acme.test", "SN-7", nil)) })
	if a.at("enroll", "userErrors", 0, "code") != "RATE_LIMITED" || slices.Contains(calls, "GET /initSession") {
		t.Errorf("after 50 guesses: %s %q", a.text, calls)
	}
}

// standIn has something stand for GLPI; nil: nothing.
func (w *world) standIn(handler http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stand = nil; handler != nil {
		w.stand = handler
	}
}

// Without an account of its own the gateway enrols all the same, and can't explain what GLPI keeps to itself.
func TestEnrollingWithoutAServiceAccount(t *testing.T) {
	w := newPhoneShop(t, nil)
	_, link := w.invited("ann@acme.test")
	a := w.must("", enrollQuery, application(link, "ben@acme.test", "SN-7", nil))
	if a.at("enroll", "userErrors", 0, "code") != "REFUSED" {
		t.Errorf("got %s", a.text)
	}
	w.switchOn(w.must("", enrollQuery, application(link, "ann@acme.test", "SN-7", nil)))
}
