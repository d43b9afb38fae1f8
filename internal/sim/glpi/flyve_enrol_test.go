package glpi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestEnrolmentRefusals shows each check of an enrolment: its true reason, whether the invitation's log keeps it, and that
// nothing else is told without debug_enrolment.
func TestEnrolmentRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []string
		before  func(st *stage)
		reason  string
		logged  bool
	}{
		{"no e-mail", []string{"-_email", ""}, nil, "Unable to find a enrollment method", false},
		{"no token", []string{"-_invitation_token", ""}, nil, "Unable to find a enrollment method", false},
		{"unknown token", []string{"_invitation_token", "ffff"}, nil, "Invitation token invalid", false},
		{"empty token", []string{"_invitation_token", ""}, nil, "Invitation token invalid", false},
		{"no notification type", []string{"-notification_type", ""}, nil, "Notification settings are invalid", true},
		{"unknown notification type", []string{"notification_type", "pigeon"}, nil, "Notification settings are invalid", true},
		{"fcm is off", []string{"notification_type", "fcm", "notification_token", "x"}, nil, "FCM service is not available", true},
		{"no inventory", []string{"-inventory", ""}, nil, "Device inventory XML is mandatory", true},
		{"broken inventory", []string{"inventory", "PFJFUVVFU1Q+PG9vcHM="}, nil, "Inventory XML is not well formed", true},
		{"raw XML", []string{"inventory", "<REQUEST><DEVICEID>x</DEVICEID></REQUEST>"}, nil, "Inventory XML is not well formed", true},
		{"no version", []string{"-version", ""}, nil, "Agent version missing", true},
		{"no type", []string{"-type", ""}, nil, "MDM type missing", true},
		{"unknown type", []string{"type", "windows"}, nil, "unknown MDM type", true},
		{"bad version", []string{"version", "two"}, nil, "Bad agent version", true},
		{"old version", []string{"version", "1.9.9"}, nil, "The agent version is too low", true},
		{"used", nil, func(st *stage) { st.changeInvitations("status", "done") }, "Invitation is not pending", true},
		{"no date", nil, func(st *stage) { st.changeInvitations("expiration_date", "0000-00-00 00:00:00") }, "Expiration date of the invitation is not set", true},
		{"expired", nil, func(st *stage) { st.advance(8 * 24 * time.Hour) }, "Invitation token expired", true},
		{"other address", []string{"_email", "ben@acme.test"}, nil, "Wrong email address", true},
		{"device limit", nil, func(st *stage) {
			st.enrol("first@acme.test", "SER0")
			st.do(func(tx *Tx) { tx.Row("PluginFlyvemdmEntityConfig", st.entity).Set("device_limit", 1) })
		}, "Too many devices", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			user, token := st.invite("ann@acme.test")
			if c.before != nil {
				c.before(st)
			}
			guest := st.guest(user)
			body := strings.ReplaceAll(application("ann@acme.test", token, "SER1", c.changes...), "<", `\u003c`)
			st.broker.take()
			guest.want("POST", "/PluginFlyvemdmAgent", body, 400, `["ERROR_GLPI_ADD","`+c.reason+`"]`)
			st.do(func(tx *Tx) { tx.SetConfig("flyvemdm", "debug_enrolment", 0) })
			guest.want("POST", "/PluginFlyvemdmAgent", body, 400, `["ERROR_GLPI_ADD","Enrollment failed"]`)

			sameMessages(t, st.broker.take())
			st.do(func(tx *Tx) {
				logs := tx.Find("PluginFlyvemdmInvitationlog", "event", c.reason)
				if want := map[bool]int{true: 2}[c.logged]; len(logs) != want {
					t.Errorf("%d lines in the log, wanted %d", len(logs), want)
				}
			})
		})
	}
}

// changeInvitations sets a column of all invitations.
func (st *stage) changeInvitations(column, value string) {
	st.do(func(tx *Tx) {
		for _, row := range tx.Rows("PluginFlyvemdmInvitation") {
			row.Set(column, value)
		}
	})
}

