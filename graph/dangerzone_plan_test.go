package graph_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const planQuery = `mutation ($in: PlanDangerZoneInput!) { planDangerZone(input: $in) { userErrors { code message field }
	plan { confirmationToken expiresAt action deleteComputers targets { agent { id name serial owner { displayName } presence { state } } warnings { code message } } } } }`

// planFor is the input of a plan.
func planFor(action string, changes map[string]any, devices ...glpi.DemoDevice) map[string]any {
	ids := make([]any, len(devices))
	for i, d := range devices {
		ids[i] = model.GlobalID("Agent", d.AgentID)
	}
	in := map[string]any{"action": action, "agentIds": ids}
	maps.Copy(in, changes)
	return map[string]any{"in": in}
}

// mine are some devices of the company of a token.
func (w *world) mine(token string, number int) (mine []glpi.DemoDevice) {
	w.t.Helper()
	visible := w.devicesOf(token)
	for _, d := range w.demo.Devices {
		if visible[d.Serial] && len(mine) < number {
			mine = append(mine, d)
		}
	}
	if len(mine) < number {
		w.t.Fatalf("only %d devices", len(mine))
	}
	return mine
}

// setAgent writes columns of an agent past the gateway.
func (w *world) setAgent(d glpi.DemoDevice, columns map[string]any) {
	w.t.Helper()
	var done []map[string]any
	w.operator().call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.AgentID), columns, &done)
}

// A plan tells whom it would hit and what to know of each, and changes nothing.
func TestAPlanChangesNothing(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 3)
	for _, action := range []string{"WIPE", "UNENROLL", "DELETE", "CANCEL_WIPE"} {
		var got answer
		calls := w.callsOf(func() {
			got = w.must(token, planQuery, planFor(action, map[string]any{"note": "stolen\nin Lyon"}, mine...))
		})
		if slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET ") }) {
			t.Errorf("%s: GLPI was asked to write: %q", action, calls)
		}
		if len(calls) > 14 {
			t.Errorf("%s: %d calls: %q", action, len(calls), calls)
		}
		if got.at("planDangerZone", "plan", "action") != action || got.at("planDangerZone", "plan", "confirmationToken") == "" {
			t.Errorf("%s: %s", action, got.text)
		}
		for i, d := range mine {
			target := func(path ...any) any {
				return got.at(append([]any{"planDangerZone", "plan", "targets", i}, path...)...)
			}
			if target("agent", "serial") != d.Serial || target("agent", "owner", "displayName") == nil || target("agent", "presence", "state") == nil {
				t.Errorf("%s: target %d: %s", action, i, got.text)
			}
		}
	}
}

// warned are the codes of the warnings of a plan for one device, and their words.
func (w *world) warned(token string, in map[string]any) (codes []string, words string) {
	w.t.Helper()
	a := w.must(token, planQuery, in)
	list, planned := a.at("planDangerZone", "plan", "targets", 0, "warnings").([]any)
	if !planned {
		w.t.Fatalf("no plan: %s", a.text)
	}
	for _, warning := range list {
		codes = append(codes, warning.(map[string]any)["code"].(string))
		words += warning.(map[string]any)["message"].(string) + "\n"
	}
	return codes, words
}

