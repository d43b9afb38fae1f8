package graph_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store"
)

const trailQuery = `query ($f: AuditFilter, $first: Int, $after: String) { auditTrail(filter: $f, first: $first, after: $after) {
	totalCount pageInfo { hasNextPage endCursor } nodes { at deed who from what targets outcome note } } }`

// unrecorded are the mutations that change nothing that matters later, and those that write to the trail themselves.
var unrecorded = []string{"switchProfile", "switchEntity", "createSignupCaptcha", "pingAgent", "requestInventory", "planDangerZone", "executeDangerZone"}

func TestEveryMutationIsRecorded(t *testing.T) {
	for _, mutation := range loadSchema(t).Mutation.Fields {
		if audited := mutation.Directives.ForName("audited") != nil; audited == slices.Contains(unrecorded, mutation.Name) {
			t.Errorf("%s: audited is %v", mutation.Name, audited)
		}
	}
}

// trail is what somebody is shown, each entry as one line.
func (w *world) trail(token string, filter map[string]any) (lines []string) {
	w.t.Helper()
	for _, node := range w.must(token, trailQuery, map[string]any{"f": filter, "first": 500}).at("auditTrail", "nodes").([]any) {
		e := answer{Data: node.(map[string]any)}
		lines = append(lines, fmt.Sprint(e.at("who"), " ", e.at("what"), " ", e.at("outcome"), " ", e.at("targets"), " ", e.at("deed") != nil))
	}
	return lines
}

