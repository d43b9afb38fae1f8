package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestNewChecksTheSettings(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"no url", Options{}, "glpi url"},
		{"scheme", Options{URL: "ftp://glpi"}, "http://"},
		{"host", Options{URL: "http:///apirest.php"}, "host"},
		{"password", Options{URL: "http://root:verysecret@glpi"}, "password"},
		{"broken", Options{URL: "http://root:verysecret@glpi:port%zz"}, "not a URL"},
		{"query", Options{URL: "http://glpi/apirest.php?app_token=verysecret"}, "path"},
		{"app token", Options{URL: "http://glpi", AppToken: "verysecret\r\n"}, "app token"},
		{"timeout", Options{URL: "http://glpi", Timeout: -1}, "timeout"},
		{"concurrency", Options{URL: "http://glpi", Concurrency: -1}, "concurrency"},
		{"concurrency of a session", Options{URL: "http://glpi", SessionConcurrency: -1}, "concurrency"},
		{"concurrency of slow calls", Options{URL: "http://glpi", SlowConcurrency: -1}, "concurrency"},
		{"timeout of slow calls", Options{URL: "http://glpi", SlowTimeout: -1}, "timeout"},
		{"entries", Options{URL: "http://glpi", CacheEntries: -1}, "entries"},
	} {
		_, err := New(c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "verysecret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for text, want := range map[string]string{
		"http://glpi":                  "http://glpi/apirest.php",
		"http://glpi/":                 "http://glpi/apirest.php",
		"https://host/glpi/":           "https://host/glpi/apirest.php",
		"http://glpi/apirest.php/":     "http://glpi/apirest.php",
		"http://127.0.0.1:80/glpi/api": "http://127.0.0.1:80/glpi/api",
	} {
		if root, err := apiRoot(text); err != nil || root != want {
			t.Errorf("%s: %s, %v", text, root, err)
		}
	}
}

func TestErrorsByCode(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   Kind
		code   string
	}{
		{401, `["ERROR_SESSION_TOKEN_INVALID","session_token seems invalid"]`, Unauthenticated, "ERROR_SESSION_TOKEN_INVALID"},
		{400, `["ERROR_SESSION_TOKEN_MISSING","x"]`, Unauthenticated, "ERROR_SESSION_TOKEN_MISSING"},
		{401, `["ERROR_RIGHT_MISSING","x"]`, Forbidden, "ERROR_RIGHT_MISSING"}, // 9.x
		{403, `["ERROR_RIGHT_MISSING","x"]`, Forbidden, "ERROR_RIGHT_MISSING"}, // 10.x
		{404, `["ERROR_ITEM_NOT_FOUND","Item not found"]`, NotFound, "ERROR_ITEM_NOT_FOUND"},
		{404, ` [ "ERROR_ITEM_NOT_FOUND" ] `, NotFound, "ERROR_ITEM_NOT_FOUND"},
		{404, `<br /><b>Notice</b>: x ["y"]<br />["ERROR_ITEM_NOT_FOUND","Item not found"]`, NotFound, "ERROR_ITEM_NOT_FOUND"},
		{400, `["ERROR","API disabled"]`, Misconfigured, "ERROR"},
		{400, `["ERROR","order must be DESC or ASC"]`, Invalid, "ERROR"},
		{400, `["ERROR_NOT_ALLOWED_IP","x"]`, Misconfigured, "ERROR_NOT_ALLOWED_IP"},
		{400, `["ERROR_WRONG_APP_TOKEN_PARAMETER","x"]`, Misconfigured, "ERROR_WRONG_APP_TOKEN_PARAMETER"},
		{400, `["ERROR_APP_TOKEN_PARAMETERS_MISSING","x"]`, Misconfigured, "ERROR_APP_TOKEN_PARAMETERS_MISSING"},
		{400, `["ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM","x"]`, Unsupported, "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"},
		{400, `["ERROR_BAD_ARRAY","x"]`, Invalid, "ERROR_BAD_ARRAY"},
		{500, `["ERROR_SQL","x"]`, Upstream, "ERROR_SQL"},
		{400, `["ERROR_OF_TOMORROW","x"]`, Upstream, "ERROR_OF_TOMORROW"},
		{500, ``, Upstream, ""},
		{502, `<html>`, Unavailable, ""},
		{503, ``, Unavailable, ""},
		{504, ``, Unavailable, ""},
		{429, ``, Unavailable, ""},
		{404, `<html>nginx`, Unavailable, ""},
		{401, `<html>proxy sign-in`, Unavailable, ""},
		{302, ``, Unavailable, ""},
		{414, `<html>`, Upstream, ""},
		{400, `["hello","x"]`, Unavailable, ""},
		{200, ``, Upstream, ""},
		{200, `{"id":6`, Upstream, ""},
		{200, `[]`, Upstream, ""},
		{200, `<b>Warning</b>{"id":6}`, Upstream, ""},
		{200, `{"id":7}`, Upstream, ""}, // another item
	} {
		g := newGLPI(t)
		g.on("/PluginFlyvemdmFleet/6", says(c.status, c.body))
		_, err := Get[Fleet](context.Background(), g.client().Resume(alice), 6)
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.want || e.Code != c.code || e.Operation != "get" || e.Status != c.status {
			t.Errorf("%d %s: %#v", c.status, c.body, err)
		}
	}
}

