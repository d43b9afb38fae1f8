package acceptance

import (
	"fmt"
	"html"
	"image"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

const everyCredential = `mutation ($id: ID!) { issueInvitationCredentials(input: {invitationId: $id}) { credentials { enrollmentUrl pin deeplink } } }`

// invitedPerson is somebody with an invitation and its credentials.
type invitedPerson struct{ id, number, url, pin, deeplink string }

// invitePerson invites somebody through the gateway.
func (p *process) invitePerson(token, email string) invitedPerson {
	p.t.Helper()
	var made struct {
		InviteUsers struct {
			Results []struct {
				Invitation struct {
					ID         string
					DatabaseID int
				}
			}
		}
	}
	p.ask(token, `mutation ($input: InviteUsersInput!) { inviteUsers(input: $input) { results { invitation { id databaseId } } } }`,
		map[string]any{"input": map[string]any{"invitees": []any{map[string]any{"email": email}}, "message": "Avant <vendredi>, svp."}}).into(p.t, &made)
	invitation := made.InviteUsers.Results[0].Invitation
	var issued struct {
		IssueInvitationCredentials struct {
			Credentials struct{ EnrollmentURL, Pin, Deeplink string }
		}
	}
	p.ask(token, everyCredential, map[string]any{"id": invitation.ID}).into(p.t, &issued)
	c := issued.IssueInvitationCredentials.Credentials
	return invitedPerson{invitation.ID, fmt.Sprint(invitation.DatabaseID), c.EnrollmentURL, c.Pin, c.Deeplink}
}

// The page of an invitation on a phone and on a desktop, in a real browser that runs no scripts: in the reader's language,
// as wide as the screen, with a button that a thumb hits, and a QR code that a camera reads off the screen, in the dark
// too. That it was opened shows.
func TestTheInvitationsPageInABrowser(t *testing.T) {
	needChromium(t)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "2", "--events-per-second", "0")
	token := demo.signIn("admin@acme.test", "demo")
	for name, c := range map[string]struct {
		on    screen
		says  []string
		whole bool // the QR code needs scrolling
	}{
		"phone":       {screen{390, 844, true, "fr-FR,fr;q=0.9,en;q=0.5", false}, []string{`lang="fr"`, "Enrôler ce téléphone", "Installer l’application"}, true},
		"small phone": {screen{320, 568, true, "en-GB", true}, []string{`lang="en"`, "Enrol this phone", "Install the app"}, true},
		"desktop":     {screen{1280, 900, false, "en-US,en", false}, []string{`lang="en"`, "Are you at a computer?"}, false},
		"dark":        {screen{1280, 900, false, "fr", true}, []string{`lang="fr"`, "Vous êtes sur un ordinateur"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			demo := demo.under(t)
			person := demo.invitePerson(token, strings.ReplaceAll(name, " ", "-")+"@mail.test")
			browser := openTab(t, c.on)
			browser.visit(person.url)
			page := html.UnescapeString(browser.html())
			for _, want := range append(c.says, person.pin, "Avant <vendredi>, svp.", "flyve://register?data=") {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if width := browser.width(); width > float64(c.on.width) {
				t.Errorf("the page is %.0f wide on a screen of %d", width, c.on.width)
			}
			if x, y, width, height := browser.box(`a.button[href^="flyve:"]`); height < 44 || width < 200 || x < 0 || y+height > float64(c.on.height) && !c.whole {
				t.Errorf("the button is at %.0f,%.0f, of %.0f x %.0f", x, y, width, height)
			}
			if text := readQR(t, browser.cut(browser.picture("page-"+name, c.whole), ".qr svg")); text != person.deeplink {
				t.Errorf("the code on the screen reads %.60q", text)
			}
			for _, asked := range browser.asked {
				if asked != person.url {
					t.Errorf("the page loads %s", asked)
				}
			}
			var state struct {
				Invitation struct{ State, OpenedAt string }
			}
			demo.ask(token, `query ($id: ID!) { invitation(id: $id) { state openedAt } }`, map[string]any{"id": person.id}).into(t, &state)
			if state.Invitation.State != "OPENED" || state.Invitation.OpenedAt == "" {
				t.Errorf("it is %+v", state.Invitation)
			}
		})
	}
}

// readQR reads the QR code in a picture, as a camera does that is held at it: it tries until it has it.
func readQR(t *testing.T, picture image.Image) string {
	t.Helper()
	source := gozxing.NewLuminanceSourceFromImage(picture)
	var failed error
	for _, binarizer := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source)} {
		for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
			bitmap, err := gozxing.NewBinaryBitmap(binarizer)
			if err != nil {
				t.Fatal(err)
			}
			read, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true})
			if err == nil {
				return read.GetText()
			}
			failed = err
		}
	}
	t.Fatalf("no code can be read off the screen: %v", failed)
	return ""
}

// What became of an invitation is not told to whoever has its link: expired, ended, used and deleted ones have the page of
// a link that never was, to the byte, in either language.
func TestPagesThatLeadNowhereAreTheSame(t *testing.T) {
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "2", "--events-per-second", "0")
	token := demo.signIn("admin@acme.test", "demo")
	session, err := demo.signInToGLPI("admin@acme.test", "demo")
	if err != nil {
		t.Fatal(err)
	}
	change := func(t *testing.T, person invitedPerson, input string) {
		t.Helper()
		if err := demo.callGLPI(http.MethodPut, "/PluginFlyvemdmInvitation/"+person.number, map[string]string{"Session-Token": session}, `{"input":`+input+`}`, nil); err != nil {
			t.Fatal(err)
		}
	}
	ends := map[string]func(*testing.T, invitedPerson){
		"expired": func(t *testing.T, p invitedPerson) { change(t, p, `{"expiration_date":"2020-01-01 00:00:00"}`) },
		"used": func(t *testing.T, p invitedPerson) {
			change(t, p, `{"status":"done","expiration_date":"0000-00-00 00:00:00"}`)
		},
		"ended": func(t *testing.T, p invitedPerson) {
			demo.under(t).ask(token, `mutation ($id: ID!) { deactivateInvitations(input: {invitationIds: [$id]}) { results { id } } }`, map[string]any{"id": p.id})
		},
		"deleted": func(t *testing.T, p invitedPerson) {
			demo.under(t).ask(token, `mutation ($id: ID!) { deleteInvitations(input: {invitationIds: [$id]}) { results { id } } }`, map[string]any{"id": p.id})
		},
	}
	for _, language := range []string{"en", "fr"} {
		unknown := demo.pageIn(language, strings.TrimSuffix(demo.urls["dashboard"], "/")+"/enroll/aaaaaaaaaaaaaaaa")
		for name, end := range ends {
			t.Run(name+" in "+language, func(t *testing.T) {
				person := demo.under(t).invitePerson(token, name+"-"+language+"@mail.test")
				before := demo.pageIn(language, person.url)
				end(t, person)
				after := demo.pageIn(language, person.url)
				if before == unknown || after != unknown || !strings.HasPrefix(after, "404") {
					t.Errorf("the page was %.40q and is %.40q", before, after)
				}
			})
		}
	}
}

// pageIn is a page's status, telling headers and body.
func (p *process) pageIn(language, address string) string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Accept-Language", language)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	response.Header.Del("Date")
	response.Header.Del("X-Request-Id")
	return fmt.Sprint(response.Status, response.Header, string(body))
}
