package glpiproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	g := newGLPI(t)
	g.on("/initSession", says(200, `{"session_token":"`+alice+`"}`))
	c := g.client(func(o *Options) { o.AppToken, o.Version = "apptoken", "1.2" })

	s := must(c.SignIn(context.Background(), "ada", "pass:word"))(t)
	if s.Token() != alice {
		t.Errorf("token %q", s.Token())
	}
	must(c.SignInWithToken(context.Background(), "usertoken"))(t)

	asked := g.requests("/initSession")
	if user, password, _ := asked[0].BasicAuth(); user != "ada" || password != "pass:word" {
		t.Errorf("signed in as %q %q", user, password)
	}
	if got := asked[1].Header.Get("Authorization"); got != "user_token usertoken" {
		t.Errorf("Authorization %q", got)
	}
	for _, r := range asked {
		if r.Header.Get("App-Token") != "apptoken" || r.Header.Get("User-Agent") != "fleetgate/1.2" {
			t.Errorf("headers %v", r.Header)
		}
		if r.Header.Get("Session-Token") != "" || r.Header.Get("X-Forwarded-For") != "" || r.URL.RawQuery != "" {
			t.Errorf("%v %v must not be sent", r.Header, r.URL)
		}
	}
}

func TestSignInRefused(t *testing.T) {
	for name, want := range map[string]Kind{
		"038-initSession-bad":            BadCredentials,
		"040-initSession-bad-user-token": BadCredentials,
		"full-021-app-token-unknown":     Misconfigured,
	} {
		g := newGLPI(t)
		g.on("/initSession", recorded(t, name))
		_, err := g.client().SignIn(context.Background(), "ada", "secretpassword")
		wantKind(t, err, want)
		if strings.Contains(err.Error(), "secretpassword") {
			t.Errorf("%v", err)
		}
	}
	g := newGLPI(t)
	c := g.client()
	for _, pair := range [][2]string{{"", "x"}, {"x", ""}, {"a:b", "x"}} {
		_, err := c.SignIn(context.Background(), pair[0], pair[1])
		wantKind(t, err, BadCredentials)
	}
	_, err := c.SignInWithToken(context.Background(), "two words")
	wantKind(t, err, BadCredentials)
	if n := len(g.requests("")); n != 0 {
		t.Errorf("%d calls for what can't be right", n)
	}
}