func TestMessagesAreTidy(t *testing.T) {
	e := classify("list", 400, []byte(`["ERROR","Bad &lt;range&gt;; view documentation in your browser at http://127.0.0.1/#ERROR"]`))
	if e.Message != "Bad <range>" {
		t.Errorf("%q", e.Message)
	}
	if e := classify("list", 400, []byte(`["ERROR","`+strings.Repeat("é", 5000)+`"]`)); len(e.Message) > maxMessage+10 {
		t.Errorf("%d bytes", len(e.Message))
	}
}

func TestReadsAreRepeatedTwiceAtMost(t *testing.T) {
	for _, c := range []struct {
		status, calls int
	}{{502, 3}, {503, 3}, {504, 3}, {500, 1}, {429, 1}, {404, 1}, {401, 1}} {
		g := newGLPI(t)
		g.on("/PluginFlyvemdmFleet/6", says(c.status, ""))
		if _, err := Get[Fleet](context.Background(), g.client().Resume(alice), 6); err == nil {
			t.Errorf("%d is no answer", c.status)
		}
		if n := len(g.requests("")); n != c.calls {
			t.Errorf("%d: %d calls, want %d", c.status, n, c.calls)
		}
	}
	g := newGLPI(t)
	var n atomic.Int32
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		says(200, fleetBody(6))(w, r)
	})
	must(Get[Fleet](context.Background(), g.client().Resume(alice), 6))(t)

	g.on("/initSession", says(503, ""))
	_, err := g.client().SignIn(context.Background(), "a", "b")
	wantKind(t, err, Unavailable)
	if n := len(g.requests("/initSession")); n != 1 {
		t.Errorf("signed in %d times", n)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	g := newGLPI(t)
	gone := make(chan bool)
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); gone <- true })
	s := g.client(func(o *Options) { o.Timeout = 50 * time.Millisecond }).Resume(alice)
	_, err := Get[Fleet](context.Background(), s, 6)
	wantKind(t, err, Timeout)
	<-gone

	now := time.Now()
	c := g.client(func(o *Options) { o.Now = func() time.Time { return now } })
	s = c.Resume(alice)
	must(s.Scope(context.Background()))(t)
	told := c.Health()
	now = now.Add(time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		eventually(t, "asked", func() bool { return len(g.requests("")) == 2 })
		cancel()
	}()
	_, err = Get[Fleet](ctx, s, 6)
	wantKind(t, err, Canceled)
	<-gone // the call itself was ended, not only left alone
	eventually(t, "the call over", func() bool { return testutil.ToFloat64(c.metrics.flying) == 0 })
	if h := c.Health(); h != told {
		t.Errorf("a caller that gave up told of GLPI: %+v, before %+v", h, told)
	}

	_, err = Get[Fleet](ctx, s, 6)
	wantKind(t, err, Canceled)
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = s.Scope(expired)
	if err != nil { // known from before: no call is needed
		t.Error(err)
	}
	_, err = g.client().Resume(alice).Scope(expired)
	wantKind(t, err, Timeout)
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	g := newGLPI(t)
	var now, most atomic.Int32
	enough := make(chan bool)
	slow := func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-enough
		says(200, `{"totalcount":1,"count":1,"data":[{"2":1}]}`)(w, r)
	}
	g.on("/search/PluginFlyvemdmAgent", slow)
	registry := prometheus.NewRegistry()
	c := g.client(func(o *Options) { o.Concurrency, o.SessionConcurrency, o.Registerer = 3, 3, registry })
	s := c.Resume(alice)
	must(s.Scope(context.Background()))(t)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := Count[Agent](context.Background(), s, Criterion{Field: 7, Type: Equals, Value: fmt.Sprint(i + 1)}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "three calls under way", func() bool { return now.Load() == 3 && testutil.ToFloat64(c.metrics.flying) == 3 })
	impatient, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := Count[Fleet](impatient, s) // waits for its turn no longer than its caller wants
	wantKind(t, err, Timeout)
	close(enough)
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d calls at once", most.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	g := newGLPI(t)
	g.on("/PluginFlyvemdmFleet/6", says(200, `{"id":6,"name":"`+strings.Repeat("x", 20_000)+`"}`))
	_, err := Get[Fleet](context.Background(), g.client(func(o *Options) { o.MaxResponse = 10_000 }).Resume(alice), 6)
	wantKind(t, err, Upstream)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	g := newGLPI(t)
	g.on("/PluginFlyvemdmFleet/6", says(302, "", "Location", "/elsewhere"))
	_, err := Get[Fleet](context.Background(), g.client().Resume(alice), 6)
	wantKind(t, err, Unavailable)
	if len(g.requests("/elsewhere")) != 0 {
		t.Error("the session token went elsewhere")
	}
}

