package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// abandon begins to ask, and goes away when GLPI gets a call for the nth time.
func (w *world) abandon(token, query string, variables map[string]any, call string, nth int) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, leave := context.WithCancel(w.t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	seen := 0
	w.setStand(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.Path == call {
			if seen++; seen == nth {
				leave()
			}
		}
		w.glpi.ServeHTTP(rw, r)
	}))
	defer w.setStand(nil)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		w.t.Error("it was answered")
	}
}

func (w *world) setStand(h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stand = h
}

// Who goes away while many are invited, and asks again, is told what was done and has the rest done, with a restart in
// between too. Who has got an answer and asks again wants everybody invited again.
func TestInvitingIsGoneOnWith(t *testing.T) {
	for name, c := range map[string]struct {
		call    string
		nth     int
		restart bool
	}{
		"while people are made":  {"POST /apirest.php/User", 2, false},
		"while they are invited": {"POST /apirest.php/PluginFlyvemdmInvitation", 2, false},
		"with a restart":         {"POST /apirest.php/PluginFlyvemdmInvitation", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits ten seconds
			w := newWorldOf(t, glpi.Options{}, withService)
			if c.restart {
				w.end()
				w.chosen.DataDir = t.TempDir()
				w.serve()
			}
			token := w.signIn("admin@acme.test")
			var invitees []map[string]any
			for n := range 60 {
				invitees = append(invitees, map[string]any{"email": fmt.Sprintf("person%d@bulk.test", n), "slots": 2})
			}
			older := w.invite(token, invitees[0]).at("results", 0, "invitation", "id")
			wish := map[string]any{"input": map[string]any{"invitees": invitees, "message": "Welcome"}}
			w.abandon(token, `mutation ($input: InviteUsersInput!) { inviteUsers(input: $input) { `+inviteResults+` } }`, wish, c.call, c.nth)
			if c.restart {
				w.restart()
			}
			var a answer
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				a = w.mutate(token, "inviteUsers", inviteResults, wish["input"].(map[string]any))
				if len(a.codes()) == 0 {
					break
				}
				if !slices.Equal(a.codes(), []string{"CONFLICT input"}) || time.Now().After(deadline) {
					t.Fatalf("asked again: %s", a.text)
				}
			}
			for n := range invitees {
				if a.at("results", n, "userCreated") != (n > 0) || len(a.resultCodes(n)) > 0 || a.at("results", n, "invitation", "devicesLeft") != 2.0 {
					t.Errorf("result %d is %v", n, a.at("results", n))
				}
			}
			if got := a.at("results", 0, "supersededIds").([]any); !slices.Equal(got, []any{older}) {
				t.Errorf("superseded are %v, want %v", got, older)
			}
			if _, total := w.invitationsIn(token, `filter: {search: "@bulk.test"}`, nil); total != 61 {
				t.Errorf("%d invitations in all", total)
			}
			again := w.mutate(token, "inviteUsers", inviteResults, wish["input"].(map[string]any))
			for n := range invitees {
				if got := again.at("results", n, "supersededIds").([]any); !slices.Equal(got, []any{a.at("results", n, "invitation", "id")}) {
					t.Fatalf("invited once more, %d is instead of %v", n, got)
				}
			}
		})
	}
}

// Who asks again with the same key for the same is answered the same, with the invitations as they are now, after a restart
// too; without that key, or by another viewer, it is another wish.
func TestTheSameKeyInvitesOnce(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, func(w *world, s *settings.Gateway) { withService(w, s); s.DataDir = t.TempDir() })
	token := w.signIn("admin@acme.test")
	w.operator().person("colleague", "Super-Admin", "ACME")
	input := map[string]any{"invitees": []any{
		map[string]any{"email": "one@mail.test"}, map[string]any{"email": "no address"}, map[string]any{"email": "two@mail.test", "slots": 2},
	}}
	older := w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": []any{map[string]any{"email": "two@mail.test"}}})
	ask := func(token, key string) answer {
		t.Helper()
		a := w.ask(token, `mutation ($in: InviteUsersInput!) { inviteUsers(input: $in) { `+inviteResults+` userErrors { code message field } } }`,
			map[string]any{"in": input}, "Idempotency-Key", key)
		if len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		return answer{Data: a.at("inviteUsers").(map[string]any), text: a.text}
	}
	first := ask(token, "a key")
	if got := first.at("results", 2, "supersededIds", 0); got != older.at("results", 0, "invitation", "id") || got == nil {
		t.Fatalf("superseded is %v in %s", got, first.text)
	}
	if again := ask(token, "a key"); again.text != first.text {
		t.Errorf("asked again\n%s\nwant\n%s", again.text, first.text)
	}
	w.restart()
	w.mutate(token, "deactivateInvitations", "results { id }", map[string]any{"invitationIds": []any{first.at("results", 0, "invitation", "id")}})
	calls := w.callsOf(func() {
		a := ask(token, "a key")
		if a.at("results", 0, "invitation", "id") != first.at("results", 0, "invitation", "id") || a.at("results", 0, "invitation", "state") != "DEACTIVATED" {
			t.Errorf("ended since: %s", a.text)
		}
	})
	for _, call := range calls {
		if strings.HasPrefix(call, "POST /PluginFlyvemdmInvitation") || strings.HasPrefix(call, "POST /User") || strings.HasPrefix(call, "PUT ") {
			t.Errorf("asked again, GLPI got %s", call)
		}
	}
	for name, other := range map[string]answer{"another key": ask(token, "another key"), "another viewer": ask(w.signIn("colleague"), "a key"), "no key": ask(token, "")} {
		if id := other.at("results", 0, "invitation", "id"); id == nil || id == first.at("results", 0, "invitation", "id") {
			t.Errorf("%s: %s", name, other.text)
		}
	}
	if a := ask(token, strings.Repeat("k", 256)); !slices.Equal(a.codes(), []string{"BAD_USER_INPUT input"}) {
		t.Errorf("a long key: %s", a.text)
	}
}
