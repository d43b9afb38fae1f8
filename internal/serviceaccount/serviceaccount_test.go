package serviceaccount_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"fleetgate/glpiproxy"
	"fleetgate/internal/serviceaccount"
	"fleetgate/internal/sim/glpi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// backend is a simulated GLPI that notes what it is asked, and can be away.
type backend struct {
	glpi  *glpi.Server
	token string // of its service account

	mu       sync.Mutex
	away     bool
	sessions []string // the Session-Tokens that came
	asked    []string // "METHOD path"
}

func newBackend(t *testing.T) (*backend, *glpiproxy.Client) {
	t.Helper()
	b := &backend{glpi: glpi.New(glpi.Options{})}
	b.token = b.glpi.SeedDemo(glpi.DemoOptions{Devices: 2, Seed: 1}).ServiceToken
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/apirest.php"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return b, client
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	away := b.away
	b.asked = append(b.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/apirest.php"))
	if token := r.Header.Get("Session-Token"); token != "" {
		b.sessions = append(b.sessions, token)
	}
	b.mu.Unlock()
	if away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	b.glpi.ServeHTTP(w, r)
}

func (b *backend) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// count is how often something was asked.
func (b *backend) count(asked string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.asked {
		if a == asked {
			n++
		}
	}
	return n
}

// lastSession is the session that was used last.
func (b *backend) lastSession() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[len(b.sessions)-1]
}

func TestOneSessionIsKeptAndEnded(t *testing.T) {
	b, client := newBackend(t)
	account := serviceaccount.New(client, b.token)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := account.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := b.count("GET /initSession"); n != 1 {
		t.Errorf("%d sessions were opened, want one", n)
	}
	session := client.Resume(b.lastSession())
	if err := account.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Scope(t.Context()); glpiproxy.KindOf(err) != glpiproxy.Unauthenticated {
		t.Errorf("the session outlives the account: %v", err)
	}
	if err := account.Close(t.Context()); err != nil || b.count("GET /killSession") != 1 {
		t.Errorf("closed twice: %v, %d sessions ended", err, b.count("GET /killSession"))
	}
}

func TestASessionThatGLPIHasEndedIsOpenedAgain(t *testing.T) {
	b, client := newBackend(t)
	account := serviceaccount.New(client, b.token)
	for range 2 { // the second asks GLPI about the session
		if err := account.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := b.lastSession()
	if err := client.Resume(first).End(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := account.Check(t.Context()); err != nil {
			t.Fatalf("after GLPI has ended the session: %v", err)
		}
	}
	if b.lastSession() == first || b.count("GET /initSession") != 2 {
		t.Errorf("%d sessions were opened, want a second one", b.count("GET /initSession"))
	}
	if err := account.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaidWithoutTheToken(t *testing.T) {
	b, client := newBackend(t)
	for name, c := range map[string]struct {
		token string
		away  bool
		kind  glpiproxy.Kind
	}{
		"a wrong token":      {token: "hunter2hunter2hunter2hunter2hunter2hunte", kind: glpiproxy.BadCredentials},
		"what is no token":   {token: "hunter2 \n", kind: glpiproxy.BadCredentials},
		"GLPI is not there":  {token: "hunter2hunter2", away: true, kind: glpiproxy.Unavailable},
		"nor with the right": {token: b.token, away: true, kind: glpiproxy.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			b.setAway(c.away)
			defer b.setAway(false)
			account := serviceaccount.New(client, c.token)
			err := account.Check(t.Context())
			if err == nil || glpiproxy.KindOf(err) != c.kind {
				t.Fatalf("got %v, want %s", err, c.kind)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), b.token) {
				t.Errorf("the error tells the token: %v", err)
			}
			if err := account.Close(t.Context()); err != nil {
				t.Errorf("closing without a session: %v", err)
			}
		})
	}
}
