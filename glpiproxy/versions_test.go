package glpiproxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// versions of GLPI whose answers differ in shape: a missing right is 401 or 403, ids
// are numbers or texts, bodies are empty or true, lists have a range or none.
var versions = []string{"9.2.4", "9.3.1", "9.4.6", "9.5.13", "10.0.19", "11.0.1"}

func newVersion(t *testing.T, version string) *demo {
	t.Helper()
	simulated := glpi.New(glpi.Options{Location: time.FixedZone("", -5*3600), Version: version})
	world := simulated.SeedDemo(glpi.DemoOptions{Devices: 20, Seed: 1})
	d := &demo{devices: world.Devices}
	d.server = httptest.NewServer(d.serve(simulated))
	t.Cleanup(d.server.Close)
	d.client = must(glpiproxy.New(glpiproxy.Options{URL: d.server.URL + "/glpi"}))(t)
	t.Cleanup(func() { _ = d.client.Close() })
	d.acme = must(d.client.SignIn(context.Background(), "admin@acme.test", glpi.DemoPassword))(t)
	d.globex = must(d.client.SignIn(context.Background(), "admin@globex.test", glpi.DemoPassword))(t)
	d.root = must(d.client.SignInWithToken(context.Background(), world.ServiceToken))(t)
	d.acmeID, d.globID = must(d.acme.Scope(context.Background()))(t).EntityID, must(d.globex.Scope(context.Background()))(t).EntityID
	return d
}

func TestEveryVersionOfGLPIIsUnderstood(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			d := newVersion(t, version)
			t.Run("sessions", func(t *testing.T) { trySessions(t, d) })
			t.Run("reads", func(t *testing.T) { tryReads(t, d) })
			t.Run("writes", func(t *testing.T) { tryWrites(t, d) })
			t.Run("files", func(t *testing.T) { tryFiles(t, d) })
			t.Run("refusals", func(t *testing.T) { tryRefusals(t, d) })
		})
	}
}

func trySessions(t *testing.T, d *demo) {
	ctx := context.Background()
	s := must(d.client.SignIn(ctx, "admin@acme.test", glpi.DemoPassword))(t)
	profiles := must(s.Profiles(ctx))(t)
	if len(profiles) == 0 || len(profiles[0].Entities) == 0 || profiles[0].ID == 0 {
		t.Fatalf("%+v", profiles)
	}
	if err := s.SwitchProfile(ctx, profiles[0].ID); err != nil {
		t.Error(err)
	}
	if err := s.SwitchEntity(ctx, d.acmeID, false); err != nil {
		t.Error(err)
	}
	if scope := must(s.Scope(ctx))(t); scope.EntityID != d.acmeID || scope.Recursive || len(scope.EntityIDs) != 1 {
		t.Errorf("%+v", scope)
	}
	wantKind(t, s.SwitchEntity(ctx, d.globID, true), glpiproxy.Forbidden)
	wantKind(t, s.SwitchProfile(ctx, 99999), glpiproxy.NotFound)
	if err := s.End(ctx); err != nil {
		t.Error(err)
	}
	_, err := s.Scope(ctx)
	wantKind(t, err, glpiproxy.Unauthenticated)
	_, err = d.client.SignIn(ctx, "admin@acme.test", "wrong")
	wantKind(t, err, glpiproxy.BadCredentials)
}

func tryReads(t *testing.T, d *demo) {
	ctx := context.Background()
	agents := must(glpiproxy.List[glpiproxy.Agent](ctx, d.acme, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 3}}))(t)
	if len(agents.Items) != 3 || agents.Total < 4 || agents.Items[0].ID == 0 || agents.Items[0].ComputerID == 0 {
		t.Fatalf("%+v", agents)
	}
	past := must(glpiproxy.List[glpiproxy.Agent](ctx, d.acme, glpiproxy.ListOptions{Range: glpiproxy.Range{Start: 500}}))(t)
	if past.Total != agents.Total || len(past.Items) != 0 {
		t.Errorf("%+v", past)
	}
	computer := must(glpiproxy.Get[glpiproxy.Computer](ctx, d.acme, agents.Items[0].ComputerID))(t)
	if computer.Serial == "" || time.Since(computer.ModifiedAt).Abs() > 400*24*time.Hour {
		t.Errorf("%+v", computer)
	}
	results := must(glpiproxy.GetMany[glpiproxy.Computer](ctx, d.acme, []int{agents.Items[1].ComputerID, 99999, agents.Items[0].ComputerID}))(t)
	if results[0].Err != nil || results[1].Err == nil || results[2].Item != computer {
		t.Errorf("%+v", results)
	}
	if n := must(glpiproxy.Count[glpiproxy.Agent](ctx, d.acme))(t); n != agents.Total {
		t.Errorf("%d agents by search, %d by list", n, agents.Total)
	}
	none := glpiproxy.Criterion{Field: 1, Type: glpiproxy.Exactly, Value: "nobody's"}
	if n := must(glpiproxy.Count[glpiproxy.Agent](ctx, d.acme, none))(t); n != 0 {
		t.Errorf("%d agents of nobody's", n)
	}
	if config := must(glpiproxy.EntityConfigOf(ctx, d.acme, d.acmeID))(t); config.DownloadURL == "" || config.TokenLifeDays() != 7 {
		t.Errorf("%+v", config)
	}
	if tasks := everyTask(t, d.acme); len(tasks) == 0 {
		t.Error("no tasks")
	}
}