func TestClosedClient(t *testing.T) {
	g := newGLPI(t)
	begun := make(chan bool)
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, r *http.Request) { begun <- true; <-r.Context().Done() })
	c := g.client()
	s := c.Resume(alice)
	failed := make(chan error)
	go func() { _, err := Get[Fleet](context.Background(), s, 6); failed <- err }()
	<-begun
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-failed, Unavailable)
	_, err := Get[Fleet](context.Background(), s, 7)
	wantKind(t, err, Unavailable)
	_, err = c.SignIn(context.Background(), "a", "b")
	wantKind(t, err, Unavailable)
}

func TestHealthAndCheck(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    Kind
		ok      bool
	}{
		"alive":           {recorded(t, "039-initSession-none"), 0, true},
		"API off":         {says(400, `["ERROR","API disabled"]`), Misconfigured, false},
		"API off, French": {says(400, `["ERROR","API désactivée"]`), Misconfigured, false},
		"address":         {says(400, `["ERROR_NOT_ALLOWED_IP","x"]`), Misconfigured, false},
		"app token":       {recorded(t, "full-021-app-token-unknown"), Misconfigured, false},
		"not GLPI":        {says(200, `<html>hello`), Unavailable, false},
		"not GLPI, 404":   {says(404, `<html>nginx`), Unavailable, false},
		"PHP died":        {says(500, ``), Unavailable, false},
		"down":            {says(503, ``), Unavailable, false},
	} {
		g := newGLPI(t)
		g.on("/initSession", c.handler)
		client := g.client()
		if h := client.Health(); h.Reachable || !h.CheckedAt.IsZero() || h.Since.IsZero() {
			t.Errorf("before the first call: %+v", h)
		}
		err := client.Check(context.Background())
		if c.ok && err != nil || !c.ok && (err == nil || KindOf(err) != c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if r := g.requests("/initSession")[0]; r.Header.Get("Authorization") != "" || r.Header.Get("Session-Token") != "" {
			t.Errorf("%s: credentials in %v", name, r.Header)
		}
	}
	g := newGLPI(t)
	g.on("/initSession", says(200, `{"session_token":"opened"}`))
	g.on("/killSession", says(200, ``))
	if err := g.client().Check(context.Background()); err != nil || len(g.requests("/killSession")) != 1 {
		t.Errorf("a session opened by the web server stays open: %v", err)
	}
}

