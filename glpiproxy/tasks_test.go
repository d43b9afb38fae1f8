package glpiproxy_test

import (
	"context"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

func TestTasksAreReadThroughTheirTargets(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 90)
	ours, theirs := targetsOf(t, d.acme), targetsOf(t, d.globex)
	tasks := must(glpiproxy.TasksOfMany(ctx, d.acme, append(ours, theirs...)))(t)
	all := must(glpiproxy.TasksOfMany(ctx, d.root, append(ours, theirs...)))(t)
	if len(tasks) != len(ours) || len(all) != len(ours)+len(theirs) {
		t.Fatalf("%d targets in sight of ACME, %d of all; want %d and %d", len(tasks), len(all), len(ours), len(ours)+len(theirs))
	}
	n := 0
	for _, target := range ours {
		n += len(tasks[target])
		for i, task := range tasks[target] {
			single := must(glpiproxy.Get[glpiproxy.Task](ctx, d.acme, task.ID))(t)
			if single.ID != task.ID || single.Target != target || single.Value != task.Value || single.ItemType != task.ItemType ||
				single.ItemID != task.ItemID || single.PolicyID != task.PolicyID || all[target][i].ID != task.ID {
				t.Errorf("%+v of the search is %+v", task, single)
			}
		}
	}
	if n == 0 {
		t.Fatal("the demonstration has no tasks")
	}
	for _, target := range theirs {
		_, err := glpiproxy.TasksOf(ctx, d.acme, target)
		wantKind(t, err, glpiproxy.NotFound)
		for _, task := range all[target] {
			if _, err := glpiproxy.Get[glpiproxy.Task](ctx, d.acme, task.ID); err == nil {
				t.Errorf("ACME reads Globex's task %d", task.ID)
			}
		}
	}
}

func TestTasksCantBeListedOrSearched(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	_, err := glpiproxy.List[glpiproxy.Task](ctx, d.acme, glpiproxy.ListOptions{})
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.Search[glpiproxy.Task](ctx, d.acme, glpiproxy.Query{})
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.Search[glpiproxy.TaskStatus](ctx, d.acme, glpiproxy.Query{})
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.Get[glpiproxy.TaskStatus](ctx, d.acme, 1)
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.Get[glpiproxy.InvitationLog](ctx, d.acme, 1)
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.List[glpiproxy.EntityConfig](ctx, d.acme, glpiproxy.ListOptions{}) // raw values
	wantKind(t, err, glpiproxy.Invalid)
}

func TestStatusesAreReadThroughTheirTasks(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 40)
	ours := everyTask(t, d.acme)
	theirs := everyTask(t, d.globex)
	mine := must(glpiproxy.StatusesOfTasks(ctx, d.acme, append(ours, theirs...)))(t)
	if len(mine) != len(ours) || len(ours) == 0 || len(theirs) == 0 {
		t.Fatalf("statuses of %d tasks, want %d of ACME's", len(mine), len(ours))
	}
	n := 0
	for _, task := range ours {
		n += len(mine[task.ID])
		single := must(glpiproxy.StatusesOfTask(ctx, d.acme, task.ID))(t)
		if len(single) != len(mine[task.ID]) {
			t.Errorf("task %d: %d statuses by search, %d by list", task.ID, len(mine[task.ID]), len(single))
			continue
		}
		for i, status := range single {
			if mine[task.ID][i] != status || status.TaskID != task.ID || status.Status == "" || status.CreatedAt.IsZero() {
				t.Errorf("%+v of the search is %+v", mine[task.ID][i], status)
			}
		}
	}
	if n == 0 {
		t.Fatal("the demonstration has no statuses")
	}
	// A task that was made up is looked at again.
	forged := must(glpiproxy.StatusesOfTasks(ctx, d.acme, []glpiproxy.Task{{ID: theirs[0].ID, Target: ours[0].Target}}))(t)
	if len(forged) != 0 {
		t.Errorf("%+v", forged)
	}
	_, err := glpiproxy.StatusesOfTask(ctx, d.acme, theirs[0].ID)
	wantKind(t, err, glpiproxy.Forbidden)
	agent := mine[firstWithStatus(mine)][0].AgentID
	statuses := must(glpiproxy.StatusesOfAgent(ctx, d.acme, agent))(t)
	if len(statuses) == 0 {
		t.Error("an agent without its statuses")
	}
	if _, err = glpiproxy.StatusesOfAgent(ctx, d.globex, agent); err == nil {
		t.Error("Globex reads the statuses of ACME's agent")
	}
}

