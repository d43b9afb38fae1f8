package glpiproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// signUps is a simulated GLPI with the demo plugin and its service account's session.
func signUps(t *testing.T) (*glpi.Server, *glpiproxy.Client, *glpiproxy.Session) {
	t.Helper()
	simulated := glpi.New(glpi.Options{DemoPlugin: true})
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	client := must(glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"}))(t)
	t.Cleanup(func() { _ = client.Close() })
	return simulated, client, must(client.SignInWithToken(context.Background(), simulated.AccountToken(glpi.ServiceLogin)))(t)
}

func TestPeopleMakeAccountsForThemselves(t *testing.T) {
	ctx := context.Background()
	simulated, client, service := signUps(t)
	captcha := must(service.NewCaptcha(ctx))(t)
	if kind := http.DetectContentType(captcha.JPEG); kind != "image/jpeg" {
		t.Error(kind)
	}
	account := glpiproxy.SignUpInput{
		Email: "zoe@new.test", Password: "secret", FirstName: "Zoë", LastName: "D'Ora",
		CaptchaID: captcha.ID, Answer: simulated.CaptchaAnswer(captcha.ID),
	}
	wrong := account
	wrong.Answer = "nope"
	_, err := service.SignUp(ctx, wrong)
	wantKind(t, err, glpiproxy.Invalid)
	if id := must(service.SignUp(ctx, account))(t); id <= 0 {
		t.Error(id)
	}
	_, err = service.SignUp(ctx, account)
	wantKind(t, err, glpiproxy.Conflict)
	mail := simulated.Mails("zoe@new.test")[0]
	wantKind(t, service.ValidateAccount(ctx, mail.ItemID, "00"), glpiproxy.Invalid)
	wantKind(t, service.ValidateAccount(ctx, 99999, mail.Token()), glpiproxy.Invalid)
	if err := service.ValidateAccount(ctx, mail.ItemID, mail.Token()); err != nil {
		t.Error(err)
	}
	zoe := must(client.SignIn(ctx, "zoe@new.test", "secret"))(t)
	scope := must(zoe.Scope(ctx))(t)
	if !glpiproxy.Can[glpiproxy.Fleet](scope, glpiproxy.Create) {
		t.Errorf("%+v", scope.Profile)
	}
	// Two of the three rights that GLPI asks for.
	err = glpiproxy.UpdateItem(ctx, zoe, scope.EntityID, glpiproxy.EntityConfigChange{SupportName: ptr("x")})
	wantKind(t, err, glpiproxy.Forbidden)
}

func TestSignUpsThatAreNotSent(t *testing.T) {
	ctx := context.Background()
	_, _, service := signUps(t)
	for name, input := range map[string]glpiproxy.SignUpInput{
		"no address":  {Password: "x", CaptchaID: 1, Answer: "1"},
		"no password": {Email: "a@b.test", CaptchaID: 1, Answer: "1"},
		"no captcha":  {Email: "a@b.test", Password: "x", Answer: "1"},
		"no answer":   {Email: "a@b.test", Password: "x", CaptchaID: 1},
	} {
		_, err := service.SignUp(ctx, input)
		if glpiproxy.KindOf(err) != glpiproxy.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, token := range []string{"", "x' OR 1=1", "../1"} {
		wantKind(t, service.ValidateAccount(ctx, 1, token), glpiproxy.Invalid)
	}
	wantKind(t, service.ValidateAccount(ctx, -1, "00"), glpiproxy.Invalid)
}

func TestCaptchasAreThrottledByGLPI(t *testing.T) {
	ctx := context.Background()
	_, _, service := signUps(t)
	for range 20 {
		_, err := service.NewCaptcha(ctx)
		if err != nil {
			wantKind(t, err, glpiproxy.Throttled)
			return
		}
	}
	t.Error("20 captchas within a moment")
}

func TestWithoutTheDemoPlugin(t *testing.T) {
	d := newDemo(t, 0)
	_, err := d.root.NewCaptcha(context.Background())
	wantKind(t, err, glpiproxy.Unsupported)
}

func TestConfigTellsOnlyWhatClientsNeed(t *testing.T) {
	d := newDemo(t, 0)
	config := must(d.acme.Config(context.Background()))(t)
	if !config.SendsMail || config.Password != (glpiproxy.PasswordRules{}) {
		t.Errorf("%+v", config)
	}
	s := behind(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/getGlpiConfig") {
			return false
		}
		_, _ = fmt.Fprint(w, `{"cfg_glpi":{"version":"9.3.1","url_base_api":"https://glpi.test/api/","use_password_security":1,"password_min_length":"8","password_need_caps":1,
			"password_need_symbol":"0","use_notifications":1,"notifications_mailing":0,"smtp_host":"mail.secret.test",
			"languages":{"fr_FR":["Français","fr_FR.mo"],"en_GB":["English","en_GB.mo"]}}}`)
		return true
	})
	config = must(s.Config(context.Background()))(t)
	want := `{9.3.1 [{en_GB English} {fr_FR Français}] {8 false false true false} false https://glpi.test/api}`
	if got := fmt.Sprint(config); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
