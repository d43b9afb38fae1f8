package glpi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// lostPassword calls as somebody who is not signed in.
func lostPassword(t *testing.T, s *Server, fields string, status int, part string) {
	t.Helper()
	(&client{t: t, s: s}).want("PUT", "/lostPassword", fields, status, part)
}

// TestLostPassword asks for a new password and sets it by the mail's link, as 554 to 556 show.
func TestLostPassword(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	s := newServer(t, Options{Now: func() time.Time { return at }})
	s.SeedDemo(DemoOptions{Seed: 1})
	const ada = "admin@acme.test"
	lostPassword(t, s, `{"email":"nobody@nowhere.test"}`, 400, "Email address not found.")
	lostPassword(t, s, `{"mail":"x"}`, 400, "email parameter missing")
	lostPassword(t, s, `{"email":"admin@acme.test","session_token":"x"}`, 400, "A session is active")
	(&client{t: t, s: s}).want("POST", "/lostPassword", `{"email":"admin@acme.test"}`, 400, "Only HTTP verb PUT is allowed")
	lostPassword(t, s, `{"email":"admin@acme.test"}`, 200, `["An email has been sent to your email address.`)
	mails := s.Mails(ada)
	if len(mails) != 1 || len(mails[0].Token()) != 40 || mails[0].Itemtype != "User" {
		t.Fatalf("mails %+v", mails)
	}
	step2 := func(token string) string {
		return fmt.Sprintf(`{"email":"admin@acme.test","password_forget_token":%q,"password":"new one"}`, token)
	}
	lostPassword(t, s, step2("nope"), 400, "Your password reset request has expired or is invalid. Please renew it.")
	lostPassword(t, s, step2(mails[0].Token()), 200, `["Reset password successful."]`)
	signIn(t, s, ada, "new one")
	lostPassword(t, s, step2(mails[0].Token()), 400, "expired or is invalid") // once
	lostPassword(t, s, step2(""), 400, "expired or is invalid")               // what the row holds now
	lostPassword(t, s, `{"email":"admin@acme.test"}`, 200, "An email")
	at = at.Add(25 * time.Hour)
	lostPassword(t, s, step2(s.Mails(ada)[1].Token()), 400, "expired or is invalid")
	s.SetConfig("core", "notifications_mailing", "0")
	lostPassword(t, s, `{"email":"admin@acme.test"}`, 400, "Email notifications are disabled")
}

// TestLostPasswordElsewhere: a password that a directory keeps is not GLPI's to change.
func TestLostPasswordElsewhere(t *testing.T) {
	st := newStage(t)
	user, _ := st.invite("ann@acme.test")
	st.do(func(tx *Tx) { tx.Row("User", user).Set("authtype", 3) })
	lostPassword(t, st.s, `{"email":"ann@acme.test"}`, 400, "The authentication method configuration doesn't allow you to change your password.")
}

// TestPasswordRules: a password that is too weak is dropped while the update answers true, so that only its message tells;
// at a creation "Item successfully added" hides even that.
func TestPasswordRules(t *testing.T) {
	st := newStage(t)
	st.s.SetConfig("core", "use_password_security", "1")
	st.admin.want("GET", "/getGlpiConfig", "", 200, `"use_password_security":1,"password_min_length":8,"password_need_number":1`)
	user := st.add("User", `{"name":"bob","password":"weak","password2":"weak"}`)
	path := fmt.Sprintf("/User/%d", user)
	for _, c := range []struct{ password, message string }{
		{"aB1!", "Password too short!"},
		{"aBcdefg!", "Password must include at least a digit!"},
		{"AB1!ABCD", "Password must include at least a lowercase letter!"},
		{"ab1!abcd", "Password must include at least a uppercase letter!"},
		{"aB1cdefg", "Password must include at least a symbol!"},
		{"aB1!cdefg", ""},
	} {
		st.admin.want("PUT", path, fmt.Sprintf(`{"input":{"password":%[1]q,"password2":%[1]q}}`, c.password), 200, fmt.Sprintf(`[{"%d":true,"message":"%s"}]`, user, c.message))
		w := (&client{t: t, s: st.s}).send("GET", "/initSession?login=bob&password="+strings.ReplaceAll(c.password, "!", "%21"), "")
		if got := w.Code == 200; got != (c.message == "") {
			t.Errorf("%s signs in: %v", c.password, got)
		}
	}
	st.admin.want("PUT", path, `{"input":{"password":"aB1!zzzz"}}`, 200, "true") // one without the other is ignored
	st.admin.want("PUT", path, `{"input":{"password":"aB1!zzzz","password2":"other"}}`, 400, "Error: the two passwords do not match")
	signIn(t, st.s, "bob", "aB1!cdefg")
}

// TestPasswordOfSuperior: a password of somebody who may do more stays, and the answer is true all the same.
func TestPasswordOfSuperior(t *testing.T) {
	st := newStage(t)
	st.do(func(tx *Tx) {
		clerk := tx.AddProfile("Clerk", "")
		tx.SetRights(clerk.ID(), map[string]Rights{"user": Standard})
		user := tx.Insert("User", map[string]any{"name": "clerk", "password": hashPassword("clerk")})
		tx.Insert("Profile_User", map[string]any{"users_id": user.ID(), "profiles_id": clerk.ID(), "is_recursive": 1})
	})
	signIn(t, st.s, "clerk", "clerk").want("PUT", "/User/2", `{"input":{"password":"mine","password2":"mine"}}`, 200, `[{"2":true,"message":""}]`)
	signIn(t, st.s, "glpi", "glpi")
}

// TestMailsAreQueued: an invitation's mail is a row that says whether it was sent, as 630 shows.
func TestMailsAreQueued(t *testing.T) {
	st := newStage(t)
	st.invite("ann@acme.test")
	st.admin.want("GET", "/QueuedNotification?searchText[itemtype]=PluginFlyvemdmInvitation&searchText[items_id]=^1$", "", 200, `"sent_time":null,`)
	if mails := st.s.Mails("ann@acme.test"); len(mails) != 1 || !strings.Contains(mails[0].Text, "deeplink/?data=") {
		t.Errorf("mails %+v", mails)
	}
}

// TestSecretSettings: some of the plugin's settings are not shown, and one that should not be is.
func TestSecretSettings(t *testing.T) {
	c := signIn(t, newServer(t, Options{}), "glpi", "glpi")
	settings := c.want("GET", "/Config?searchText[context]=flyvemdm&range=0-99", "", 200, `"name":"fcm_api_token"`).Body.String()
	for _, secret := range []string{"mqtt_passwd", "android_bugcollector_passwd"} {
		if strings.Contains(settings, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	c.want("GET", "/Plugin?get_hateoas=false", "", 200, `"directory":"flyvemdm","name":"Flyve Mobile Device Management","version":"2.0.0-rc.3","state":1`)
}
