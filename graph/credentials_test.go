package graph_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

const (
	issueIt = `mutation ($id: ID!) { issueInvitationCredentials(input: {invitationId: $id}) {
		credentials { deeplink enrollmentUrl pin qrCodePng qrCodeSvg expiresAt } userErrors { code message field } } }`
	redeemIt = `mutation ($email: EmailAddress!, $pin: String!) { redeemPin(input: {email: $email, pin: $pin}) {
		deeplink userErrors { code message } } }`
)

// newInvitingWorld has a service account, and somebody invited into ACME.
func newInvitingWorld(t *testing.T) (w *world, invitation string, o *operator) {
	t.Helper()
	w = newWorldOf(t, glpi.Options{}, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
	})
	o = w.operator()
	id := o.invite("nina@acme.test", w.entityOf("admin@acme.test"))
	return w, model.GlobalID("Invitation", id), o
}

// entityOf is the entity in which somebody works.
func (w *world) entityOf(username string) int {
	w.t.Helper()
	id, _ := w.must(w.signIn(username), `{ viewer { activeEntity { databaseId } } }`, nil).at("viewer", "activeEntity", "databaseId").(float64)
	if id == 0 {
		w.t.Fatalf("%s has no entity", username)
	}
	return int(id)
}

// invite makes somebody new, with an invitation, past the gateway.
func (o *operator) invite(email string, entity int) (invitation int) {
	o.w.t.Helper()
	var user, made struct{ ID int }
	o.call(http.MethodPost, "/User", map[string]any{
		"name": email, "_useremails": []string{email}, "_profiles_id": o.guestProfile(), "_entities_id": entity}, &user)
	o.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": user.ID, "entities_id": entity}, &made)
	return made.ID
}

// guestProfile is Flyve MDM's profile for the invited.
func (o *operator) guestProfile() int {
	o.w.t.Helper()
	var session struct {
		Session struct {
			Guest int `json:"plugin_flyvemdm_guest_profiles_id"`
		}
	}
	o.call(http.MethodGet, "/getFullSession", nil, &session)
	return session.Session.Guest
}

