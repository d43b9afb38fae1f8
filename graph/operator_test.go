package graph_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"fleetgate/internal/sim/glpi"
)

// operator administers GLPI itself, beside the gateway: what tests need to change there.
type operator struct {
	w       *world
	session string
}

// operator signs in to GLPI with the service account's token.
func (w *world) operator() *operator {
	w.t.Helper()
	o := &operator{w: w}
	var opened struct {
		Token string `json:"session_token"`
	}
	o.call(http.MethodGet, "/initSession", nil, &opened, "Authorization", "user_token "+w.demo.ServiceToken)
	o.session = opened.Token
	return o
}

// call makes one call to GLPI's REST API, which must succeed, with headers given as name, value pairs.
func (o *operator) call(method, path string, input, result any, headers ...string) {
	o.w.t.Helper()
	var body bytes.Buffer
	if input != nil {
		if err := json.NewEncoder(&body).Encode(map[string]any{"input": input}); err != nil {
			o.w.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(o.w.t.Context(), method, o.w.rest+path, &body)
	if err != nil {
		o.w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if o.session != "" {
		request.Header.Set("Session-Token", o.session)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		o.w.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		o.w.t.Fatal(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		o.w.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, answer.String())
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(answer.Bytes(), result); err != nil {
		o.w.t.Fatalf("%s %s: %v in %s", method, path, err, answer.String())
	}
}

// idOf finds an item by its exact name.
func (o *operator) idOf(itemtype, name string) int {
	o.w.t.Helper()
	var rows []struct {
		ID   int
		Name string
	}
	o.call(http.MethodGet, "/"+itemtype+"?range=0-999", nil, &rows)
	for _, row := range rows {
		if row.Name == name {
			return row.ID
		}
	}
	o.w.t.Fatalf("no %s is named %q", itemtype, name)
	return 0
}

// grant gives a user a profile in an entity.
func (o *operator) grant(user, profile, entity string, recursive int) {
	o.w.t.Helper()
	o.call(http.MethodPost, "/Profile_User", map[string]any{
		"users_id": o.idOf("User", user), "profiles_id": o.idOf("Profile", profile), "entities_id": o.idOf("Entity", entity),
		"is_recursive": recursive,
	}, nil)
}

// another makes another person, who may sign in as everybody does here.
func (o *operator) another(name, profile, entity, language string) {
	o.w.t.Helper()
	o.call(http.MethodPost, "/User", map[string]any{
		"name": name, "password": glpi.DemoPassword, "password2": glpi.DemoPassword, "language": language, "is_active": "1",
		"_profiles_id": o.idOf("Profile", profile), "_entities_id": o.idOf("Entity", entity), "_is_recursive": "1",
	}, nil)
}

func TestTheOperatorSeesEverything(t *testing.T) {
	if id := newWorld(t).operator().idOf("Entity", "Globex"); id == 0 {
		t.Error("Globex is not there")
	}
}