func TestAPlanWarns(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	online := w.mine(token, 20)[0]
	w.publish(online.Topic+"/Status/Online", `{"online":true}`)
	w.becomes(token, model.GlobalID("Agent", online.AgentID), "ONLINE")
	o := w.operator()
	for i, c := range []struct {
		title, action  string
		columns        map[string]any // of the agent
		changes        map[string]any // of the input
		prepare        func(glpi.DemoDevice)
		warns, without []string
		words          string
	}{
		{title: "offline", action: "WIPE", warns: []string{"LOCK_SWALLOWED"}, without: []string{"ONLINE", "ALREADY_WIPING", "IGNORED_BY_PLATFORM"}, words: "drops every lock"},
		{title: "wiping", action: "WIPE", columns: map[string]any{"wipe": "1"}, warns: []string{"ALREADY_WIPING"}, words: "sent again"},
		{title: "an iPhone", action: "WIPE", columns: map[string]any{"mdm_type": "apple"}, warns: []string{"IGNORED_BY_PLATFORM"}},
		{title: "push", action: "WIPE", columns: map[string]any{"notification_type": "fcm"}, warns: []string{"PUSH"}},
		{title: "leaving", action: "UNENROLL", columns: map[string]any{"_unenroll_request": "1"}, warns: []string{"ALREADY_UNENROLLING"}, without: []string{"MAY_NEVER_CONFIRM"}},
		{title: "leaving, and to be wiped", action: "WIPE", columns: map[string]any{"_unenroll_request": "1"}, warns: []string{"ALREADY_UNENROLLING"}, words: "hears of no wipe"},
		{title: "staying", action: "UNENROLL", warns: []string{"MAY_NEVER_CONFIRM"}, without: []string{"ALREADY_UNENROLLING", "INVITATIONS_DELETED"}},
		{title: "nothing to cancel", action: "CANCEL_WIPE", warns: []string{"NOT_WIPING"}, without: []string{"OFFLINE", "ONLINE"}},
		{title: "to cancel", action: "CANCEL_WIPE", columns: map[string]any{"wipe": "1"}, without: []string{"NOT_WIPING", "LOCK_SWALLOWED"}},
		{title: "a wipe that is taken back", action: "DELETE", columns: map[string]any{"wipe": "1"}, warns: []string{"WIPE_TAKEN_BACK"}},
		{title: "another agent on the computer", action: "DELETE", changes: map[string]any{"deleteComputers": true}, warns: []string{"SHARED_DEVICE", "COMPUTER_KEPT"},
			prepare: func(d glpi.DemoDevice) {
				w.setAgent(w.mine(token, 20)[19], map[string]any{"computers_id": d.ComputerID})
			}, words: "1 other agent"},
		{title: "the owner's invitation", action: "DELETE", warns: []string{"INVITATIONS_DELETED"},
			prepare: func(d glpi.DemoDevice) {
				invitation, _ := w.invited("lone@acme.test")
				var row struct {
					UserID int `json:"users_id"`
				}
				o.call(http.MethodGet, fmt.Sprintf("/PluginFlyvemdmInvitation/%d", invitation), nil, &row)
				var done []map[string]any
				o.call(http.MethodPut, fmt.Sprintf("/Computer/%d", d.ComputerID), map[string]any{"users_id": row.UserID}, &done)
			}, words: "1 pending invitation"},
	} {
		t.Run(c.title, func(t *testing.T) {
			d := w.mine(token, 20)[i+1]
			if c.columns != nil {
				w.setAgent(d, c.columns)
			}
			if c.prepare != nil {
				c.prepare(d)
			}
			codes, words := w.warned(token, planFor(c.action, c.changes, d))
			for _, code := range c.warns {
				if !slices.Contains(codes, code) {
					t.Errorf("no %s in %q", code, codes)
				}
			}
			for _, code := range c.without {
				if slices.Contains(codes, code) {
					t.Errorf("%s in %q", code, codes)
				}
			}
			if !strings.Contains(words, c.words) {
				t.Errorf("no %q in %s", c.words, words)
			}
		})
	}
	if codes, _ := w.warned(token, planFor("WIPE", nil, online)); slices.Contains(codes, "OFFLINE") || slices.Contains(codes, "NEVER_HEARD") {
		t.Errorf("a device that is online: %q", codes)
	}
	if codes, _ := w.warned(token, planFor("CANCEL_WIPE", nil, online)); !slices.Contains(codes, "ONLINE") {
		t.Errorf("a cancelled wipe of a device that is online: %q", codes)
	}
	w.publish(online.Topic+"/Status/Online", `{"online":false}`)
	w.becomes(token, model.GlobalID("Agent", online.AgentID), "OFFLINE")
	for action, words := range map[string]string{"WIPE": "when it returns", "UNENROLL": "when it returns", "DELETE": "will not hear of it"} {
		if codes, said := w.warned(token, planFor(action, nil, online)); !slices.Contains(codes, "OFFLINE") || !strings.Contains(said, words) {
			t.Errorf("%s of a device that is offline: %q %s", action, codes, said)
		}
	}
}