// TestEnrolment shows what a successful enrolment makes.
func TestEnrolment(t *testing.T) {
	st := newStage(t)
	user, token := st.invite("ann@acme.test")
	guest := st.guest(user)
	guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, "SER1"), 201, `{"id":1,"message":"XML has been imported succesfully!"}`)
	topic := fmt.Sprintf("%d/agent/SER1", st.entity)
	sameMessages(t, st.broker.take(), topic+"/Command/Unenroll  retained", topic+`/Command/Subscribe {"subscribe":[{"topic":null}]} retained`)
	st.do(func(tx *Tx) {
		agent, invitation := tx.Row("PluginFlyvemdmAgent", 1), tx.First("PluginFlyvemdmInvitation", "invitation_token", token)
		computer, machine := tx.Row("Computer", agent.Int("computers_id")), tx.Row("User", agent.Int("users_id"))
		for _, c := range []struct{ what, got, want string }{
			{"status of the invitation", invitation.Str("status"), "done"},
			{"its date", invitation.Str("expiration_date"), "0000-00-00 00:00:00"},
			{"owner", computer.Str("users_id"), fmt.Sprint(user)},
			{"serial", computer.Str("serial"), "SER1"},
			{"model", tx.Row("ComputerModel", computer.Int("computermodels_id")).Str("name"), "Pixel 4"},
			{"manufacturer", tx.Row("Manufacturer", computer.Int("manufacturers_id")).Str("name"), "Google"},
			{"entity of the computer", computer.Str("entities_id"), fmt.Sprint(st.entity)},
			{"first name", tx.Row("User", user).Str("firstname"), "Ann"},
			{"last name", tx.Row("User", user).Str("realname"), "Lee"},
			{"machine's serial", machine.Str("realname"), "SER1"},
			{"fleet", agent.Str("plugin_flyvemdm_fleets_id"), tx.defaultFleet(st.entity).Str("id")},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, wanted %q", c.what, c.got, c.want)
			}
		}
		if !strings.HasPrefix(machine.Str("name"), "flyvemdm-") || len(tx.Find("Profile_User", "users_id", machine.ID())) != 1 {
			t.Errorf("machine account %q", machine.Str("name"))
		}
	})
	if len(st.broker.passwords) != 0 {
		t.Error("the device has an MQTT account before anybody read its agent")
	}
	guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, "SER1"), 400, "Invitation is not pending")
}

// TestEnrolmentWithoutRule shows where a device lands while nobody has made FusionInventory's import rule.
func TestEnrolmentWithoutRule(t *testing.T) {
	st := newStage(t)
	st.do(func(tx *Tx) { tx.SetConfig("fusioninventory", "entity_rule", "") })
	d := st.enrol("ann@acme.test", "SER1")
	st.admin.want("GET", d.path(), "", 200, fmt.Sprintf(`"entities_id":%d,"plugin_flyvemdm_fleets_id":1,`, st.entity))
	st.admin.want("GET", fmt.Sprintf("/Computer/%d", d.computer), "", 401, "ERROR_RIGHT_MISSING")
}

// TestEnrolmentWithoutOptionalKeys fails with the text of a success and uses the invitation up.
func TestEnrolmentWithoutOptionalKeys(t *testing.T) {
	st := newStage(t)
	user, token := st.invite("ann@acme.test")
	st.do(func(tx *Tx) { tx.SetConfig("flyvemdm", "debug_enrolment", 0) })
	st.guest(user).want("POST", "/PluginFlyvemdmAgent",
		application("ann@acme.test", token, "SER1", "-firstname", "", "-lastname", "", "-csr", "", "-has_system_permission", "", "-notification_token", ""),
		400, `["ERROR_GLPI_ADD","XML has been imported succesfully!"]`)
	st.do(func(tx *Tx) {
		if status := tx.First("PluginFlyvemdmInvitation", "invitation_token", token).Str("status"); status != "done" {
			t.Errorf("the invitation is %s", status)
		}
		if agents, logs := tx.Rows("PluginFlyvemdmAgent"), tx.Rows("PluginFlyvemdmInvitationlog"); len(agents)+len(logs) > 0 {
			t.Errorf("%d agents, %d lines in the log", len(agents), len(logs))
		}
	})
}

// TestRearmedInvitation enrols a second device with an invitation that was used and put back.
func TestRearmedInvitation(t *testing.T) {
	st := newStage(t)
	st.enrol("ann@acme.test", "SER1")
	invitation, token, user := 0, "", 0
	st.do(func(tx *Tx) {
		row := tx.Rows("PluginFlyvemdmInvitation")[0]
		invitation, token, user = row.ID(), row.Str("invitation_token"), row.Int("users_id")
	})
	st.admin.want("PUT", fmt.Sprintf("/PluginFlyvemdmInvitation/%d", invitation), `{"input":{"status":"pending","expiration_date":"2027-01-01 00:00:00"}}`, 200, "true")
	st.guest(user).want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, "SER2"), 201, `"id":2`)
}

