package lookout_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
	"fleetgate/internal/lookout"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// scene is a GLPI with a lookout that has looked once.
type scene struct {
	t     *testing.T
	rest  string
	own   *glpiproxy.Session
	desk  *invitation.Desk
	watch *invitation.Watch
}

func newScene(t *testing.T) *scene {
	t.Helper()
	server := glpi.New(glpi.Options{})
	demo := server.SeedDemo(glpi.DemoOptions{Devices: 4, Seed: 1})
	backend := httptest.NewServer(server)
	t.Cleanup(backend.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: backend.URL + "/apirest.php"})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := invitation.NewDesk(invitation.Options{Store: kept, Secret: []byte("sixteen characters")})
	if err != nil {
		t.Fatal(err)
	}
	account := client.Account(glpiproxy.UserToken(demo.ServiceToken))
	session := func(ctx context.Context) (*glpiproxy.Session, error) { return account.Session(ctx, glpiproxy.As{}) }
	l, err := lookout.New(lookout.Options{Session: session, Desk: desk, Every: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, rest: backend.URL + "/apirest.php", desk: desk}
	if s.own, err = session(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.watch, err = desk.Watch(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		account.Close(context.Background())
		client.Close()
		kept.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	s.waitForBaseline()
	return s
}

func (s *scene) waitForBaseline() {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, all, err := s.desk.Seen(s.t.Context()); err != nil || all {
			if err != nil {
				s.t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the lookout does not look")
		}
	}
}

// call makes a call to GLPI past the gateway.
func (s *scene) call(method, path, body string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.rest+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Session-Token", s.own.Token())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		s.t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

// expect waits for the next event, which must be of a kind, about an invitation (0: any).
func (s *scene) expect(kind invitation.Kind, id int) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	events, err := s.watch.Next(ctx)
	if err != nil {
		s.t.Fatalf("waiting for %s: %v", kind, err)
	}
	if len(events) != 1 || events[0].Kind != kind || id != 0 && events[0].InvitationID != id {
		s.t.Fatalf("got %+v, want %s of %d", events, kind, id)
	}
	return events[0].InvitationID
}

func TestWhatHappensPastTheGateway(t *testing.T) {
	s := newScene(t) // whose first look is silent
	found, err := glpiproxy.UsersByEmail(t.Context(), s.own, []string{"sally@acme.test"}, false)
	if err != nil || len(found["sally@acme.test"]) != 1 {
		t.Fatal(found, err)
	}
	s.call(http.MethodPost, "/PluginFlyvemdmInvitation", fmt.Sprintf(`{"input":{"users_id":%d,"entities_id":0}}`, found["sally@acme.test"][0]))
	id := s.expect(invitation.Created, 0)
	path := fmt.Sprintf("/PluginFlyvemdmInvitation/%d", id)
	for _, c := range []struct {
		input string
		want  invitation.Kind
	}{
		{`{"expiration_date":"2020-01-01 00:00:00"}`, invitation.Expired},
		{`{"expiration_date":"2099-01-01 00:00:00"}`, invitation.Renewed},
		{`{"status":"done"}`, invitation.Deactivated},
		{`{"expiration_date":"0000-00-00 00:00:00"}`, invitation.Enrolled},
	} {
		s.call(http.MethodPut, path, `{"input":`+c.input+`}`)
		s.expect(c.want, id)
	}
	s.call(http.MethodDelete, path, `{}`)
	s.expect(invitation.Deleted, id)
}
