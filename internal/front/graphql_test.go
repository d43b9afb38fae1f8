package front_test

import (
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/front"
)

const (
	jsonType     = "application/json"
	responseType = "application/graphql-response+json"
)

func TestGraphQLOverHTTP(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) { o.Limits.Body = 8192 })
	get := func(query string) string { return "/graphql?query=" + url.QueryEscape(query) }
	const hello = `{"data":{"hello":"world"}}`
	tests := []struct {
		name           string
		method, target string
		body           string
		accept         string
		status         int
		want           string // a part of the answer
	}{
		{"query", "POST", "/graphql", `{"query":"{hello}"}`, "", 200, hello},
		{"query of many", "POST", "/graphql", `{"query":"query a{hello} query b{address}","operationName":"b"}`, "", 200, `{"address":`},
		{"mutation", "POST", "/graphql", `{"query":"mutation($n:Int!){set(value:$n)}","variables":{"n":3},"extensions":{}}`, "", 200, `{"set":`},
		{"nulls", "POST", "/graphql", `{"query":"{hello}","operationName":null,"variables":null,"extensions":null}`, "", 200, hello},
		{"subscription", "POST", "/graphql", `{"query":"subscription{forever}"}`, "", 400, "WebSocket"},
		{"not JSON", "POST", "/graphql", `{"query":"{hello}`, "", 400, "BAD_USER_INPUT"},
		{"trailing", "POST", "/graphql", `{"query":"{hello}"}{}`, "", 400, "BAD_USER_INPUT"},
		{"a list", "POST", "/graphql", `[{"query":"{hello}"}]`, "", 400, "BAD_USER_INPUT"},
		{"no query", "POST", "/graphql", `{"variables":{}}`, "", 400, "query is missing"},
		{"odd variables", "POST", "/graphql", `{"query":"{hello}","variables":[]}`, "", 400, "BAD_USER_INPUT"},
		{"empty body", "POST", "/graphql", "", "", 400, "BAD_USER_INPUT"},
		{"too large", "POST", "/graphql", `{"query":"{hello}` + strings.Repeat(" ", 8192) + `"}`, "", 413, "too large"},
		{"does not parse", "POST", "/graphql", `{"query":"{"}`, jsonType, 200, "GRAPHQL_PARSE_FAILED"},
		{"does not parse, new type", "POST", "/graphql", `{"query":"{"}`, responseType, 400, "GRAPHQL_PARSE_FAILED"},
		{"too long", "POST", "/graphql", `{"query":"{` + strings.Repeat("hello ", 1001) + `}"}`, responseType, 400, "QUERY_TOO_COMPLEX"},
		{"too many aliases", "POST", "/graphql", `{"query":"{` + strings.Repeat("a:hello b:hello ", 16) + `}"}`, responseType, 400, "QUERY_TOO_COMPLEX"},
		{"does not fit", "POST", "/graphql", `{"query":"{hallo}"}`, responseType, 400, `Did you mean \"hello\"`},
		{"variable missing", "POST", "/graphql", `{"query":"mutation($n:Int!){set(value:$n)}"}`, responseType, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"introspection", "POST", "/graphql", `{"query":"{__schema{queryType{name}}}"}`, "", 200, `"data"`},
		{"GET", "GET", get("{hello}"), "", "", 200, hello},
		{"GET with variables", "GET", get("query($a:Boolean!){hello @include(if:$a)}") + "&variables=" + url.QueryEscape(`{"a":true}`), "", "", 200, hello},
		{"GET with odd variables", "GET", get("{hello}") + "&variables=7", "", "", 400, "variables"},
		{"GET without", "GET", "/graphql", "", "", 400, "query is missing"},
		{"GET of a mutation", "GET", get("mutation{set(value:1)}"), "", "", 405, "over POST"},
		{"GET of a subscription", "GET", get("subscription{forever}"), "", "", 400, "WebSocket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := ask(f, test.method, test.target, test.body, "Content-Type", jsonType, "Accept", test.accept)
			got := text(t, response)
			if response.StatusCode != test.status || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s\nwant %d with %s", response.StatusCode, got, test.status, test.want)
			}
			if strings.Contains(got, `"errors"`) == strings.Contains(got, `"data"`) {
				t.Errorf("an answer has either data or the errors of a request that was not executed: %s", got)
			}
			wantType := jsonType
			if test.accept == responseType {
				wantType = responseType
			}
			if keep, vary := response.Header.Get("Cache-Control"), strings.Join(response.Header.Values("Vary"), ", "); test.method == "GET" && (keep != "no-store" || !strings.Contains(vary, "Session-Token")) {
				t.Errorf("caches on the way may keep it: %q, %q", keep, vary)
			}
			if got := response.Header.Get("Content-Type"); got != wantType+"; charset=utf-8" {
				t.Errorf("content type %q, want %q", got, wantType)
			}
		})
	}
}

