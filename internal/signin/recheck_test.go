package signin_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/signin"
	"fleetgate/internal/sim/glpi"
)

// company is a desk in front of the simulated GLPI of the demonstration, looking again every few milliseconds.
type company struct {
	*signin.Desk
	t       *testing.T
	glpi    *glpiproxy.Client
	service *glpiproxy.Session
	rest    string
}

func openCompany(t *testing.T, withService bool) *company {
	t.Helper()
	simulated := glpi.New(glpi.Options{})
	demo := simulated.SeedDemo(glpi.DemoOptions{Seed: 1})
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	c := &company{t: t, rest: server.URL + "/apirest.php"}
	var err error
	if c.glpi, err = glpiproxy.New(glpiproxy.Options{URL: c.rest, CacheTTL: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.glpi.Close() })
	if c.service, err = c.glpi.SignInWithToken(t.Context(), demo.ServiceToken); err != nil {
		t.Fatal(err)
	}
	o := signin.Options{GLPI: c.glpi, Sealer: sealer(t, "one secret of many", nil), AcceptSessionTokens: true, Recheck: 5 * time.Millisecond}
	if withService {
		o.Service = func(context.Context) (*glpiproxy.Session, error) { return c.service, nil }
	}
	if c.Desk, err = signin.NewDesk(o); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- c.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return c
}

// visit signs somebody in and comes to the desk with the session.
func (c *company) visit(username string) (*glpiproxy.Session, *glpiproxy.Scope) {
	c.t.Helper()
	session, err := c.glpi.SignIn(c.t.Context(), username, glpi.DemoPassword)
	if err != nil {
		c.t.Fatal(err)
	}
	scope, err := session.Scope(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.come(session)
	return session, scope
}

func (c *company) come(session *glpiproxy.Session) {
	c.Authenticate(c.t.Context(), http.Header{"Session-Token": {session.Token()}})
}

// change alters a user in GLPI, beside the gateway.
func (c *company) change(userID int, input string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, fmt.Sprint(c.rest, "/User/", userID), bytes.NewReader([]byte(`{"input":`+input+`}`)))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Session-Token", c.service.Token())
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.t.Fatalf("changing a user: %s", response.Status)
	}
}

// lives asks GLPI itself whether a session is open.
func (c *company) lives(session *glpiproxy.Session) bool {
	c.t.Helper()
	_, err := session.Profiles(c.t.Context())
	if err != nil && glpiproxy.KindOf(err) != glpiproxy.Unauthenticated {
		c.t.Fatal(err)
	}
	return err == nil
}

// GLPI leaves the open sessions alive of somebody whose account was switched off or has run out.
func TestSessionsOfAccountsThatAreNoLongerGoodEnd(t *testing.T) {
	tomorrow, yesterday := time.Now().Add(24*time.Hour).UTC().Format(time.DateTime), time.Now().Add(-24*time.Hour).UTC().Format(time.DateTime)
	for name, c := range map[string]struct {
		username    string
		withService bool
		input       string
		ends        bool
	}{
		"switched off":                {"admin@acme.test", true, `{"is_active":"0"}`, true},
		"run out":                     {"admin@acme.test", true, `{"end_date":"` + yesterday + `"}`, true},
		"not yet good":                {"admin@acme.test", true, `{"begin_date":"` + tomorrow + `"}`, true},
		"still good":                  {"admin@acme.test", true, `{"end_date":"` + tomorrow + `","begin_date":"` + yesterday + `"}`, false},
		"seen with their own eyes":    {"admin@globex.test", false, `{"is_active":"0"}`, true},
		"who can't see users":         {"sally@acme.test", true, `{"is_active":"0"}`, true},
		"who can't, and nobody helps": {"sally@acme.test", false, `{"is_active":"0"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			desk := openCompany(t, c.withService)
			session, scope := desk.visit(c.username)
			bystander, _ := desk.visit("viewer@acme.test")
			socket, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			ctx, err := desk.AuthenticateSocket(socket, map[string]any{"Session-Token": session.Token()})
			if err != nil {
				t.Fatal(err)
			}
			desk.change(scope.UserID, c.input)
			deadline := time.Now().Add(10 * time.Second)
			if !c.ends {
				deadline = time.Now().Add(100 * time.Millisecond) // twenty looks
			}
			for desk.lives(session) && time.Now().Before(deadline) {
				desk.come(session)
				time.Sleep(time.Millisecond)
			}
			if desk.lives(session) == c.ends {
				t.Errorf("the session lives: %v", !c.ends)
			}
			if c.ends {
				<-ctx.Done()
				wantClose(t, context.Cause(ctx), "session ended")
			}
			if !desk.lives(bystander) {
				t.Error("another's session was ended")
			}
		})
	}
}

// A changed password must shut out who knows the old one, but not who has just changed it.
func TestAPersonsSessionsEndTogether(t *testing.T) {
	desk := openCompany(t, true)
	here, scope := desk.visit("admin@acme.test")
	there, _ := desk.visit("admin@acme.test")
	other, _ := desk.visit("admin@globex.test")
	desk.EndUsers(t.Context(), here.Token(), scope.UserID)
	if !desk.lives(here) || desk.lives(there) || !desk.lives(other) {
		t.Errorf("here %v, there %v, another's %v", desk.lives(here), desk.lives(there), desk.lives(other))
	}
	desk.EndUsers(t.Context(), "")
	if !desk.lives(here) {
		t.Error("nobody was to be turned away")
	}
	desk.EndUsers(t.Context(), "", scope.UserID)
	if desk.lives(here) {
		t.Error("the last session lives")
	}
}