// Another device of the owner keeps their invitations; one that is deleted with its computer doesn't.
func TestInvitationsGoWithTheLastComputer(t *testing.T) {
	w := newPhoneShop(t, nil)
	token, o := w.signIn("admin@acme.test"), w.operator()
	invitation, _ := w.invited("two@acme.test")
	var row struct {
		UserID int `json:"users_id"`
	}
	o.call(http.MethodGet, fmt.Sprintf("/PluginFlyvemdmInvitation/%d", invitation), nil, &row)
	var pair []glpi.DemoDevice
	for _, d := range w.mine(token, 20) {
		if len(pair) == 0 || len(pair) == 1 && pair[0].EntityID == d.EntityID {
			pair = append(pair, d)
			var done []map[string]any
			o.call(http.MethodPut, fmt.Sprintf("/Computer/%d", d.ComputerID), map[string]any{"users_id": row.UserID}, &done)
		}
	}
	for title, c := range map[string]struct {
		changes map[string]any
		devices []glpi.DemoDevice
		warns   bool
	}{
		"one of two":                     {nil, pair[:1], false},
		"both, whose computers are kept": {nil, pair, false},
		"both with their computers":      {map[string]any{"deleteComputers": true}, pair, true},
	} {
		codes, _ := w.warned(token, planFor("DELETE", c.changes, c.devices...))
		if slices.Contains(codes, "INVITATIONS_DELETED") != c.warns {
			t.Errorf("%s: %q", title, codes)
		}
	}
}

func TestAPlanNeedsARightInput(t *testing.T) {
	w := newPhoneShop(t, nil)
	token := w.signIn("admin@acme.test")
	mine := w.mine(token, 2)
	theirs := w.mine(w.signIn("admin@globex.test"), 1)[0]
	for title, c := range map[string]struct {
		in    map[string]any
		code  string
		field string
	}{
		"another company's": {planFor("WIPE", nil, mine[0], theirs), "NOT_FOUND", "agentIds 1"},
		"nobody's":          {planFor("WIPE", nil, glpi.DemoDevice{AgentID: 987654}), "NOT_FOUND", "agentIds 0"},
		"twice":             {planFor("WIPE", nil, mine[0], mine[1], mine[0]), "BAD_USER_INPUT", "agentIds 2"},
		"none":              {planFor("WIPE", nil), "BAD_USER_INPUT", "agentIds"},
		"too many":          {planFor("WIPE", nil, slices.Repeat(mine[:1], 501)...), "BAD_USER_INPUT", "agentIds"},
		"no id":             {planFor("WIPE", map[string]any{"agentIds": []any{"x"}}), "BAD_USER_INPUT", "agentIds 0"},
		"a fleet":           {planFor("WIPE", map[string]any{"agentIds": []any{model.GlobalID("Fleet", 1)}}), "BAD_USER_INPUT", "agentIds 0"},
		"a long note":       {planFor("WIPE", map[string]any{"note": strings.Repeat("é", 501)}, mine[0]), "BAD_USER_INPUT", "note"},
		"a strange note":    {planFor("WIPE", map[string]any{"note": "a\x1b[2J"}, mine[0]), "BAD_USER_INPUT", "note"},
		"computers":         {planFor("WIPE", map[string]any{"deleteComputers": true}, mine[0]), "BAD_USER_INPUT", "deleteComputers"},
	} {
		a := w.must(token, planQuery, c.in)
		field := fmt.Sprint(a.at("planDangerZone", "userErrors", 0, "field"))
		if a.at("planDangerZone", "plan") != nil || a.at("planDangerZone", "userErrors", 0, "code") != c.code || field != "[input "+c.field+"]" {
			t.Errorf("%s: %s", title, a.text)
		}
	}
	if a := w.ask(w.signIn("viewer@acme.test"), planQuery, planFor("WIPE", nil, mine[0])); a.code() != "FORBIDDEN" {
		t.Errorf("a viewer: %s", a.text)
	}
	if a := w.ask("", planQuery, planFor("WIPE", nil, mine[0])); a.code() != "UNAUTHENTICATED" {
		t.Errorf("nobody: %s", a.text)
	}
}
