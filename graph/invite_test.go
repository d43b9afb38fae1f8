package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const invitationFields = `id databaseId state expiresAt openedAt devicesLeft user { id username displayName emails { address } }
	entity { id } delivery { state queuedAt sentAt } supersededBy { id } agent { id } log { at event }`

const inviteResults = `results { invitation { ` + invitationFields + ` } userCreated supersededIds userErrors { code message field } }`

// invite invites people and answers the payload.
func (w *world) invite(token string, invitees ...map[string]any) answer {
	w.t.Helper()
	return w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": invitees})
}

// resultCodes are the codes and fields of the userErrors of one result.
func (a answer) resultCodes(n int) []string {
	result, _ := a.at("results", n).(map[string]any)
	return answer{Data: result}.codes()
}

func TestInvitingPeople(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	for _, company := range []string{"acme", "globex"} {
		o.person("known."+company, "Self-Service", map[string]string{"acme": "ACME", "globex": "Globex"}[company])
		token := w.signIn("admin@" + company + ".test")
		known := w.peopleOf(token, "", "id")["known."+company]
		a := w.invite(token,
			map[string]any{"email": "New.Person+phone@" + company + ".test", "firstName": "New", "lastName": "O'Person", "phone": "+33 6 00", "slots": 3},
			map[string]any{"email": strings.ToUpper("known." + company + "@mail.test")},
		)
		if len(a.codes())+len(a.resultCodes(0))+len(a.resultCodes(1)) > 0 {
			t.Fatal(a.text)
		}
		for _, c := range []struct {
			path []any
			want any
		}{
			{[]any{0, "userCreated"}, true},
			{[]any{0, "invitation", "state"}, "PENDING"},
			{[]any{0, "invitation", "devicesLeft"}, 3.0},
			{[]any{0, "invitation", "user", "displayName"}, "New O'Person"},
			{[]any{0, "invitation", "user", "emails", 0, "address"}, "New.Person+phone@" + company + ".test"},
			{[]any{0, "invitation", "delivery", "state"}, "QUEUED"},
			{[]any{0, "invitation", "delivery", "sentAt"}, nil},
			{[]any{0, "invitation", "openedAt"}, nil},
			{[]any{1, "userCreated"}, false},
			{[]any{1, "invitation", "devicesLeft"}, 1.0},
			{[]any{1, "invitation", "user", "id"}, known.at("id")},
		} {
			if got := a.at(append([]any{"results"}, c.path...)...); got != c.want {
				t.Errorf("%s: %v is %v, want %v", company, c.path, got, c.want)
			}
		}
		again := w.invite(token, map[string]any{"userId": known.at("id")})
		if got, want := again.at("results", 0, "supersededIds", 0), a.at("results", 1, "invitation", "id"); got != want {
			t.Errorf("%s: superseded is %v, want %v in %s", company, got, want, again.text)
		}
		old := w.must(token, `query ($id: ID!) { invitation(id: $id) { state supersededBy { id } } }`, map[string]any{"id": a.at("results", 1, "invitation", "id")})
		if old.at("invitation", "state") != "DEACTIVATED" || old.at("invitation", "supersededBy", "id") != again.at("results", 0, "invitation", "id") {
			t.Errorf("%s: the older invitation is %s", company, old.text)
		}
	}
}

// GLPI does not take every letter of an address for a user name.
func TestAddressesWithAccents(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	people := []string{"ren\u00e9@mail.test", "ren\u00e8@mail.test", "o'brien+phone@mail.test"}
	var invitees []map[string]any
	for _, address := range people {
		invitees = append(invitees, map[string]any{"email": address})
	}
	a := w.invite(w.signIn("admin@acme.test"), invitees...)
	for n, address := range people {
		if got := a.at("results", n, "invitation", "user", "emails", 0, "address"); got != address || a.at("results", n, "userCreated") != true {
			t.Errorf("%s: %v", address, a.at("results", n))
		}
	}
}