func everyTask(t *testing.T, s *glpiproxy.Session) (tasks []glpiproxy.Task) {
	t.Helper()
	targets := targetsOf(t, s)
	found := must(glpiproxy.TasksOfMany(context.Background(), s, targets))(t)
	for _, target := range targets {
		tasks = append(tasks, found[target]...)
	}
	return tasks
}

func firstWithStatus(statuses map[int][]glpiproxy.TaskStatus) int {
	for id, list := range statuses {
		if len(list) > 0 {
			return id
		}
	}
	return 0
}

func TestTasksOfWhatIsDeployed(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 40)
	found := 0
	for _, task := range everyTask(t, d.acme) {
		var same []glpiproxy.Task
		switch {
		case task.FileID() != 0:
			same = must(glpiproxy.TasksOfFiles(ctx, d.acme, []int{task.FileID()}))(t)[task.FileID()]
		case task.ApplicationID() != 0:
			same = must(glpiproxy.TasksOfApplications(ctx, d.acme, []int{task.ApplicationID()}))(t)[task.ApplicationID()]
		default:
			continue
		}
		for _, other := range same {
			if other == task {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no deployment was found by what it deploys")
	}
}

func TestEntityConfigsTellTheirSource(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	config := must(glpiproxy.EntityConfigOf(ctx, d.acme, d.acmeID))(t)
	if config.EntityID != d.acmeID || config.TokenLifeDays() != 7 || config.DownloadURL == "" {
		t.Errorf("%+v", config)
	}
	root := must(glpiproxy.EntityConfigOf(ctx, d.root, 0))(t)
	if root.EntityID != 0 || root.DownloadURL == "" || root.TokenLifeDays() != 7 {
		t.Errorf("%+v", root)
	}
	if _, err := glpiproxy.EntityConfigOf(ctx, d.acme, d.globID); err == nil {
		t.Error("ACME reads Globex's settings")
	}
	if _, err := glpiproxy.EntityConfigOf(ctx, d.acme, 0); err == nil {
		t.Error("ACME reads the root entity's settings")
	}
}

func TestIconsAreReadTogether(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	var ids []int
	parsed := 0
	for _, application := range must(glpiproxy.List[glpiproxy.Application](ctx, d.acme, glpiproxy.ListOptions{}))(t).Items {
		ids = append(ids, application.ID)
		if application.ParseStatus == "parsed" {
			parsed++
		}
	}
	icons := must(glpiproxy.Icons(ctx, d.acme, append(ids, 99999)))(t)
	if len(icons) != parsed || parsed == 0 {
		t.Errorf("%d icons of %d applications with one", len(icons), parsed)
	}
	for id, png := range icons {
		if !strings.HasPrefix(string(png), "\x89PNG") {
			t.Errorf("the icon of %d is no PNG: %q", id, png)
		}
	}
	if theirs := must(glpiproxy.Icons(ctx, d.globex, ids))(t); len(theirs) != 0 {
		t.Errorf("Globex reads ACME's icons: %d", len(theirs))
	}
	if _, err := glpiproxy.Icons(ctx, d.acme, []int{0}); err == nil {
		t.Error("0 is no id")
	}
	_, err := glpiproxy.List[glpiproxy.Application](ctx, d.acme, glpiproxy.ListOptions{Sort: "filesize"})
	wantKind(t, err, glpiproxy.Invalid) // GLPI's table has no such column
}
