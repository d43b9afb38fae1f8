package glpiproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// company is the simulated GLPI with two companies, each with an administrator.
type company struct {
	t      *testing.T
	server *httptest.Server
	client *glpiproxy.Client
	root   string // a session that may do everything
	acme   int
	globex int
}

func newCompany(t *testing.T) *company {
	t.Helper()
	// A server two hours ahead: dates must come out in UTC all the same.
	server := httptest.NewServer(glpi.New(glpi.Options{Location: time.FixedZone("", 2*3600)}))
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c := &company{t: t, server: server, client: client}
	if err := client.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.root = c.signIn("glpi", "glpi").Token()
	c.acme = c.add("Entity", map[string]any{"name": "ACME", "entities_id": 0})
	c.globex = c.add("Entity", map[string]any{"name": "Globex & sons", "entities_id": 0})
	c.root = c.signIn("glpi", "glpi").Token() // a new entity shows in new sessions only
	for name, entity := range map[string]int{"ada@acme.test": c.acme, "gus@globex.test": c.globex} {
		c.add("User", map[string]any{
			"name": name, "password": "demo", "password2": "demo", "firstname": "A", "realname": "O'Brien",
			"_profiles_id": 4, "_entities_id": entity, "_is_recursive": 1,
		})
	}
	return c
}

func (c *company) signIn(username, password string) *glpiproxy.Session {
	c.t.Helper()
	s, err := c.client.SignIn(context.Background(), username, password)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// add creates an item past the client, which only reads.
func (c *company) add(itemtype string, input map[string]any) int {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"input": input})
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, c.server.URL+"/glpi/apirest.php/"+itemtype, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Session-Token", c.root)
	response, err := c.server.Client().Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ ID int }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.ID == 0 {
		c.t.Fatalf("adding %s: %s, %v", itemtype, response.Status, err)
	}
	return answer.ID
}

func TestTheSimulatorAsSeenByTheClient(t *testing.T) {
	ctx := context.Background()
	c := newCompany(t)
	var ids []int
	for i := range 60 {
		entity := c.acme
		if i == 20 {
			entity = c.globex
		}
		ids = append(ids, c.add("Computer", map[string]any{"name": fmt.Sprintf("phone %02d", i), "serial": fmt.Sprintf("SN-%02d", i), "entities_id": entity}))
	}
	ada := c.signIn("ada@acme.test", "demo")

	scope, err := ada.Scope(ctx)
	if err != nil || scope.Username != "ada@acme.test" || scope.EntityID != c.acme || !scope.SeesEntity(c.acme) || scope.SeesEntity(c.globex) || scope.Profile.Name != "Super-Admin" || !scope.Can("computer", glpiproxy.Read) {
		t.Fatalf("%+v, %v", scope, err)
	}
	page, err := glpiproxy.List[glpiproxy.Computer](ctx, ada, glpiproxy.ListOptions{Range: glpiproxy.Range{Start: 10, Count: 5}, Sort: "name", Descending: true})
	if err != nil || page.Total != 59 || len(page.Items) != 5 || page.Items[0].Name != "phone 49" {
		t.Errorf("%+v, %v", page, err)
	}
	if age := time.Since(page.Items[0].ModifiedAt); age < -time.Second || age > time.Minute {
		t.Errorf("changed %v ago: the server's time zone was not learnt", age)
	}
	page, err = glpiproxy.List[glpiproxy.Computer](ctx, ada, glpiproxy.ListOptions{Range: glpiproxy.Range{Start: 500}})
	if err != nil || page.Total != 59 || len(page.Items) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	page, err = glpiproxy.List[glpiproxy.Computer](ctx, ada, glpiproxy.ListOptions{Filter: map[string]string{"serial": "SN-07"}})
	if err != nil || page.Total != 1 || page.Items[0].ID != ids[7] {
		t.Errorf("%+v, %v", page, err)
	}
	results, err := glpiproxy.GetMany[glpiproxy.Computer](ctx, ada, append(ids, 99999))
	if err != nil || len(results) != 61 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		switch {
		case i == 20 && glpiproxy.KindOf(r.Err) != glpiproxy.Forbidden, i == 60 && glpiproxy.KindOf(r.Err) != glpiproxy.NotFound:
			t.Errorf("%d: %+v", i, r)
		case i != 20 && i != 60 && (r.Err != nil || r.Item.Serial != fmt.Sprintf("SN-%02d", i)):
			t.Errorf("%d: %+v", i, r)
		}
	}
	if n, err := glpiproxy.Count[glpiproxy.Computer](ctx, ada, glpiproxy.Criterion{Field: 1, Type: glpiproxy.Contains, Value: "phone 1"}); err != nil || n != 10 {
		t.Errorf("%d, %v", n, err)
	}
	brien := glpiproxy.Criterion{Field: 34, Type: glpiproxy.Contains, Value: "O'Brien"}
	if n, err := glpiproxy.Count[glpiproxy.User](ctx, ada, brien); err != nil || n != 1 {
		t.Errorf("%d people called O'Brien, %v", n, err)
	}
	if n, err := glpiproxy.Count[glpiproxy.Computer](ctx, ada); err != nil || n != 59 {
		t.Errorf("%d, %v", n, err)
	}
	root := c.client.Resume(c.root)
	entity, err := glpiproxy.Get[glpiproxy.Entity](ctx, root, c.globex)
	if err != nil || entity.Name != "Globex & sons" || entity.CompleteName != "Root entity > Globex & sons" {
		t.Errorf("%+v, %v", entity, err)
	}
}

