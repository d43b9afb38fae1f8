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

// Downloads are taken up to a bound; who comes then is told to come again.
func TestDownloadsAreBounded(t *testing.T) {
	glpi, err := glpiproxy.New(glpiproxy.Options{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = glpi.Close() })
	sealer, err := signin.NewSealer([]byte("one secret of many"), nil)
	if err != nil {
		t.Fatal(err)
	}
	desk, err := signin.NewDesk(signin.Options{GLPI: glpi, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	routes := Routes(desk, slog.New(slog.DiscardHandler))
	h := routes["/files/{id}/content"].(*handler)
	ask := func() *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodGet, "/files/1/content", nil)
		request.SetPathValue("id", "1")
		request.Header.Set("Authorization", "Bearer "+desk.Seal("session7", time.Now().Add(time.Hour)))
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, request)
		return recorder
	}
	for range mostAtOnce {
		h.places <- struct{}{}
	}
	if got := ask(); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	<-h.places
	if got := ask(); got.Header().Get("Retry-After") != "" || !strings.Contains(got.Body.String(), "GLPI") {
		t.Errorf("with a place: got %d %s", got.Code, got.Body)
	}
	if len(h.places) != mostAtOnce-1 {
		t.Errorf("%d places are taken", len(h.places))
	}
}
