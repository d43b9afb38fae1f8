package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store/redistest"
)

const (
	inviteMany = `mutation ($input: InviteUsersInput!) { inviteUsers(input: $input) { userErrors { code }
		results { invitation { id user { emails { address } } } userCreated supersededIds userErrors { code } } } }`
	credentialsOf = `mutation ($id: ID!) { issueInvitationCredentials(input: {invitationId: $id}) { credentials { enrollmentUrl pin } userErrors { message } } }`
	redeem        = `mutation ($input: RedeemPinInput!) { redeemPin(input: $input) { deeplink userErrors { message } } }`
	statesOf      = `query ($early: ID!, $older: ID!) { early: invitation(id: $early) { state openedAt } older: invitation(id: $older) { state supersededBy { id } } }`
)

type invited struct {
	InviteUsers struct {
		UserErrors []struct{ Code string }
		Results    []struct {
			Invitation *struct {
				ID   string
				User struct{ Emails []struct{ Address string } }
			}
			UserCreated   bool
			SupersededIds []string
			UserErrors    []struct{ Code string }
		}
	}
}

// A gateway that dies while it invites 500 people, more than once and while GLPI is at it: who asks again is told what
// became of each, nobody is invited twice, and what was issued before still leads where it did. So it is after a
// restart, and on another replica.
func TestInvitingGoesOnWhereItBrokeOff(t *testing.T) {
	t.Run("after a restart", func(t *testing.T) {
		dir := t.TempDir()
		begin := func(args ...string) *process { return start(t, "graphql", append(args, "--data-dir", dir)...) }
		inviteInSpiteOf(t, begin, "POST /User 9", "POST /PluginFlyvemdmInvitation 7")
	})
	t.Run("on another replica", func(t *testing.T) {
		redis := "redis://" + redistest.Start(t)
		begin := func(args ...string) *process { return start(t, "graphql", append(args, "--redis-url", redis)...) }
		inviteInSpiteOf(t, begin, "POST /PluginFlyvemdmInvitation 12")
	})
}

// inviteInSpiteOf has gateways die at calls to GLPI, each of which another one follows.
func inviteInSpiteOf(t *testing.T, begin func(args ...string) *process, deaths ...string) {
	world := glpi.New(glpi.Options{})
	demo := world.SeedDemo(glpi.DemoOptions{Devices: 10, Seed: 1})
	death := &death{glpi: world}
	address := freeAddress(t)
	t.Cleanup(startGLPI(t, address, death))
	url := "http://" + address + "/apirest.php"
	mqttURL := "mqtt://" + freeAddress(t) // nobody is there
	next := func() *process {
		p := begin("serve", "--listen", "127.0.0.1:0", "--glpi-url", url, "--mqtt-url", mqttURL, "--mqtt-username", "fleetgate",
			"--mqtt-password", "sesame-open", "--glpi-service-token", demo.ServiceToken, "--secret", "replicas share this one")
		p.awaitReadiness(map[string]bool{"glpi": true, "broker": false})
		return p
	}
	p := next()
	eventually(t, 20*time.Second, "it has looked at GLPI's invitations", func() bool { return strings.Contains(p.log.String(), "is news from now on") })
	token := p.signIn("admin@acme.test", "demo")
	early := p.earlyInvitations(token)

	people := []map[string]any{{"email": "again@bulk.test"}, {"userId": "VXNlcjo5OTk5OTk"}, {"email": "AGAIN@bulk.test"}}
	for n := len(people); n < 500; n++ {
		people = append(people, map[string]any{"email": fmt.Sprintf("person%d@bulk.test", n)})
	}
	wish := map[string]any{"input": map[string]any{"invitees": people}}
	cursor := p.invitationCursor(token, early.opened)
	for _, at := range deaths {
		ended := death.at(at, p)
		p.askUntil(ended, token, inviteMany, wish)
		p = next()
	}
	var answered invited
	eventually(t, 60*time.Second, "the wish that broke off is taken up", func() bool {
		p.ask(token, inviteMany, wish).into(t, &answered)
		wrong := answered.InviteUsers.UserErrors
		return len(wrong) == 0
	})
	early.hold(t, p, token, answered)
	invitations := everyoneIsInvitedOnce(t, answered, len(people))
	nobodyHasTwoInGLPI(t, url, demo.ServiceToken, invitations)

	told := p.toldOf(token, cursor, len(invitations))
	for id := range invitations {
		if told[id] != 1 {
			t.Errorf("of %s was told %d times", id, told[id])
		}
	}
}

