package download

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/glpiproxy"
	"fleetgate/internal/signin"
	"fleetgate/internal/sim/glpi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

func TestNamesThatBrowsersGet(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":             `attachment; filename=a.txt`,
		"a b.txt":           `attachment; filename="a b.txt"`,
		`a"b.txt`:           `attachment; filename="a\"b.txt"`,
		"../../etc/passwd":  `attachment; filename=.._.._etc_passwd`,
		`C:\a.txt`:          `attachment; filename="C:_a.txt"`,
		"é.txt":             `attachment; filename*=utf-8''%C3%A9.txt`,
		"a\r\nX-Evil: 1":    `attachment; filename*=utf-8''a%0D%0AX-Evil%3A%201`,
		"":                  `attachment; filename=""`,
		"a; filename=b.exe": `attachment; filename="a; filename=b.exe"`,
	} {
		if got := attachment(name); got != want || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func TestWhatIsAnsweredForGLPI(t *testing.T) {
	h := &handler{kind: Files, log: slog.New(slog.DiscardHandler)}
	for kind, status := range map[glpiproxy.Kind]int{
		glpiproxy.Unauthenticated: 401, glpiproxy.NotFound: 404, glpiproxy.Forbidden: 404, glpiproxy.Timeout: 504,
		glpiproxy.Unavailable: 503, glpiproxy.Upstream: 502, glpiproxy.Misconfigured: 502,
	} {
		recorder := httptest.NewRecorder()
		h.fail(recorder, httptest.NewRequest(http.MethodGet, "/files/1/content", nil), &glpiproxy.Error{Kind: kind, Message: "hunter2"})
		if recorder.Code != status || strings.Contains(recorder.Body.String(), "hunter2") {
			t.Errorf("%s: got %d %s, want %d", kind, recorder.Code, recorder.Body, status)
		}
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("somebody who is gone: got %v", p)
		}
	}()
	h.fail(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/files/1/content", nil), errors.Join(context.Canceled))
}

// Downloads are taken up to a bound, of one person and in all; who comes then is told to come again.
func TestDownloadsAreBounded(t *testing.T) {
	simulated := glpi.New(glpi.Options{})
	simulated.SeedDemo(glpi.DemoOptions{Devices: 2, Seed: 1})
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	sealer, err := signin.NewSealer([]byte("one secret of many"), nil)
	if err != nil {
		t.Fatal(err)
	}
	desk, err := signin.NewDesk(signin.Options{GLPI: client, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	h := Routes(desk, slog.New(slog.DiscardHandler))["/files/{id}/content"].(*handler)
	users := map[string]int{}
	ask := func(name string) *httptest.ResponseRecorder {
		s, err := client.SignIn(t.Context(), name, glpi.DemoPassword) // another session each time
		if err != nil {
			t.Fatal(err)
		}
		scope, err := s.Scope(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		users[name] = scope.UserID
		request := httptest.NewRequest(http.MethodGet, "/files/987654/content", nil)
		request.SetPathValue("id", "987654")
		request.Header.Set("Authorization", "Bearer "+desk.Seal(s.Token(), time.Now().Add(time.Hour)))
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, request)
		return recorder
	}
	const greedy, other = "admin@globex.test", "admin@acme.test"
	if got := ask(greedy); got.Code != http.StatusNotFound {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	take := func(userID int) func() {
		leave, ok := h.places.take(userID)
		if !ok {
			t.Fatal("no place")
		}
		return leave
	}
	var leave func()
	for range mostOfOne {
		leave = take(users[greedy])
	}
	if got := ask(greedy); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("one more of one person: got %d %s", got.Code, got.Body)
	}
	if got := ask(other); got.Code != http.StatusNotFound {
		t.Errorf("somebody else: got %d %s", got.Code, got.Body)
	}
	leave()
	if got := ask(greedy); got.Code != http.StatusNotFound {
		t.Errorf("with a place again: got %d %s", got.Code, got.Body)
	}
	for stranger := range mostAtOnce - mostOfOne + 1 {
		take(-stranger - 1)
	}
	if got := ask(other); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("without any place: got %d %s", got.Code, got.Body)
	}
	if h.places.all != mostAtOnce {
		t.Errorf("%d places are taken", h.places.all)
	}
}
