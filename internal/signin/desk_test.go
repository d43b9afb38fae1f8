package signin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/glpiproxy"
	"fleetgate/internal/graphqlws"
	"fleetgate/internal/signin"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// office is a desk in front of a GLPI that knows the session "alive" until ended is set; "dead" it never
// knew, and with "down" it falls silent.
type office struct {
	*signin.Desk
	ended atomic.Bool
	later atomic.Int64 // added to GLPI's cache clock, to make it ask again
}

const aliveSession = `{"session":{"glpiID":2,"glpiname":"ada","glpiactive_entity":0,` +
	`"glpiactiveprofile":{"id":4,"name":"Super-Admin"},"glpiactiveentities":{"0":0}}}`

func openOffice(t *testing.T, o signin.Options) *office {
	t.Helper()
	desk := &office{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Session-Token")
		switch {
		case token == "down":
			w.WriteHeader(http.StatusBadGateway)
		case token != "alive" || desk.ended.Load():
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`["ERROR_SESSION_TOKEN_INVALID","session_token seems invalid"]`))
		default:
			_, _ = w.Write([]byte(aliveSession))
		}
	}))
	t.Cleanup(server.Close)
	glpi, err := glpiproxy.New(glpiproxy.Options{URL: server.URL, Now: func() time.Time {
		return time.Now().Add(time.Duration(desk.later.Load()))
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = glpi.Close() })
	o.GLPI, o.Sealer = glpi, sealer(t, "one secret of many", nil)
	if desk.Desk, err = signin.NewDesk(o); err != nil {
		t.Fatal(err)
	}
	return desk
}

func TestAuthenticate(t *testing.T) {
	desk := openOffice(t, signin.Options{})
	lenient := openOffice(t, signin.Options{AcceptSessionTokens: true})
	inAnHour := time.Now().Add(time.Hour).Truncate(time.Second)
	token, expired := desk.Seal("alive", inAnHour), desk.Seal("alive", time.Now().Add(-time.Second))

	tests := []struct {
		name    string
		desk    *office
		header  http.Header
		session string // "": none
		err     error
	}{
		{"nothing", desk, http.Header{}, "", signin.ErrNone},
		{"bearer of nothing", desk, http.Header{"Authorization": {"Bearer "}}, "", signin.ErrNone},
		{"bearer", desk, http.Header{"Authorization": {"Bearer " + token}}, "alive", nil},
		{"bearer in lower case", desk, http.Header{"Authorization": {"bearer  " + token}}, "alive", nil},
		{"expired", desk, http.Header{"Authorization": {"Bearer " + expired}}, "", signin.ErrExpired},
		{"forged", desk, http.Header{"Authorization": {"Bearer " + token + "x"}}, "", signin.ErrInvalid},
		{"bearer of a plain session", lenient, http.Header{"Authorization": {"Bearer alive"}}, "", signin.ErrInvalid},
		{"without a scheme", desk, http.Header{"Authorization": {token}}, "", signin.ErrInvalid},
		{"another scheme", desk, http.Header{"Authorization": {"Basic YTpi"}}, "", signin.ErrInvalid},
		{"plain session", lenient, http.Header{"Session-Token": {"alive"}}, "alive", nil},
		{"plain session refused", desk, http.Header{"Session-Token": {"alive"}}, "", signin.ErrNotAccepted},
		{"odd plain session", lenient, http.Header{"Session-Token": {"a/../b"}}, "", signin.ErrInvalid},
		{"both", lenient, http.Header{"Authorization": {"Bearer " + expired}, "Session-Token": {"alive"}}, "", signin.ErrExpired},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			viewer, err := signin.FromContext(test.desk.Authenticate(t.Context(), test.header))
			if err != test.err || signin.IsSignInError(err) != (test.err != nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err == nil && viewer.Session.Token() != test.session {
				t.Errorf("got the session %q, want %q", viewer.Session.Token(), test.session)
			}
			if err == nil && test.desk == desk && !viewer.ExpiresAt.Equal(inAnHour) {
				t.Errorf("expires at %v, want %v", viewer.ExpiresAt, inAnHour)
			}
		})
	}
}

