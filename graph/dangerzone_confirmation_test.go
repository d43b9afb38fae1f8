package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleetgate/internal/settings"
)

// Confirmations that can't be used are refused with one and the same answer, and nothing is done.
func TestAConfirmationIsGoodForOneOnly(t *testing.T) {
	w := newPhoneShop(t, withService)
	ada, other, second := w.signIn("admin@acme.test"), w.signIn("admin@globex.test"), w.signIn("admin@acme.test")
	d := w.mine(ada, 1)[0]
	confirmation := w.planned(ada, "WIPE", nil, d)
	leaving := w.mine(ada, 2)[1]
	used := w.planned(ada, "UNENROLL", nil, leaving)
	w.must(ada, executeQuery, confirming(used))
	comesTrue(t, "GLPI is asked for what was confirmed", func() bool { return w.agentRow(leaving)["enroll_status"] != "enrolled" })
	var said []string
	for title, c := range map[string]struct{ token, confirmation string }{
		"another viewer": {other, confirmation}, "another session": {second, confirmation}, "replayed": {ada, used},
		"garbled": {ada, confirmation[:len(confirmation)-2] + "AA"}, "cut": {ada, confirmation[:20]}, "none": {ada, ""},
		"a sign-in token": {ada, ada}, "long": {ada, "dz1." + strings.Repeat("A", 70_000)},
	} {
		var a answer
		calls := w.callsOf(func() { a = w.must(c.token, executeQuery, confirming(c.confirmation)) })
		if a.at("executeDangerZone", "operation") != nil || a.at("executeDangerZone", "userErrors", 0, "code") != "CONFIRMATION_INVALID" {
			t.Errorf("%s: %s", title, a.text)
		}
		if slices.ContainsFunc(calls, func(call string) bool { return strings.HasPrefix(call, "PUT") || strings.HasPrefix(call, "DELETE") }) {
			t.Errorf("%s: GLPI was asked to write: %q", title, calls)
		}
		said = append(said, a.text)
	}
	if slices.Sort(said); len(slices.Compact(said)) != 1 {
		t.Errorf("the refusals differ: %q", said)
	}
	if row := w.agentRow(d); row["wipe"] != 0.0 {
		t.Errorf("the device is to be wiped: %v", row)
	}
	if strings.Contains(w.log.String(), confirmation) {
		t.Error("the confirmation is logged")
	}
}

// Who clicks twice gets one operation.
func TestADoubleClickIsOneOperation(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	d := w.mine(token, 1)[0]
	confirmation := w.planned(token, "WIPE", nil, d)
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = w.ask(token, executeQuery, confirming(confirmation)) })
	}
	wg.Wait()
	begun := 0
	for _, a := range answers {
		switch {
		case a.at("executeDangerZone", "operation", "id") != nil:
			begun++
		case a.at("executeDangerZone", "userErrors", 0, "code") != "CONFIRMATION_INVALID":
			t.Errorf("got %s", a.text)
		}
	}
	if begun != 1 {
		t.Errorf("%d operations", begun)
	}
}

// A device that has changed since it was planned is left alone; the others are not.
func TestAChangedDeviceIsLeftAlone(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 4)
	confirmation := w.planned(token, "WIPE", nil, mine...)
	w.setAgent(mine[0], map[string]any{"lock": "1"})
	var done []map[string]any
	w.operator().call(http.MethodPut, fmt.Sprintf("/Computer/%d", mine[1].ComputerID), map[string]any{"serial": "OTHER-1"}, &done)
	w.operator().call(http.MethodDelete, fmt.Sprintf("/PluginFlyvemdmAgent/%d", mine[2].AgentID), nil, &done)
	a := w.must(token, executeQuery, confirming(confirmation))
	for i, state := range []string{"FAILED", "FAILED", "FAILED", "REQUESTED"} {
		if got := a.at("executeDangerZone", "operation", "targets", i, "state"); got != state {
			t.Errorf("device %d is %v, want %s: %s", i, got, state, a.text)
		}
	}
	if words := a.at("executeDangerZone", "operation", "targets", 0, "message").(string); !strings.Contains(words, "changed since it was planned") {
		t.Errorf("got %q", words)
	}
	id := a.at("executeDangerZone", "operation", "id").(string)
	comesTrue(t, "the fourth is wiped", func() bool {
		return statesOf(w.must(token, operationQuery, map[string]any{"id": id}).at("dangerZoneOperation"))[3] == "DISPATCHED"
	})
	if w.agentRow(mine[0])["wipe"] != 0.0 || w.agentRow(mine[1])["wipe"] != 0.0 {
		t.Error("a device that has changed is to be wiped")
	}
}

// The operator may want the password again: with none, a wrong one or another one's nothing is done, and the confirmation
// stays good.
func TestThePasswordIsWantedAgain(t *testing.T) {
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) { withService(w, s); s.DangerZoneReauth = true })
	token := w.signIn("admin@acme.test")
	d := w.mine(token, 1)[0]
	confirmation := w.planned(token, "WIPE", nil, d)
	execute := func(password any) answer {
		return w.must(token, executeQuery, map[string]any{"in": map[string]any{"confirmationToken": confirmation, "password": password}})
	}
	for _, password := range []any{nil, "", "wrong", "demo2"} {
		if a := execute(password); a.at("executeDangerZone", "operation") != nil || a.at("executeDangerZone", "userErrors", 0, "code") != "PASSWORD_NEEDED" {
			t.Errorf("%v: %s", password, a.text)
		}
	}
	if w.agentRow(d)["wipe"] != 0.0 {
		t.Fatal("it is to be wiped")
	}
	a := execute("demo")
	if a.at("executeDangerZone", "operation", "id") == nil {
		t.Fatalf("got %s", a.text)
	}
	w.reaches(token, a.at("executeDangerZone", "operation", "id").(string), "DISPATCHED")
	confirmation = w.planned(token, "UNENROLL", nil, w.mine(token, 2)[1])
	refused := false
	for range 20 {
		refused = refused || execute("guess").at("executeDangerZone", "userErrors", 0, "code") == "RATE_LIMITED"
	}
	if !refused {
		t.Error("passwords can be guessed")
	}
	confirmation = w.planned(token, "CANCEL_WIPE", nil, d) // which saves a device
	if a := execute(nil); a.at("executeDangerZone", "operation", "id") == nil {
		t.Errorf("got %s", a.text)
	}
}

// What the operator's rules forbid by the time that a plan is confirmed is not done.
func TestTheRulesHoldWhenAPlanIsConfirmed(t *testing.T) {
	w := newPhoneShop(t, withDataDir)
	token := w.signIn("admin@acme.test")
	d := w.mine(token, 1)[0]
	confirmation := w.planned(token, "WIPE", nil, d)
	w.end()
	w.chosen.DangerZoneProfiles = []string{"Nobody"}
	w.serve()
	a := w.must(token, executeQuery, confirming(confirmation))
	if a.at("executeDangerZone", "operation") != nil || a.at("executeDangerZone", "userErrors", 0, "code") != "FORBIDDEN" || w.agentRow(d)["wipe"] != 0.0 {
		t.Errorf("got %s", a.text)
	}
}
