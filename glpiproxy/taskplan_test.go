package glpiproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

// policy finds one by its symbol.
func policy(t *testing.T, s *glpiproxy.Session, symbol string) int {
	t.Helper()
	all := must(glpiproxy.List[glpiproxy.Policy](context.Background(), s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}}))(t)
	at := slices.IndexFunc(all.Items, func(p glpiproxy.Policy) bool { return p.Symbol == symbol })
	if at < 0 {
		t.Fatalf("no policy %s", symbol)
	}
	return all.Items[at].ID
}

// plannedFleet is a fleet of ACME with the tasks of a plan, and the target.
func plannedFleet(t *testing.T, d *demo, tasks func(glpiproxy.Target) []glpiproxy.TaskInput) glpiproxy.TargetTasks {
	t.Helper()
	ctx := context.Background()
	target := glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "Planned", EntityID: d.acmeID}))(t)}
	now := must(glpiproxy.TasksNow(ctx, d.acme, target))(t)
	outcomes := must(glpiproxy.CarryOut(ctx, d.acme, now, glpiproxy.TaskPlan{Create: tasks(target)}))(t)
	if err := outcomes.Created.Err(); err != nil {
		t.Fatal(err)
	}
	return outcomes.After
}

func TestAPlanIsOneCallForEachPart(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	files := must(glpiproxy.List[glpiproxy.File](ctx, d.acme, glpiproxy.ListOptions{}))(t).Items
	var symbols = map[string]int{}
	for _, symbol := range []string{"disableCamera", "disableWifi", "passwordMinLength", "deployFile", "disableGPS", "disableNfc"} {
		symbols[symbol] = policy(t, d.acme, symbol)
	}
	now := plannedFleet(t, d, func(target glpiproxy.Target) []glpiproxy.TaskInput {
		return []glpiproxy.TaskInput{
			{Target: target, PolicyID: symbols["disableCamera"], Value: "1"},
			{Target: target, PolicyID: symbols["disableWifi"], Value: "1"},
			{Target: target, PolicyID: symbols["passwordMinLength"], Value: "6"},
		}
	})
	ids := map[int]int{} // by policy
	for _, task := range now.Tasks {
		ids[task.PolicyID] = task.ID
	}
	d.takeCalls(false)
	outcomes := must(glpiproxy.CarryOut(ctx, d.acme, now, glpiproxy.TaskPlan{
		Fleet:  glpiproxy.FleetChange{Name: ptr("Changed")},
		Delete: []int{ids[symbols["disableCamera"]], ids[symbols["disableWifi"]]},
		Change: []glpiproxy.Edit[glpiproxy.TaskChange]{{ID: ids[symbols["passwordMinLength"]], Change: glpiproxy.TaskChange{Value: ptr("8")}}},
		Create: []glpiproxy.TaskInput{
			{Target: now.Target, PolicyID: symbols["disableGPS"], Value: "1"},
			{Target: now.Target, PolicyID: symbols["disableNfc"], Value: "0"},
			{Target: now.Target, PolicyID: symbols["deployFile"], Deploy: &glpiproxy.Deployment{FileID: files[0].ID, Destination: "%SDCARD%/x", RemoveOnDelete: true}},
		},
	}))(t)
	if calls := d.takeCalls(true); len(calls) != 4 {
		t.Errorf("%d writes: %q", len(calls), calls)
	}
	if outcomes.Fleet != nil || outcomes.After.Fleet.Name != "Changed" {
		t.Errorf("%v, %+v", outcomes.Fleet, outcomes.After.Fleet)
	}
	wantKinds(t, outcomes.Deleted, done, done)
	wantKinds(t, outcomes.Changed, done)
	wantKinds(t, outcomes.Created, done, done, done)
	values := map[int]string{}
	for _, task := range outcomes.After.Tasks {
		values[task.PolicyID] = task.Value
	}
	if len(values) != 4 || values[symbols["passwordMinLength"]] != "8" || values[symbols["disableGPS"]] != "1" || values[symbols["disableNfc"]] != "0" ||
		!strings.Contains(values[symbols["deployFile"]], "%SDCARD%/x") {
		t.Errorf("%v", values)
	}
}