// Anybody may send long queries that differ; their texts must not be kept.
func TestLongQueriesAreNotKept(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) { o.Limits.Subscription = 1 << 20 })
	const queries, length = 64, 1 << 19
	before := heldMemory()
	for i := range queries {
		padding := strings.Repeat(" ", length+i)
		// One that is parsed and then not executed: the schema of these tests keeps what it executes.
		response := ask(f, "POST", "/graphql", `{"query":"subscription{forever}`+padding+`"}`, "Content-Type", jsonType)
		if got := text(t, response); !strings.Contains(got, "WebSocket") {
			t.Fatalf("got %s", got)
		}
	}
	if grown := heldMemory() - before; grown > queries*length/4 {
		t.Errorf("%d bytes are still held of %d queries of %d bytes", grown, queries, length)
	}
	runtime.KeepAlive(f)
}

func heldMemory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestContentTypesThatAreRefused(t *testing.T) {
	f, _ := newFront(t, nil)
	for _, contentType := range []string{"", "text/plain", "application/graphql",
		"application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/"} {
		response := ask(f, "POST", "/graphql", `{"query":"{hello}"}`, "Content-Type", contentType)
		if response.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%q: got %d", contentType, response.StatusCode)
		}
	}
}

func TestIntrospectionCanBeHidden(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		f, _ := newFront(t, func(o *front.Options) { o.DisableIntrospection = hidden })
		got := text(t, ask(f, "POST", "/graphql", `{"query":"{__schema{queryType{name}}}"}`, "Content-Type", jsonType))
		if refused := strings.Contains(got, "introspection disabled"); refused != hidden {
			t.Errorf("hidden %t: got %s", hidden, got)
		}
	}
}

func TestWhoIsAsking(t *testing.T) {
	f, desk := newFront(t, nil)
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{nil, "sign in first"},
		{[]string{"Authorization", "Bearer " + desk.Seal("session7", time.Now().Add(time.Hour))}, "session7"},
		{[]string{"Authorization", "Bearer " + desk.Seal("session7", time.Now().Add(-time.Hour))}, "the sign-in has expired"},
		{[]string{"Session-Token", "session8"}, "session8"},
	} {
		headers := append(test.headers, "Content-Type", jsonType)
		if got := text(t, ask(f, "POST", "/graphql", `{"query":"{session}"}`, headers...)); !strings.Contains(got, test.want) {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	// httptest's address; what a header says is not believed.
	got := text(t, ask(f, "POST", "/graphql", `{"query":"{address}"}`, "Content-Type", jsonType, "X-Forwarded-For", "10.0.0.1"))
	if !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the client's address: got %s", got)
	}
}

func TestForgedRequestsAreRefused(t *testing.T) {
	f, _ := newFront(t, nil)
	const query, body = "/graphql?query={hello}", `{"query":"{hello}"}`
	site := []string{"Sec-Fetch-Site", "cross-site"}
	same := []string{"Origin", "http://example.com"} // httptest's host
	tests := []struct {
		name           string
		method, target string
		headers        []string
		status         int
	}{
		{"curl", "GET", query, nil, 200},
		{"curl accepting anything", "GET", query, []string{"Accept", "*/*"}, 200},
		{"an image on any page", "GET", query, append(site, "Accept", "image/*"), 400},
		{"a page without preflight", "GET", query, same, 400},
		{"with a token", "GET", query, append(site, "Authorization", "Bearer x"), 200},
		{"with a session token", "GET", query, append(site, "Session-Token", "x"), 200},
		{"Apollo", "GET", query, append(same, "Apollo-Require-Preflight", "true"), 200},
		{"Apollo's older way", "GET", query, append(same, "X-Apollo-Operation-Name", "q"), 200},
		{"not a simple type", "GET", query, append(same, "Content-Type", jsonType), 200},
		{"POST", "POST", "/graphql", append(same, "Content-Type", jsonType), 200},
		{"form", "POST", "/graphql", append(same, "Content-Type", "application/x-www-form-urlencoded"), 400},
		{"text", "POST", "/graphql", append(site, "Content-Type", "text/plain"), 400},
		{"multipart", "POST", "/graphql", append(site, "Content-Type", "multipart/form-data; boundary=x"), 400},
		{"no type", "POST", "/graphql", site, 400},
		{"odd type", "POST", "/graphql", append(site, "Content-Type", "text/plain;"), 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sent := ""
			if test.method == "POST" {
				sent = body
			}
			if got := ask(f, test.method, test.target, sent, test.headers...); got.StatusCode != test.status {
				t.Errorf("got %d %s, want %d", got.StatusCode, text(t, got), test.status)
			}
		})
	}
}

