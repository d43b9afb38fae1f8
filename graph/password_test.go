package graph_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/sim/glpi"
)

const (
	requestReset = `mutation ($email: EmailAddress!) { requestPasswordReset(input: {email: $email}) { accepted userErrors { code message } } }`
	resetToNew   = `mutation ($email: EmailAddress!, $token: String!, $password: String!) {
	  resetPassword(input: {email: $email, token: $token, password: $password}) { reset userErrors { code message field } } }`
)

// Whoever asks must not learn who has an account: neither by the answer nor by its time.
func TestAskingForANewPasswordTellsNothing(t *testing.T) {
	w := newWorld(t)
	glpiServer := w.operator()
	glpiServer.call("PUT", fmt.Sprint("/User/", glpiServer.idOf("User", "sally@acme.test")), map[string]any{"is_active": "0"}, nil)
	type result struct {
		text string
		took time.Duration
	}
	var mu sync.Mutex
	results := map[string]result{}
	var wg sync.WaitGroup
	for _, email := range []string{"viewer@acme.test", "nobody@acme.test", "sally@acme.test", "o'nobody@acme.test"} {
		wg.Go(func() {
			began := time.Now()
			a := w.ask("", requestReset, map[string]any{"email": email})
			mu.Lock()
			defer mu.Unlock()
			results[email] = result{a.text, time.Since(began)}
		})
	}
	wg.Wait()
	want := `{"data":{"requestPasswordReset":{"accepted":true,"userErrors":[]}}}`
	for email, got := range results {
		if got.text != want || got.took < 400*time.Millisecond {
			t.Errorf("%s: %s after %v", email, got.text, got.took)
		}
		if diff := (got.took - results["nobody@acme.test"].took).Abs(); diff > 300*time.Millisecond {
			t.Errorf("%s: %v longer or shorter than for nobody", email, diff)
		}
	}
	if n := len(w.glpi.Mails("viewer@acme.test")); n != 1 {
		t.Errorf("%d mails for the one who exists", n)
	}
	if n := len(w.glpi.Mails("sally@acme.test")); n != 0 {
		t.Errorf("%d mails for the one who is not active", n)
	}
	for _, email := range []string{"viewer@acme.test", "nobody@acme.test"} {
		if strings.Contains(w.log.String(), email) {
			t.Errorf("%s was logged", email)
		}
	}
}

func TestANewPasswordByMail(t *testing.T) {
	w := newWorld(t)
	w.glpi.SetConfig("core", "use_password_security", "1")
	w.must("", requestReset, map[string]any{"email": "admin@acme.test"})
	mails := w.glpi.Mails("admin@acme.test")
	token := mails[len(mails)-1].Token()
	wrong := strings.Repeat("0", len(token))
	var wg sync.WaitGroup
	for _, c := range []struct {
		name, email, token, password string
		code, field                  string
	}{
		{"somebody else's token", "viewer@acme.test", token, "Longer-than-8", "NOT_FOUND", "token"},
		{"a wrong token", "admin@acme.test", wrong, "Longer-than-8", "NOT_FOUND", "token"},
		{"nobody's address", "nobody@acme.test", wrong, "Longer-than-8", "NOT_FOUND", "token"},
		{"what can't be a token", "admin@acme.test", "' OR ''='", "Longer-than-8", "NOT_FOUND", "token"},
		{"no token", "admin@acme.test", "", "Longer-than-8", "BAD_USER_INPUT", "token"},
		{"no password", "admin@acme.test", token, "", "BAD_USER_INPUT", "password"},
		{"a weak password", "admin@acme.test", token, "x", "BAD_USER_INPUT", "password"},
	} {
		wg.Go(func() {
			a := w.must("", resetToNew, map[string]any{"email": c.email, "token": c.token, "password": c.password})
			if a.at("resetPassword", "reset") != false || a.at("resetPassword", "userErrors", 0, "code") != c.code ||
				a.at("resetPassword", "userErrors", 0, "field", 1) != c.field {
				t.Errorf("%s: got %s, want %s at %s", c.name, a.text, c.code, c.field)
			}
			if c.name == "a weak password" && !strings.Contains(a.text, "Password too short! Password must include at least a digit!") {
				t.Errorf("it is not said what is weak: %s", a.text)
			}
		})
	}
	wg.Wait()
	for _, works := range []bool{true, false} { // once
		a := w.must("", resetToNew, map[string]any{"email": "admin@acme.test", "token": token, "password": "Longer-than-8"})
		if a.at("resetPassword", "reset") != works {
			t.Errorf("the right token: %s, want %v", a.text, works)
		}
	}
	a := w.must("", `mutation { login(input: {username: "admin@acme.test", password: "Longer-than-8"}) { viewer { username } } }`, nil)
	if a.at("login", "viewer", "username") != "admin@acme.test" {
		t.Errorf("the new password does not open: %s", a.text)
	}
	if strings.Contains(w.log.String(), token) || strings.Contains(w.log.String(), "Longer-than-8") {
		t.Error("the token or the password was logged")
	}
}

func TestMailsToOneAddressAreBounded(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[any]int{}
	for i := range 8 { // the same one, however it is written
		email := []string{"viewer@acme.test", "Viewer@ACME.test"}[i%2]
		wg.Go(func() {
			a := w.must("", requestReset, map[string]any{"email": email})
			mu.Lock()
			defer mu.Unlock()
			codes[a.at("requestPasswordReset", "userErrors", 0, "code")]++
		})
	}
	wg.Wait()
	if codes[nil] != 3 || codes["RATE_LIMITED"] != 5 {
		t.Errorf("answers %v, want 3 accepted", codes)
	}
}

func TestTokensCantBeGuessed(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[any]int{}
	for i := range 30 {
		wg.Go(func() {
			a := w.must("", resetToNew, map[string]any{"email": "admin@acme.test", "token": fmt.Sprintf("%040x", i), "password": "x"})
			mu.Lock()
			defer mu.Unlock()
			codes[a.at("resetPassword", "userErrors", 0, "code")]++
		})
	}
	wg.Wait()
	if codes["NOT_FOUND"] > 10 || codes["RATE_LIMITED"] < 20 {
		t.Errorf("answers %v, want at most 10 tries", codes)
	}
}

func TestAGLPIThatSendsNoMailSaysSo(t *testing.T) {
	w := newWorld(t)
	capabilities := `{ gateway { capabilities } }`
	if a := w.must("", capabilities, nil); !strings.Contains(a.text, `"PASSWORD_RESET"`) {
		t.Errorf("not offered: %s", a.text)
	}
	w = newWorldOf(t, glpi.Options{}, nil)
	w.glpi.SetConfig("core", "use_notifications", "0")
	if a := w.must("", capabilities, nil); strings.Contains(a.text, `"PASSWORD_RESET"`) {
		t.Errorf("offered: %s", a.text)
	}
	for _, email := range []string{"admin@acme.test", "nobody@acme.test"} {
		if a := w.ask("", requestReset, map[string]any{"email": email}); a.code() != "CAPABILITY_MISSING" {
			t.Errorf("%s: %s", email, a.text)
		}
	}
	if a := w.ask("", requestReset, map[string]any{"email": "Ada <ada@acme.test>"}); a.code() != "BAD_USER_INPUT" {
		t.Errorf("no address: %s", a.text)
	}
}
