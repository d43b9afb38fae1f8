package front_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// named is a request with the hash of a query and, where it is not "", a text.
func named(version int, hash, query string) map[string]any {
	request := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": version, "sha256Hash": hash}}}
	if query != "" {
		request["query"] = query
	}
	return request
}

func hashOf(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:])
}

// send posts a request, or sends it as a GET's parameters.
func send(t *testing.T, f http.Handler, method string, request map[string]any) string {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		return text(t, ask(f, method, "/graphql", string(body), "Content-Type", jsonType))
	}
	parameters := url.Values{}
	for name, value := range request {
		written, isText := value.(string)
		if !isText {
			object, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			written = string(object)
		}
		parameters.Set(name, written)
	}
	return text(t, ask(f, method, "/graphql?"+parameters.Encode(), "", "Content-Type", jsonType))
}

func TestPersistedQueries(t *testing.T) {
	f, _ := newFront(t, nil)
	const (
		get, post = http.MethodGet, http.MethodPost
		hello     = "{hello}"
		answer    = `{"data":{"hello":"world"}}`
		unknown   = `"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}`
		bad       = `"code":"BAD_USER_INPUT"`
		mutation  = "mutation{set(value:1)}"
	)
	for _, step := range []struct {
		name, method string
		request      map[string]any
		want         string // a part of the answer
	}{
		{"unknown", post, named(1, hashOf(hello), ""), unknown},
		{"unknown by GET", get, named(1, hashOf(hello), ""), unknown},
		{"the hash of another query", post, named(1, hashOf(hello), "{ hello }"), bad},
		{"which is not kept", post, named(1, hashOf(hello), ""), unknown},
		{"both", post, named(1, hashOf(hello), hello), answer},
		{"the hash alone", post, named(1, hashOf(hello), ""), answer},
		{"the hash alone by GET", get, named(1, hashOf(hello), ""), answer},
		{"the hash in capitals", post, named(1, strings.ToUpper(hashOf(hello)), ""), answer},
		{"both by GET", get, named(1, hashOf("{address}"), "{address}"), `{"address":`},
		{"a mutation", post, named(1, hashOf(mutation), mutation), `{"set":`},
		{"a mutation by GET", get, named(1, hashOf(mutation), ""), "over POST"},
		{"version 2", post, named(2, hashOf(hello), ""), bad},
		{"no hash", post, named(1, "", hello), bad},
		{"half a hash", post, named(1, hashOf(hello)[:32], hello), bad},
		{"a text", post, map[string]any{"extensions": map[string]any{"persistedQuery": hello}}, bad},
		{"null", post, map[string]any{"extensions": map[string]any{"persistedQuery": nil}}, "query is missing"},
		{"null by GET", get, map[string]any{"extensions": map[string]any{"persistedQuery": nil}}, "query is missing"},
	} {
		t.Run(step.name, func(t *testing.T) {
			if got := send(t, f, step.method, step.request); !strings.Contains(got, step.want) {
				t.Errorf("got %s\nwant %s", got, step.want)
			}
		})
	}
}

// Anybody may send queries that differ: their number and their lengths are bounded.
func TestPersistedQueriesAreBounded(t *testing.T) {
	f, _ := newFront(t, nil)
	// One that is parsed and then not executed: the schema of these tests keeps what it executes.
	query := func(i, length int) string {
		return fmt.Sprintf("%-*s", length, fmt.Sprintf("subscription{forever} # %d", i))
	}
	const queries, length = 3000, 8 << 10
	before := heldMemory()
	for i := range queries {
		q := query(i, length)
		send(t, f, http.MethodPost, named(1, hashOf(q), q))
	}
	if grown := heldMemory() - before; grown > queries*length*3/4 {
		t.Errorf("%d bytes are still held of %d queries of %d bytes", grown, queries, length)
	}
	long := query(0, length+1)
	send(t, f, http.MethodPost, named(1, hashOf(long), long))
	if got := send(t, f, http.MethodPost, named(1, hashOf(long), "")); !strings.Contains(got, "PERSISTED_QUERY_NOT_FOUND") {
		t.Errorf("a long query was kept: %s", got)
	}
	runtime.KeepAlive(f)
}
