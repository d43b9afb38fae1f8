package glpiproxy

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// Search options of tasks and of their statuses.
const (
	taskValueOption      = 3
	taskPolicyOption     = 5
	taskItemtypeOption   = 6
	taskItemOption       = 7
	taskTargetTypeOption = 9
	taskTargetOption     = 10

	statusCreatedOption = 3
	statusChangedOption = 4
	statusAgentOption   = 5
	statusTaskOption    = 6
	statusOption        = 7
)

// taskColumns are what a task is made of.
var taskColumns = []int{taskValueOption, taskPolicyOption, taskItemtypeOption, taskItemOption, taskTargetTypeOption, taskTargetOption}

// ownersPerSearch is how many owners one search asks for: their criteria stay
// under 6 KB of URL.
const ownersPerSearch = 36

// TasksOf reads the tasks of one target, without those that an agent gets through
// its fleet. NotFound: the viewer can't see the target.
func TasksOf(ctx context.Context, s *Session, target Target) ([]Task, error) {
	tasks, err := TasksOfMany(ctx, s, []Target{target})
	if err != nil {
		return nil, err
	}
	found, ok := tasks[target]
	if !ok {
		return nil, &Error{Kind: NotFound, Operation: "tasks", Message: "no such target"}
	}
	return found, nil
}

// TasksOfMany reads the tasks of many targets in few calls. A target that the
// viewer can't see has no entry in the answer, one without tasks an empty one.
func TasksOfMany(ctx context.Context, s *Session, targets []Target) (map[Target][]Task, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[int]bool{}
	for _, target := range targets {
		if target.ID > 0 {
			owners[target.ID] = true
		}
	}
	var tasks map[Target][]Task
	var rows []Row
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { tasks, err = visibleTargets(within, s, targets); return err })
	group.Go(func() (err error) { // GLPI finds tasks of everybody's targets: only those of visible ones go on
		rows, err = searchByOwners(within, s, Task{}.itemtype(), taskTargetOption, slices.Sorted(maps.Keys(owners)), Query{Columns: taskColumns})
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, row := range rows {
		task := taskOf(row)
		task.seenBy = scope.fingerprint
		if own, visible := tasks[task.Target]; visible { // an agent's id is some fleet's too
			tasks[task.Target] = append(own, task)
		}
	}
	return tasks, nil
}

// taskOf makes a task of a found row.
func taskOf(found Row) Task {
	task := Task{
		ID: found.ID(), PolicyID: found.Int(taskPolicyOption), Value: found.Text(taskValueOption),
		ItemType: found.Text(taskItemtypeOption), ItemID: found.Int(taskItemOption),
	}
	task.complete(row{
		"itemtype_applied": found.first(taskTargetTypeOption), "items_id_applied": found.first(taskTargetOption),
		"value": found.first(taskValueOption),
	})
	return task
}

// visibleTargets gives an entry, still empty, to each target that the viewer may
// see.
func visibleTargets(ctx context.Context, s *Session, targets []Target) (map[Target][]Task, error) {
	ids := map[TargetKind][]int{}
	for _, target := range targets {
		ids[target.Kind] = append(ids[target.Kind], target.ID)
	}
	var agents []Result[Agent]
	var fleets []Result[Fleet]
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { agents, err = getSome[Agent](ctx, s, ids[TargetAgent]); return err })
	group.Go(func() (err error) { fleets, err = getSome[Fleet](ctx, s, ids[TargetFleet]); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	visible := map[Target][]Task{}
	for i, result := range agents {
		if result.Err == nil {
			visible[Target{TargetAgent, ids[TargetAgent][i]}] = nil
		}
	}
	for i, result := range fleets {
		if result.Err == nil {
			visible[Target{TargetFleet, ids[TargetFleet][i]}] = nil
		}
	}
	return visible, nil
}

// getSome is GetMany that makes no call for no ids.
func getSome[T Item](ctx context.Context, s *Session, ids []int) ([]Result[T], error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return GetMany[T](ctx, s, ids)
}

// searchByOwners finds all rows of a type whose option holds one of the owners'
// ids, with the columns of a query. The caller checks each row's owner again.
func searchByOwners(ctx context.Context, s *Session, itemtype string, option int, owners []int, wanted Query) ([]Row, error) {
	parts := slices.Collect(slices.Chunk(owners, ownersPerSearch))
	found := make([][]Row, len(parts))
	group, ctx := errgroup.WithContext(ctx)
	for i, part := range parts {
		q := wanted
		for _, owner := range part {
			q.Criteria = append(q.Criteria, Criterion{Link: Or, Field: option, Type: Exactly, Value: strconv.Itoa(owner)})
		}
		q.Criteria[0].Link = And
		group.Go(func() (err error) {
			found[i], err = every(func(window Range) (Page[Row], error) {
				q.Range = window
				page, err := search(ctx, s, itemtype, q)
				return Page[Row]{Items: page.Rows, Total: page.Total, Start: page.Start}, err
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// TasksOfFiles reads the tasks that deploy files, by the file's id, to targets that
// the viewer may see.
func TasksOfFiles(ctx context.Context, s *Session, fileIDs []int) (map[int][]Task, error) {
	return deployments(ctx, s, File{}, fileIDs)
}

// TasksOfApplications reads the tasks that deploy applications, by the
// application's id, to targets that the viewer may see.
func TasksOfApplications(ctx context.Context, s *Session, applicationIDs []int) (map[int][]Task, error) {
	return deployments(ctx, s, Application{}, applicationIDs)
}

// deployments finds the tasks of files or of applications, which GLPI finds by what
// is deployed and not by who may see the target.
func deployments(ctx context.Context, s *Session, kind Item, ids []int) (map[int][]Task, error) {
	for _, id := range ids {
		if err := checkID("tasks", traits{}, id); err != nil {
			return nil, err
		}
	}
	scope, err := s.Scope(ctx)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	rows, err := searchByOwners(ctx, s, Task{}.itemtype(), taskItemOption, ids, Query{Columns: taskColumns})
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for _, row := range rows {
		if task := taskOf(row); task.deploys(kind) > 0 && slices.Contains(ids, task.ItemID) {
			tasks = append(tasks, task)
		}
	}
	tasks, err = ofVisibleTargets(ctx, s, scope, tasks)
	byItem := map[int][]Task{}
	for _, task := range tasks {
		byItem[task.ItemID] = append(byItem[task.ItemID], task)
	}
	return byItem, err
}

// ofVisibleTargets keeps the tasks whose targets the viewer may see.
func ofVisibleTargets(ctx context.Context, s *Session, scope *Scope, tasks []Task) ([]Task, error) {
	targets := make([]Target, len(tasks))
	for i, task := range tasks {
		targets[i] = task.Target
	}
	visible, err := visibleTargets(ctx, s, targets)
	if err != nil {
		return nil, err
	}
	var seen []Task
	for _, task := range tasks {
		if _, ok := visible[task.Target]; ok {
			task.seenBy = scope.fingerprint
			seen = append(seen, task)
		}
	}
	return seen, nil
}
