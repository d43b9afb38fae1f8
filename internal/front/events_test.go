package front_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/front"
)

const (
	eventType = "text/event-stream"
	// anyType is what some clients accept whatever they ask for.
	anyType = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
)

func (s *running) ask(t *testing.T, method, target, body string, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestEventsOverHTTP(t *testing.T) {
	s := start(t, func(o *front.Options) { o.AllowedOrigins = []string{"https://fleet.example"} })
	get := func(query string) string { return "/graphql?query=" + url.QueryEscape(query) }
	const next, end = "event: next\ndata: ", "\n\nevent: complete\ndata: \n\n"
	tests := []struct {
		name                     string
		method, target           string
		body, accept, other      string
		status                   int
		contentType, begin, ends string
	}{
		{"query", "POST", "/graphql", `{"query":"{hello}"}`, eventType, "", 200, eventType, next + `{"data":{"hello":"world"}}`, end},
		{"query of who takes JSON too", "POST", "/graphql", `{"query":"{hello}"}`, anyType, "", 200, responseType, `{"data"`, ""},
		{"mutation", "POST", "/graphql", `{"query":"mutation{set(value:3)}"}`, eventType, "", 200, eventType, next + `{"data"`, end},
		{"GET", "GET", get("{hello}"), "", eventType, "", 200, eventType, next + `{"data"`, end},
		{"GET of a mutation", "GET", get("mutation{set(value:1)}"), "", eventType, "", 405, jsonType, `{"errors"`, ""},
		{"subscription", "POST", "/graphql", `{"query":"subscription{forever}"}`, eventType, "", 200, eventType, next + `{"data":{"forever":1}}` + "\n\n", ""},
		{"subscription of who takes JSON too", "POST", "/graphql", `{"query":"subscription{forever}"}`, anyType, "", 200, eventType, next + `{"data"`, ""},
		{"GET of a subscription", "GET", get("subscription{forever}"), "", eventType, "", 200, eventType, next + `{"data"`, ""},
		{"subscription of who takes none", "POST", "/graphql", `{"query":"subscription{forever}"}`, jsonType, "", 400, jsonType, `{"errors":[{"message":"subscriptions go over a WebSocket`, ""},
		{"does not parse", "POST", "/graphql", `{"query":"{"}`, eventType, "", 200, eventType, next + `{"errors":[{"message":"Expected Name`, end},
		{"too many aliases", "POST", "/graphql", `{"query":"{` + strings.Repeat("a:hello b:hello ", 16) + `}"}`, eventType, "", 200, eventType, next + `{"errors":[{"message":"the query has 32 aliases`, end},
		{"not JSON", "POST", "/graphql", `{`, eventType, "", 400, jsonType, `{"errors"`, ""},
		{"a listed page", "POST", "/graphql", `{"query":"subscription{forever}"}`, eventType, "https://fleet.example", 200, eventType, next, ""},
		{"another page", "POST", "/graphql", `{"query":"subscription{forever}"}`, eventType, "https://evil.example", 403, jsonType, `{"errors"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := s.ask(t, test.method, test.target, test.body, "Content-Type", jsonType, "Accept", test.accept, "Origin", test.other)
			if got := response.Header.Get("Content-Type"); response.StatusCode != test.status || got != test.contentType+"; charset=utf-8" {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, got, test.status, test.contentType)
			}
			if allowed := response.Header.Get("Access-Control-Allow-Origin"); (allowed != "") != (test.name == "a listed page") {
				t.Errorf("Access-Control-Allow-Origin: %q", allowed)
			}
			if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("X-Request-Id") == "" {
				t.Errorf("the headers of every answer are missing: %v", response.Header)
			}
			begin := make([]byte, len(test.begin))
			if _, err := io.ReadFull(response.Body, begin); err != nil || string(begin) != test.begin {
				t.Errorf("it began with %q, %v, want %q", begin, err, test.begin)
			}
			if test.ends == "" {
				return
			}
			if rest := text(t, response); !strings.HasSuffix(string(begin)+rest, test.ends) {
				t.Errorf("it ended with %q, want %q", rest, test.ends)
			}
		})
	}
}

// A page can't have a browser listen for it without asking first: that is for those who may call.
func TestForgedEventsAreRefused(t *testing.T) {
	f, _ := newFront(t, nil)
	response := ask(f, "GET", "/graphql?query=subscription{forever}", "", "Accept", eventType, "Sec-Fetch-Site", "cross-site")
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", response.StatusCode)
	}
}

func TestEventsEndWithTheSignIn(t *testing.T) {
	s := start(t, nil)
	subscribe := func(lasts time.Duration) *bufio.Reader {
		response := s.ask(t, "POST", "/graphql", `{"query":"subscription{forever}"}`, "Content-Type", jsonType, "Accept", eventType,
			"Authorization", "Bearer "+s.desk.Seal("session7", time.Now().Add(lasts)))
		body := bufio.NewReader(response.Body)
		for _, want := range []string{"event: next\n", "data: {\"data\":{\"forever\":1}}\n", "\n"} {
			if line, err := body.ReadString('\n'); line != want {
				t.Fatalf("got %q, %v, want %q", line, err, want)
			}
		}
		return body
	}
	ended, expired := subscribe(time.Hour), subscribe(time.Second)
	s.desk.End("session7")
	for _, test := range []struct {
		body   *bufio.Reader
		reason string
	}{{ended, "session ended"}, {expired, "session ended"}, {subscribe(time.Second), "the sign-in has expired"}} {
		rest, err := io.ReadAll(test.body)
		want := `event: next` + "\n" + `data: {"errors":[{"message":"` + test.reason + `","extensions":{"code":"UNAUTHENTICATED"}}]}`
		if err != nil || !strings.HasPrefix(string(rest), want) || !strings.HasSuffix(string(rest), "event: complete\ndata: \n\n") {
			t.Errorf("got %q, %v, want %q", rest, err, want)
		}
	}
}
