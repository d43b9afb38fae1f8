package invitation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/invitation"
)

// chain issues the credentials of three invitations that follow each other.
func chain(t *testing.T, d *invitation.Desk) invitation.Credentials {
	t.Helper()
	if err := d.Link(t.Context(), []int{10, 11, 12}); err != nil {
		t.Fatal(err)
	}
	if err := d.SetMessage(t.Context(), 10, "Until Friday"); err != nil {
		t.Fatal(err)
	}
	g := grant(10)
	g.Behind = []invitation.Turn{turn(11), turn(12)}
	return issue(t, d, g)
}

// Several devices can have one invitation of GLPI each, behind one link and PIN, also after a restart and on another replica.
func TestInvitationsFollowEachOtherBehindOneLink(t *testing.T) {
	s, c := openStore(t, ""), &clock{now: noon}
	d := newDesk(t, s, c)
	got := chain(t, d)
	ended := []func(*invitation.Desk) error{
		func(d *invitation.Desk) error { return d.Retire(t.Context(), 10) },
		func(d *invitation.Desk) error { return d.RetireToken(t.Context(), "token 11") },
		func(d *invitation.Desk) error { return d.Retire(t.Context(), 12) },
	}
	for n, end := range ended {
		d = newDesk(t, s, c)
		if code, pin := opens(t, d, got); code != 10+n || pin != 10+n {
			t.Errorf("they lead to %d and %d, not to %d", code, pin, 10+n)
		}
		found, err := d.Open(t.Context(), got.Code, client)
		if err != nil || found.Message != "Until Friday" || found.Deeplink != fmt.Sprint(deeplink, 10+n) {
			t.Errorf("behind the code: %v, %q, %v", found, found.Message, err)
		}
		if text := fmt.Sprintf("%v %+v %v", found, found.Turn, []any{found.Turn}); strings.Contains(text, "TOKENOFGLPI") {
			t.Errorf("it prints as %s", text)
		}
		g := grant(10 + n)
		for id := 11 + n; id <= 12; id++ {
			g.Behind = append(g.Behind, turn(id))
		}
		if again := issue(t, d, g); again.Code != got.Code || again.PIN != got.PIN {
			t.Error("the next one has other credentials")
		}
		if err := end(d); err != nil {
			t.Fatal(err)
		}
	}
	if code, pin := opens(t, d, got); code != 0 || pin != 0 {
		t.Errorf("used up they lead to %d and %d", code, pin)
	}
	if words, err := d.Message(t.Context(), 10); words != "" || err != nil {
		t.Errorf("the inviter's words are left: %q, %v", words, err)
	}
	if issued, err := d.Issued(t.Context(), 12); issued || err != nil {
		t.Errorf("issued: %t, %v", issued, err)
	}
}

// Those in the middle of a chain can end before it is their turn, or be used past the gateway, or expire.
func TestAChainLeavesOutWhatCannotBeUsed(t *testing.T) {
	c, used := &clock{now: noon}, map[int]bool{}
	d := newDesk(t, openStore(t, ""), c, func(o *invitation.Options) {
		o.Pending = func(_ context.Context, id int) (bool, error) { return !used[id], nil }
	})
	got := chain(t, d)
	if err := d.Retire(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	if code, pin := opens(t, d, got); code != 10 || pin != 10 {
		t.Errorf("they lead to %d and %d", code, pin)
	}
	used[10] = true
	if code, pin := opens(t, d, got); code != 12 || pin != 12 {
		t.Errorf("past the gateway: %d and %d", code, pin)
	}
	short := grant(10)
	short.ExpiresAt = noon.Add(time.Hour)
	short.Behind = []invitation.Turn{turn(12)}
	if again := issue(t, d, short); !again.ExpiresAt.Equal(turn(12).ExpiresAt) {
		t.Errorf("they end at %s", again.ExpiresAt)
	}
	used[10] = false
	c.add(2 * time.Hour)
	if code, pin := opens(t, d, got); code != 12 || pin != 12 {
		t.Errorf("expired: %d and %d", code, pin)
	}
}
