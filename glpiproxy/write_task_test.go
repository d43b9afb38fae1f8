package glpiproxy_test

import (
	"context"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

func TestTasksAreWrittenThroughVisibleTargets(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 10)
	fleet := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "new", EntityID: d.acmeID}))(t)
	target := glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet}
	policy := policies(t, d.acme)
	id := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{Target: target, PolicyID: policy["disableCamera"], Value: "1"}))(t)
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.TaskChange{Value: ptr("0")}); err != nil {
		t.Error(err)
	}
	if tasks := must(glpiproxy.TasksOf(ctx, d.acme, target))(t); len(tasks) != 1 || tasks[0].Value != "0" {
		t.Errorf("%+v", tasks)
	}
	_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{Target: target, PolicyID: policy["disableCamera"], Value: "1"})
	wantKind(t, err, glpiproxy.Invalid) // "Policy already applied"
	theirs := everyTask(t, d.globex)
	foreign := glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: managed(t, d.globex, d.globID).ID}
	_, err = glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{Target: foreign, PolicyID: policy["disableCamera"], Value: "1"})
	wantKind(t, err, glpiproxy.NotFound)
	_, err = glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{Target: glpiproxy.Target{Kind: "User", ID: 2}, PolicyID: 1})
	wantKind(t, err, glpiproxy.Invalid)
	d.takeCalls(false)
	wantKind(t, glpiproxy.DeleteItem[glpiproxy.Task](ctx, d.acme, theirs[0].ID), glpiproxy.NotFound)
	wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, theirs[0].ID, glpiproxy.TaskChange{Value: ptr("1")}), glpiproxy.NotFound)
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q: GLPI deletes anybody's task", calls)
	}
	if left := everyTask(t, d.globex); len(left) != len(theirs) {
		t.Error("ACME deleted Globex's task")
	}
}

func policies(t *testing.T, s *glpiproxy.Session) map[string]int {
	t.Helper()
	page := must(glpiproxy.List[glpiproxy.Policy](context.Background(), s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 100}}))(t)
	ids := map[string]int{}
	for _, policy := range page.Items {
		ids[policy.Symbol] = policy.ID
	}
	return ids
}

func TestDeletingDeploymentsSurvivesGLPIsDeath(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	policy := policies(t, d.acme)
	file := must(glpiproxy.List[glpiproxy.File](ctx, d.acme, glpiproxy.ListOptions{}))(t).Items[0]
	fleet := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "new", EntityID: d.acmeID}))(t)
	target := glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleet}
	deploy := func(to string, remove bool) int {
		return must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{
			Target: target, PolicyID: policy["deployFile"],
			Deploy: &glpiproxy.Deployment{FileID: file.ID, Destination: to, RemoveOnDelete: remove},
		}))(t)
	}
	ids := []int{deploy("%SDCARD%/a", false), deploy("%SDCARD%/b", false), deploy("%SDCARD%/c", true), deploy("%SDCARD%/d", false)}
	ids = append(ids, must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{Target: target, PolicyID: policy["disableCamera"], Value: "1"}))(t))
	wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, ids[0], glpiproxy.TaskChange{Value: ptr("x")}), glpiproxy.Invalid)
	outcomes := must(glpiproxy.DeleteMany[glpiproxy.Task](ctx, d.acme, ids))(t)
	wantKinds(t, outcomes, done, done, done, done, done)
	left := must(glpiproxy.TasksOf(ctx, d.acme, target))(t)
	if len(left) != 1 || !strings.HasPrefix(left[0].Value, "%SDCARD%/c") {
		t.Errorf("%+v: want the one removal task of the file that was to be removed", left)
	}
	foreign := must(glpiproxy.List[glpiproxy.File](ctx, d.globex, glpiproxy.ListOptions{}))(t).Items[0]
	_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.TaskInput{
		Target: target, PolicyID: policy["deployFile"], Deploy: &glpiproxy.Deployment{FileID: foreign.ID, Destination: "%SDCARD%/x"},
	})
	wantKind(t, err, glpiproxy.NotFound)
}