func TestAPlanTouchesItsOwnTargetOnly(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 8)
	foreign := managed(t, d.globex, d.globID)
	theirs := must(glpiproxy.TasksOf(ctx, d.globex, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: foreign.ID}))(t)
	if len(theirs) == 0 {
		t.Fatal("no tasks to guard")
	}
	if _, err := glpiproxy.TasksNow(ctx, d.acme, theirs[0].Target); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Errorf("another company's fleet: %v", err)
	}
	if _, err := glpiproxy.TasksNow(ctx, d.acme, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: -1}); glpiproxy.KindOf(err) != glpiproxy.Invalid {
		t.Errorf("no fleet at all: %v", err)
	}
	own := managed(t, d.acme, d.acmeID)
	now := must(glpiproxy.TasksNow(ctx, d.acme, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: own.ID}))(t)
	d.takeCalls(false)
	outcomes := must(glpiproxy.CarryOut(ctx, d.acme, now, glpiproxy.TaskPlan{
		Delete: []int{theirs[0].ID},
		Change: []glpiproxy.Edit[glpiproxy.TaskChange]{{ID: theirs[0].ID, Change: glpiproxy.TaskChange{Value: ptr("0")}}},
		Create: []glpiproxy.TaskInput{{Target: theirs[0].Target, PolicyID: policy(t, d.acme, "disableGPS"), Value: "1"}},
	}))(t)
	wantKinds(t, outcomes.Deleted, glpiproxy.NotFound)
	wantKinds(t, outcomes.Changed, glpiproxy.NotFound)
	wantKinds(t, outcomes.Created, glpiproxy.Invalid)
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q", calls)
	}
	// a target that somebody only pretends to have read
	pretended := glpiproxy.TargetTasks{Target: theirs[0].Target, Fleet: foreign, Tasks: theirs}
	outcomes, err := glpiproxy.CarryOut(ctx, d.acme, pretended, glpiproxy.TaskPlan{Delete: []int{theirs[0].ID}, Fleet: glpiproxy.FleetChange{Name: ptr("stolen")}})
	if calls := d.takeCalls(true); len(calls) != 0 || err != nil || glpiproxy.KindOf(outcomes.Fleet) != glpiproxy.Forbidden {
		t.Errorf("%v, %v, %q", err, outcomes.Fleet, calls)
	}
	wantKinds(t, outcomes.Deleted, glpiproxy.Forbidden)
}

// GLPI deletes a deployment that stays on devices, and dies of it before it comes to the next one.
func TestDeploymentsThatStayAreDeletedThoughGLPIDies(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	files := must(glpiproxy.List[glpiproxy.File](ctx, d.acme, glpiproxy.ListOptions{}))(t).Items
	deploy, camera := policy(t, d.acme, "deployFile"), policy(t, d.acme, "disableCamera")
	now := plannedFleet(t, d, func(target glpiproxy.Target) []glpiproxy.TaskInput {
		inputs := []glpiproxy.TaskInput{{Target: target, PolicyID: camera, Value: "1"}}
		for i := range 3 {
			inputs = append(inputs, glpiproxy.TaskInput{Target: target, PolicyID: deploy, Deploy: &glpiproxy.Deployment{
				FileID: files[0].ID, Destination: fmt.Sprintf("%%SDCARD%%/%d", i), RemoveOnDelete: i == 2,
			}})
		}
		return inputs
	})
	plan := glpiproxy.TaskPlan{}
	for _, task := range now.Tasks {
		plan.Delete = append(plan.Delete, task.ID)
	}
	outcomes := must(glpiproxy.CarryOut(ctx, d.acme, now, plan))(t)
	wantKinds(t, outcomes.Deleted, done, done, done, done)
	if len(outcomes.After.Tasks) != 1 || outcomes.After.Tasks[0].PolicyID != policy(t, d.acme, "removeFile") ||
		outcomes.After.Tasks[0].Value != "%SDCARD%/2/"+files[0].Name {
		t.Errorf("%+v", outcomes.After.Tasks)
	}
}

