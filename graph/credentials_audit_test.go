package graph_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store"
)

// Who got credentials, who was refused them and who redeemed a PIN is in the trail, without the credentials.
func TestCredentialsAreRecorded(t *testing.T) {
	var invitation, pin string
	w := newWorldOf(t, glpi.Options{}, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir = t.TempDir()
		t.Cleanup(func() { checkTrail(t, s.DataDir, invitation, pin) }) // once the gateway has let go of the folder
	})
	o := w.operator()
	invitation = model.GlobalID("Invitation", o.invite("nina@acme.test", w.entityOf("admin@acme.test")))
	a := w.must(w.signIn("admin@acme.test"), issueIt, map[string]any{"id": invitation})
	pin, _ = a.at("issueInvitationCredentials", "credentials", "pin").(string)
	w.must(w.signIn("admin@globex.test"), issueIt, map[string]any{"id": invitation})
	w.must("", redeemIt, map[string]any{"email": "nina@acme.test", "pin": pin})
}

func checkTrail(t *testing.T, dir, invitation, pin string) {
	s, err := store.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries, err := audit.NewTrail(s).Newest(context.Background(), 100) // the test's own context has ended
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.What != "issueInvitationCredentials" && e.What != "redeemPin" || e.Outcome == audit.Requested {
			continue
		}
		who, _, _ := strings.Cut(e.Who, " ")
		got = append(got, strings.Join([]string{who, e.From, e.What, e.Outcome, strings.Join(e.Targets, ",")}, " "))
		if e.At.IsZero() || pin == "" || strings.Contains(fmt.Sprint(e), pin) {
			t.Errorf("an entry is %+v", e)
		}
	}
	want := []string{
		"admin@acme.test 127.0.0.1 issueInvitationCredentials done " + invitation,
		"admin@globex.test 127.0.0.1 issueInvitationCredentials NOT_FOUND " + invitation,
		"anonymous 127.0.0.1 redeemPin done " + invitation,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