func TestPeopleAreSentToGraphiQL(t *testing.T) {
	f, _ := newFront(t, nil)
	for target, want := range map[string]string{
		"/graphql": "/graphiql", "/graphql?query=%7Bhello%7D": "/graphiql?query=%7Bhello%7D",
	} {
		response := ask(f, "GET", target, "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site", "none")
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != want {
			t.Errorf("got %d %q, want %q", response.StatusCode, response.Header.Get("Location"), want)
		}
	}
}

func TestOrigins(t *testing.T) {
	const own, listed, other = "https://example.com", "https://fleet.example", "https://evil.example"
	none, _ := newFront(t, nil)
	one, _ := newFront(t, func(o *front.Options) { o.AllowedOrigins = []string{listed + "/"} })
	all, _ := newFront(t, func(o *front.Options) { o.AllowedOrigins = []string{"*"} })
	tests := []struct {
		name   string
		front  *front.Front
		origin string
		status int
		reads  bool // whether the browser is told that the page may read
	}{
		{"no page", none, "", 200, false},
		{"own page", none, own, 200, false},
		{"another, none listed", none, other, 403, false},
		{"listed", one, listed, 200, true},
		{"listed in capitals", one, strings.ToUpper(listed), 200, true},
		{"listed, other scheme", one, "http://fleet.example", 403, false},
		{"listed, other port", one, listed + ":8443", 403, false},
		{"a longer name", one, listed + ".evil.example", 403, false},
		{"own page, others listed", one, own, 200, false},
		{"not listed", one, other, 403, false},
		{"null", one, "null", 403, false},
		{"anybody", all, other, 200, true},
		{"anybody, null", all, "null", 200, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			headers := []string{"Content-Type", jsonType}
			if test.origin != "" {
				headers = append(headers, "Origin", test.origin)
			}
			response := ask(test.front, "POST", "/graphql", `{"query":"{hello}"}`, headers...)
			if response.StatusCode != test.status {
				t.Errorf("got %d, want %d", response.StatusCode, test.status)
			}
			if reads := response.Header.Get("Access-Control-Allow-Origin") != ""; reads != test.reads {
				t.Errorf("Access-Control-Allow-Origin: %q", response.Header.Get("Access-Control-Allow-Origin"))
			}
			if response.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies are allowed")
			}
			preflight := ask(test.front, "OPTIONS", "/graphql", "", "Origin", test.origin,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,last-event-id,session-token")
			if may := preflight.Header.Get("Access-Control-Allow-Headers") != ""; may != test.reads {
				t.Errorf("the preflight got %v", preflight.Header)
			}
		})
	}
}

func TestDownloadsAreForOwnAndListedPages(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) {
		o.AllowedOrigins = []string{"https://fleet.example"}
		o.Downloads = map[string]http.Handler{"/files/{id}/content": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("file " + r.PathValue("id")))
		})}
	})
	for _, test := range []struct {
		method, origin string
		status         int
		reads          bool
	}{
		{"GET", "", 200, false},
		{"GET", "http://example.com", 200, false}, // httptest's host
		{"GET", "https://fleet.example", 200, true},
		{"GET", "https://evil.example", 403, false},
		{"OPTIONS", "https://fleet.example", 0, true},
		{"OPTIONS", "https://evil.example", 0, false},
	} {
		response := ask(f, test.method, "/files/7/content", "", "Origin", test.origin,
			"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization,range")
		if reads := response.Header.Get("Access-Control-Allow-Origin") != ""; reads != test.reads {
			t.Errorf("%s of %q: %v", test.method, test.origin, response.Header)
		}
		if test.method == "OPTIONS" {
			continue // its headers are all that counts
		}
		if got := text(t, response); response.StatusCode != test.status || test.status == 200 && got != "file 7" {
			t.Errorf("%s of %q: got %d %s", test.method, test.origin, response.StatusCode, got)
		}
	}
}