func TestWhoIsNotInvited(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	o := w.operator()
	victim := o.person("victim", "Super-Admin", "Globex")
	own := o.person("own", "Self-Service", "ACME")
	trashed := o.person("trashed", "Self-Service", "ACME")
	_, victimID, _ := model.ParseGlobalID(victim)
	_, trashedID, _ := model.ParseGlobalID(trashed)
	o.call(http.MethodDelete, "/User/"+strconv.Itoa(trashedID), nil, nil)
	globex := model.GlobalID("Entity", o.idOf("Entity", "Globex"))
	admin := w.signIn("admin@acme.test")
	for name, c := range map[string]struct {
		invitee map[string]any
		want    string
	}{
		"a stranger by id":         {map[string]any{"userId": victim}, "NOT_FOUND input.invitees.0.userId"},
		"nobody by id":             {map[string]any{"userId": model.GlobalID("User", 99999)}, "NOT_FOUND input.invitees.0.userId"},
		"an id of something else":  {map[string]any{"userId": globex}, "BAD_USER_INPUT input.invitees.0.userId"},
		"neither address nor user": {map[string]any{"firstName": "x"}, "BAD_USER_INPUT input.invitees.0"},
		"both":                     {map[string]any{"userId": own, "email": "own@mail.test"}, "BAD_USER_INPUT input.invitees.0"},
		"no device":                {map[string]any{"userId": own, "slots": 0}, "BAD_USER_INPUT input.invitees.0.slots"},
		"too many devices":         {map[string]any{"userId": own, "slots": 21}, "BAD_USER_INPUT input.invitees.0.slots"},
		"a name with an emoji":     {map[string]any{"email": "smile@mail.test", "firstName": "😀"}, "BAD_USER_INPUT input.invitees.0.firstName"},
		"a name that is too long":  {map[string]any{"email": "smile@mail.test", "lastName": strings.Repeat("x", 256)}, "BAD_USER_INPUT input.invitees.0.lastName"},
		"a number with a bell":     {map[string]any{"email": "smile@mail.test", "phone": "+33 \a"}, "BAD_USER_INPUT input.invitees.0.phone"},
	} {
		if a := w.invite(admin, c.invitee); !slices.Equal(a.resultCodes(0), []string{c.want}) || a.at("results", 0, "invitation") != nil {
			t.Errorf("%s: %s, want %s", name, a.text, c.want)
		}
	}
	twice := w.invite(admin, map[string]any{"userId": own}, map[string]any{"email": "own@mail.test"})
	if len(twice.resultCodes(0)) > 0 || !slices.Equal(twice.resultCodes(1), []string{"BAD_USER_INPUT input.invitees.1.email"}) {
		t.Errorf("the same person twice: %s", twice.text)
	}
	a := w.mutate(admin, "inviteUsers", inviteResults, map[string]any{"entityId": globex, "invitees": []any{map[string]any{"userId": own}}})
	if !slices.Equal(a.codes(), []string{"NOT_FOUND input.entityId"}) {
		t.Errorf("into another company: %s", a.text)
	}
	for _, login := range []string{"viewer@acme.test", "sally@acme.test"} {
		if a := w.invite(w.signIn(login), map[string]any{"userId": own}); !slices.Equal(a.codes(), []string{"FORBIDDEN "}) {
			t.Errorf("%s: %s", login, a.text)
		}
	}

	// The stranger's address makes a user of the company's own: the stranger stays out of it, and out of sight.
	stranger := w.invite(admin, map[string]any{"email": "victim@mail.test"})
	if len(stranger.resultCodes(0)) > 0 || stranger.at("results", 0, "userCreated") != true ||
		stranger.at("results", 0, "invitation", "user", "id") == victim {
		t.Errorf("the address of a stranger: %s", stranger.text)
	}
	var grants []map[string]any
	o.call(http.MethodGet, fmt.Sprintf("/User/%d/Profile_User", victimID), nil, &grants)
	if len(grants) != 1 {
		t.Errorf("the stranger holds %v", grants)
	}

	// A deleted person comes back only where the viewer may do that.
	if a := w.invite(admin, map[string]any{"email": "trashed@mail.test"}); len(a.resultCodes(0)) > 0 || a.at("results", 0, "invitation", "user", "id") != trashed {
		t.Errorf("a deleted person: %s", a.text)
	}
}

