package graph_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// invitationOf reads an invitation.
func (w *world) invitationOf(token string, id any) answer {
	w.t.Helper()
	a := w.ask(token, `query ($id: ID!) { invitation(id: $id) { `+invitationFields+` } }`, map[string]any{"id": id})
	found, _ := a.at("invitation").(map[string]any)
	return answer{Data: found, Errors: a.Errors, text: a.text}
}

// invitationsIn lists the ids of invitations that a filter lets through, and how many there are in all.
func (w *world) invitationsIn(token, arguments string, variables map[string]any) (ids []any, total int) {
	w.t.Helper()
	query := `{ invitations(first: 500 ` + arguments + `) { totalCount nodes { id } } }`
	a := w.must(token, query, variables)
	for _, node := range a.at("invitations", "nodes").([]any) {
		ids = append(ids, node.(map[string]any)["id"])
	}
	return ids, int(a.at("invitations", "totalCount").(float64))
}

func TestRenewingEndingAndDeletingInvitations(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	token, other, viewer := w.signIn("admin@acme.test"), w.signIn("admin@globex.test"), w.signIn("viewer@acme.test")
	a := w.invite(token, map[string]any{"email": "one@mail.test"}, map[string]any{"email": "two@mail.test"}, map[string]any{"email": "three@mail.test"})
	id := func(n int) any { return a.at("results", n, "invitation", "id") }
	number := func(n int) string {
		return strconv.Itoa(int(a.at("results", n, "invitation", "databaseId").(float64)))
	}
	results := `results { id invitation { id state expiresAt } userErrors { code message field } }`
	var before, after []map[string]any
	mails := "/QueuedNotification?searchText[itemtype]=PluginFlyvemdmInvitation&searchText[items_id]=^" + number(0) + "$"
	o.call(http.MethodGet, mails, nil, &before)

	issue := func() answer {
		return w.mutate(token, "issueInvitationCredentials", "credentials { enrollmentUrl pin expiresAt }", map[string]any{"invitationId": id(0)})
	}
	issued := issue()
	until := time.Now().Add(40 * 24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	renewed := w.mutate(token, "renewInvitation", "invitation { expiresAt } "+results, map[string]any{"invitationId": id(0), "expiresAt": until})
	if len(renewed.codes()) > 0 || renewed.at("invitation", "expiresAt") != until {
		t.Errorf("renewed: %s", renewed.text)
	}
	if o.call(http.MethodGet, mails, nil, &after); len(after) != len(before)+1 {
		t.Errorf("%d mails before, %d after", len(before), len(after))
	}

	if same := issue(); same.at("credentials", "pin") != issued.at("credentials", "pin") || issued.at("credentials", "pin") == nil ||
		same.at("credentials", "enrollmentUrl") != issued.at("credentials", "enrollmentUrl") || same.at("credentials", "expiresAt") != until {
		t.Error("the credentials have changed, or not their end")
	}
	o.call(http.MethodPut, "/PluginFlyvemdmInvitation/"+number(1), map[string]any{"expiration_date": "2020-01-01 00:00:00"}, nil)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct {
		input map[string]any
		want  string
	}{
		"an expired one without an end": {map[string]any{"invitationId": id(1)}, "CONFLICT input.invitationId"},
		"an end in the past":            {map[string]any{"invitationId": id(1), "expiresAt": past}, "BAD_USER_INPUT input.expiresAt"},
		"neither":                       {map[string]any{}, "BAD_USER_INPUT input"},
		"unknown":                       {map[string]any{"invitationId": model.GlobalID("Invitation", 99999)}, "NOT_FOUND input.invitationId"},
	} {
		if got := w.mutate(token, "renewInvitation", results, c.input).codes(); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	both := w.mutate(token, "renewInvitation", results, map[string]any{"invitationIds": []any{id(1), id(2), id(1)}, "expiresAt": until})
	if both.at("results", 0, "invitation", "state") != "PENDING" || both.at("results", 1, "invitation", "expiresAt") != until ||
		!slices.Equal(both.resultCodes(2), []string{"BAD_USER_INPUT input.invitationIds.2"}) {
		t.Errorf("renewed in bulk: %s", both.text)
	}

	for _, mutation := range []string{"renewInvitation", "deactivateInvitations", "deleteInvitations"} {
		input, fields := map[string]any{"invitationIds": []any{id(2)}}, "results { id userErrors { code message field } }"
		if got := w.mutate(other, mutation, fields, input).resultCodes(0); !slices.Equal(got, []string{"NOT_FOUND input.invitationIds.0"}) {
			t.Errorf("%s by another company: %v", mutation, got)
		}
		if got := w.mutate(viewer, mutation, fields, input).codes(); !slices.Equal(got, []string{"FORBIDDEN "}) {
			t.Errorf("%s without the right: %v", mutation, got)
		}
	}
	if a := w.invitationOf(other, id(2)); a.code() != "NOT_FOUND" {
		t.Errorf("another company reads it: %s", a.text)
	}

	ended := w.mutate(token, "deactivateInvitations", results, map[string]any{"invitationIds": []any{id(0), id(1), model.GlobalID("Invitation", 99999)}})
	if ended.at("results", 0, "invitation", "state") != "DEACTIVATED" || ended.at("results", 1, "invitation", "state") != "DEACTIVATED" ||
		!slices.Equal(ended.resultCodes(2), []string{"NOT_FOUND input.invitationIds.2"}) {
		t.Errorf("deactivated: %s", ended.text)
	}
	if got := w.mutate(token, "renewInvitation", results, map[string]any{"invitationId": id(0)}).codes(); !slices.Equal(got, []string{"CONFLICT input.invitationId"}) {
		t.Errorf("renewing one that has ended: %v", got)
	}

	gone := w.mutate(token, "deleteInvitations", `results { id deleted userErrors { code message field } }`,
		map[string]any{"invitationIds": []any{id(2), model.GlobalID("Invitation", 99999)}})
	if gone.at("results", 0, "deleted") != true || gone.at("results", 1, "deleted") != false || w.invitationOf(token, id(2)).code() != "NOT_FOUND" {
		t.Errorf("deleted: %s", gone.text)
	}
}

func TestInvitationsByStateAndPerson(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	all, total := w.invitationsIn(token, "", nil)
	if len(all) != total || total == 0 {
		t.Fatalf("%d of %d", len(all), total)
	}
	sum := 0
	for _, state := range []string{"PENDING", "OPENED", "EXPIRED", "DEACTIVATED", "ENROLLED"} {
		ids, n := w.invitationsIn(token, `filter: {states: [`+state+`]}`, nil)
		for _, id := range ids {
			if got := w.invitationOf(token, id).at("state"); got != state {
				t.Errorf("%v is %v, want %s", id, got, state)
			}
		}
		if (n == 0) != (state == "OPENED") {
			t.Errorf("%d are %s", n, state)
		}
		sum += n
	}
	if sum != total {
		t.Errorf("the states have %d in all, of %d", sum, total)
	}
	made := w.invite(token, map[string]any{"email": "zelda@mail.test", "firstName": "Zelda", "lastName": "Quux"}).at("results", 0, "invitation", "id")
	for _, search := range []string{"zelda", "QUUX", "zelda quux", "zelda@mail"} {
		if ids, n := w.invitationsIn(token, `filter: {search: "`+search+`"}`, nil); n != 1 || ids[0] != made {
			t.Errorf("%s finds %v", search, ids)
		}
	}
	user := w.invitationOf(token, made).at("user", "id").(string)
	if ids, n := w.invitationsIn(token, `filter: {userIds: ["`+user+`"]}`, nil); n != 1 || ids[0] != made {
		t.Errorf("the person's are %v", ids)
	}
	newest, _ := w.invitationsIn(token, `orderBy: {field: DATABASE_ID, direction: DESC}`, nil)
	if newest[0] != made || len(newest) != total+1 {
		t.Errorf("the newest is %v of %d", newest[0], len(newest))
	}
	first := w.must(token, `{ invitations(first: 2, orderBy: {field: EXPIRES_AT, direction: DESC}) { totalCount nodes { expiresAt } pageInfo { hasNextPage } } }`, nil)
	a, _ := first.at("invitations", "nodes", 0, "expiresAt").(string)
	b, _ := first.at("invitations", "nodes", 1, "expiresAt").(string)
	if a < b || first.at("invitations", "totalCount") != float64(total+1) || first.at("invitations", "pageInfo", "hasNextPage") != true {
		t.Errorf("by their ends: %s", first.text)
	}
	failed := 0
	for _, id := range all {
		log, _ := w.invitationOf(token, id).at("log").([]any)
		failed += len(log)
	}
	if failed == 0 {
		t.Error("no failed tries are told")
	}
}

// GLPI keeps an expired invitation as pending, with an end in its own time zone.
func TestExpiryIsInTheServersTimeZone(t *testing.T) {
	east := time.FixedZone("east", 5*3600)
	w := newWorldOf(t, glpi.Options{Location: east}, withService)
	o, token := w.operator(), w.signIn("admin@acme.test")
	a := w.invite(token, map[string]any{"email": "one@mail.test"})
	number := strconv.Itoa(int(a.at("results", 0, "invitation", "databaseId").(float64)))
	for _, c := range []struct {
		end  time.Duration
		want string
	}{{-time.Hour, "EXPIRED"}, {time.Hour, "PENDING"}} {
		end := time.Now().Add(c.end).In(east)
		o.call(http.MethodPut, "/PluginFlyvemdmInvitation/"+number, map[string]any{"expiration_date": end.Format(time.DateTime)}, nil)
		// A write through the gateway has the cache forget the invitation.
		w.mutate(token, "deleteInvitations", "results { id }", map[string]any{"invitationIds": []any{
			w.invite(token, map[string]any{"email": "other@mail.test"}).at("results", 0, "invitation", "id")}})
		found, _ := w.invitationsIn(token, `filter: {states: [`+c.want+`], search: "one@mail.test"}`, nil)
		if len(found) != 1 {
			t.Errorf("one that ends in %s is not %s", c.end, c.want)
		}
	}
}

const invitationEvents = `subscription ($after: String) { invitationEvents(after: $after) {
	cursor at kind entityId invitationId invitation { id state } agent { id } } }`

// invitationCursor is a place in the stream of events, after one about an invitation. Nothing tells when a subscription
// has begun, so the invitation is renewed until it hears of that.
func (w *world) invitationCursor(token string, id any) any {
	w.t.Helper()
	next := w.subscribe(token, invitationEvents, nil)
	heard, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			w.ask(token, `mutation ($id: ID!) { renewInvitation(input: {invitationId: $id}) { invitation { id } } }`, map[string]any{"id": id})
			select {
			case <-heard:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	_, a := next()
	close(heard)
	<-ended
	return a.at("invitationEvents", "cursor")
}

// hears waits for the next event that is not a renewal.
func (w *world) hears(next func() (string, answer)) answer {
	w.t.Helper()
	for {
		kind, a := next()
		if kind != "next" || len(a.Errors) > 0 {
			w.t.Fatalf("got %s %s", kind, a.text)
		}
		if a.at("invitationEvents", "kind") != "RENEWED" {
			return a
		}
	}
}

// A person's streams of them are bounded: each reads all events for itself.
func TestInvitationStreamsAreBounded(t *testing.T) {
	const most = 100
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	id := w.invite(token, map[string]any{"email": "first@mail.test"}).at("results", 0, "invitation", "id")
	var streams []func() (string, answer)
	for range most + 1 {
		streams = append(streams, w.subscribe(token, invitationEvents, nil))
	}
	over, renewing := make(chan struct{}), sync.WaitGroup{}
	renewing.Go(func() { // until all have begun and heard of it
		for {
			w.ask(token, `mutation ($id: ID!) { renewInvitation(input: {invitationId: $id}) { invitation { id } } }`, map[string]any{"id": id})
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	defer renewing.Wait()
	defer close(over)
	refused := 0
	for _, next := range streams {
		if kind, a := next(); kind == "error" && a.code() == "RATE_LIMITED" {
			refused++
		} else if kind != "next" {
			t.Fatalf("got %s %s", kind, a.text)
		}
	}
	if refused != 1 {
		t.Errorf("%d of %d streams were refused", refused, most+1)
	}
}

func TestInvitationEvents(t *testing.T) {
	dir := t.TempDir()
	kept := func(w *world, s *settings.Gateway) { withService(w, s); s.DataDir = dir }
	w := newWorldOf(t, glpi.Options{}, kept)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	first := w.invite(acme, map[string]any{"email": "first@mail.test"}).at("results", 0, "invitation", "id")
	after := map[string]any{"after": w.invitationCursor(acme, first)}
	mine, theirs := w.subscribe(acme, invitationEvents, after), w.subscribe(globex, invitationEvents, after)

	second := w.invite(acme, map[string]any{"email": "second@mail.test"}).at("results", 0, "invitation", "id")
	w.mutate(acme, "deactivateInvitations", "results { id }", map[string]any{"invitationIds": []any{second}})
	w.mutate(acme, "deleteInvitations", "results { id }", map[string]any{"invitationIds": []any{second}})
	hers := w.invite(globex, map[string]any{"email": "hers@mail.test"}).at("results", 0, "invitation", "id")
	for _, kind := range []string{"CREATED", "DEACTIVATED", "DELETED"} {
		if a := w.hears(mine); a.at("invitationEvents", "kind") != kind || a.at("invitationEvents", "invitationId") != second ||
			a.at("invitationEvents", "invitation") != nil && kind == "DELETED" {
			t.Errorf("got %s, want %s", a.text, kind)
		}
	}
	if a := w.hears(theirs); a.at("invitationEvents", "kind") != "CREATED" || a.at("invitationEvents", "invitationId") != hers {
		t.Errorf("another company hears %s", a.text)
	}
	old := w.subscribe(acme, invitationEvents, map[string]any{"after": "1-1"})
	if _, a := old(); a.code() != "RESYNC" {
		t.Errorf("from long ago: %s", a.text)
	}
	poor := w.subscribe(w.signIn("sally@acme.test"), invitationEvents, nil)
	if _, a := poor(); a.code() != "FORBIDDEN" {
		t.Errorf("without the right: %s", a.text)
	}
}

// What happens to an invitation past the gateway shows in its event, however lately the viewer has read it as it was.
func TestAnEventShowsTheInvitationAsItIs(t *testing.T) {
	t.Parallel() // it waits for the next look at GLPI
	w := newWorldOf(t, glpi.Options{}, withService)
	o, token := w.operator(), w.signIn("admin@acme.test")
	made := w.invite(token, map[string]any{"email": "one@mail.test"})
	id := made.at("results", 0, "invitation", "id")
	watch := w.subscribe(token, invitationEvents, map[string]any{"after": w.invitationCursor(token, id)})
	o.change(made.numberOf(0), map[string]any{"expiration_date": "2020-01-01 00:00:00"})
	if state := w.invitationOf(token, id).at("state"); state != "PENDING" {
		t.Fatalf("it is not read as it was: %v", state)
	}
	if a := w.hears(watch); a.at("invitationEvents", "kind") != "EXPIRED" || a.at("invitationEvents", "invitation", "state") != "EXPIRED" {
		t.Errorf("got %s", a.text)
	}
}
