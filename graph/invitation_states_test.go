package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// numberOf is GLPI's own id of the invitation in a result of inviteUsers.
func (a answer) numberOf(n int) int {
	number, _ := a.at("results", n, "invitation", "databaseId").(float64)
	return int(number)
}

// GLPI knows "pending" and "done" alone: the states come of that, of the end that it keeps or takes, in its own time zone,
// and of what the gateway saw.
func TestStatesComeOfWhatGLPIStores(t *testing.T) {
	west := time.FixedZone("west", -7*3600)
	dir := t.TempDir()
	w := newWorldOf(t, glpi.Options{Location: west}, func(w *world, s *settings.Gateway) { withService(w, s); s.DataDir = dir })
	o, token := w.operator(), w.signIn("admin@acme.test")
	at := func(d time.Duration) string { return time.Now().Add(d).In(west).Format(time.DateTime) }
	for n, c := range []struct {
		status, ends string
		open         bool
		want         string
		left         float64
	}{
		{"pending", at(time.Hour), false, "PENDING", 1},
		{"pending", at(time.Hour), true, "OPENED", 1},
		{"pending", at(-time.Minute), false, "EXPIRED", 0},
		{"pending", at(-time.Minute), true, "EXPIRED", 0}, // an opened one expires all the same
		{"done", at(time.Hour), true, "DEACTIVATED", 0},
		{"done", at(-time.Hour), false, "DEACTIVATED", 0}, // it was ended, and its end has passed since
		{"done", "0000-00-00 00:00:00", true, "ENROLLED", 0},
	} {
		made := w.invite(token, map[string]any{"email": fmt.Sprintf("person%d@mail.test", n)})
		id := made.at("results", 0, "invitation", "id")
		if c.open {
			w.visit(w.must(token, issueIt, map[string]any{"id": id}).at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string))
		}
		o.change(made.numberOf(0), map[string]any{"status": c.status, "expiration_date": c.ends})
		w.restart() // it had the invitation in its cache
		a := w.invitationOf(token, id)
		if a.at("state") != c.want || a.at("devicesLeft") != c.left || (a.at("expiresAt") == nil) != (c.want == "ENROLLED") {
			t.Errorf("%s until %s, opened %t, is %s, want %s", c.status, c.ends, c.open, a.text, c.want)
		}
		if ids, _ := w.invitationsIn(token, `filter: {states: [`+c.want+`]}`, nil); !slices.Contains(ids, id) {
			t.Errorf("the list of what is %s lacks it", c.want)
		}
	}
}

// An invitation's mail is queued, tried in vain, and sent: that shows where the viewer or the gateway may read GLPI's
// queue, and else nothing.
func TestHowFarAMailHasCome(t *testing.T) {
	for name, with := range map[string]func(*world, *settings.Gateway){"with a service account": withService, "without": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, glpi.Options{}, with)
			o, token := w.operator(), w.signIn("admin@acme.test")
			if o.as("viewer@acme.test").status("/QueuedNotification") == http.StatusOK {
				t.Fatal("the one without the right has it")
			}
			made := w.invite(token, map[string]any{"email": "one@mail.test"})
			var mails []struct{ ID int }
			o.call(http.MethodGet, fmt.Sprintf("/QueuedNotification?searchText[itemtype]=PluginFlyvemdmInvitation&searchText[items_id]=^%d$", made.numberOf(0)), nil, &mails)
			if len(mails) != 1 {
				t.Fatalf("%d mails", len(mails))
			}
			sent := time.Now().UTC().Truncate(time.Second)
			for _, step := range []struct {
				change map[string]any
				state  string
				sentAt any
			}{
				{nil, "QUEUED", nil},
				{map[string]any{"sent_try": 2}, "FAILING", nil},
				{map[string]any{"sent_time": sent.Format(time.DateTime)}, "SENT", sent.Format(time.RFC3339)},
			} {
				if step.change != nil {
					o.call(http.MethodPut, fmt.Sprint("/QueuedNotification/", mails[0].ID), step.change, nil)
				}
				w.restart()
				a := w.invitationOf(token, made.at("results", 0, "invitation", "id"))
				other := w.invitationOf(w.signIn("viewer@acme.test"), a.at("id"))
				if len(other.Errors) > 0 || other.at("delivery", "state") != map[bool]any{true: step.state}[with != nil] {
					t.Errorf("who may not read the queue reads %s", other.text)
				}
				if a.at("delivery", "state") != step.state || a.at("delivery", "sentAt") != step.sentAt || a.at("delivery", "queuedAt") == nil {
					t.Errorf("got %s, want %s at %v", a.text, step.state, step.sentAt)
				}
			}
		})
	}
}

// Older invitations of a person end with a new one, unless the inviter wants them kept; used and ended ones are left alone.
func TestWhatANewInvitationEnds(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o, token := w.operator(), w.signIn("admin@acme.test")
	person := []any{map[string]any{"email": "one@mail.test"}}
	invite := func(supersede bool) answer {
		a := w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": person, "supersede": supersede})
		if len(a.resultCodes(0)) > 0 {
			t.Fatal(a.text)
		}
		return a
	}
	used, first := invite(true), invite(false)
	o.change(used.numberOf(0), map[string]any{"status": "done", "expiration_date": "0000-00-00 00:00:00"})
	second := invite(false)
	if got := second.at("results", 0, "supersededIds").([]any); len(got) > 0 {
		t.Errorf("ended although they were to be kept: %v", got)
	}
	expired := invite(false)
	o.change(expired.numberOf(0), map[string]any{"expiration_date": "2020-01-01 00:00:00"})
	links := map[any]string{}
	for _, a := range []answer{first, second} {
		id := a.at("results", 0, "invitation", "id")
		links[id] = w.must(token, issueIt, map[string]any{"id": id}).at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string)
	}
	third := invite(true)
	ended := third.at("results", 0, "supersededIds").([]any)
	if a := w.invitationOf(token, expired.at("results", 0, "invitation", "id")); a.at("state") != "DEACTIVATED" {
		t.Errorf("one that had expired is %s", a.text)
	}
	for id, link := range links {
		a := w.invitationOf(token, id)
		if !slices.Contains(ended, id) || a.at("state") != "DEACTIVATED" || a.at("supersededBy", "id") != third.at("results", 0, "invitation", "id") {
			t.Errorf("an older one is %s; ended are %v", a.text, ended)
		}
		if status, page := w.visit(link); status != http.StatusNotFound || strings.Contains(page, "flyve:") {
			t.Errorf("its link answers %d", status)
		}
	}
	if a := w.invitationOf(token, used.at("results", 0, "invitation", "id")); len(ended) != 3 || a.at("state") != "ENROLLED" || a.at("supersededBy") != nil {
		t.Errorf("ended are %v, and the used one is %s", ended, a.text)
	}
}