// One bad address in a list of people is told at its place, and the others are invited.
func TestABadAddressStopsNobodyElse(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	admin := w.signIn("admin@acme.test")
	bad := []string{
		"", " ", "ada", "ada@", "@mail.test", "ada@@mail.test", "ada@mail.test ", "Ada <ada@mail.test>", "<ada@mail.test>", "ada@mail.test, bob@mail.test",
		"ada@mail.test\r\nBcc: eve@mail.test", "ada\x00@mail.test", "level=ERROR msg=\"forged\"", "mailto:ada@mail.test", "ada lovelace@mail.test",
		strings.Repeat("a", 255-len("@mail.test")+1) + "@mail.test", strings.Repeat("@", 100_000), model.GlobalID("Agent", 1),
	}
	var invitees []map[string]any
	for _, text := range bad {
		invitees = append(invitees, map[string]any{"email": text})
	}
	a := w.invite(admin, append(invitees, map[string]any{"email": "good@mail.test"})...)
	if len(a.codes()) > 0 || len(a.resultCodes(len(bad))) > 0 || a.at("results", len(bad), "invitation", "state") != "PENDING" {
		t.Fatalf("the good one: %.2000s", a.text)
	}
	for n, text := range bad {
		want := fmt.Sprintf("BAD_USER_INPUT input.invitees.%d.email", n)
		if !slices.Equal(a.resultCodes(n), []string{want}) || a.at("results", n, "invitation") != nil {
			t.Errorf("%.30q: %v", text, a.at("results", n))
		}
	}
	for _, line := range w.trail(admin, nil) {
		if strings.Contains(line, model.GlobalID("Agent", 1)) {
			t.Errorf("what was given for an address is in the trail: %s", line)
		}
	}
	if strings.Contains(w.log.String(), "forged") || strings.Contains(w.log.String(), "eve@mail.test") {
		t.Error("what was given for an address is in the log")
	}
	for _, noText := range []any{5, true, []any{"ada@mail.test"}, map[string]any{"address": "ada@mail.test"}} {
		people := []any{map[string]any{"email": noText}, map[string]any{"email": "other@mail.test"}}
		a := w.ask(admin, `mutation ($people: [InviteeInput!]!) { inviteUsers(input: {invitees: $people}) { results { userCreated } } }`, map[string]any{"people": people})
		if a.code() != "BAD_USER_INPUT" || !strings.Contains(a.text, "email") {
			t.Errorf("%v: %s", noText, a.text)
		}
	}
}

// GLPI makes a guest of everybody who is invited; who has chosen no profile would sign in as one from then on.
func TestInvitedPeopleKeepTheirProfile(t *testing.T) {
	for name, adjust := range map[string]bool{"with a service account": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			with := withService
			if !adjust {
				with = nil
			}
			w := newWorldOf(t, glpi.Options{}, with)
			clerk := w.operator().person("clerk", "Super-Admin", "ACME")
			if a := w.invite(w.signIn("admin@acme.test"), map[string]any{"userId": clerk}); len(a.resultCodes(0)) > 0 {
				t.Fatal(a.text)
			}
			a := w.must(w.signIn("clerk"), `{ viewer { profile { name } } }`, nil)
			if got := a.at("viewer", "profile", "name"); got != "Super-Admin" {
				t.Errorf("the profile at sign-in is %v", got)
			}
		})
	}
}

// The inviter's words are on the pages of all whom they invited.
func TestTheInvitersWordsReachTheInvited(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	people := []map[string]any{{"email": "one@mail.test"}, {"email": "two@mail.test"}}
	a := w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": people, "message": " Bring it <on> Friday:\nroom 5 \n"})
	for n := range people {
		issued := w.must(token, issueIt, map[string]any{"id": a.at("results", n, "invitation", "id")})
		_, page := w.visit(issued.at("issueInvitationCredentials", "credentials", "enrollmentUrl").(string))
		if !strings.Contains(page, "<blockquote>Bring it &lt;on&gt; Friday:\nroom 5</blockquote>") {
			t.Errorf("the page of %d lacks the words", n)
		}
	}
	for message, want := range map[string][]string{
		strings.Repeat("é", 1001): {"BAD_USER_INPUT input.message"}, "bell \a": {"BAD_USER_INPUT input.message"}, strings.Repeat("é", 1000): {}, " ": {},
	} {
		a := w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": people[:1], "message": message})
		if got := a.codes(); !slices.Equal(got, want) || (len(want) > 0) != (len(a.at("results").([]any)) == 0) {
			t.Errorf("%.10q: %v, want %v", message, got, want)
		}
	}
}