func tryWrites(t *testing.T, d *demo) {
	ctx := context.Background()
	a := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "a", EntityID: d.acmeID}))(t)
	made := must(glpiproxy.CreateMany(ctx, d.acme, []glpiproxy.FleetInput{{Name: "b", EntityID: d.acmeID}, {Name: "c", EntityID: d.acmeID}}))(t)
	wantKinds(t, made, done, done)
	edits := []glpiproxy.Edit[glpiproxy.FleetChange]{
		{ID: made[1].ID, Change: glpiproxy.FleetChange{Name: ptr("C <&> c")}}, {ID: 99999, Change: glpiproxy.FleetChange{Name: ptr("x")}},
		{ID: a, Change: glpiproxy.FleetChange{Recursive: ptr(true)}},
	}
	wantKinds(t, must(glpiproxy.UpdateMany(ctx, d.acme, edits))(t), done, glpiproxy.NotFound, done)
	if fleet := must(glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, made[1].ID))(t); fleet.Name != "C <&> c" {
		t.Errorf("%+v", fleet)
	}
	ids := []int{a, 99999, made[0].ID, made[1].ID}
	wantKinds(t, must(glpiproxy.DeleteMany[glpiproxy.Fleet](ctx, d.acme, ids))(t), done, glpiproxy.NotFound, done, done)
	agent := agentsOf(t, d.acme)[0].ID
	wantKinds(t, must(glpiproxy.Lock(ctx, d.acme, []int{agent}))(t), done)
	wantKinds(t, must(glpiproxy.Unlock(ctx, d.acme, []int{agent}))(t), done)
}

func tryFiles(t *testing.T, d *demo) {
	id := must(upload[glpiproxy.File](d.acme, "v.txt", strings.NewReader("some text")))(t)
	download := must(glpiproxy.Open[glpiproxy.File](context.Background(), d.acme, id))(t)
	if text := must(io.ReadAll(download))(t); string(text) != "some text" {
		t.Errorf("%q", text)
	}
}

func tryRefusals(t *testing.T, d *demo) {
	ctx := context.Background()
	foreign := managed(t, d.globex, d.globID)
	_, err := glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, foreign.ID)
	wantKind(t, err, glpiproxy.Forbidden)
	_, err = glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, 99999)
	wantKind(t, err, glpiproxy.NotFound)
	wantKind(t, glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, d.acme, foreign.ID), glpiproxy.NotFound)
	viewer := powerless(t, d)
	_, err = glpiproxy.List[glpiproxy.Fleet](ctx, viewer, glpiproxy.ListOptions{})
	wantKind(t, err, glpiproxy.Forbidden)
}

// Shapes that no simulated version has, from the plugin's and GLPI's sources.
func TestShapesOfOtherVersions(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	fleet := managed(t, d.acme, d.acmeID)
	path := "/PluginFlyvemdmFleet"
	for name, c := range map[string]struct {
		path string
		body string
		read func(*glpiproxy.Session) (any, error)
	}{
		"an item in texts": {path + "/7", `{"id":"7","name":"x","entities_id":"3","is_recursive":"1","is_default":"0"}`, func(s *glpiproxy.Session) (any, error) {
			item, err := glpiproxy.Get[glpiproxy.Fleet](ctx, s, 7)
			if item != (glpiproxy.Fleet{ID: 7, Name: "x", EntityID: 3, Recursive: true}) {
				t.Errorf("%+v", item)
			}
			return item, err
		}},
		"truth values": {path + "/7", `{"id":7,"name":null,"is_recursive":true,"is_default":false,"_keys_names":{"a":"b"}}`, func(s *glpiproxy.Session) (any, error) {
			item, err := glpiproxy.Get[glpiproxy.Fleet](ctx, s, 7)
			if !item.Recursive || item.Default || item.Name != "" {
				t.Errorf("%+v", item)
			}
			return item, err
		}},
		"a search in texts": {"/search" + path, `{"totalcount":"1","count":"1","data":{"7":{"2":"7","1":"x"}}}`, func(s *glpiproxy.Session) (any, error) {
			page, err := glpiproxy.Search[glpiproxy.Fleet](ctx, s, glpiproxy.Query{Columns: []int{1}})
			if err == nil && (page.Total != 1 || page.Rows[0].ID() != 7 || page.Rows[0].Text(1) != "x") {
				t.Errorf("%+v", page)
			}
			return page, err
		}},
		"changes in texts": {fmt.Sprint(path, "/", fleet.ID), fmt.Sprintf(`[{"%d":"1","message":""}]`, fleet.ID), func(s *glpiproxy.Session) (any, error) {
			return nil, glpiproxy.UpdateItem(ctx, s, fleet.ID, glpiproxy.FleetChange{Name: &fleet.Name})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := behind(t, d, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "apirest.php"+c.path) || r.Method == http.MethodGet && strings.HasPrefix(name, "changes") {
					return false
				}
				_, _ = io.WriteString(w, c.body)
				return true
			})
			if _, err := c.read(s); err != nil {
				t.Error(err)
			}
		})
	}
}