// What GLPI says of a write and what it has done are two things.
func TestAPlanIsJudgedByWhatGLPIHasAfterwards(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	camera, wifi, gps := policy(t, d.acme, "disableCamera"), policy(t, d.acme, "disableWifi"), policy(t, d.acme, "disableGPS")
	fresh := func() glpiproxy.TargetTasks {
		return plannedFleet(t, d, func(target glpiproxy.Target) []glpiproxy.TaskInput {
			return []glpiproxy.TaskInput{{Target: target, PolicyID: camera, Value: "1"}, {Target: target, PolicyID: wifi, Value: "1"}}
		})
	}
	planFor := func(now glpiproxy.TargetTasks) glpiproxy.TaskPlan {
		return glpiproxy.TaskPlan{
			Delete: []int{now.Tasks[0].ID},
			Change: []glpiproxy.Edit[glpiproxy.TaskChange]{{ID: now.Tasks[1].ID, Change: glpiproxy.TaskChange{Value: ptr("0")}}},
			Create: []glpiproxy.TaskInput{{Target: now.Target, PolicyID: gps, Value: "1"}},
		}
	}
	isTask := func(r *http.Request) bool {
		return r.Method != http.MethodGet && strings.Contains(r.URL.Path, "PluginFlyvemdmTask")
	}

	now := fresh()
	d.tamper = func(w http.ResponseWriter, r *http.Request, glpi http.Handler) {
		if !isTask(r) {
			glpi.ServeHTTP(w, r)
			return
		}
		glpi.ServeHTTP(httptest.NewRecorder(), r) // done, and the answer is lost
		w.WriteHeader(http.StatusInternalServerError)
	}
	outcomes := must(glpiproxy.CarryOut(ctx, d.acme, now, planFor(now)))(t)
	d.tamper = nil
	wantKinds(t, outcomes.Deleted, done)
	wantKinds(t, outcomes.Changed, done)
	wantKinds(t, outcomes.Created, done)
	if len(outcomes.After.Tasks) != 2 || outcomes.Created[0].ID == 0 {
		t.Errorf("%+v", outcomes)
	}

	now = fresh()
	d.tamper = func(w http.ResponseWriter, r *http.Request, glpi http.Handler) {
		switch {
		case !isTask(r):
			glpi.ServeHTTP(w, r)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":987654,"message":"Item successfully added"}`)
		case r.Method == http.MethodPut:
			fmt.Fprintf(w, `[{"%d":true,"message":""}]`, now.Tasks[1].ID)
		default:
			fmt.Fprintf(w, `[{"%d":true,"message":""}]`, now.Tasks[0].ID)
		}
	}
	outcomes = must(glpiproxy.CarryOut(ctx, d.acme, now, planFor(now)))(t)
	d.tamper = nil
	wantKinds(t, outcomes.Deleted, glpiproxy.Unchanged)
	wantKinds(t, outcomes.Changed, glpiproxy.Unchanged)
	wantKinds(t, outcomes.Created, glpiproxy.Unchanged)

	now = fresh()
	d.tamper = func(w http.ResponseWriter, r *http.Request, glpi http.Handler) { // GLPI goes away for good
		if isTask(r) {
			d.mu.Lock()
			d.tamper = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) }
			d.mu.Unlock()
		}
		w.WriteHeader(http.StatusInternalServerError)
	}
	outcomes = must(glpiproxy.CarryOut(ctx, d.acme, now, planFor(now)))(t)
	for _, part := range []glpiproxy.Outcomes{outcomes.Deleted, outcomes.Changed, outcomes.Created} {
		if kind := glpiproxy.KindOf(part[0].Err); kind != glpiproxy.Upstream && kind != glpiproxy.Unavailable {
			t.Errorf("got %v", part[0].Err)
		}
	}
	if len(outcomes.After.Tasks) != 2 {
		t.Errorf("%+v", outcomes.After)
	}
}

func TestWhoMayOnlyReadCarriesNothingOut(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	viewer := must(d.client.SignIn(ctx, "viewer@acme.test", "demo"))(t)
	fleet := managed(t, d.acme, d.acmeID)
	now := must(glpiproxy.TasksNow(ctx, viewer, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet.ID}))(t)
	d.takeCalls(false)
	outcomes, err := glpiproxy.CarryOut(ctx, viewer, now, glpiproxy.TaskPlan{
		Delete: []int{now.Tasks[0].ID}, Create: []glpiproxy.TaskInput{{Target: now.Target, PolicyID: policy(t, viewer, "disableGPS"), Value: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, outcomes.Deleted, glpiproxy.Forbidden)
	wantKinds(t, outcomes.Created, glpiproxy.Forbidden)
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q", calls)
	}
}