func TestHealthFollowsTheCalls(t *testing.T) {
	g := newGLPI(t)
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	c := g.client(func(o *Options) { o.Now = func() time.Time { return now } })
	step := func(handler http.HandlerFunc, reachable bool, since time.Time) {
		t.Helper()
		now = now.Add(time.Minute)
		g.on("/PluginFlyvemdmFleet", handler)
		_, _ = List[Fleet](context.Background(), c.Resume(alice), ListOptions{Fresh: true})
		if since.IsZero() {
			since = now
		}
		if h := c.Health(); h.Reachable != reachable || !h.Since.Equal(since) || !h.CheckedAt.Equal(now) || (h.LastError == "") != reachable {
			t.Errorf("%+v, want %v since %v", h, reachable, since)
		}
	}
	step(recorded(t, "239-bob-fleet-list"), true, time.Time{})
	up := now
	step(says(500, ""), true, up) // one failure of PHP is an answer
	step(says(401, `["ERROR_SESSION_TOKEN_INVALID","x"]`), true, up)
	g.on("/getFullSession", says(503, "")) // the proxy is there, GLPI isn't
	step(says(503, ""), false, time.Time{})
	down := now
	step(says(503, ""), false, down)
	g.on("/getFullSession", says(200, sessionBody(8, 1)))
	step(recorded(t, "020-fleet-list"), true, time.Time{})
}

func TestMetrics(t *testing.T) {
	g := newGLPI(t)
	registry := prometheus.NewRegistry()
	c := g.client(func(o *Options) { o.Registerer = registry })
	s := c.Resume(alice)
	ctx := context.Background()
	g.on("/PluginFlyvemdmFleet/6", recorded(t, "235-globex-fleet-get"))
	g.on("/PluginFlyvemdmFleet/7", says(400, `["ERROR_MADE_UP_`+alice+`","x"]`))
	g.on("/PluginFlyvemdmFleet/8", says(503, ``))
	g.on("/PluginFlyvemdmFleet/9", says(200, fleetBody(9)))
	for _, id := range []int{6, 6, 7, 8, 9, 9} {
		_, _ = Get[Fleet](ctx, s, id)
	}
	_, _ = List[Fleet](ctx, s, ListOptions{Fresh: true})
	want := `
# HELP fleetgate_glpi_cache_total Reads by how they were answered: hit, miss, shared (with an equal read under way) fresh (asked for) or stale (GLPI was away).
# TYPE fleetgate_glpi_cache_total counter
fleetgate_glpi_cache_total{result="fresh"} 1
fleetgate_glpi_cache_total{result="hit"} 2
fleetgate_glpi_cache_total{result="miss"} 4
# HELP fleetgate_glpi_requests_total Calls to GLPI, by operation and by the HTTP status or GLPI error code they ended with.
# TYPE fleetgate_glpi_requests_total counter
fleetgate_glpi_requests_total{code="200",operation="get"} 1
fleetgate_glpi_requests_total{code="200",operation="getFullSession"} 1
fleetgate_glpi_requests_total{code="400",operation="get"} 1
fleetgate_glpi_requests_total{code="503",operation="get"} 3
fleetgate_glpi_requests_total{code="ERROR_ITEM_NOT_FOUND",operation="list"} 1
fleetgate_glpi_requests_total{code="ERROR_RIGHT_MISSING",operation="get"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "fleetgate_glpi_requests_total", "fleetgate_glpi_cache_total"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(registry, "fleetgate_glpi_request_seconds", "fleetgate_glpi_in_flight"); n != 4 {
		t.Errorf("%d series of time and flight", n)
	}
	if _, err := New(Options{URL: g.URL, Registerer: registry}); err == nil {
		t.Error("two clients on one registry")
	}
}
