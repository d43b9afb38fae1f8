package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "one secret of many"
	deeplink = "http://flyve.org/deeplink/?data=TOKENOFGLPI"
	client   = "192.0.2.7"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// openStore opens the store of a test; without a folder an empty one that is not seen again.
func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	if dir == "" && redisHost != "" {
		return emptyRedis(t)
	}
	s, err := store.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newDesk(t *testing.T, s store.Store, c *clock, with ...func(*invitation.Options)) *invitation.Desk {
	t.Helper()
	o := invitation.Options{Store: s, Secret: []byte(secret), PublicURL: "https://fleet.example/", Now: c.Now}
	for _, change := range with {
		change(&o)
	}
	d, err := invitation.NewDesk(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newWorld(t *testing.T) (*invitation.Desk, *clock) {
	c := &clock{now: noon}
	return newDesk(t, openStore(t, ""), c), c
}

func grant(id int) invitation.Grant {
	return invitation.Grant{
		Turn: turn(id), EntityID: 1, UserID: 100 + id, Emails: []string{"Ann@acme.test ", "ann@home.test"}, Helpdesk: invitation.Helpdesk{Name: "Help; desk"},
	}
}

func turn(id int) invitation.Turn {
	return invitation.Turn{InvitationID: id, Deeplink: fmt.Sprint(deeplink, id), Token: fmt.Sprint("token ", id), ExpiresAt: noon.Add(7 * 24 * time.Hour)}
}

func issue(t *testing.T, d *invitation.Desk, g invitation.Grant) invitation.Credentials {
	t.Helper()
	c, err := d.Issue(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// opens tells which invitation a code and a PIN lead to; 0: none.
func opens(t *testing.T, d *invitation.Desk, c invitation.Credentials) (byCode, byPIN int) {
	t.Helper()
	found, err := d.Open(t.Context(), c.Code, client)
	if err != nil && !errors.Is(err, invitation.ErrUnknown) {
		t.Fatal(err)
	}
	redeemed, err := d.Redeem(t.Context(), "ann@ACME.test", c.PIN, client)
	if err != nil && !errors.Is(err, invitation.ErrUnknown) {
		t.Fatal(err)
	}
	return found.InvitationID, redeemed.InvitationID
}

func TestCredentialsLeadToTheInvitation(t *testing.T) {
	d, c := newWorld(t)
	got := issue(t, d, grant(10))
	if !regexp.MustCompile(`^[0-9]{8}$`).MatchString(got.PIN) || !regexp.MustCompile(`^[a-z2-7]{16}$`).MatchString(got.Code) {
		t.Errorf("PIN %q, code %q", got.PIN, got.Code)
	}
	if got.URL != "https://fleet.example/enroll/"+got.Code || !got.ExpiresAt.Equal(noon.Add(7*24*time.Hour)) {
		t.Errorf("got %q until %s", got.URL, got.ExpiresAt)
	}
	found, err := d.Open(t.Context(), got.Code, client)
	if err != nil || found.InvitationID != 10 || found.EntityID != 1 || found.UserID != 110 || found.PIN != got.PIN ||
		found.Deeplink != deeplink+"10" || found.Helpdesk.Name != "Help; desk" {
		t.Errorf("behind the code: %v, %v", found, err)
	}
	redeemed, err := d.Redeem(t.Context(), " ann@ACME.test", " "+got.PIN[:4]+" "+got.PIN[4:6]+"-"+got.PIN[6:], client)
	if err != nil || redeemed.Deeplink != deeplink+"10" {
		t.Errorf("behind the PIN: %v, %v", redeemed, err)
	}
	if again := issue(t, d, grant(10)); again.Code != got.Code || again.PIN != got.PIN {
		t.Error("the second time the credentials are others")
	}
	if other := issue(t, d, grant(11)); other.Code == got.Code || other.PIN == got.PIN {
		t.Error("two invitations have the same credentials")
	}
	if code, pin := opens(t, d, got); code != 10 || pin != 10 {
		t.Errorf("beside another invitation of the same address they lead to %d and %d", code, pin)
	}
	c.add(7 * 24 * time.Hour)
	if code, pin := opens(t, d, got); code != 0 || pin != 0 {
		t.Errorf("past the end they lead to %d and %d", code, pin)
	}
	renewed := grant(10)
	renewed.ExpiresAt = renewed.ExpiresAt.Add(time.Hour)
	if again := issue(t, d, renewed); again.Code != got.Code || again.PIN != got.PIN {
		t.Error("renewed, the credentials are others")
	}
	if code, pin := opens(t, d, got); code != 10 || pin != 10 {
		t.Errorf("renewed they lead to %d and %d", code, pin)
	}
}

func TestOnlyInvitationsThatCanBeUsedGetCredentials(t *testing.T) {
	d, _ := newWorld(t)
	for name, spoil := range map[string]func(*invitation.Grant){
		"no invitation": func(g *invitation.Grant) { g.InvitationID = 0 },
		"no deeplink":   func(g *invitation.Grant) { g.Deeplink = "" },
		"expired":       func(g *invitation.Grant) { g.ExpiresAt = noon },
		"used":          func(g *invitation.Grant) { g.ExpiresAt = time.Time{} },
	} {
		g := grant(10)
		spoil(&g)
		if _, err := d.Issue(t.Context(), g); err == nil {
			t.Errorf("%s: credentials were issued", name)
		}
	}
}

func TestRetiredCredentialsLeadNowhere(t *testing.T) {
	d, _ := newWorld(t)
	first, second := issue(t, d, grant(10)), issue(t, d, grant(11))
	if err := d.Retire(t.Context(), 10, 99); err != nil {
		t.Fatal(err)
	}
	if code, pin := opens(t, d, first); code != 0 || pin != 0 {
		t.Errorf("they lead to %d and %d", code, pin)
	}
	if code, pin := opens(t, d, second); code != 11 || pin != 11 {
		t.Errorf("those of another invitation lead to %d and %d", code, pin)
	}
	if issued, err := d.Issued(t.Context(), 10); issued || err != nil {
		t.Errorf("issued: %t, %v", issued, err)
	}
}

// GLPI knows first when a device enrolled past the gateway.
func TestGLPIEndsALink(t *testing.T) {
	pending, failure := true, error(nil)
	d := newDesk(t, openStore(t, ""), &clock{now: noon}, func(o *invitation.Options) {
		o.Pending = func(_ context.Context, id int) (bool, error) { return pending && id == 10, failure }
	})
	got := issue(t, d, grant(10))
	if code, pin := opens(t, d, got); code != 10 || pin != 10 {
		t.Errorf("pending: %d, %d", code, pin)
	}
	pending = false
	if code, pin := opens(t, d, got); code != 0 || pin != 0 {
		t.Errorf("used: %d, %d", code, pin)
	}
	failure = errors.New("GLPI is away")
	if code, pin := opens(t, d, got); code != 10 || pin != 10 {
		t.Errorf("GLPI is away: %d, %d", code, pin)
	}
}

func TestCredentialsSurviveARestartAndOpenOnAnotherReplica(t *testing.T) {
	dir, c := t.TempDir(), &clock{now: noon}
	first, err := store.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := issue(t, newDesk(t, first, c), grant(10))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openStore(t, dir)
	for range 2 { // two replicas on one store
		d := newDesk(t, second, c)
		if code, pin := opens(t, d, got); code != 10 || pin != 10 {
			t.Errorf("they lead to %d and %d", code, pin)
		}
		if again := issue(t, d, grant(10)); again.Code != got.Code || again.PIN != got.PIN {
			t.Error("the credentials are others")
		}
	}
	stranger := newDesk(t, second, c, func(o *invitation.Options) { o.Secret = []byte("another secret") })
	if code, pin := opens(t, stranger, got); code != 0 || pin != 0 {
		t.Errorf("with another secret they lead to %d and %d", code, pin)
	}
}

// Who reads the store learns neither GLPI's tokens, nor a code or PIN that works, nor who was invited.
func TestTheStoreShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	s, err := store.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, s, &clock{now: noon})
	got := issue(t, d, grant(10))
	if err := d.SetMessage(t.Context(), 10, "Dear Ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	held, err := os.ReadFile(filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(held), "invitation-code") {
		t.Fatal("the file holds nothing")
	}
	for _, hidden := range []string{"TOKENOFGLPI", "VE9LRU5PRkdMUEk", got.Code, got.PIN, "acme.test", "Dear Ann"} {
		if strings.Contains(string(held), hidden) {
			t.Errorf("the file shows %q", hidden)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, []any{got}); strings.Contains(text, got.PIN) || strings.Contains(text, got.Code) {
		t.Errorf("credentials print as %s", text)
	}
}

// Two replicas that issue at once agree.
func TestCredentialsIssuedAtOnceAreTheSame(t *testing.T) {
	s, c := openStore(t, ""), &clock{now: noon}
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := map[string]bool{}
	for range 8 {
		d := newDesk(t, s, c)
		all.Go(func() {
			got, err := d.Issue(context.Background(), grant(10))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[got.Code+got.PIN] = true
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Errorf("%d different credentials", len(seen))
	}
}