// TestInvitations shows who can be invited, and what inviting does to him.
func TestInvitations(t *testing.T) {
	st := newStage(t)
	nobody := st.add("User", fmt.Sprintf(`{"name":"nobody","_profiles_id":1,"_entities_id":%d}`, st.entity))
	gone := st.add("User", fmt.Sprintf(`{"name":"gone","_useremails":["gone@acme.test"],"_profiles_id":1,"_entities_id":%d}`, st.entity))
	st.admin.want("DELETE", fmt.Sprintf("/User/%d", gone), "", 200, "true")
	for _, c := range []struct{ name, input, message string }{
		{"by address only", `{"_useremail":"ann@acme.test","entities_id":ACME}`, "Invalid data"},
		{"unknown user", `{"users_id":9999,"entities_id":ACME}`, "Email address is invalid"},
		{"no address", `{"users_id":NOBODY,"entities_id":ACME}`, "Email address is invalid"},
		{"in the trash", `{"users_id":GONE,"entities_id":ACME}`, "The user was deleted. You must restore him first."},
		{"foreign entity", `{"users_id":NOBODY,"entities_id":0}`, noPermission},
	} {
		t.Run(c.name, func(t *testing.T) {
			input := strings.NewReplacer("ACME", fmt.Sprint(st.entity), "NOBODY", fmt.Sprint(nobody), "GONE", fmt.Sprint(gone)).Replace(c.input)
			st.admin.want("POST", "/PluginFlyvemdmInvitation", `{"input":`+input+`}`, 400, c.message)
		})
	}
}

// TestInvitation follows one that works: the guest's profile and token, the link, its QR code and the mail.
func TestInvitation(t *testing.T) {
	st := newStage(t)
	st.admin.want("PUT", fmt.Sprintf("/PluginFlyvemdmEntityConfig/%d", st.entity), `{"input":{"support_name":"Help; desk","support_phone":"+33 1"}}`, 200, "true")
	user, token := st.invite("ann@acme.test")
	st.admin.want("GET", "/PluginFlyvemdmInvitation/1?get_hateoas=false", "", 200, `"documents_id":0,"status":"pending","expiration_date":"2026-11-28 10:00:00"`)
	if len(token) != 64 {
		t.Errorf("token of %d characters", len(token))
	}
	var link, api string
	st.do(func(tx *Tx) {
		link, api = tx.deeplink(tx.Row("PluginFlyvemdmInvitation", 1)), tx.Row("User", user).Str("api_token")
	})
	address, err := url.Parse(strings.ReplaceAll(link, "+", "%2B"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(address.Query().Get("data"))
	if want := `http://glpi.test/apirest.php\;` + api + `\;` + token + `\;Help\; desk\;+33 1\;\;`; err != nil || string(data) != want {
		t.Errorf("deeplink holds %q, wanted %q (%v)", data, want, err)
	}
	st.admin.want("GET", "/PluginFlyvemdmInvitation/1/Document_Item", "", 200, `"itemtype":"PluginFlyvemdmInvitation"`)
	if image := st.admin.send("GET", "/Document/1?alt=media", ""); image.Code != 200 {
		t.Errorf("the QR code: %d", image.Code)
	} else if _, err := png.Decode(bytes.NewReader(image.Body.Bytes())); err != nil {
		t.Errorf("the QR code: %v", err)
	}
	st.admin.want("GET", "/QueuedNotification?get_hateoas=false", "", 200, `"sent_time":null,"name":"[GLPI] You have been invited to join Flyve MDM"`)
	st.admin.want("PUT", "/PluginFlyvemdmInvitation/1", `{"input":{"_notify":""}}`, 200, "true")
	st.admin.want("GET", "/QueuedNotification?range=0-0", "", 206, `"items_id":1`)
	st.admin.want("PUT", "/PluginFlyvemdmInvitation/1", `{"input":{"status":"bogus"}}`, 200, "true")
	st.admin.want("GET", "/PluginFlyvemdmInvitation/1", "", 200, `"status":""`)
	st.admin.want("DELETE", "/PluginFlyvemdmInvitation/1", "", 200, "true")
}

// TestInvitingTakesOver shows the hole: an administrator invites a stranger and reads his token.
func TestInvitingTakesOver(t *testing.T) {
	st := newStage(t)
	globex, stranger := company(t, st.s, "globex")
	victim := 0
	st.do(func(tx *Tx) { victim = tx.First("User", "name", "admin.acme").ID() })
	stranger.want("GET", fmt.Sprintf("/User/%d", victim), "", 401, "ERROR_RIGHT_MISSING")
	stranger.want("POST", "/PluginFlyvemdmInvitation", fmt.Sprintf(`{"input":{"users_id":%d,"entities_id":%d}}`, victim, globex), 201, "Item successfully added: Invitation")
	stranger.want("GET", fmt.Sprintf("/User/%d", victim), "", 200, `"api_token":"`)
	again := signIn(t, st.s, "admin.acme", "pw")
	again.want("GET", "/getActiveProfile", "", 200, `"name":"Flyve MDM guest users"`) // now his first profile by name
}