func TestSimulatedSessions(t *testing.T) {
	ctx := context.Background()
	c := newCompany(t)
	if _, err := c.client.SignIn(ctx, "ada@acme.test", "wrong"); glpiproxy.KindOf(err) != glpiproxy.BadCredentials {
		t.Error(err)
	}
	if _, err := c.client.SignInWithToken(ctx, "nosuchtoken"); glpiproxy.KindOf(err) != glpiproxy.BadCredentials {
		t.Error(err)
	}
	root := c.client.Resume(c.root)
	profiles, err := root.Profiles(ctx)
	if err != nil || len(profiles) != 1 || profiles[0].ID != 4 {
		t.Errorf("%+v, %v", profiles, err)
	}
	if err := root.SwitchEntity(ctx, c.acme, false); err != nil {
		t.Fatal(err)
	}
	if scope, err := root.Scope(ctx); err != nil || scope.EntityID != c.acme || scope.SeesEntity(c.globex) || scope.Recursive {
		t.Errorf("%+v, %v", scope, err)
	}
	gus := c.signIn("gus@globex.test", "demo")
	if err := gus.SwitchEntity(ctx, c.acme, true); glpiproxy.KindOf(err) != glpiproxy.Forbidden {
		t.Error(err)
	}
	if err := gus.SwitchProfile(ctx, 1); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Error(err)
	}
	if err := gus.End(ctx); err != nil {
		t.Error(err)
	}
	if _, err := gus.Scope(ctx); glpiproxy.KindOf(err) != glpiproxy.Unauthenticated {
		t.Error(err)
	}
}

// A page with devices out of the viewer's sight costs a handful of calls more, and
// shows all the others.
func TestSpoiledPagesOfTheSimulator(t *testing.T) {
	ctx := context.Background()
	c := newCompany(t)
	var own, foreign []int
	for i := range 50 {
		own = append(own, c.add("Computer", map[string]any{"name": fmt.Sprint("own ", i), "entities_id": c.acme}))
		foreign = append(foreign, c.add("Computer", map[string]any{"name": fmt.Sprint("foreign ", i), "entities_id": c.globex}))
	}
	calls := &countingTransport{}
	client, err := glpiproxy.New(glpiproxy.Options{URL: c.server.URL + "/glpi", HTTPClient: &http.Client{Transport: calls}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for _, spoiled := range []int{0, 1, 3, 10, 49, 50} {
		ada := client.Resume(c.signIn("ada@acme.test", "demo").Token())
		must(ada.Scope(ctx))(t)
		client.Invalidate("Computer")
		page := append(append([]int{}, own[spoiled:]...), foreign[:spoiled]...)
		before := calls.n.Load()
		results := must(glpiproxy.GetMany[glpiproxy.Computer](ctx, ada, page))(t)
		if extra := calls.n.Load() - before - 1; extra > 5 || spoiled == 0 && extra > 0 {
			t.Errorf("%d out of sight: %d calls more", spoiled, extra)
		}
		for i, r := range results {
			kind := glpiproxy.KindOf(r.Err)
			switch inSight := i < 50-spoiled; {
			case inSight && (r.Err != nil || r.Item.ID != page[i]):
				t.Errorf("%d out of sight: in sight and not read: %+v", spoiled, r)
			case !inSight && (r.Err == nil || kind != glpiproxy.NotFound && kind != glpiproxy.Forbidden || r.Item.ID != 0):
				t.Errorf("%d out of sight: out of sight and read: %+v", spoiled, r)
			}
		}
	}
}

// countingTransport counts the calls made.
type countingTransport struct{ n atomic.Int64 }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}
