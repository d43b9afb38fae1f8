package glpiproxy_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// watched is a simulated GLPI that notes what it is asked, and can be away.
type watched struct {
	glpi   *glpi.Server
	demo   glpi.Demo
	client *glpiproxy.Client

	mu    sync.Mutex
	away  bool
	asked []string // "METHOD path"
	// killing is what makes the session that asks it end before it is answered.
	killing string
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{glpi: glpi.New(glpi.Options{})}
	w.demo = w.glpi.SeedDemo(glpi.DemoOptions{Devices: 2, Seed: 1})
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	var err error
	if w.client, err = glpiproxy.New(glpiproxy.Options{URL: server.URL + "/apirest.php"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	return w
}

func (w *watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	away := w.away
	asked := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/apirest.php")
	killed := asked == w.killing
	w.asked = append(w.asked, asked)
	w.mu.Unlock()
	if killed {
		kill := httptest.NewRequest(http.MethodGet, "/apirest.php/killSession", nil)
		kill.Header.Set("Session-Token", r.Header.Get("Session-Token"))
		w.glpi.ServeHTTP(httptest.NewRecorder(), kill)
	}
	if away {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	w.glpi.ServeHTTP(rw, r)
}

// count is how often something was asked.
func (w *watched) count(asked string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a == asked {
			n++
		}
	}
	return n
}

// kill ends a session behind its account's back.
func (w *watched) kill(t *testing.T, s *glpiproxy.Session) {
	t.Helper()
	if err := w.client.Resume(s.Token()).End(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func fleets(ctx context.Context, s *glpiproxy.Session) error {
	_, err := glpiproxy.List[glpiproxy.Fleet](ctx, s, glpiproxy.ListOptions{Fresh: true})
	return err
}

func TestOneSessionIsKeptAndEnded(t *testing.T) {
	w := newWatched(t)
	account := w.client.Account(glpiproxy.UserToken(w.demo.ServiceToken))
	if again := w.client.Account(glpiproxy.UserToken(w.demo.ServiceToken)); again != account {
		t.Error("two accounts of one credential")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := account.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.count("GET /initSession"); n != 1 {
		t.Errorf("%d sessions were opened, want one", n)
	}
	s := must(account.Session(t.Context(), glpiproxy.As{}))(t)
	plain := w.client.Resume(s.Token())
	if err := account.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, second(plain.Scope(t.Context())), glpiproxy.Unauthenticated)
	wantKind(t, fleets(t.Context(), s), glpiproxy.Unauthenticated)
	if err := account.Close(t.Context()); err != nil || w.count("GET /killSession") != 1 {
		t.Errorf("closed twice: %v, %d sessions ended", err, w.count("GET /killSession"))
	}
	wantKind(t, account.Check(t.Context()), glpiproxy.Unauthenticated)
	if err := w.client.Account(glpiproxy.UserToken(w.demo.ServiceToken)).Check(t.Context()); err != nil {
		t.Errorf("a new account of the same credential: %v", err)
	}
}

func TestReadsSurviveTheEndOfTheSession(t *testing.T) {
	w := newWatched(t)
	account := w.client.Account(glpiproxy.Password("admin@acme.test", glpi.DemoPassword))
	defer account.Close(context.Background())
	s := must(account.Session(t.Context(), glpiproxy.As{}))(t)
	first := s.Token()
	w.kill(t, s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := fleets(t.Context(), s); err != nil {
				t.Errorf("after GLPI has ended the session: %v", err)
			}
		})
	}
	wg.Wait()
	if n := w.count("GET /initSession"); n != 2 || s.Token() == first {
		t.Errorf("%d sessions were opened, want a second one", n)
	}
	// Not when GLPI says that a right is missing.
	if _, err := glpiproxy.Get[glpiproxy.Fleet](t.Context(), s, 1_000_000); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Error(err)
	}
	if _, err := glpiproxy.Get[glpiproxy.Entity](t.Context(), s, 0); glpiproxy.KindOf(err) != glpiproxy.Forbidden {
		t.Error(err)
	}
	if n := w.count("GET /initSession"); n != 2 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestWritesAreNotRepeatedInANewSession(t *testing.T) {
	w := newWatched(t)
	account := w.client.Account(glpiproxy.Password("admin@acme.test", glpi.DemoPassword))
	defer account.Close(context.Background())
	s := must(account.Session(t.Context(), glpiproxy.As{}))(t)
	scope := must(s.Scope(t.Context()))(t)
	create := func() error {
		return second(glpiproxy.CreateItem(t.Context(), s, glpiproxy.FleetInput{Name: "created", EntityID: scope.EntityID}))
	}
	w.mu.Lock()
	w.killing = "POST /PluginFlyvemdmFleet" // between the writer's look and its write
	w.mu.Unlock()
	wantKind(t, create(), glpiproxy.Unauthenticated)
	if n := w.count("POST /PluginFlyvemdmFleet"); n != 1 {
		t.Errorf("sent %d times", n)
	}
	w.mu.Lock()
	w.killing = ""
	w.mu.Unlock()
	if err := create(); err != nil { // known to have ended before this one
		t.Error(err)
	}
}

func TestGuises(t *testing.T) {
	w := newWatched(t)
	account := w.client.Account(glpiproxy.UserToken(w.demo.ServiceToken))
	plain := must(account.Session(t.Context(), glpiproxy.As{}))(t)
	profile := must(plain.Scope(t.Context()))(t).Profile.ID
	entity := w.demo.Devices[0].EntityID
	for _, as := range []glpiproxy.As{
		{EntityID: entity}, {EntityID: entity, Recursive: true}, {ProfileID: profile, EntityID: entity}, {ProfileID: profile, Recursive: true},
	} {
		s := must(account.Session(t.Context(), as))(t)
		check := func() {
			t.Helper()
			scope := must(s.Scope(t.Context()))(t)
			if scope.EntityID != as.EntityID || scope.Recursive != as.Recursive || scope.Profile.ID != profile {
				t.Errorf("%+v became %+v", as, scope)
			}
		}
		check()
		if again := must(account.Session(t.Context(), as))(t); again != s || s == plain {
			t.Errorf("%+v: not a session of its own", as)
		}
		w.kill(t, s)
		if err := fleets(t.Context(), s); err != nil {
			t.Error(err)
		}
		check() // the guise is taken again
		wantKind(t, s.SwitchEntity(t.Context(), entity, false), glpiproxy.Invalid)
		wantKind(t, s.SwitchProfile(t.Context(), profile), glpiproxy.Invalid)
		wantKind(t, s.End(t.Context()), glpiproxy.Invalid)
	}
	killed := w.count("GET /killSession")
	for as, kind := range map[glpiproxy.As]glpiproxy.Kind{
		{EntityID: 1_000_000}: glpiproxy.Forbidden, {ProfileID: 1_000_000}: glpiproxy.NotFound, {ProfileID: -1}: glpiproxy.Invalid,
	} {
		wantKind(t, second(account.Session(t.Context(), as)), kind)
	}
	if n := w.count("GET /killSession") - killed; n != 2 {
		t.Errorf("%d of the sessions that are of no use were ended", n)
	}
	if err := account.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if opened, ended := w.count("GET /initSession"), w.count("GET /killSession"); opened != ended {
		t.Errorf("%d sessions were opened, %d ended", opened, ended)
	}
}

func TestAnAccountsErrorsDoNotTellItsCredential(t *testing.T) {
	w := newWatched(t)
	for name, c := range map[string]struct {
		credential glpiproxy.Credential
		away       bool
		kind       glpiproxy.Kind
	}{
		"a wrong token":      {glpiproxy.UserToken("hunter2hunter2hunter2hunter2hunter2hunte"), false, glpiproxy.BadCredentials},
		"what is no token":   {glpiproxy.UserToken("hunter2 \n"), false, glpiproxy.BadCredentials},
		"a wrong password":   {glpiproxy.Password("admin@acme.test", "hunter2"), false, glpiproxy.BadCredentials},
		"GLPI is not there":  {glpiproxy.UserToken("hunter2hunter2"), true, glpiproxy.Unavailable},
		"nor with the right": {glpiproxy.UserToken(w.demo.ServiceToken), true, glpiproxy.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w.mu.Lock()
			w.away = c.away
			w.mu.Unlock()
			account := w.client.Account(c.credential)
			err := account.Check(t.Context())
			wantKind(t, err, c.kind)
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "account", account, "credential", c.credential)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "account", account, "credential", c.credential)
			fmt.Fprintf(&out, "%v %+v %#v %s %d %v %+v %#v %s %d %v", account, account, account, account, account,
				c.credential, c.credential, c.credential, c.credential, c.credential, err)
			if text := out.String(); strings.Contains(text, "hunter2") || strings.Contains(text, w.demo.ServiceToken) {
				t.Errorf("the credential is told: %s", text)
			}
			if err := account.Close(t.Context()); err != nil {
				t.Errorf("closing without a session: %v", err)
			}
		})
	}
}
