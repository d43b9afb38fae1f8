package signin_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/signin"
)

func TestTicketsAreGoodForOneThing(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	clock := func() time.Time { return now }
	glpi, err := glpiproxy.New(glpiproxy.Options{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = glpi.Close() })
	desk, err := signin.NewDesk(signin.Options{GLPI: glpi, Sealer: sealer(t, "one secret of many", clock), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	viewer := func(expires time.Time) *signin.Viewer {
		ctx := desk.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + desk.Seal("session7", expires)}})
		viewer, err := signin.FromContext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return viewer
	}
	ticket := desk.Ticket(viewer(now.Add(time.Hour)), "/files/1", 5*time.Minute)
	short := desk.Ticket(viewer(now.Add(time.Minute)), "/files/1", 5*time.Minute)
	for name, c := range map[string]struct {
		ticket, what string
		after        time.Duration
		want         error
	}{
		"its thing":                  {ticket, "/files/1", 0, nil},
		"another thing":              {ticket, "/files/11", 0, signin.ErrInvalid},
		"nothing":                    {ticket, "", 0, signin.ErrInvalid},
		"too late":                   {ticket, "/files/1", 5 * time.Minute, signin.ErrExpired},
		"the viewer's sign-in":       {short, "/files/1", 59 * time.Second, nil},
		"the viewer's sign-in ended": {short, "/files/1", time.Minute, signin.ErrExpired},
		"no ticket":                  {"", "/files/1", 0, signin.ErrInvalid},
		"a sign-in token":            {desk.Seal("session7", now.Add(time.Hour)), "/files/1", 0, signin.ErrInvalid},
	} {
		now = now.Add(c.after)
		got, err := signin.FromContext(desk.AdmitTicket(t.Context(), c.ticket, c.what))
		if !errors.Is(err, c.want) || err == nil && got.Session.Token() != "session7" {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
		now = now.Add(-c.after)
	}
	ctx := desk.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + ticket}})
	if _, err := signin.FromContext(ctx); !errors.Is(err, signin.ErrInvalid) {
		t.Errorf("a ticket signs in: %v", err)
	}
}
