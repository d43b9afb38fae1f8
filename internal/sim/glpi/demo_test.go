package glpi

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"
	"time"
)

// visitor is a dashboard at which nobody signed in yet: it speaks as the demo plugin's service account.
type visitor struct {
	*client
	at time.Time
}

func newVisitor(t *testing.T) *visitor {
	v := &visitor{at: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	s := newServer(t, Options{DemoPlugin: true, Now: func() time.Time { return v.at }})
	v.client = (&stage{t: t, s: s}).token(s.AccountToken(ServiceLogin))
	return v
}

// captcha asks for one and reads it.
func (v *visitor) captcha() (id int, answer string) {
	v.t.Helper()
	n, err := nodeOf(v.want("POST", "/PluginFlyvemdmdemoCaptcha", `{"input":{}}`, 201, `"id":`).Body.Bytes())
	if err != nil {
		v.t.Fatal(err)
	}
	id = phpInt(n.str("id"))
	return id, v.s.CaptchaAnswer(id)
}

func (v *visitor) signUp(changes ...string) string {
	id, answer := v.captcha()
	fields := map[string]string{
		"name": "zoe@new.test", "password": "secret", "password2": "secret", "firstname": "Zoë", "realname": "Lee",
		"_plugin_flyvemdmdemo_captchas_id": fmt.Sprint(id), "_answer": answer, "_newsletter": "0",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		fields[changes[i]] = changes[i+1]
	}
	var parts []string
	for key, value := range fields {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%q", key, value))
		}
	}
	return `{"input":{` + strings.Join(parts, ",") + `}}`
}

// TestSignUp makes an account as a visitor, validates it by the mail's link, and signs in.
func TestSignUp(t *testing.T) {
	v := newVisitor(t)
	user := v.want("POST", "/PluginFlyvemdmdemoUser", v.signUp(), 201, `{"id":`).Body.String()
	if !strings.HasPrefix(user, `{"id":`+rowID(t, v.s, "User", "name", "zoe@new.test")+`,`) {
		t.Errorf("the answer's id is not the user's: %s", user)
	}
	zoe := signIn(t, v.s, "zoe@new.test", "secret")
	zoe.want("GET", "/getActiveProfile", "", 200, `"name":"Flyve MDM inactive registered users"`)
	zoe.want("GET", "/PluginFlyvemdmAgent", "", 401, "ERROR_RIGHT_MISSING")
	mails := v.s.Mails("zoe@new.test")
	if len(mails) != 1 || mails[0].Token() == "" || !strings.Contains(mails[0].Text, fmt.Sprintf("#!/account/%d/validation/", mails[0].ItemID)) {
		t.Fatalf("mails %+v", mails)
	}
	path := fmt.Sprintf("/PluginFlyvemdmdemoAccountvalidation/%d", mails[0].ItemID)
	right := fmt.Sprintf(`{"input":{"_validate":%q}}`, mails[0].Token())
	v.want("GET", path, "", 401, "ERROR_RIGHT_MISSING")
	zoe.want("PUT", path, right, 400, noPermission)
	v.want("PUT", path, `{"input":{"_validate":""}}`, 400, "Validation token missing")
	v.want("PUT", path, `{"input":{"_validate":"00"}}`, 400, "Validation token is invalid")
	v.want("PUT", path, right, 200, "true")
	v.want("PUT", path, right, 400, "Validation token is invalid") // it works once
	zoe = signIn(t, v.s, "zoe@new.test", "secret")
	zoe.want("GET", "/getActiveProfile", "", 200, `"name":"Flyve MDM registered users"`)
	zoe.want("GET", "/PluginFlyvemdmFleet", "", 200, `"name":"not managed fleet"`)
	zoe.want("GET", "/PluginFlyvemdmTaskstatus", "", 401, "ERROR_RIGHT_MISSING")
	// Two of three rights on an entity's settings open the door, and then no change passes.
	zoe.want("PUT", "/PluginFlyvemdmEntityConfig/"+rowID(t, v.s, "Entity", "name", "zoe@new.test"), `{"input":{"download_url":"https://x.test"}}`, 400, "You are not allowed to change the device limit")
}

func rowID(t *testing.T, s *Server, itemtype, column, value string) string {
	t.Helper()
	tx := s.begin(nil)
	defer tx.end()
	row := tx.First(itemtype, column, value)
	if row == nil {
		t.Fatalf("no %s has %s %s", itemtype, column, value)
	}
	return row.Str("id")
}

