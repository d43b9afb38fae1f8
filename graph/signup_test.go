package graph_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/jpeg"
	"maps"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

const (
	newCaptcha = `mutation { createSignupCaptcha { captcha { id image } userErrors { code message } } }`
	newAccount = `mutation ($in: CreateAccountInput!) { createAccount(input: $in) { created userErrors { code message field } } }`
	turnOn     = `mutation ($id: Int!, $token: String!) { validateAccount(input: {validationId: $id, token: $token}) { validated userErrors { code field message } } }`
)

// newSignupWorld has the demo plugin, and a gateway that may use it.
func newSignupWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, glpi.Options{DemoPlugin: true}, func(w *world, s *settings.Gateway) {
		s.GLPISignupToken = w.glpi.AccountToken(glpi.ServiceLogin)
	})
}

// captcha asks for one and answers its id and what it shows.
func (w *world) captcha() (id, shows string) {
	w.t.Helper()
	a := w.must("", newCaptcha, nil)
	id, _ = a.at("createSignupCaptcha", "captcha", "id").(string)
	_, number, err := model.ParseGlobalID(id)
	if err != nil {
		w.t.Fatalf("no captcha: %s", a.text)
	}
	return id, w.glpi.CaptchaAnswer(number)
}

// account is an input that works, with changes.
func (w *world) account(changes map[string]any) map[string]any {
	w.t.Helper()
	in := map[string]any{"email": "zoe@new.test", "password": "a secret", "firstName": "Zoë", "lastName": "Lee"}
	if changes["captchaId"] == nil {
		in["captchaId"], in["captchaAnswer"] = w.captcha()
	}
	maps.Copy(in, changes)
	return map[string]any{"in": in}
}

func TestSomebodyMakesAnAccount(t *testing.T) {
	w := newSignupWorld(t)
	if a := w.must("", `{ gateway { capabilities } }`, nil); !slices.Contains(capabilitiesOf(a, "gateway"), "SELF_REGISTRATION") {
		t.Errorf("not offered: %s", a.text)
	}
	a := w.must("", newCaptcha, nil)
	image, _ := a.at("createSignupCaptcha", "captcha", "image").(string)
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(image, "data:image/jpeg;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
		t.Errorf("the picture: %v", err)
	}
	if a := w.must("", newAccount, w.account(nil)); a.at("createAccount", "created") != true {
		t.Fatalf("got %s", a.text)
	}
	login := `mutation { login(input: {username: "zoe@new.test", password: "a secret"}) { viewer { displayName rights { canManageFleets } } } }`
	if a := w.must("", login, nil); a.at("login", "viewer", "rights", "canManageFleets") != false {
		t.Errorf("before the account is turned on: %s", a.text)
	}
	mail := w.glpi.Mails("zoe@new.test")[0]
	for name, c := range map[string]struct {
		id    int
		token string
	}{
		"a wrong token": {mail.ItemID, strings.Repeat("0", 64)}, "another number": {mail.ItemID + 1, mail.Token()}, "no number": {0, mail.Token()},
		"no token": {mail.ItemID, ""}, "what can't be a token": {mail.ItemID, "' OR ''='"},
	} {
		a := w.must("", turnOn, map[string]any{"id": c.id, "token": c.token})
		if a.at("validateAccount", "validated") != false || a.at("validateAccount", "userErrors", 0, "code") != "NOT_FOUND" ||
			!strings.Contains(a.text, "The link is wrong, was used already or is older than a day.") {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	for _, works := range []bool{true, false} { // once
		if a := w.must("", turnOn, map[string]any{"id": mail.ItemID, "token": mail.Token()}); a.at("validateAccount", "validated") != works {
			t.Errorf("got %s, want %v", a.text, works)
		}
	}
	if a := w.must("", login, nil); a.at("login", "viewer", "rights", "canManageFleets") != true || a.at("login", "viewer", "displayName") != "Zoë Lee" {
		t.Errorf("after the account was turned on: %s", a.text)
	}
	for _, secret := range []string{"a secret", mail.Token(), w.glpi.AccountToken(glpi.ServiceLogin)} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("%q was logged", secret)
		}
	}
}

func TestAccountsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		changes     map[string]any
		code, field string
	}{
		"a wrong answer":  {map[string]any{"captchaAnswer": "00000"}, "BAD_USER_INPUT", "captchaAnswer"},
		"no answer":       {map[string]any{"captchaAnswer": ""}, "BAD_USER_INPUT", "captchaAnswer"},
		"no captcha":      {map[string]any{"captchaId": model.GlobalID("SignupCaptcha", 4242), "captchaAnswer": "1"}, "BAD_USER_INPUT", "captchaAnswer"},
		"another's id":    {map[string]any{"captchaId": model.GlobalID("Agent", 1), "captchaAnswer": "1"}, "BAD_USER_INPUT", "captchaId"},
		"not an id":       {map[string]any{"captchaId": "1", "captchaAnswer": "1"}, "BAD_USER_INPUT", "captchaId"},
		"a weak password": {map[string]any{"password": "short"}, "BAD_USER_INPUT", "password"},
		"no password":     {map[string]any{"password": ""}, "BAD_USER_INPUT", "password"},
		"no name":         {map[string]any{"firstName": ""}, "BAD_USER_INPUT", "firstName"},
		"taken":           {map[string]any{"email": "old@new.test"}, "CONFLICT", "email"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSignupWorld(t)
			w.glpi.SetConfig("core", "use_password_security", "1")
			good := map[string]any{"email": "old@new.test", "password": "Longer-than-8"}
			if a := w.must("", newAccount, w.account(good)); a.at("createAccount", "created") != true {
				t.Fatalf("got %s", a.text)
			}
			changes := map[string]any{"password": "Longer-than-8"}
			maps.Copy(changes, c.changes)
			a := w.must("", newAccount, w.account(changes))
			if a.at("createAccount", "created") != false || a.at("createAccount", "userErrors", 0, "code") != c.code || a.at("createAccount", "userErrors", 0, "field", 1) != c.field {
				t.Errorf("got %s, want %s at %s", a.text, c.code, c.field)
			}
		})
	}
}

// GLPI takes the answer to one captcha again and again.
func TestACaptchaIsGoodForOneTry(t *testing.T) {
	w := newSignupWorld(t)
	id, shows := w.captcha()
	for i, want := range []any{nil, "CONFLICT", "CONFLICT"} {
		in := w.account(map[string]any{"email": fmt.Sprintf("zoe%d@new.test", i), "captchaId": id, "captchaAnswer": shows})
		if a := w.must("", newAccount, in); a.at("createAccount", "userErrors", 0, "code") != want {
			t.Errorf("try %d: %s, want %v", i, a.text, want)
		}
	}
	wrong, shows := w.captcha()
	w.must("", newAccount, w.account(map[string]any{"captchaId": wrong, "captchaAnswer": "00000"}))
	if a := w.must("", newAccount, w.account(map[string]any{"captchaId": wrong, "captchaAnswer": shows})); a.at("createAccount", "created") != false {
		t.Errorf("a second guess was taken: %s", a.text)
	}
}

func TestCaptchasAreBounded(t *testing.T) {
	w := newSignupWorld(t)
	codes := map[any]int{}
	for range 10 {
		codes[w.must("", newCaptcha, nil).at("createSignupCaptcha", "userErrors", 0, "code")]++
	}
	if codes[nil] != 5 || codes["RATE_LIMITED"] != 5 {
		t.Errorf("answers %v, want 5 captchas", codes)
	}
}

// Without the plugin, or without its account's token, nothing of it works, and it is not offered.
func TestWithoutSelfRegistration(t *testing.T) {
	for name, w := range map[string]*world{
		"no token": newWorldOf(t, glpi.Options{DemoPlugin: true}, nil),
		"no plugin": newWorldOf(t, glpi.Options{}, func(w *world, s *settings.Gateway) {
			s.GLPISignupToken = w.demo.ServiceToken
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.must("", `{ gateway { capabilities } }`, nil); slices.Contains(capabilitiesOf(a, "gateway"), "SELF_REGISTRATION") {
				t.Errorf("offered: %s", a.text)
			}
			in := w.account(map[string]any{"captchaId": model.GlobalID("SignupCaptcha", 1), "captchaAnswer": "1"})
			for query, variables := range map[string]map[string]any{newCaptcha: nil, newAccount: in, turnOn: {"id": 1, "token": "00"}} {
				if a := w.ask("", query, variables); a.code() != "CAPABILITY_MISSING" {
					t.Errorf("%s: %s", query, a.text)
				}
			}
		})
	}
}

func TestPasswordRulesAreTold(t *testing.T) {
	w := newSignupWorld(t)
	w.glpi.SetConfig("core", "use_password_security", "1")
	rules := `passwordRules { minLength digit lowercase uppercase symbol }`
	want := map[string]any{"minLength": 8.0, "digit": true, "lowercase": true, "uppercase": true, "symbol": true}
	a := w.must(w.signIn("viewer@globex.test"), `{ viewer { `+rules+` } gateway { `+rules+` } }`, nil)
	for _, object := range []string{"viewer", "gateway"} {
		if got, _ := a.at(object, "passwordRules").(map[string]any); !maps.Equal(got, want) {
			t.Errorf("%s: %s", object, a.text)
		}
	}
	if a := newWorld(t).must("", `{ gateway { `+rules+` } }`, nil); a.at("gateway", "passwordRules") != nil {
		t.Errorf("without an account: %s", a.text)
	}
}
