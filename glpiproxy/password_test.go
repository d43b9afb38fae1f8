package glpiproxy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const resetToken = "5d6dfe9a2cb0f9b1e7a3a6e1f5d3f2c4b8a79660"

func TestLostPasswordInGLPIsWords(t *testing.T) {
	says400 := func(text string) http.HandlerFunc {
		return says(400, `["ERROR","`+text+`; view documentation in your browser at http://glpi/apirest.php/#ERROR"]`)
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		kind    Kind // -1: none
		message string
	}{
		"sent":          {recorded(t, "full-554-lostPassword-step1"), -1, ""},
		"unknown":       {recorded(t, "full-555-lostPassword-unknown"), NotFound, ""},
		"wrong token":   {recorded(t, "full-556-lostPassword-bad-token"), NotFound, ""},
		"in French":     {says400("Adresse de courriel introuvable."), NotFound, ""},
		"mail is off":   {says400("Email notifications are disabled"), Unsupported, "Email notifications are disabled"},
		"weak":          {says400("Password too short!"), Invalid, "Password too short!"},
		"weak, doubly":  {says400(`Password too short!\\nPassword must include at least a digit!`), Invalid, "Password too short! Password must include at least a digit!"},
		"API off":       {says(400, `["ERROR","API disabled"]`), Misconfigured, "API disabled"},
		"web server":    {says(502, "<html>"), Unavailable, "the web server before GLPI answered Bad Gateway"},
		"echoes it all": {says400("Password ada@acme.test " + resetToken + " correct horse"), Invalid, "Password [removed] [removed] [removed]"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGLPI(t)
			g.on("/lostPassword", c.answer)
			err := g.client().ResetPassword(context.Background(), "ada@acme.test", resetToken, "correct horse")
			if c.kind < 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantKind(t, err, c.kind)
			if e := err.(*Error); e.Message != c.message {
				t.Errorf("message %q, want %q", e.Message, c.message)
			}
		})
	}
}

func TestLostPasswordIsAskedForOnceAndWithoutASession(t *testing.T) {
	g := newGLPI(t)
	var sent []string
	g.on("/lostPassword", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Method+" "+r.Header.Get("Session-Token")+string(body))
		says(503, "")(w, r)
	})
	c := g.client()
	wantKind(t, c.RequestPasswordReset(context.Background(), "o'brien@acme.test"), Unavailable)
	wantKind(t, c.ResetPassword(context.Background(), "ada@acme.test", resetToken, "x"), Unavailable)
	want := []string{
		`PUT {"email":"o'brien@acme.test"}`,
		`PUT {"email":"ada@acme.test","password":"x","password_forget_token":"` + resetToken + `"}`,
	}
	if strings.Join(sent, "|") != strings.Join(want, "|") {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

func TestWhatCantBeALostPasswordIsNotSent(t *testing.T) {
	g := newGLPI(t)
	c, ctx := g.client(), context.Background()
	for _, email := range []string{
		"", "ada", "ada@", "Ada <ada@acme.test>", "ada@acme.test, bob@acme.test", "ada@acme.test\r\nBcc: x@y.test", `"a\"b"@acme.test`,
		`ada\@acme.test`, strings.Repeat("a", 300) + "@acme.test",
	} {
		wantKind(t, c.RequestPasswordReset(ctx, email), Invalid)
		wantKind(t, c.ResetPassword(ctx, email, resetToken, "x"), Invalid)
	}
	for _, token := range []string{"", "' OR 1=1", "0' -- ", "ghi"} {
		wantKind(t, c.ResetPassword(ctx, "ada@acme.test", token, "x"), NotFound)
	}
	wantKind(t, c.ResetPassword(ctx, "ada@acme.test", resetToken, ""), Invalid)
	if n := len(g.requests("")); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestWhetherPasswordResetIsOffered(t *testing.T) {
	for text, want := range map[string]bool{"Email notifications are disabled": false, "email parameter missing": true, "autre chose": true} {
		g := newGLPI(t)
		g.on("/lostPassword", func(w http.ResponseWriter, r *http.Request) {
			var body map[string]any
			if json.NewDecoder(r.Body).Decode(&body) != nil || body["email"] != nil {
				t.Errorf("sent %v: it must ask for no mail", body)
			}
			says(400, `["ERROR","`+text+`"]`)(w, r)
		})
		if got := must(g.client().OffersPasswordReset(context.Background()))(t); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	g := newGLPI(t)
	g.on("/lostPassword", says(502, ""))
	_, err := g.client().OffersPasswordReset(context.Background())
	wantKind(t, err, Unavailable)
}