// TestSignUpRefused shows each refusal, in the plugin's order.
func TestSignUpRefused(t *testing.T) {
	for _, c := range []struct {
		name, message string
		changes       []string
	}{
		{"passwords differ", "Passwords are different", []string{"password2", "other", "name", "nobody"}},
		{"no address", "Email address is not valid", []string{"name", "nobody", "_answer", ""}},
		{"no answer", "Turing test not specified", []string{"_answer", ""}},
		{"no captcha", "Turing test not found", []string{"_plugin_flyvemdmdemo_captchas_id", "99"}},
		{"wrong answer", "Turing test failed", []string{"_answer", "00000"}},
		{"twice", "An entity already exists for your email. You probably already have an account.", []string{"name", "old@new.test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisitor(t)
			v.want("POST", "/PluginFlyvemdmdemoUser", v.signUp("name", "old@new.test"), 201, "")
			v.want("POST", "/PluginFlyvemdmdemoUser", v.signUp(c.changes...), 400, `["ERROR_GLPI_ADD","`+c.message+`"]`)
		})
	}
	v := newVisitor(t)
	v.want("POST", "/User", `{"input":{"name":"x","_profiles_id":4,"_entities_id":0}}`, 400, "Not allowed")
	signIn(t, v.s, "glpi", "glpi").want("POST", "/User", `{"input":{"name":"x"}}`, 201, "")
}

// TestLateValidation: the mail's link works for a day.
func TestLateValidation(t *testing.T) {
	v := newVisitor(t)
	v.want("POST", "/PluginFlyvemdmdemoUser", v.signUp(), 201, "")
	mail := v.s.Mails("zoe@new.test")[0]
	v.at = v.at.Add(25 * time.Hour)
	late := (&stage{t: t, s: v.s}).token(v.s.AccountToken(ServiceLogin))
	late.want("PUT", fmt.Sprintf("/PluginFlyvemdmdemoAccountvalidation/%d", mail.ItemID), fmt.Sprintf(`{"input":{"_validate":%q}}`, mail.Token()), 400, "Validation token expired")
}

// TestCaptcha is an image for the address that asked for it, and six in five minutes at most.
func TestCaptcha(t *testing.T) {
	v := newVisitor(t)
	id, answer := v.captcha()
	path := fmt.Sprintf("/PluginFlyvemdmdemoCaptcha/%d", id)
	v.want("GET", path, "", 200, `"ip_address":"","answer":""`)
	w := v.send("GET", path+"?alt=media", "")
	img, err := jpeg.Decode(bytes.NewReader(w.Body.Bytes()))
	if err != nil || w.Header().Get("Content-Type") != "image/jpeg" || img.Bounds().Dx() < 100 {
		t.Errorf("the image of %s: %v, %v", answer, err, w.Header())
	}
	if w := v.send("GET", path+"?alt=media", "", "X-Forwarded-For", "198.51.100.7"); w.Code != 401 {
		t.Errorf("another address: %d", w.Code)
	}
	for range 5 {
		v.captcha()
	}
	v.want("POST", "/PluginFlyvemdmdemoCaptcha", `{"input":{}}`, 400, "Too many captcha requests")
	if w := v.send("POST", "/PluginFlyvemdmdemoCaptcha", `{"input":{}}`, "X-Forwarded-For", "198.51.100.7"); w.Code != 201 {
		t.Errorf("another address asks in vain: %d %s", w.Code, w.Body)
	}
	v.at = v.at.Add(6 * time.Minute)
	v.captcha()
}

// TestWithoutDemoPlugin: its itemtypes are unknown.
func TestWithoutDemoPlugin(t *testing.T) {
	c := signIn(t, newServer(t, Options{}), "glpi", "glpi")
	c.want("POST", "/PluginFlyvemdmdemoCaptcha", `{"input":{}}`, 400, "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM")
	if plugins := c.want("GET", "/Plugin", "", 200, `"directory":"flyvemdm"`).Body.String(); strings.Contains(plugins, "demo") {
		t.Errorf("plugins %s", plugins)
	}
}