// inviteWatch is what GLPI sees of somebody who invites: those who look around meanwhile are not counted.
type inviteWatch struct {
	mu           sync.Mutex
	now, busiest int            // invitations made at a time
	inviter      string         // the session
	calls        map[string]int // by session
}

// watchInviting has GLPI note who invites, and with how many calls.
func (w *world) watchInviting() *inviteWatch {
	i := &inviteWatch{calls: map[string]int{}}
	w.setStand(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		session := r.Header.Get("Session-Token")
		invites := r.Method+" "+r.URL.Path == "POST /apirest.php/PluginFlyvemdmInvitation"
		i.mu.Lock()
		i.calls[session]++
		if invites {
			i.now, i.inviter = i.now+1, session
			i.busiest = max(i.busiest, i.now)
		}
		i.mu.Unlock()
		if invites {
			time.Sleep(5 * time.Millisecond) // so that those at once meet
		}
		w.glpi.ServeHTTP(rw, r)
		if invites {
			i.mu.Lock()
			i.now--
			i.mu.Unlock()
		}
	}))
	return i
}

func TestInvitingFiveHundred(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	var invitees []map[string]any
	bad := map[int]string{
		0: "BAD_USER_INPUT", 7: "NOT_FOUND", 250: "BAD_USER_INPUT", 251: "BAD_USER_INPUT", 498: "BAD_USER_INPUT", 499: "BAD_USER_INPUT",
	}
	for n := range 500 {
		invitees = append(invitees, map[string]any{"email": fmt.Sprintf("person%d@bulk.test", n)})
	}
	invitees[7] = map[string]any{"userId": model.GlobalID("User", 99999)}
	invitees[0] = map[string]any{"email": "no address"}
	invitees[250] = map[string]any{"email": "person3@bulk.test"}
	invitees[251] = map[string]any{"email": " person251@bulk.test"}
	invitees[498] = map[string]any{"email": ""}
	invitees[499]["slots"] = 99
	known := w.invite(token, map[string]any{"email": "known@mail.test"}).at("results", 0, "invitation", "id")
	progress := w.subscribe(token, invitationEvents, map[string]any{"after": w.invitationCursor(token, known)})
	var a answer
	var ended atomic.Bool
	told := make(chan struct{})
	go func() {
		defer close(told)
		if first := w.hears(progress); first.at("invitationEvents", "kind") != "CREATED" || ended.Load() {
			t.Errorf("progress begins with %s, and at the end: %t", first.text, ended.Load())
		}
	}()
	seen := w.watchInviting()
	calls := w.callsOf(func() { a = w.invite(token, invitees...) })
	ended.Store(true)
	<-told
	seen.mu.Lock()
	busiest, own := seen.busiest, seen.calls[seen.inviter]
	seen.mu.Unlock()
	if busiest != 1 {
		t.Errorf("GLPI made invitations in %d calls at a time", busiest)
	}
	if n := len(a.at("results").([]any)); n != 500 {
		t.Fatalf("%d results", n)
	}
	for n := range 500 {
		code := ""
		if codes := a.resultCodes(n); len(codes) > 0 {
			code, _, _ = strings.Cut(codes[0], " ")
		}
		if code != bad[n] || (a.at("results", n, "invitation") == nil) != (bad[n] != "") {
			t.Errorf("result %d is %q, want %q", n, code, bad[n])
		}
		if bad[n] == "" && a.at("results", n, "invitation", "user", "emails", 0, "address") != fmt.Sprintf("person%d@bulk.test", n) {
			t.Errorf("result %d is of %v", n, a.at("results", n, "invitation", "user"))
		}
	}
	writes := 0
	for _, call := range calls {
		if call == "POST /PluginFlyvemdmInvitation" || call == "POST /User" {
			writes++
		}
	}
	if writes != 40 || own < writes || own > 250 {
		t.Errorf("%d writes and %d calls in all", writes, own)
	}
	if a := w.mutate(token, "inviteUsers", inviteResults, map[string]any{"invitees": append(invitees, invitees[0])}); !slices.Equal(a.codes(), []string{"BAD_USER_INPUT input.invitees"}) {
		t.Errorf("501 people: %v", a.codes())
	}
}