func TestScopeForms(t *testing.T) {
	plainForm := `{"glpiID":"8","glpiname":"ada","glpifirstname":"Ada","glpirealname":"Admin","glpilanguage":"fr_FR","glpiactive_entity":"0",
		"glpiactive_entity_recursive":"1","glpiactiveentities":["4","0","4"],"glpiactiveprofile":{"id":"4","name":"Super-Admin","flyvemdm:agent":"115"},
		"glpi_plugins":["flyvemdm"],"glpilist_limit":"20","plugin_flyvemdm_guest_profiles_id":9}`
	for name, c := range map[string]struct {
		answer func() (http.HandlerFunc, Scope)
	}{
		"wrapped, entities as an object": {func() (http.HandlerFunc, Scope) {
			return recorded(t, "015-getFullSession"), Scope{UserID: 8, Username: "admin@acme.test", FirstName: "Ada", LastName: "Admin",
				Language: "en_GB", Profile: ProfileRef{4, "Super-Admin"}, EntityID: 1, Recursive: true, EntityIDs: []int{1, 3, 4},
				GuestProfileID: 9, Plugins: []string{"flyvemdm", "fusioninventory"}, ListLimit: 15}
		}},
		"wrapped, entities as an array": {func() (http.HandlerFunc, Scope) {
			return recorded(t, "full-027-getFullSession"), Scope{UserID: 2, Username: "glpi", Language: "en_GB",
				Profile: ProfileRef{4, "Super-Admin"}, Recursive: true, EntityIDs: []int{0}, GuestProfileID: 9,
				Plugins: []string{"flyvemdm", "fusioninventory"}, ListLimit: 20}
		}},
		"plain, text for numbers": {func() (http.HandlerFunc, Scope) {
			return says(200, plainForm), Scope{UserID: 8, Username: "ada", FirstName: "Ada", LastName: "Admin", Language: "fr_FR",
				Profile: ProfileRef{4, "Super-Admin"}, Recursive: true, EntityIDs: []int{0, 4}, GuestProfileID: 9,
				Plugins: []string{"flyvemdm"}, ListLimit: 20}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGLPI(t)
			handler, want := c.answer()
			g.on("/getFullSession", handler)
			got := *must(g.client().Resume(alice).Scope(context.Background()))(t)
			if !got.Can("flyvemdm:agent", Read) || got.Can("flyvemdm:agent", Create) || !got.Can("flyvemdm:agent", Purge) || got.Can("nothing", Read) {
				t.Errorf("rights %v", got.Rights["flyvemdm:agent"])
			}
			for _, id := range want.EntityIDs {
				if !got.SeesEntity(id) || got.SeesEntity(id+100) {
					t.Errorf("entity %d of %v", id, got.EntityIDs)
				}
			}
			got.Rights, got.location, got.fingerprint, got.visibility = nil, nil, "", ""
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// Later versions of GLPI don't tell their plugins; that must not look like a GLPI without Flyve MDM.
func TestWhichItemsGLPIHas(t *testing.T) {
	for plugins, want := range map[string]bool{
		``: true, `,"glpi_plugins":["fusioninventory","flyvemdm"]`: true, `,"glpi_plugins":{"1":"flyvemdm"}`: true,
		`,"glpi_plugins":[]`: false, `,"glpi_plugins":["fusioninventory"]`: false, `,"glpi_plugins":null`: true,
	} {
		g := newGLPI(t)
		g.on("/getFullSession", says(200, `{"session":{"glpiID":8,"glpiactiveprofile":{"id":4}`+plugins+`}}`))
		scope := must(g.client().Resume(alice).Scope(context.Background()))(t)
		if got := Has[Agent](scope); got != want {
			t.Errorf("%s: agents %v", plugins, got)
		}
		if !Has[User](scope) || !Has[Computer](scope) {
			t.Errorf("%s: no users or computers", plugins)
		}
	}
}

func TestScopeOfWhatIsNoSession(t *testing.T) {
	for body, want := range map[string]Kind{
		``: Upstream, `[]`: Upstream, `{"session":{}}`: Upstream, `<b>Notice</b>` + sessionBody(1, 1): Upstream, `{"session":`: Upstream,
	} {
		g := newGLPI(t)
		g.on("/getFullSession", says(200, body))
		_, err := g.client().Resume(alice).Scope(context.Background())
		wantKind(t, err, want)
	}
	g := newGLPI(t)
	_, err := g.client().Resume("").Scope(context.Background())
	wantKind(t, err, Unauthenticated)
	_, err = g.client().Resume("a\r\nX: y").Scope(context.Background())
	wantKind(t, err, Unauthenticated)
	if len(g.requests("/getFullSession")) != 0 {
		t.Error("asked for what can't be a session")
	}
}

func TestScopeIsKeptFor30Seconds(t *testing.T) {
	g := newGLPI(t)
	now := time.Now()
	c := g.client(func(o *Options) { o.Now = func() time.Time { return now } })
	s := c.Resume(alice)
	for range 3 {
		must(s.Scope(context.Background()))(t)
	}
	if n := len(g.requests("/getFullSession")); n != 1 {
		t.Errorf("%d calls", n)
	}
	now = now.Add(31 * time.Second)
	must(c.Resume(alice).Scope(context.Background()))(t)
	if n := len(g.requests("/getFullSession")); n != 2 {
		t.Errorf("%d calls after half a minute", n)
	}
}

func TestEndedSessionGetsNothingFromTheCache(t *testing.T) {
	g := newGLPI(t)
	bodies := map[string]string{alice: sessionBody(8, 1)}
	g.sessions(bodies)
	g.fleets()
	g.on("/killSession", func(w http.ResponseWriter, r *http.Request) { delete(bodies, alice); says(200, "")(w, r) })
	s := g.client().Resume(alice)
	must(Get[Fleet](context.Background(), s, 6))(t)
	if err := s.End(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, err := Get[Fleet](context.Background(), s, 6)
	wantKind(t, err, Unauthenticated)
	_, err = GetMany[Fleet](context.Background(), s, []int{6})
	wantKind(t, err, Unauthenticated)

	g.on("/killSession", recorded(t, "035-bad-session"))
	if err := s.End(context.Background()); err != nil {
		t.Errorf("ending what has ended: %v", err)
	}
}

func TestSessionThatEndsElsewhereIsForgotten(t *testing.T) {
	g := newGLPI(t)
	bodies := map[string]string{alice: sessionBody(8, 1)}
	g.sessions(bodies)
	g.fleets()
	s := g.client().Resume(alice)
	must(Get[Fleet](context.Background(), s, 6))(t)
	delete(bodies, alice)
	g.on("/PluginFlyvemdmFleet/7", recorded(t, "035-bad-session"))
	_, err := Get[Fleet](context.Background(), s, 7) // GLPI says that the session is gone
	wantKind(t, err, Unauthenticated)
	_, err = Get[Fleet](context.Background(), s, 6) // and so nothing is answered any more
	wantKind(t, err, Unauthenticated)
}

func TestProfiles(t *testing.T) {
	g := newGLPI(t)
	g.on("/getMyProfiles", recorded(t, "007-getMyProfiles"))
	profiles := must(g.client().Resume(alice).Profiles(context.Background()))(t)
	if got := fmt.Sprint(profiles); got != "[{4 Super-Admin [{1 ACME true}]}]" {
		t.Error(got)
	}
	g.on("/getMyProfiles", says(200, `{"myprofiles":{"4":{"id":"4","name":"A &gt; B","entities":{"0":{"id":"0","name":"Root","is_recursive":"0"}}}}}`))
	profiles = must(g.client().Resume(alice).Profiles(context.Background()))(t)
	if got := fmt.Sprint(profiles); got != "[{4 A > B [{0 Root false}]}]" {
		t.Error(got)
	}
}

func TestSwitchResetsScopeAndCache(t *testing.T) {
	g := newGLPI(t)
	bodies := map[string]string{alice: sessionBody(8, 1)}
	g.sessions(bodies)
	g.fleets()
	var sent []string
	change := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Method+" "+string(body))
		bodies[alice] = sessionBody(8, 3)
		says(200, "true")(w, r)
	}
	g.on("/changeActiveEntities", change)
	g.on("/changeActiveProfile", change)
	s := g.client().Resume(alice)
	must(Get[Fleet](context.Background(), s, 6))(t)
	if err := s.SwitchEntity(context.Background(), 3, true); err != nil {
		t.Fatal(err)
	}
	if err := s.SwitchProfile(context.Background(), 5); err != nil {
		t.Fatal(err)
	}
	if scope := must(s.Scope(context.Background()))(t); scope.EntityID != 3 {
		t.Errorf("still in entity %d", scope.EntityID)
	}
	for range 3 { // from the cache again, once the session is what it will be
		must(Get[Fleet](context.Background(), s, 6))(t)
	}
	if n := len(g.requests("/PluginFlyvemdmFleet/6")); n != 2 {
		t.Errorf("%d reads", n)
	}
	if n := len(g.requests("/getFullSession")); n != 2 {
		t.Errorf("%d times asked who it is", n)
	}
	want := []string{`POST {"entities_id":3,"is_recursive":true}`, `POST {"profiles_id":5}`}
	if !slices.Equal(sent, want) {
		t.Errorf("sent %v", sent)
	}
}

func TestSwitchRefused(t *testing.T) {
	for answer, want := range map[string]Kind{"014-changeActiveEntities-forbidden": Forbidden, "035-bad-session": Unauthenticated} {
		g := newGLPI(t)
		g.on("/changeActiveEntities", recorded(t, answer))
		wantKind(t, g.client().Resume(alice).SwitchEntity(context.Background(), 2, true), want)
	}
	g := newGLPI(t)
	g.on("/changeActiveEntities", says(200, "false")) // GLPI 10
	s := g.client().Resume(alice)
	wantKind(t, s.SwitchEntity(context.Background(), 2, true), Forbidden)
	wantKind(t, s.SwitchEntity(context.Background(), -1, true), Invalid)
	wantKind(t, s.SwitchProfile(context.Background(), 0), Invalid)
	wantKind(t, s.SwitchProfile(context.Background(), 77), NotFound)
}

// A read that is under way while the session changes may show either state: it
// must not be kept as an answer to the old one.
func TestReadDuringSwitchIsNotKept(t *testing.T) {
	g := newGLPI(t)
	g.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(8, 1)}) // the same person twice
	reading, goOn := make(chan bool), make(chan bool)
	var first atomic.Bool
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Session-Token") != alice {
			says(200, `{"id":6,"name":"of this entity"}`)(w, r)
			return
		}
		if first.CompareAndSwap(false, true) {
			reading <- true
			<-goOn
		}
		says(200, `{"id":6,"name":"of the other entity"}`)(w, r)
	})
	c := g.client()
	s := c.Resume(alice)
	readName := func(token string) string {
		fleet, err := Get[Fleet](context.Background(), c.Resume(token), 6)
		if err != nil {
			t.Error(err)
		}
		return fleet.Name
	}
	g.on("/changeActiveEntities", func(w http.ResponseWriter, r *http.Request) {
		// GLPI has changed the session and not yet said so.
		readName(alice)
		if name := readName(bob); name != "of this entity" {
			t.Errorf("during the switch, read %q", name)
		}
		c.Invalidate("PluginFlyvemdmFleet") // of what bob has read
		says(200, "true")(w, r)
	})
	done := make(chan error)
	go func() { _, err := Get[Fleet](context.Background(), s, 6); done <- err }()
	<-reading
	if err := s.SwitchEntity(context.Background(), 3, false); err != nil {
		t.Fatal(err)
	}
	goOn <- true
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if name := readName(bob); name != "of this entity" {
		t.Errorf("after the switch, read %q", name)
	}
}