// Each company sees its own trail, newest first; whoever may not read GLPI's logs sees none.
func TestAuditTrail(t *testing.T) {
	w := newPhoneShop(t, nil)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	own, theirs := w.objectsOf("admin@acme.test"), w.objectsOf("admin@globex.test")
	w.lock(acme, lockAgents, own["Agent"], theirs["Agent"])
	w.must(globex, updateAgent, map[string]any{"in": map[string]any{"id": theirs["Agent"], "name": "renamed"}})
	w.must(acme, updateAgent, map[string]any{"in": map[string]any{"id": theirs["Agent"], "name": "mine"}})
	w.ask(w.signIn("viewer@acme.test"), updateAgent, map[string]any{"in": map[string]any{"id": own["Agent"], "name": "mine"}})

	ada, grace := w.person(acme), w.person(globex)
	both := map[string]any{"mutations": []string{"lockAgents", "updateAgent"}}
	got := w.trail(acme, both)
	want := []string{
		"FORBIDDEN [" + own["Agent"] + "] true", "requested [" + own["Agent"] + "] true",
		ada + " updateAgent NOT_FOUND [" + theirs["Agent"] + "] true", ada + " updateAgent requested [" + theirs["Agent"] + "] true",
		ada + " lockAgents done: 1 of 2; NOT_FOUND [" + own["Agent"] + " " + theirs["Agent"] + "] true",
		ada + " lockAgents requested [" + own["Agent"] + " " + theirs["Agent"] + "] true",
	}
	if len(got) != len(want) {
		t.Fatalf("ACME is shown\n%s", strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasSuffix(got[i], want[i]) {
			t.Errorf("entry %d is %q, wanted %q", i, got[i], want[i])
		}
	}
	if got := w.trail(globex, both); len(got) != 2 || !strings.HasPrefix(got[0], grace+" updateAgent done") {
		t.Errorf("Globex is shown\n%s", strings.Join(got, "\n"))
	}
	for title, c := range map[string]struct {
		filter map[string]any
		count  int
	}{
		"by target":     {map[string]any{"mutations": []string{"lockAgents"}, "targetId": own["Agent"]}, 2},
		"by another":    {map[string]any{"targetId": own["Fleet"]}, 0},
		"by person":     {map[string]any{"mutations": []string{"updateAgent"}, "userId": w.must(acme, `{ viewer { user { id } } }`, nil).at("viewer", "user", "id")}, 2},
		"by sign-in":    {map[string]any{"mutations": []string{"login"}, "to": "2000-01-01T00:00:00Z"}, 0},
		"since forever": {map[string]any{"mutations": []string{"lockAgents"}, "from": "2000-01-01T00:00:00Z"}, 2},
	} {
		if got := w.trail(acme, c.filter); len(got) != c.count {
			t.Errorf("%s: %q", title, got)
		}
	}
	if signIns := w.trail(acme, map[string]any{"mutations": []string{"login"}}); len(signIns) == 0 || !strings.HasPrefix(signIns[0], "viewer@acme.test") && !strings.HasPrefix(signIns[0], ada) {
		t.Errorf("sign-ins: %q", signIns)
	}
	for _, name := range []string{"viewer@acme.test", "sally@acme.test"} {
		if a := w.ask(w.signIn(name), trailQuery, nil); a.code() != "FORBIDDEN" {
			t.Errorf("%s is shown %s", name, a.text)
		}
	}
	if a := w.ask("", trailQuery, nil); a.code() != "UNAUTHENTICATED" {
		t.Errorf("nobody is shown %s", a.text)
	}
	page := w.must(acme, trailQuery, map[string]any{"first": 2})
	next := w.must(acme, trailQuery, map[string]any{"first": 2, "after": page.at("auditTrail", "pageInfo", "endCursor")})
	if page.at("auditTrail", "pageInfo", "hasNextPage") != true || len(next.at("auditTrail", "nodes").([]any)) != 2 || fmt.Sprint(page.at("auditTrail", "nodes", 1)) == fmt.Sprint(next.at("auditTrail", "nodes", 0)) {
		t.Errorf("pages: %s\n%s", page.text, next.text)
	}
	for title, filter := range map[string]map[string]any{
		"no mutations": {"mutations": []string{}}, "a fleet for a person": {"userId": own["Fleet"]}, "not an id": {"targetId": "x"},
	} {
		if a := w.ask(acme, trailQuery, map[string]any{"f": filter}); a.code() != "BAD_USER_INPUT" {
			t.Errorf("%s: %s", title, a.text)
		}
	}
}

// person is how the trail names who is signed in.
func (w *world) person(token string) string {
	w.t.Helper()
	a := w.must(token, `{ viewer { user { databaseId username } } }`, nil)
	return fmt.Sprintf("%v (%v)", a.at("viewer", "user", "username"), a.at("viewer", "user", "databaseId"))
}

// Every secret of the world is thrown at mutations, in every text that they take; none is in the trail or its file.
func TestTheTrailHoldsNoSecret(t *testing.T) {
	secrets := map[string]string{"a password": "Correct-Horse-9", "a new password": "Battery-Staple-7", "an API token": "uT0kenuT0kenuT0kenuT0kenuT0kenuT0kenuT0k", "a PIN": "48151623"}
	dir := t.TempDir()
	file := filepath.Join(dir, "audit.jsonl")
	t.Cleanup(func() { checkSecrets(t, dir, file, secrets) }) // once the gateway has let go of the folder
	w := newWorldOf(t, glpi.Options{}, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.DataDir, s.AuditLog = filepath.Join(dir, "data"), file
		secrets["the service token"], secrets["the secret"] = w.demo.ServiceToken, s.Secret
	})
	acme := w.signIn("admin@acme.test")
	secrets["a sign-in token"], secrets["the demo's password"] = acme, `"demo"`
	invitation := model.GlobalID("Invitation", w.operator().invite("nina@acme.test", w.entityOf("admin@acme.test")))
	issued := w.must(acme, issueIt, map[string]any{"id": invitation})
	for _, name := range []string{"pin", "deeplink", "url"} {
		if text, _ := issued.at("issueInvitationCredentials", "credentials", name).(string); text != "" {
			secrets["the credentials' "+name] = text
		}
	}
	parsed, own := loadSchema(t), w.objectsOf("admin@acme.test")
	names, thrown := slices.Sorted(maps.Keys(secrets)), 0
	for _, mutation := range parsed.Mutation.Fields {
		if len(mutation.Arguments) == 0 || mutation.Name == "logout" {
			continue
		}
		input := parsed.Types[mutation.Arguments[0].Type.Name()]
		for range 2 {
			f := filler{t, parsed, mutation.Name, own}
			filled := f.fill(input, nil, "")
			f.satisfy(input, filled)
			for _, field := range input.Fields { // every text that it takes, the ids too
				if name := field.Type.Name(); (name == "String" || name == "ID") && field.Type.Elem == nil {
					filled[field.Name] = secrets[names[thrown%len(names)]]
					thrown++
				}
			}
			query := fmt.Sprintf(`mutation ($in: %s) { %s(input: $in) { __typename } }`, mutation.Arguments[0].Type, mutation.Name)
			w.ask(acme, query, map[string]any{"in": filled})
		}
	}
}

func checkSecrets(t *testing.T, dir, file string, secrets map[string]string) {
	s, err := store.OpenFile(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries, err := audit.NewTrail(s).Newest(context.Background(), 10_000) // the test's own context has ended
	if err != nil || len(entries) < 60 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines != len(entries) {
		t.Errorf("%d lines in the file, %d entries in the store", lines, len(entries))
	}
	for name, secret := range secrets {
		if strings.Contains(string(text), secret) || strings.Contains(fmt.Sprintf("%+v", entries), secret) {
			t.Errorf("the trail holds %s", name)
		}
	}
}
