package glpi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client calls a server as a dashboard would.
type client struct {
	t     *testing.T
	s     *Server
	token string
}

func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) }
	}
	if o.BaseURL == "" {
		o.BaseURL = "http://glpi.test"
	}
	return New(o)
}

func signIn(t *testing.T, s *Server, login, password string) *client {
	t.Helper()
	c := &client{t: t, s: s}
	w := c.send("GET", "/initSession", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login+":"+password)))
	n, err := nodeOf(w.Body.Bytes())
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("signing in as %s: %d %s", login, w.Code, w.Body)
	}
	c.token = n.str("session_token")
	return c
}

func (c *client) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/apirest.php"+strings.ReplaceAll(target, " ", "%20"), strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Session-Token", c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, req)
	return w
}

// want calls and checks the status and a part of the body.
func (c *client) want(method, target, body string, status int, part string) *httptest.ResponseRecorder {
	c.t.Helper()
	w := c.send(method, target, body)
	if w.Code != status || !strings.Contains(w.Body.String(), part) {
		c.t.Errorf("%s %s %s: %d %.400s\nwanted %d and %s", method, target, body, w.Code, w.Body, status, part)
	}
	return w
}

// company makes an entity below the root with an administrator, and returns its id and his client.
func company(t *testing.T, s *Server, name string) (int, *client) {
	t.Helper()
	root := signIn(t, s, "glpi", "glpi")
	n, err := nodeOf(root.want("POST", "/Entity", `{"input":{"name":"`+name+`","entities_id":0}}`, 201, `"id":`).Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	id := n.str("id")
	root = signIn(t, s, "glpi", "glpi") // to see it
	root.want("POST", "/User", fmt.Sprintf(
		`{"input":{"name":"admin.%[1]s","password":"pw","password2":"pw","entities_id":%[2]s,"_profiles_id":4,"_entities_id":%[2]s,"_is_recursive":1,"_useremails":["admin@%[1]s.test"]}}`,
		name, id), 201, "Item successfully added: admin."+name)
	return phpInt(id), signIn(t, s, "admin."+name, "pw")
}

func TestSignIn(t *testing.T) {
	s := newServer(t, Options{})
	token := func() string {
		tx := s.begin(nil)
		defer tx.end()
		return tx.UserToken(tx.Row("User", 2))
	}()
	for _, c := range []struct {
		name, target string
		headers      []string
		status       int
		part         string
	}{
		{"basic", "/initSession", []string{"Authorization", "Basic Z2xwaTpnbHBp"}, 200, `{"session_token":"`},
		{"query", "/initSession?login=glpi&password=glpi", nil, 200, `{"session_token":"`},
		{"user_token header", "/initSession", []string{"Authorization", "user_token " + token}, 200, `{"session_token":"`},
		{"user_token query", "/initSession?user_token=" + token, nil, 200, `{"session_token":"`},
		{"bad password", "/initSession?login=glpi&password=nope", nil, 401, `["ERROR_GLPI_LOGIN","Incorrect username or password"]`},
		{"nothing", "/initSession", nil, 400, `["ERROR_LOGIN_PARAMETERS_MISSING",`},
		{"bad token", "/initSession?user_token=x", nil, 401, `["ERROR_GLPI_LOGIN_USER_TOKEN","parameter user_token seems invalid"]`},
		{"app token", "/initSession?login=glpi&password=glpi", []string{"App-Token", "x"}, 400, `["ERROR_WRONG_APP_TOKEN_PARAMETER",`},
		{"no session", "/getMyProfiles", nil, 400, `http://glpi.test/apirest.php/#ERROR_SESSION_TOKEN_MISSING"]`},
		{"unknown session", "/getMyProfiles?session_token=abc", nil, 401, `["ERROR_SESSION_TOKEN_INVALID","session_token seems invalid"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := (&client{t: t, s: s}).send("GET", c.target, "", c.headers...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
				t.Errorf("%d %s, wanted %d %s", w.Code, w.Body, c.status, c.part)
			}
		})
	}
}

func TestAppTokenNeeded(t *testing.T) {
	c := &client{t: t, s: newServer(t, Options{AppToken: "app"})}
	c.want("GET", "/initSession?login=glpi&password=glpi", "", 400, "ERROR_APP_TOKEN_PARAMETERS_MISSING")
	c.want("GET", "/initSession?login=glpi&password=glpi&app_token=app", "", 200, "session_token")
}

func TestSessionEnds(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	s := newServer(t, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	c := signIn(t, s, "glpi", "glpi")
	pass(1400 * time.Second)
	c.want("GET", "/getMyProfiles", "", 200, "Super-Admin")
	pass(1400 * time.Second)
	c.want("GET", "/getMyProfiles", "", 200, "Super-Admin") // the first call kept it alive
	pass(1441 * time.Second)
	c.want("GET", "/getMyProfiles", "", 401, "ERROR_SESSION_TOKEN_INVALID")

	c = signIn(t, s, "glpi", "glpi")
	c.want("GET", "/initSession?login=glpi&password=glpi", "", 200, "session_token")
	c.want("GET", "/getMyProfiles", "", 401, "ERROR_SESSION_TOKEN_INVALID") // the sign-in destroyed the session it came with
}

func TestSameUnderEveryPath(t *testing.T) {
	s := newServer(t, Options{})
	c := signIn(t, s, "glpi", "glpi")
	for _, prefix := range []string{"", "/apirest.php", "/glpi/apirest.php", "/glpi/apirest.php/"} {
		req := httptest.NewRequest("GET", prefix+"/Entity/0", nil)
		req.Header.Set("Session-Token", c.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"Root entity"`) {
			t.Errorf("%s: %d %.100s", prefix, w.Code, w.Body)
		}
	}
}

func TestBodies(t *testing.T) {
	s := newServer(t, Options{})
	c := signIn(t, s, "glpi", "glpi")
	c.want("POST", "/Entity", `{`, 400, `["ERROR_JSON_PAYLOAD_INVALID","JSON payload seems not valid"]`)
	c.want("POST", "/Entity", `[]`, 400, `ERROR_JSON_PAYLOAD_INVALID`)
	c.want("POST", "/Entity", `{}`, 400, `ERROR_BAD_ARRAY`)
	c.want("POST", "/Entity", `{"input":3}`, 400, `ERROR_BAD_ARRAY`)
	c.want("GET", "/Entity", `{"a":1}`, 400, `ERROR_JSON_PAYLOAD_FORBIDDEN`)
	c.want("TRACE", "/Entity", ``, 405, `ERROR_METHOD_NOT_ALLOWED`)
	c.want("GET", "/Entity?a="+strings.Repeat("x", 9000), ``, 414, `414 Request-URI Too Large`)
	c.want("GET", "/Nope", ``, 400, `ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM`)
	c.want("GET", "/Nope/1/User", ``, 400, `ERROR_ITEMTYPE_NOT_FOUND_NOR_COMMONDBTM`)
	if w := c.send("GET", "/Entity", ""); w.Header().Get("Access-Control-Expose-Headers") == "" {
		t.Error("a GET exposes no headers")
	}
	if w := c.send("PUT", "/Entity/0", `{"input":{"comment":"x"}}`); w.Header().Get("Access-Control-Expose-Headers") != "" {
		t.Error("a PUT exposes headers")
	}
}

func TestActiveEntities(t *testing.T) {
	s := newServer(t, Options{})
	acme, _ := company(t, s, "acme")
	root := signIn(t, s, "glpi", "glpi")
	root.want("POST", "/Entity", fmt.Sprintf(`{"input":{"name":"acme Paris","entities_id":%d}}`, acme), 201, "")
	admin := signIn(t, s, "admin.acme", "pw")
	admin.want("GET", "/getActiveEntities", "", 200, `{"active_entity":{"id":1,"active_entity_recursive":1,"active_entities":[{"id":1},{"id":2}]}}`)
	admin.want("POST", "/changeActiveEntities", `{"entities_id":2}`, 200, "true")
	admin.want("GET", "/getActiveEntities", "", 200, `"active_entity_recursive":false,"active_entities":[{"id":2}]`)
	admin.want("POST", "/changeActiveEntities", `{"entities_id":0}`, 200, "true") // 0 is "all" to PHP
	admin.want("GET", "/getActiveEntities", "", 200, `{"id":1,"active_entity_recursive":false,"active_entities":[{"id":1},{"id":2}]`)
	admin.want("POST", "/changeActiveEntities", `{"entities_id":77}`, 400, `["ERROR","Bad Request; view`)
	admin.want("POST", "/changeActiveEntities", `{"entities_id":2,"is_recursive":1}`, 400, `["ERROR","Bad Request; view`)
	admin.want("GET", "/Entity/0", "", 401, "ERROR_RIGHT_MISSING")
	admin.want("GET", "/Entity/99", "", 404, "ERROR_ITEM_NOT_FOUND")
}

// TestConcurrentCalls lets many clients read, write and sign in at once: the race detector is the judge.
func TestConcurrentCalls(t *testing.T) {
	s := newServer(t, Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := signIn(t, s, "glpi", "glpi")
			for j := range 20 {
				c.want("POST", "/Computer", fmt.Sprintf(`{"input":{"name":"pc-%d-%d"}}`, i, j), 201, "")
				c.send("POST", "/changeActiveEntities", `{"is_recursive":true}`)
				for _, target := range []string{"/Computer?range=0-5", "/search/Computer?range=0-0", "/getFullSession", "/User/2"} {
					if w := c.send("GET", target, ""); w.Code != 200 && w.Code != 206 {
						t.Errorf("%s: %d %.200s", target, w.Code, w.Body)
					}
				}
			}
		}()
	}
	wg.Wait()
	c := signIn(t, s, "glpi", "glpi")
	c.want("GET", "/search/Computer?range=0-0", "", 206, `"totalcount":160`)
}