func TestServerClock(t *testing.T) {
	date := "Sat, 21 Nov 2026 09:45:39 GMT"
	for _, c := range []struct {
		local string
		hours float64
	}{
		{"2026-11-21 09:45:39", 0}, {"2026-11-21 10:45:40", 1}, {"2026-11-21 04:45:38", -5}, {"2026-11-21 15:15:39", 5.5},
		{"2026-11-21 09:39:00", 0}, // a clock that stands still: nothing to learn, UTC at first
		{"", 0}, {"2026-11-23 09:45:39", 0},
	} {
		zone := (&serverClock{}).location(c.local, date)
		_, offset := time.Now().In(zone).Zone()
		if float64(offset) != c.hours*3600 {
			t.Errorf("%s: offset %d s", c.local, offset)
		}
	}
	clock := &serverClock{}
	clock.location("2026-11-21 10:45:39", date)
	_, offset := time.Now().In(clock.location("2026-11-21 10:20:00", date)).Zone()
	if offset != 3600 {
		t.Errorf("what was learnt is lost: %d s", offset)
	}
}

func TestLocationIsLearnt(t *testing.T) {
	g := newGLPI(t)
	date := time.Now().UTC()
	body := strings.Replace(sessionBody(8, 1), `"glpiID"`, `"glpi_currenttime":"`+date.Add(2*time.Hour).Format(time.DateTime)+`","glpiID"`, 1)
	g.on("/getFullSession", says(200, body, "Date", date.Format(http.TimeFormat)))
	g.on("/PluginFlyvemdmAgent/3", says(200, `{"id":3,"last_contact":"2026-11-21 12:00:00"}`))
	s := g.client(func(o *Options) { o.Location = nil }).Resume(alice)
	agent := must(Get[Agent](context.Background(), s, 3))(t)
	if got := agent.LastContact.Format(time.RFC3339); got != "2026-11-21T10:00:00Z" {
		t.Error(got)
	}
}
