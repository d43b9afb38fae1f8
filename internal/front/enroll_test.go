package front_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/front"
	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

// enrolling is a front with the pages of invitations.
type enrolling struct {
	t    *testing.T
	url  string
	desk *invitation.Desk
	log  *lockedLog
}

func newEnrolling(t *testing.T, s store.Store) *enrolling {
	t.Helper()
	desk, err := invitation.NewDesk(invitation.Options{Store: s, Secret: []byte("one secret of many")})
	if err != nil {
		t.Fatal(err)
	}
	e := &enrolling{t: t, desk: desk, log: &lockedLog{}}
	f, _ := newFront(t, func(o *front.Options) {
		o.Invitations, o.Logger = desk, slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	server := httptest.NewServer(f)
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	e.url = server.URL
	return e
}

// lockedLog is written by the server while the test reads it.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedLog) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

func newStore(t *testing.T) store.Store {
	t.Helper()
	s, err := store.OpenFile("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (e *enrolling) issue(id int, help invitation.Helpdesk) invitation.Credentials {
	e.t.Helper()
	link := invitation.Deeplink{
		Base: "http://flyve.org/deeplink/", APIURL: "https://glpi.example/apirest.php", UserToken: strings.Repeat("U", 40),
		InvitationToken: strings.Repeat("0f", 32), Name: help.Name, Phone: help.Phone, Website: help.Website, Mail: help.Email,
	}
	c, err := e.desk.Issue(e.t.Context(), invitation.Grant{
		Turn:     invitation.Turn{InvitationID: id, Deeplink: link.Text(), ExpiresAt: time.Now().Add(time.Hour)},
		EntityID: 1, UserID: 2, Emails: []string{"ann@acme.test"}, Helpdesk: help, Origin: e.url,
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

// visit asks for a page with headers given as name, value pairs.
func (e *enrolling) visit(method, address string, headers ...string) (*http.Response, string) {
	e.t.Helper()
	request, err := http.NewRequestWithContext(e.t.Context(), method, address, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		e.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return response, string(body)
}

func (e *enrolling) opened(id int) bool {
	e.t.Helper()
	opened, err := e.desk.Opened(e.t.Context(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	return !opened[id].IsZero()
}

var fullHelp = invitation.Helpdesk{
	Name: "ACME IT <help>", Phone: "+33 1 70 00", Website: "https://help.acme.test", Email: "help@acme.test",
	Address: "1 rue de la Paix\n75002 Paris", DownloadURL: "https://apps.acme.test/agent",
}

func TestAnInvitationsPage(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	c := e.issue(10, fullHelp)
	response, body := e.visit(http.MethodGet, c.URL, "User-Agent", "Mozilla/5.0 (Linux; Android 14)")
	if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s %v", response.Status, response.Header)
	}
	text := html.UnescapeString(body)
	for _, want := range []string{`lang="en"`, "ACME IT <help>", "+33 1 70 00", `href="https://help.acme.test"`, "mailto:help@acme.test", "1 rue de la Paix",
		`href="https://apps.acme.test/agent"`, c.PIN, "<svg ", `href="http://flyve.org/deeplink/?data=`, `href="flyve://register?data=`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<help>") || strings.Contains(body, "ZgotmplZ") || regexp.MustCompile(`(?i)<script|<img|<link|style="|\son\w+=`).MatchString(body) {
		t.Error("the page shows text as it is, or loads or runs something")
	}
	link := regexp.MustCompile(`href="(flyve:[^"]+)"`).FindStringSubmatch(text)
	if len(link) != 2 {
		t.Fatal("no link to the app")
	}
	if parsed, err := invitation.ParseDeeplink(link[1]); err != nil || parsed.InvitationToken != strings.Repeat("0f", 32) {
		t.Errorf("the link to the app: %v", err)
	}
	checkStyle(t, response, body)
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(e.log.String(), "path=/enroll/..."); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the visit was not logged")
		}
	}
	if strings.Contains(e.log.String(), c.Code) {
		t.Error("the log shows the code")
	}
}

// checkStyle wants the page's style to be the one that its policy allows.
func checkStyle(t *testing.T, response *http.Response, body string) {
	t.Helper()
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if len(style) != 2 {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") {
		t.Errorf("policy %q", policy)
	}
}

// The inviter's words are shown as text, whatever they are, in the page's language; without any nothing is.
func TestTheInvitersWordsAreOnThePage(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	silent, said := e.issue(10, fullHelp), e.issue(11, fullHelp)
	const words = "Bonjour Ann,\nplease <b>enrol</b> by Friday & bring the \"charger\".</blockquote><script>alert(1)</script>"
	if err := e.desk.SetMessage(t.Context(), 11, words); err != nil {
		t.Fatal(err)
	}
	for lang, title := range map[string]string{"en": "A message for you", "fr": "Un message pour vous"} {
		_, body := e.visit(http.MethodGet, said.URL, "Accept-Language", lang)
		if !strings.Contains(body, title) || !strings.Contains(html.UnescapeString(body), words) || strings.Contains(body, "<b>") || strings.Contains(body, "<script") {
			t.Errorf("%s: the page has not the words as they are", lang)
		}
		if _, body := e.visit(http.MethodGet, silent.URL, "Accept-Language", lang); strings.Contains(body, title) || strings.Contains(body, "<blockquote") {
			t.Errorf("%s: the page has words where none were said", lang)
		}
	}
	if err := e.desk.Retire(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	if left, err := e.desk.Message(t.Context(), 11); left != "" || err != nil {
		t.Errorf("after the invitation's end the words are kept: %q, %v", left, err)
	}
}

func TestThePageSpeaksTheBrowsersLanguage(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	c := e.issue(10, fullHelp)
	for header, want := range map[string]string{
		"": "en", "fr": "fr", "fr-CA,fr;q=0.8,en;q=0.5": "fr", "en-GB,fr;q=0.9": "en", "de, fr;q=0.4, en;q=0.2": "fr", "de": "en",
		"fr;q=0": "en", "fr;q=nonsense": "en", strings.Repeat("de,", 500) + "fr": "en",
	} {
		if _, body := e.visit(http.MethodGet, c.URL, "Accept-Language", header); !strings.Contains(body, `<html lang="`+want+`">`) {
			t.Errorf("%.40q: not in %s", header, want)
		}
	}
	_, body := e.visit(http.MethodGet, c.URL, "Accept-Language", "fr")
	if text := html.UnescapeString(body); !strings.Contains(text, "Enrôler ce téléphone") || strings.Contains(text, "Install the app") {
		t.Error("the French page is not French")
	}
	if _, body := e.visit(http.MethodGet, e.url+"/enroll/nothing", "Accept-Language", "fr"); !strings.Contains(body, "ne mène nulle part") {
		t.Error("the French refusal is not French")
	}
}

func TestWhatCountsAsOpening(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	for i, test := range []struct {
		name, method string
		headers      []string
		opened       bool
	}{
		{"a phone", "GET", []string{"User-Agent", "Mozilla/5.0 (Linux; Android 14) Chrome/130", "Sec-Fetch-Dest", "document"}, true},
		{"an old browser", "GET", []string{"User-Agent", "Mozilla/5.0"}, true},
		{"a HEAD", "HEAD", nil, false},
		{"a prefetch", "GET", []string{"Sec-Purpose", "prefetch;prerender"}, false},
		{"an older prefetch", "GET", []string{"Purpose", "prefetch"}, false},
		{"Firefox's prefetch", "GET", []string{"X-Moz", "prefetch"}, false},
		{"Safari's preview", "GET", []string{"X-Purpose", "preview"}, false},
		{"a picture", "GET", []string{"Sec-Fetch-Dest", "image"}, false},
		{"a chat's preview", "GET", []string{"User-Agent", "Slackbot-LinkExpanding 1.0"}, false},
		{"another chat's preview", "GET", []string{"User-Agent", "WhatsApp/2.23.20.0"}, false},
		{"a mail scanner", "GET", []string{"User-Agent", "Mozilla/5.0 (compatible; Barracuda Sentinel)"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := e.issue(100+i, fullHelp)
			if response, _ := e.visit(test.method, c.URL, test.headers...); response.StatusCode != http.StatusOK {
				t.Errorf("answered %s", response.Status)
			}
			if got := e.opened(100 + i); got != test.opened {
				t.Errorf("opened: %t", got)
			}
		})
	}
}

func TestCodesThatLeadNowhereLookAlike(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	retired := e.issue(10, fullHelp)
	if err := e.desk.Retire(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]bool{}
	for name, address := range map[string]string{
		"retired": retired.URL, "unknown": e.url + "/enroll/aaaaaaaaaaaaaaaa", "odd": e.url + "/enroll/" + url.PathEscape("../<b>"), "long": e.url + "/enroll/" + strings.Repeat("a", 2000),
	} {
		start := time.Now()
		response, body := e.visit(http.MethodGet, address)
		if took := time.Since(start); took < 300*time.Millisecond {
			t.Errorf("%s: answered after %s", name, took)
		}
		if response.StatusCode != http.StatusNotFound || !strings.Contains(body, "Ask the help desk") {
			t.Errorf("%s: %s", name, response.Status)
		}
		bodies[body] = true
	}
	if len(bodies) != 1 {
		t.Errorf("%d different pages", len(bodies))
	}
	if response, _ := e.visit(http.MethodPost, retired.URL); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %s", response.Status)
	}
}

func TestGuessedCodesLockTheClient(t *testing.T) {
	s := newStore(t)
	e, replica := newEnrolling(t, s), newEnrolling(t, s)
	c := e.issue(10, fullHelp)
	for range 30 { // the desk's own limit, without the page's wait
		_, _ = e.desk.Open(t.Context(), "guess", "127.0.0.1")
	}
	for _, front := range []*enrolling{e, replica} {
		response, body := front.visit(http.MethodGet, strings.Replace(c.URL, e.url, front.url, 1))
		after, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if response.StatusCode != http.StatusTooManyRequests || err != nil || after < 1 || after > 900 || !strings.Contains(body, "Too many tries") {
			t.Errorf("%s, after %d, %v", response.Status, after, err)
		}
	}
	if e.opened(10) {
		t.Error("it counts as opened")
	}
}

// Another replica shows the same page.
func TestThePageIsTheSameOnEveryReplica(t *testing.T) {
	s := newStore(t)
	first, second := newEnrolling(t, s), newEnrolling(t, s)
	c := first.issue(10, fullHelp)
	_, one := first.visit(http.MethodGet, c.URL)
	_, two := second.visit(http.MethodGet, strings.Replace(c.URL, first.url, second.url, 1))
	if one != two || !strings.Contains(one, c.PIN) || !second.opened(10) {
		t.Error("the pages differ")
	}
}

// What a helpdesk's settings hold can't do anything on the page.
func TestHostileHelpdesks(t *testing.T) {
	e := newEnrolling(t, newStore(t))
	c := e.issue(10, invitation.Helpdesk{Name: `"><script>`, Phone: `" onclick="x`, Website: "javascript:alert(1)", Email: `a"b@c`, Address: "</dd><img src=x>", DownloadURL: "javascript:alert(2)"})
	_, body := e.visit(http.MethodGet, c.URL)
	if regexp.MustCompile(`(?i)<script|<img|href="javascript|\sonclick="`).MatchString(body) || !strings.Contains(body, "https://play.google.com/") {
		t.Error("the page lets something through")
	}
	if dir := os.Getenv("FLEETGATE_PAGES"); dir != "" { // to look at them
		full := e.issue(11, fullHelp)
		if err := e.desk.SetMessage(t.Context(), 11, "Hello Ann,\nplease enrol your phone before Friday. Room 5 helps."); err != nil {
			t.Fatal(err)
		}
		_, en := e.visit(http.MethodGet, full.URL)
		_, fr := e.visit(http.MethodGet, full.URL, "Accept-Language", "fr")
		_, gone := e.visit(http.MethodGet, e.url+"/enroll/gone")
		for name, page := range map[string]string{"en": en, "fr": fr, "gone": gone} {
			if err := os.WriteFile(dir+"/"+name+".html", []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