// TestWithoutFlyve: a GLPI that never heard of Flyve MDM.
func TestWithoutFlyve(t *testing.T) {
	c := signIn(t, newServer(t, Options{NoFlyve: true}), "glpi", "glpi")
	c.want("GET", "/PluginFlyvemdmAgent", "", 400, "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM")
	c.want("GET", "/Computer", "", 200, "[]")
	c.want("POST", "/Entity", `{"input":{"name":"acme","entities_id":0}}`, 201, `"id":1`)
	c.want("DELETE", "/Computer/1", "", 400, "Item not found")
	for _, path := range []string{"/getActiveProfile", "/getFullSession", "/Plugin", "/Profile"} {
		if body := c.want("GET", path, "", 200, "").Body.String(); strings.Contains(body, "plugin_flyvemdm_guest") || strings.Contains(body, "flyvemdm") {
			t.Errorf("%s tells of Flyve MDM: %.300s", path, body)
		}
	}
}

// TestFaults breaks the API as a whole, and mends it.
func TestFaults(t *testing.T) {
	s := newServer(t, Options{Fault: APIDisabled})
	c := &client{t: t, s: s}
	c.want("GET", "/initSession", "", 400, `["ERROR","API disabled"]`)
	s.SetFault(AddressRefused)
	c.want("GET", "/initSession", "", 400, `["ERROR_NOT_ALLOWED_IP","There isn't an active API client matching your IP address in the configuration (192.0.2.1)"]`)
	s.SetFault(NoPasswordLogin)
	c.want("GET", "/initSession?login=glpi&password=glpi", "", 400, "ERROR_LOGIN_WITH_CREDENTIALS_DISABLED")
	c.want("GET", "/initSession?user_token="+s.AccountToken("glpi"), "", 200, "session_token")
	s.SetFault(NoFault)
	c.want("GET", "/initSession?login=glpi&password=glpi", "", 200, "session_token")
	if w := c.send("GET", "/initSession?login=glpi&password=glpi", "", "X-Forwarded-For", "198.51.100.7, 10.0.0.1"); w.Code != 400 {
		t.Errorf("an address that is two: %d %s", w.Code, w.Body)
	}
}

// TestVersions shows what other versions of GLPI answer differently.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version, method, path, body string
		status                      int
		part                        string
	}{
		{"9.2.4", "GET", "/getFullSession", "", 200, `{"glpi_plugins":`},
		{"9.3.1", "GET", "/getFullSession", "", 200, `{"session":{"glpi_plugins":`},
		{"9.3.1", "GET", "/PluginFlyvemdmMqttuser", "", 401, "ERROR_RIGHT_MISSING"},
		{"9.5.13", "GET", "/PluginFlyvemdmMqttuser", "", 403, "ERROR_RIGHT_MISSING"},
		{"9.5.13", "GET", "/Profile/4", "", 200, `{"id":4,"name":"Super-Admin"`},
		{"10.0.12", "GET", "/PluginFlyvemdmMqttuser", "", 403, "ERROR_RIGHT_MISSING"},
		{"10.0.12", "GET", "/Profile/4", "", 200, `{"id":"4","name":"Super-Admin"`},
		{"10.0.12", "GET", "/getGlpiConfig", "", 200, `"version":"10.0.12"`},
		{"10.0.12", "GET", "/killSession", "", 200, "true"},
		{"10.0.12", "POST", "/changeActiveProfile", `{"profiles_id":4}`, 200, "true"},
		{"10.0.12", "POST", "/changeActiveEntities", `{"entities_id":99}`, 200, "false"},
		{"9.3.1", "POST", "/changeActiveEntities", `{"entities_id":99}`, 400, `"ERROR"`},
	} {
		t.Run(c.version+" "+c.path, func(t *testing.T) {
			s := newServer(t, Options{Version: c.version})
			signIn(t, s, "glpi", "glpi").want(c.method, c.path, c.body, c.status, c.part)
		})
	}
	for version, want := range map[string]struct {
		status int
		rows   string
	}{"9.3.1": {200, "0-20/5"}, "10.0.12": {200, "0-4/5"}} {
		w := signIn(t, newServer(t, Options{Version: version}), "glpi", "glpi").send("GET", "/User", "")
		if w.Code != want.status || w.Header()["Content-Range"][0] != want.rows {
			t.Errorf("%s lists users with %d and %v", version, w.Code, w.Header())
		}
	}
}