func TestAuthenticateSocket(t *testing.T) {
	desk := openOffice(t, signin.Options{AcceptSessionTokens: true})
	token := func(session string) string { return "Bearer " + desk.Seal(session, time.Now().Add(time.Hour)) }
	type object = map[string]any

	tests := []struct {
		name    string
		payload object
		session string // "": none
		reason  string // of the refusal; "": let in
	}{
		{"no payload", nil, "", ""},
		{"empty", object{}, "", ""},
		{"other things", object{"Authorization": 7, "headers": "none"}, "", ""},
		{"token", object{"Authorization": token("alive")}, "alive", ""},
		{"token in lower case", object{"authorization": token("alive")}, "alive", ""},
		{"token among headers", object{"headers": object{"AUTHORIZATION": token("alive")}}, "alive", ""},
		{"plain session", object{"Session-Token": "alive"}, "alive", ""},
		{"GLPI is down", object{"Session-Token": "down"}, "down", ""},
		{"bad token", object{"Authorization": "Bearer nonsense"}, "", "the sign-in token is not valid"},
		{"expired", object{"Authorization": "Bearer " + desk.Seal("alive", time.Now().Add(-time.Minute))}, "", "the sign-in has expired"},
		{"session that GLPI has ended", object{"Authorization": token("dead")}, "", "session ended"},
		{"plain session that GLPI has ended", object{"session-token": "dead"}, "", "session ended"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ctx, err := desk.AuthenticateSocket(ctx, test.payload)
			if test.reason != "" {
				wantClose(t, err, test.reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			viewer, err := signin.FromContext(ctx)
			if (test.session == "") != errors.Is(err, signin.ErrNone) {
				t.Fatalf("got %v", err)
			}
			if err == nil && viewer.Session.Token() != test.session {
				t.Errorf("got the session %q, want %q", viewer.Session.Token(), test.session)
			}
		})
	}
}

func TestSocketsEnd(t *testing.T) {
	tests := []struct {
		name   string
		lasts  time.Duration // of the token
		end    func(*office)
		reason string
	}{
		{"by logout", time.Hour, func(desk *office) { desk.End("alive") }, "session ended"},
		{"by expiry", 1100 * time.Millisecond, func(*office) {}, "the sign-in has expired"},
		{"by GLPI", time.Hour, func(desk *office) {
			desk.ended.Store(true)
			desk.later.Store(int64(time.Hour))
		}, "session ended"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			desk := openOffice(t, signin.Options{AcceptSessionTokens: true, Recheck: 5 * time.Millisecond})
			running, stop := context.WithCancel(t.Context())
			stopped := make(chan error)
			go func() { stopped <- desk.Run(running) }()
			defer func() {
				stop()
				if err := <-stopped; err != nil {
					t.Error(err)
				}
			}()

			socket, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			token := desk.Seal("alive", time.Now().Add(test.lasts))
			ctx, err := desk.AuthenticateSocket(socket, map[string]any{"Authorization": "Bearer " + token})
			if err != nil {
				t.Fatal(err)
			}
			other, err := desk.AuthenticateSocket(socket, map[string]any{"Session-Token": "down"})
			if err != nil {
				t.Fatal(err)
			}
			test.end(desk)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("the socket's context was not cancelled")
			}
			wantClose(t, context.Cause(ctx), test.reason)
			if other.Err() != nil {
				t.Errorf("another session's socket was closed: %v", context.Cause(other))
			}
		})
	}
}

func TestASocketThatLeftIsForgotten(t *testing.T) {
	desk := openOffice(t, signin.Options{AcceptSessionTokens: true})
	for range 3 {
		socket, hangUp := context.WithCancel(t.Context())
		if _, err := desk.AuthenticateSocket(socket, map[string]any{"Session-Token": "alive"}); err != nil {
			t.Fatal(err)
		}
		hangUp()
	}
	deadline := time.Now().Add(5 * time.Second)
	for desk.Open() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are still remembered", desk.Open())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestClientAddress(t *testing.T) {
	if got := signin.ClientAddress(t.Context()); got != "" {
		t.Errorf("got %q from nowhere", got)
	}
	if got := signin.ClientAddress(signin.WithClientAddress(t.Context(), "192.0.2.7")); got != "192.0.2.7" {
		t.Errorf("got %q", got)
	}
}

func wantClose(t *testing.T, err error, reason string) {
	t.Helper()
	var closed *graphqlws.CloseError
	if !errors.As(err, &closed) || closed.Code != graphqlws.CloseForbidden || closed.Reason != reason {
		t.Errorf("got %v, want close 4403 %q", err, reason)
	}
}
