package lookout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/enrolment"
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
	come  []invitation.Event // and not expected yet
	// office enrols devices as the gateway does, but for the broker.
	office *enrolment.Office
}

func newScene(t *testing.T) *scene {
	t.Helper()
	server := glpi.New(glpi.Options{Broker: accounts{}})
	demo := server.SeedDemo(glpi.DemoOptions{Devices: 4, Seed: 1})
	backend := httptest.NewServer(server)
	t.Cleanup(backend.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: backend.URL + "/apirest.php", CacheTTL: -1})
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
	unplugged, err := bridge.New(bridge.Options{URL: "mqtt://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	s.office, err = enrolment.NewOffice(enrolment.Options{GLPI: client, Service: session, Bridge: unplugged, Invitations: desk, Store: kept})
	if err != nil {
		t.Fatal(err)
	}
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
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
func (s *scene) expect(kind invitation.Kind, id int) invitation.Event {
	s.t.Helper()
	if len(s.come) == 0 {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		defer cancel()
		var err error
		if s.come, err = s.watch.Next(ctx); err != nil || len(s.come) == 0 {
			s.t.Fatalf("waiting for %s: %v", kind, err)
		}
	}
	event := s.come[0]
	if s.come = s.come[1:]; event.Kind != kind || id != 0 && event.InvitationID != id {
		s.t.Fatalf("got %+v, want %s of %d", event, kind, id)
	}
	return event
}

// invite makes an invitation past the gateway, for which the lookout has to look.
func (s *scene) invite(email string) (id int) {
	s.t.Helper()
	found, err := glpiproxy.UsersByEmail(s.t.Context(), s.own, []string{email}, false)
	if err != nil || len(found[email]) != 1 {
		s.t.Fatal(found, err)
	}
	s.call(http.MethodPost, "/PluginFlyvemdmInvitation", fmt.Sprintf(`{"input":{"users_id":%d,"entities_id":0}}`, found[email][0]))
	return s.expect(invitation.Created, 0).InvitationID
}

func TestWhatHappensPastTheGateway(t *testing.T) {
	s := newScene(t) // whose first look is silent
	id := s.invite("sally@acme.test")
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

// A mail that leaves GLPI is told, and the next one too when an invitation was sent again.
func TestMailsThatLeaveAreTold(t *testing.T) {
	s := newScene(t)
	id := s.invite("sally@acme.test")
	sent := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 2 {
		found, err := glpiproxy.MailsOf(t.Context(), s.own, []int{id})
		if err != nil || !found[id].SentAt.IsZero() {
			t.Fatal(found, err)
		}
		s.call(http.MethodPut, fmt.Sprintf("/QueuedNotification/%d", found[id].ID), `{"input":{"sent_time":"`+sent.Format(time.DateTime)+`"}}`)
		s.expect(invitation.Sent, id)
		sent = sent.Add(time.Minute)
		outcomes, err := glpiproxy.SendInvitations(t.Context(), s.own, []int{id})
		if err != nil || outcomes[0].Err != nil {
			t.Fatal(outcomes, err)
		}
		again := invitation.Sighting{InvitationID: id, State: invitation.StatePending, MailDue: true, Quiet: true}
		if err := s.desk.See(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
}

// accounts is the plugin's broker, which nobody listens to here.
type accounts struct{}

func (accounts) Publish(string, []byte, bool) error    { return nil }
func (accounts) SetAccount(string, string, []glpi.ACL) {}
func (accounts) RemoveAccount(string)                  {}

// What comes of an enrolment through the gateway is told once: by who enrols, who knows more, and not by the lookout too,
// which sees the same in GLPI at any moment of it.
func TestEnrolmentsThroughTheGatewayAreToldOnce(t *testing.T) {
	s := newScene(t)
	for i := range 2 {
		id := s.invite("sally@acme.test")
		secrets, err := glpiproxy.InvitationSecrets(t.Context(), s.own, id)
		if err != nil {
			t.Fatal(err)
		}
		request := enrolment.Request{
			UserToken: secrets.UserToken, InvitationToken: secrets.InvitationToken, Email: "else@acme.test",
			Serial: fmt.Sprint("SN-", i), Version: "2.1.0", Type: "android",
		}
		var failed *enrolment.Failure
		if _, err := s.office.Enroll(t.Context(), request); !errors.As(err, &failed) || failed.Code != enrolment.WrongEmail {
			t.Fatalf("got %v", err)
		}
		s.expect(invitation.Failed, id)
		s.invite("admin@acme.test") // by which the lookout has looked
		request.Email = "sally@acme.test"
		done, err := s.office.Enroll(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if told := s.expect(invitation.Enrolled, id); told.AgentID != done.Credentials.AgentID {
			t.Errorf("told of agent %d, not %d", told.AgentID, done.Credentials.AgentID)
		}
		s.invite("admin@acme.test")
	}
}

// While an invitation is held, what the lookout sees of it is not told; it is when its holder has died without a word.
func TestWhatIsHeldIsNotTold(t *testing.T) {
	s := newScene(t)
	id := s.invite("sally@acme.test")
	release, err := s.desk.Hold(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s.call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmInvitation/%d", id), `{"input":{"status":"done","expiration_date":"0000-00-00 00:00:00"}}`)
	s.invite("admin@acme.test")
	release()
	s.expect(invitation.Enrolled, id)
}