func TestCredentialsInEveryForm(t *testing.T) {
	w, invitation, _ := newInvitingWorld(t)
	admin := w.signIn("admin@acme.test")
	a := w.must(admin, issueIt, map[string]any{"id": invitation})
	got, _ := a.at("issueInvitationCredentials", "credentials").(map[string]any)
	if got == nil {
		t.Fatal(a.text)
	}
	link := got["deeplink"].(string)
	_, data, _ := strings.Cut(link, "?data=")
	plain, err := base64.StdEncoding.DecodeString(data)
	fields := strings.Split(string(plain), `\;`)
	if err != nil || len(fields) != 7 || fields[0] != strings.TrimSuffix(w.rest, "/apirest.php")+"/glpi/apirest.php" || len(fields[2]) != 64 || fields[3] != "ACME IT help desk" || fields[6] != "help@acme.test" {
		t.Errorf("%v: the deeplink has %d fields: %q", err, len(fields), fields)
	}
	if !strings.HasPrefix(link, "http://flyve.org/deeplink/?data=") {
		t.Errorf("deeplink %q", link)
	}
	if !regexp.MustCompile(`^\d{8}$`).MatchString(got["pin"].(string)) || !strings.HasPrefix(got["enrollmentUrl"].(string), w.url+"/enroll/") {
		t.Errorf("PIN %v, URL %v", got["pin"], got["enrollmentUrl"])
	}
	for _, secret := range fields[1:3] {
		if strings.Contains(got["enrollmentUrl"].(string)+got["pin"].(string), secret) {
			t.Error("a secret of GLPI is in the URL or the PIN")
		}
	}
	if scanned := scan(t, got["qrCodePng"].(string)); scanned != link {
		t.Errorf("the QR code reads %q", scanned)
	}
	if !strings.HasPrefix(got["qrCodeSvg"].(string), "<svg ") || got["expiresAt"] == nil {
		t.Errorf("SVG %.20v, until %v", got["qrCodeSvg"], got["expiresAt"])
	}
	again := w.must(admin, issueIt, map[string]any{"id": invitation}).at("issueInvitationCredentials", "credentials").(map[string]any)
	if again["pin"] != got["pin"] || again["enrollmentUrl"] != got["enrollmentUrl"] || again["deeplink"] != link {
		t.Error("the second time they are others")
	}
	redeemed := w.must("", redeemIt, map[string]any{"email": "Nina@ACME.test", "pin": got["pin"]})
	if redeemed.at("redeemPin", "deeplink") != link {
		t.Errorf("redeemed: %s", redeemed.text)
	}
	for _, secret := range []string{fields[1], fields[2], data, got["pin"].(string), strings.TrimPrefix(got["enrollmentUrl"].(string), w.url+"/enroll/")} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// scan reads the QR code in a data URL.
func scan(t *testing.T, dataURL string) string {
	t.Helper()
	text, found := strings.CutPrefix(dataURL, "data:image/png;base64,")
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !found {
		t.Fatalf("not a PNG: %v", err)
	}
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

func TestWhoGetsCredentials(t *testing.T) {
	w, invitation, o := newInvitingWorld(t)
	acme := w.entityOf("admin@acme.test")
	expired, ended, used := o.invite("e@acme.test", acme), o.invite("d@acme.test", acme), o.invite("u@acme.test", acme)
	o.change(expired, map[string]any{"expiration_date": "2020-01-01 00:00:00"})
	o.change(ended, map[string]any{"status": "done"})
	o.change(used, map[string]any{"status": "done", "expiration_date": "0000-00-00 00:00:00"})
	id := func(n int) string { return model.GlobalID("Invitation", n) }
	for _, test := range []struct{ name, who, invitation, code, said string }{
		{"another company's", "admin@globex.test", invitation, "NOT_FOUND", ""},
		{"nobody's", "admin@acme.test", id(99999), "NOT_FOUND", ""},
		{"expired", "admin@acme.test", id(expired), "CONFLICT", ""},
		{"deactivated", "admin@acme.test", id(ended), "CONFLICT", ""},
		{"used", "admin@acme.test", id(used), "CONFLICT", ""},
		{"a fleet", "admin@acme.test", model.GlobalID("Fleet", 1), "BAD_USER_INPUT", ""},
		{"nonsense", "admin@acme.test", "nonsense", "BAD_USER_INPUT", ""},
		{"without the right", "viewer@acme.test", invitation, "", "FORBIDDEN"},
		{"without any right", "sally@acme.test", invitation, "", "FORBIDDEN"},
		{"signed out", "", invitation, "", "UNAUTHENTICATED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := ""
			if test.who != "" {
				token = w.signIn(test.who)
			}
			a := w.ask(token, issueIt, map[string]any{"id": test.invitation})
			if a.at("issueInvitationCredentials", "credentials") != nil || a.code() != test.said {
				t.Errorf("got %s", a.text)
			}
			if code, _ := a.at("issueInvitationCredentials", "userErrors", 0, "code").(string); code != test.code {
				t.Errorf("got %s, want %s", a.text, test.code)
			}
		})
	}
}

// change writes an invitation past the gateway.
func (o *operator) change(invitation int, input map[string]any) {
	o.w.t.Helper()
	o.call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmInvitation/%d", invitation), input, nil)
}

// GLPI lets anybody be invited, and shows the token that signs in as them.
func TestNobodyGetsTheCredentialsOfSomebodyWithMoreRights(t *testing.T) {
	w, _, o := newInvitingWorld(t)
	var chief, made struct{ ID int }
	o.call(http.MethodPost, "/User", map[string]any{
		"name": "chief", "_useremails": []string{"chief@acme.test"}, "_profiles_id": 4, "_entities_id": 0, "_is_recursive": 1}, &chief)
	o.call(http.MethodPost, "/PluginFlyvemdmInvitation", map[string]any{"users_id": chief.ID, "entities_id": w.entityOf("admin@acme.test")}, &made)
	a := w.must(w.signIn("admin@acme.test"), issueIt, map[string]any{"id": model.GlobalID("Invitation", made.ID)})
	if a.at("issueInvitationCredentials", "credentials") != nil || a.at("issueInvitationCredentials", "userErrors", 0, "code") != "FORBIDDEN" {
		t.Errorf("got %s", a.text)
	}
}

func TestPINsThatDoNotFit(t *testing.T) {
	w, invitation, o := newInvitingWorld(t)
	admin := w.signIn("admin@acme.test")
	pin := w.must(admin, issueIt, map[string]any{"id": invitation}).at("issueInvitationCredentials", "credentials", "pin").(string)
	wrong := "00000000"
	if pin == wrong {
		wrong = "00000001"
	}
	answers := map[string]bool{}
	for _, try := range []map[string]any{{"email": "nina@acme.test", "pin": wrong}, {"email": "nobody@acme.test", "pin": pin}, {"email": "nina@acme.test", "pin": "x"}} {
		a := w.must("", redeemIt, try)
		if a.at("redeemPin", "deeplink") != nil || a.at("redeemPin", "userErrors", 0, "code") != "NOT_FOUND" {
			t.Errorf("%v: %s", try, a.text)
		}
		answers[a.text] = true
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers", len(answers))
	}
	for range 3 {
		w.must("", redeemIt, map[string]any{"email": "nina@acme.test", "pin": wrong})
	}
	locked := w.must("", redeemIt, map[string]any{"email": "nina@acme.test", "pin": pin})
	if locked.at("redeemPin", "deeplink") != nil || locked.at("redeemPin", "userErrors", 0, "code") != "RATE_LIMITED" {
		t.Errorf("after many tries: %s", locked.text)
	}
	_, id, err := model.ParseGlobalID(invitation)
	if err != nil {
		t.Fatal(err)
	}
	other := o.invite("otto@acme.test", w.entityOf("admin@acme.test"))
	pin = w.must(admin, issueIt, map[string]any{"id": model.GlobalID("Invitation", other)}).at("issueInvitationCredentials", "credentials", "pin").(string)
	o.change(other, map[string]any{"status": "done"}) // past the gateway
	if a := w.must("", redeemIt, map[string]any{"email": "otto@acme.test", "pin": pin}); a.at("redeemPin", "deeplink") != nil || id == other {
		t.Errorf("of an invitation that has ended: %s", a.text)
	}
}

// The page opens with the link that was issued, and closes when a device has enrolled past the gateway.
func TestThePageBehindTheLink(t *testing.T) {
	w, invitation, o := newInvitingWorld(t)
	a := w.must(w.signIn("admin@acme.test"), issueIt, map[string]any{"id": invitation})
	link := a.at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string)
	status, body := w.visit(link)
	if pin := a.at("issueInvitationCredentials", "credentials", "pin").(string); status != http.StatusOK || !strings.Contains(body, pin) || !strings.Contains(body, "help@acme.test") {
		t.Errorf("pending: %d %.200s", status, body)
	}
	_, id, err := model.ParseGlobalID(invitation)
	if err != nil {
		t.Fatal(err)
	}
	o.change(id, map[string]any{"status": "done"})
	ended, used := w.visit(link)
	unknown, other := w.visit(w.url + "/enroll/aaaaaaaaaaaaaaaa")
	if ended != http.StatusNotFound || unknown != http.StatusNotFound || used != other {
		t.Errorf("ended: %d, unknown: %d", ended, unknown)
	}
}

// visit opens a page.
func (w *world) visit(address string) (status int, body string) {
	w.t.Helper()
	response, err := http.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, text.String()
}
