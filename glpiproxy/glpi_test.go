package glpiproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// glpi is a small GLPI that plays recorded or made-up answers and keeps what it
// was asked. Paths are without the API's root.
type glpi struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	asked    []*http.Request
	handlers map[string]http.HandlerFunc
}

const (
	alice = "tokenofalice0000000000000a" // Session-Tokens
	bob   = "tokenofbob000000000000000b"
)

func newGLPI(t testing.TB) *glpi {
	g := &glpi{t: t, handlers: map[string]http.HandlerFunc{}}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	g.on("/getFullSession", recorded(t, "015-getFullSession"))
	return g
}

func (g *glpi) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/apirest.php")
	g.mu.Lock()
	g.asked = append(g.asked, r.Clone(context.Background()))
	handler := g.handlers[path]
	g.mu.Unlock()
	if handler == nil {
		handler = says(404, `["ERROR_ITEM_NOT_FOUND","Item not found"]`)
	}
	handler(w, r)
}

func (g *glpi) on(path string, handler http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handlers[path] = handler
}

// requests gives what was asked of a path; "": everything but the sessions.
func (g *glpi) requests(path string) []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.asked), func(r *http.Request) bool {
		p := strings.TrimPrefix(r.URL.Path, "/apirest.php")
		return path != "" && p != path || path == "" && p == "/getFullSession"
	})
}

// client makes a client of this GLPI; change may alter its options.
func (g *glpi) client(change ...func(*Options)) *Client {
	g.t.Helper()
	o := Options{URL: g.URL, Location: time.UTC, Timeout: 5 * time.Second}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}

func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// recorded plays the answer of a transcript.
func recorded(t testing.TB, name string) http.HandlerFunc {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var exchange struct {
		Response struct {
			Status  int
			Headers json.RawMessage
			Body    json.RawMessage
			Raw     *string `json:"body_raw"`
		}
	}
	if err := json.Unmarshal(text, &exchange); err != nil {
		t.Fatal(err)
	}
	r := exchange.Response
	body := string(r.Body)
	if r.Raw != nil {
		body = *r.Raw
	}
	var header []string
	var object map[string]string
	var pairs [][2]string
	if json.Unmarshal(r.Headers, &object) == nil {
		for k, v := range object {
			header = append(header, k, v)
		}
	} else if err := json.Unmarshal(r.Headers, &pairs); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		if p[0] != "Transfer-Encoding" && p[0] != "Connection" {
			header = append(header, p[0], p[1])
		}
	}
	return says(r.Status, body, header...)
}

// sessions answers getFullSession by Session-Token; others have ended.
func (g *glpi) sessions(bodies map[string]string) {
	var mu sync.Mutex
	g.on("/getFullSession", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		body, ok := bodies[r.Header.Get("Session-Token")]
		mu.Unlock()
		if !ok {
			says(401, `["ERROR_SESSION_TOKEN_INVALID","session_token seems invalid"]`)(w, r)
			return
		}
		says(200, body)(w, r)
	})
}

// sessionBody is a small getFullSession for a user of an entity.
func sessionBody(user, entity int) string {
	return fmt.Sprintf(`{"session":{"glpiID":%d,"glpiname":"user%d","glpilanguage":"en_GB","glpiactive_entity":%d,
		"glpiactiveentities":[%d],"glpiactiveprofile":{"id":4,"name":"Admin","flyvemdm:agent":115,"flyvemdm:policy":1},
		"plugin_flyvemdm_guest_profiles_id":9}}`, user, user, entity, entity)
}

// fleets answers getMultipleItems, GETs and searches by id of fleets, but for the
// spoiled ids, which are forbidden and not found by searches.
func (g *glpi) fleets(spoiled ...int) {
	refused := says(401, `["ERROR_RIGHT_MISSING","You don't have permission to perform this action."]`)
	g.on("/getMultipleItems", func(w http.ResponseWriter, r *http.Request) {
		var rows []string
		query := r.URL.Query()
		for i := 0; query.Has(fmt.Sprintf("items[%d][items_id]", i)); i++ {
			id, _ := strconv.Atoi(query.Get(fmt.Sprintf("items[%d][items_id]", i)))
			if slices.Contains(spoiled, id) {
				refused(w, r)
				return
			}
			rows = append(rows, fleetBody(id))
		}
		says(200, "["+strings.Join(rows, ",")+"]")(w, r)
	})
	g.on("/search/PluginFlyvemdmFleet", func(w http.ResponseWriter, r *http.Request) {
		var rows []string
		for i := 0; r.URL.Query().Has(fmt.Sprintf("criteria[%d][value]", i)); i++ {
			id, _ := strconv.Atoi(r.URL.Query().Get(fmt.Sprintf("criteria[%d][value]", i)))
			if !slices.Contains(spoiled, id) {
				rows = append(rows, fmt.Sprintf(`{"2":%d}`, id))
			}
		}
		says(200, fmt.Sprintf(`{"totalcount":%d,"data":[%s]}`, len(rows), strings.Join(rows, ",")))(w, r)
	})
	for id := 1; id <= 200; id++ {
		handler := says(200, fleetBody(id))
		if slices.Contains(spoiled, id) {
			handler = refused
		}
		g.on(fmt.Sprintf("/PluginFlyvemdmFleet/%d", id), handler)
	}
}

func fleetBody(id int) string {
	return fmt.Sprintf(`{"id":%d,"name":"fleet %d","entities_id":"1","is_recursive":0,"is_default":0}`, id, id)
}

// eventually waits for a condition, for at most five seconds.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if met() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	if got := KindOf(err); got != want {
		t.Fatalf("kind %v, want %v: %v", got, want, err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
