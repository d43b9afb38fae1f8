package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

const rulesPlanQuery = `mutation ($in: PlanDangerZoneInput!) { planDangerZone(input: $in) {
	plan { confirmationToken passwordNeeded } userErrors { code message field } } }`

// What the operator forbids is refused with its code before there is a plan; what takes a wipe back never is.
func TestTheOperatorsRules(t *testing.T) {
	for title, c := range map[string]struct {
		adjust      func(*settings.Gateway)
		code, field string
	}{
		"no rules":        {func(*settings.Gateway) {}, "", ""},
		"this profile":    {func(s *settings.Gateway) { s.DangerZoneProfiles = []string{"Super-Admin"} }, "", ""},
		"other profiles":  {func(s *settings.Gateway) { s.DangerZoneProfiles = []string{"Fleet viewer"} }, "FORBIDDEN", "[input]"},
		"enough":          {func(s *settings.Gateway) { s.DangerZoneTargets = 2 }, "", ""},
		"too many":        {func(s *settings.Gateway) { s.DangerZoneTargets = 1 }, "BAD_USER_INPUT", "[input agentIds]"},
		"quiet hours":     {func(s *settings.Gateway) { s.DangerZoneQuiet = "00:00-23:59"; s.DangerZoneReauth = true }, "QUIET_HOURS", "[input]"},
		"with a password": {func(s *settings.Gateway) { s.DangerZoneReauth = true }, "", ""},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.DangerZoneTargets = 500; c.adjust(s) })
			if title == "quiet hours" && time.Now().UTC().Format("15:04") == "23:59" {
				t.Skip("the only minute of the day that is not quiet")
			}
			token := w.signIn("admin@acme.test")
			var ids []string
			for _, node := range w.must(token, `{ agents(first: 2) { nodes { id } } }`, nil).at("agents", "nodes").([]any) {
				ids = append(ids, node.(map[string]any)["id"].(string))
			}
			for _, action := range []string{"WIPE", "UNENROLL", "DELETE", "CANCEL_WIPE"} {
				a := w.must(token, rulesPlanQuery, map[string]any{"in": map[string]any{"action": action, "agentIds": ids}})
				code, _ := a.at("planDangerZone", "userErrors", 0, "code").(string)
				want := c.code
				if action == "CANCEL_WIPE" {
					want = ""
				}
				if code != want || (want == "") != (a.at("planDangerZone", "plan") != nil) {
					t.Errorf("%s: %s, want %q", action, a.text, want)
				}
				if want != "" && fmt.Sprint(a.at("planDangerZone", "userErrors", 0, "field")) != c.field {
					t.Errorf("%s: field %v", action, a.at("planDangerZone", "userErrors", 0, "field"))
				}
				needed := strings.Contains(title, "password") && action != "CANCEL_WIPE"
				if want == "" && a.at("planDangerZone", "plan", "passwordNeeded") != needed {
					t.Errorf("%s: password needed: %s", action, a.text)
				}
			}
			foreign := w.must(token, rulesPlanQuery, map[string]any{"in": map[string]any{"action": "WIPE", "agentIds": []string{model.GlobalID("Agent", 987654)}}})
			if code := foreign.at("planDangerZone", "userErrors", 0, "code"); c.code != "BAD_USER_INPUT" && c.code != "" && code != c.code {
				t.Errorf("a rule is no oracle for devices: %s", foreign.text)
			}
		})
	}
}

// A plan is good for the profile that made it only as long as that one is active: to switch is no way round the rules.
func TestTheRulesFollowASwitch(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.DangerZoneProfiles = []string{"Super-Admin"} })
	all := glpi.Rights(glpiproxy.Read | glpiproxy.Update | glpiproxy.Create | glpiproxy.Delete | glpiproxy.Purge)
	w.glpi.Grant("Fleet viewer", map[string]glpi.Rights{"flyvemdm:agent": all, "computer": all})
	w.operator().grant("admin@acme.test", "Fleet viewer", "ACME", 1)
	token := w.signIn("admin@acme.test")
	device := w.mine(token, 1)[0]
	be := func(name string) {
		for _, node := range w.must(token, `{ viewer { profiles { id name } } }`, nil).at("viewer", "profiles").([]any) {
			if profile := node.(map[string]any); profile["name"] == name {
				w.must(token, switchProfile, map[string]any{"profile": profile["id"]})
				return
			}
		}
		t.Fatalf("nobody can be %s", name)
	}
	be("Super-Admin")
	confirmation := w.planned(token, "UNENROLL", nil, device)
	be("Fleet viewer")
	for _, a := range []answer{w.must(token, rulesPlanQuery, planFor("UNENROLL", nil, device)), w.must(token, executeQuery, confirming(confirmation))} {
		if !strings.Contains(a.text, `"code":"FORBIDDEN"`) {
			t.Errorf("the other profile: %s", a.text)
		}
	}
	be("Super-Admin")
	if a := w.must(token, executeQuery, confirming(confirmation)); a.at("executeDangerZone", "operation") == nil {
		t.Errorf("the first one again: %s", a.text)
	}
}

// Who tries to confirm a plan and is refused leaves a trace.
func TestARefusedConfirmationIsRecorded(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.DangerZoneReauth = true })
	token, agent := w.signIn("admin@acme.test"), w.objectsOf("admin@acme.test")["Agent"]
	planned := w.must(token, rulesPlanQuery, map[string]any{"in": map[string]any{"action": "WIPE", "agentIds": []string{agent}}})
	for _, password := range []string{"wrong", "demo", "demo"} { // and once more

		w.must(token, `mutation ($in: ExecuteDangerZoneInput!) { executeDangerZone(input: $in) { userErrors { code } } }`, map[string]any{"in": map[string]any{
			"confirmationToken": planned.at("planDangerZone", "plan", "confirmationToken"), "password": password,
		}})
	}
	recorded := w.trail(token, map[string]any{"mutations": []string{"executeDangerZone"}})
	slices.Reverse(recorded) // the oldest first
	for i, want := range []string{"PASSWORD_NEEDED [" + agent + "] false", "requested [" + agent + "] true", "CONFIRMATION_INVALID [" + agent + "] false"} {
		if len(recorded) <= i || !strings.Contains(recorded[i], "executeDangerZone WIPE "+want) {
			t.Errorf("recorded: %q, want %q at %d", recorded, want, i)
		}
	}
	w.must(token, `mutation { executeDangerZone(input: {confirmationToken: "dz1.made-up"}) { userErrors { code } } }`, nil)
	if newest := w.trail(token, map[string]any{"mutations": []string{"executeDangerZone"}})[0]; !strings.Contains(newest, "executeDangerZone CONFIRMATION_INVALID [] false") || strings.Contains(newest, "made-up") {
		t.Errorf("recorded: %q", newest)
	}
}