// toldOf counts how often each invitation is told of as made, after a cursor, until so many are. A socket that is closed
// since it was read too slowly is followed by another one, from the last cursor on.
func (p *process) toldOf(token, cursor string, invitations int) map[string]int {
	p.t.Helper()
	told := map[string]int{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		events := p.subscribe("graphql-transport-ws", token, eventsAfter, map[string]any{"after": cursor})
		for {
			f, err := events.tryRead(10 * time.Second)
			if err != nil {
				break
			}
			var data eventOfInvitation
			a := answer{}
			if err := json.Unmarshal(f.Payload, &a); err != nil {
				p.t.Fatal(err)
			}
			a.into(p.t, &data)
			if cursor = data.InvitationEvents.Cursor; data.InvitationEvents.Kind == "CREATED" {
				told[data.InvitationEvents.InvitationID]++
			}
			if len(told) == invitations {
				return told
			}
		}
	}
	p.t.Fatalf("%d of %d invitations were told of", len(told), invitations)
	return nil
}

const eventsAfter = `subscription ($after: String) { invitationEvents(after: $after) { cursor kind invitationId } }`

type eventOfInvitation struct {
	InvitationEvents struct{ Cursor, Kind, InvitationID string }
}

// invitationCursor is a place in the stream of events. Nothing tells when a subscription has begun, so an invitation is
// renewed until it hears of that.
func (p *process) invitationCursor(token, id string) string {
	p.t.Helper()
	events := p.subscribe("graphql-transport-ws", token, eventsAfter, nil)
	heard, renewing := make(chan struct{}), sync.WaitGroup{}
	renewing.Go(func() {
		for {
			p.ask(token, `mutation ($id: ID!) { renewInvitation(input: {invitationId: $id}) { invitation { id } } }`, map[string]any{"id": id})
			select {
			case <-heard:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	defer renewing.Wait()
	defer close(heard)
	var data eventOfInvitation
	events.event(&data)
	return data.InvitationEvents.Cursor
}

// everyoneIsInvitedOnce gives the ids of the invitations, one for each person but the second and third, who are wrong.
func everyoneIsInvitedOnce(t *testing.T, answered invited, people int) map[string]bool {
	t.Helper()
	invitations := map[string]bool{}
	if n := len(answered.InviteUsers.Results); n != people {
		t.Fatalf("%d results", n)
	}
	for n, result := range answered.InviteUsers.Results {
		wrong := n == 1 || n == 2
		if wrong != (len(result.UserErrors) == 1) || wrong != (result.Invitation == nil) || result.UserCreated != (n > 2) {
			t.Fatalf("result %d: %+v", n, result)
		}
		if wrong {
			continue
		}
		if address := result.Invitation.User.Emails[0].Address; n > 2 && address != fmt.Sprintf("person%d@bulk.test", n) {
			t.Fatalf("result %d is of %s", n, address)
		}
		invitations[result.Invitation.ID] = true
	}
	if len(invitations) != people-2 {
		t.Errorf("%d invitations", len(invitations))
	}
	return invitations
}

// nobodyHasTwoInGLPI looks at what GLPI has in the end, and at the mails that it sends.
func nobodyHasTwoInGLPI(t *testing.T, url, serviceToken string, invitations map[string]bool) {
	t.Helper()
	var opened struct {
		Token string `json:"session_token"`
	}
	fromGLPI(t, url+"/initSession", "Authorization", "user_token "+serviceToken, &opened)
	var rows []struct {
		Person int `json:"users_id"`
		Status string
	}
	fromGLPI(t, url+"/PluginFlyvemdmInvitation?range=0-9999", "Session-Token", opened.Token, &rows)
	pending := map[int]int{}
	for _, row := range rows {
		if row.Status == "pending" {
			pending[row.Person]++
		}
	}
	var mails []struct {
		Recipient string
		Itemtype  string
	}
	fromGLPI(t, url+"/QueuedNotification?range=0-9999", "Session-Token", opened.Token, &mails)
	sent := map[string]int{}
	for _, mail := range mails {
		if strings.HasSuffix(mail.Recipient, "@bulk.test") && !strings.HasPrefix(mail.Recipient, "again") {
			sent[mail.Recipient]++
		}
	}
	if len(sent) != len(invitations)-1 {
		t.Errorf("%d people got mails", len(sent))
	}
	for recipient, n := range sent {
		if n != 1 {
			t.Errorf("%s got %d mails", recipient, n)
		}
	}
	var users []struct {
		ID   int
		Name string
	}
	fromGLPI(t, url+"/User?range=0-9999", "Session-Token", opened.Token, &users)
	bulk := 0
	for _, user := range users {
		if !strings.Contains(user.Name, "@bulk.test") {
			continue
		}
		bulk++
		if pending[user.ID] != 1 {
			t.Errorf("%s has %d invitations that can be used", user.Name, pending[user.ID])
		}
	}
	if bulk != len(invitations) {
		t.Errorf("%d users", bulk)
	}
}

// fromGLPI reads from GLPI itself.
func fromGLPI(t *testing.T, url, header, value string, v any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(header, value)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// earlier are invitations from before the deaths: one that was opened, of somebody who is not asked again, and one that
// a later one took the place of.
type earlier struct{ opened, superseded, heir, url, pin string }

func (p *process) earlyInvitations(token string) earlier {
	p.t.Helper()
	var one, two, three invited
	ask := func(email string, v *invited) string {
		p.ask(token, inviteMany, map[string]any{"input": map[string]any{"invitees": []any{map[string]any{"email": email}}}}).into(p.t, v)
		return v.InviteUsers.Results[0].Invitation.ID
	}
	e := earlier{opened: ask("early@mail.test", &one), superseded: ask("again@bulk.test", &two)}
	e.heir = ask("again@bulk.test", &three)
	var issued struct {
		IssueInvitationCredentials struct {
			Credentials struct{ EnrollmentURL, Pin string }
		}
	}
	p.ask(token, credentialsOf, map[string]any{"id": e.opened}).into(p.t, &issued)
	e.url, e.pin = issued.IssueInvitationCredentials.Credentials.EnrollmentURL, issued.IssueInvitationCredentials.Credentials.Pin
	e.url = e.url[strings.Index(e.url, "/enroll/"):]
	if status, _ := p.get(e.url); status != http.StatusOK {
		p.t.Fatalf("the page: status %d", status)
	}
	return e
}

// hold checks that what was said of the early ones is so still, and that the bulk has taken the place of the heir.
func (e earlier) hold(t *testing.T, p *process, token string, answered invited) {
	t.Helper()
	var states struct {
		Early struct{ State, OpenedAt string }
		Older struct {
			State        string
			SupersededBy struct{ ID string }
		}
	}
	p.ask(token, statesOf, map[string]any{"early": e.opened, "older": e.superseded}).into(t, &states)
	if states.Early.State != "OPENED" || states.Early.OpenedAt == "" || states.Older.State != "DEACTIVATED" || states.Older.SupersededBy.ID != e.heir {
		t.Errorf("the early ones are %+v", states)
	}
	if ids := answered.InviteUsers.Results[0].SupersededIds; len(ids) != 1 || ids[0] != e.heir {
		t.Errorf("the bulk took the place of %v, want %s", ids, e.heir)
	}
	if status, page := p.get(e.url); status != http.StatusOK || !strings.Contains(page, e.pin) {
		t.Errorf("the page: status %d", status)
	}
	var redeemed struct{ RedeemPin struct{ Deeplink string } }
	p.ask("", redeem, map[string]any{"input": map[string]any{"email": "early@mail.test", "pin": e.pin}}).into(t, &redeemed)
	if redeemed.RedeemPin.Deeplink == "" {
		t.Error("the PIN leads nowhere")
	}
}

// death is a GLPI that a gateway dies at: when it gets a certain call, which it does all the same.
type death struct {
	glpi http.Handler

	mu    sync.Mutex
	calls map[string]int
	call  string
	who   *process
	ended chan struct{}
}

// at has a gateway die at the nth call of a kind from now on, "METHOD path n"; ended is closed then.
func (d *death) at(call string, who *process) (ended <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls, d.call, d.who, d.ended = map[string]int{}, call, who, make(chan struct{})
	return d.ended
}

func (d *death) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/apirest.php")
	d.mu.Lock()
	if d.calls != nil {
		d.calls[kind]++
	}
	var dies *process
	if d.who != nil && fmt.Sprint(kind, " ", d.calls[kind]) == d.call {
		dies, d.who = d.who, nil
	}
	d.mu.Unlock()
	d.glpi.ServeHTTP(w, r)
	if dies != nil {
		dies.kill()
		close(d.ended)
	}
}

// askUntil asks again and again until the gateway has died of it: all it answers before is that it has not begun.
func (p *process) askUntil(ended <-chan struct{}, token, query string, variables any) {
	p.t.Helper()
	body := string(encode(p.t, map[string]any{"query": query, "variables": variables}))
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.urls["graphql"], strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			<-ended
			return
		}
		var text bytes.Buffer
		_, err = text.ReadFrom(response.Body)
		response.Body.Close()
		if err == nil && !strings.Contains(text.String(), `"code":"CONFLICT"`) {
			p.t.Fatalf("it was answered: %.300s", text.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatal("the gateway lives on")
}
