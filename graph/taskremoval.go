package graph

import (
	"context"
	"fmt"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// removeTasks removes tasks of any targets, each by itself.
func removeTasks(ctx context.Context, in model.RemoveTasksInput) (*model.RemoveTasksPayload, error) {
	s, err := mayChangeTasks(ctx)
	if err != nil {
		return nil, err
	}
	ids, wrong := taskIDs(in.Ids)
	if len(wrong) > 0 {
		return &model.RemoveTasksPayload{Results: []*model.TaskRemoval{}, UserErrors: wrong}, nil
	}
	before, err := tasksAround(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	deleted, err := glpiproxy.DeleteMany[glpiproxy.Task](ctx, s, keptLast(ids, before))
	if err != nil {
		return nil, err
	}
	after, err := tasksOfSame(ctx, s, before)
	if err != nil {
		return nil, err
	}
	policies, err := policiesByID(ctx)
	if err != nil {
		return nil, err
	}
	payload := &model.RemoveTasksPayload{Results: make([]*model.TaskRemoval, len(ids)), UserErrors: []*model.UserError{}}
	for i, result := range removalResults(policies, before, nil, deleted, after) {
		payload.Results[slices.Index(ids, deleted[i].ID)] = result
	}
	for i, result := range payload.Results {
		for _, wrong := range result.UserErrors {
			wrong.Field = []string{"input", "ids", fmt.Sprint(i)}
			payload.UserErrors = append(payload.UserErrors, wrong)
		}
	}
	return payload, nil
}

// taskIDs takes the ids of tasks apart; or tells what is wrong with the list.
func taskIDs(globalIDs []string) (ids []int, wrong []*model.UserError) {
	if len(globalIDs) == 0 || len(globalIDs) > mostTasks {
		return nil, []*model.UserError{badAt(fmt.Sprintf("Give between 1 and %d.", mostTasks), "input", "ids")}
	}
	for i, globalID := range globalIDs {
		field := []string{"input", "ids", fmt.Sprint(i)}
		id, mistake := inputID("Task", globalID, field...)
		if mistake == nil && slices.Contains(ids, id) {
			mistake = badAt("It is in the list twice.", field...)
		}
		if mistake != nil {
			wrong = append(wrong, mistake)
		}
		ids = append(ids, id)
	}
	return ids, wrong
}

// tasksAround reads all tasks of the targets of some tasks, as far as the viewer may see them.
func tasksAround(ctx context.Context, s *glpiproxy.Session, ids []int) ([]glpiproxy.Task, error) {
	tasks, err := visible[glpiproxy.Task](ctx, ids)
	if err != nil {
		return nil, err
	}
	var some []glpiproxy.Task
	for _, task := range tasks {
		some = append(some, *task)
	}
	return tasksOfSame(ctx, s, some)
}

// tasksOfSame reads all tasks of the targets that some tasks have.
func tasksOfSame(ctx context.Context, s *glpiproxy.Session, tasks []glpiproxy.Task) ([]glpiproxy.Task, error) {
	var targets []glpiproxy.Target
	for _, task := range tasks {
		if !slices.Contains(targets, task.Target) {
			targets = append(targets, task.Target)
		}
	}
	found, err := glpiproxy.TasksOfMany(ctx, s, targets)
	var all []glpiproxy.Task
	for _, target := range targets {
		all = append(all, found[target]...)
	}
	return all, err
}

// keptLast puts the deployments that stay on devices behind all others: GLPI dies of deleting one, and does not come to
// what follows in the same call.
func keptLast(ids []int, tasks []glpiproxy.Task) []int {
	kept := func(id int) bool {
		return slices.ContainsFunc(tasks, func(t glpiproxy.Task) bool { return t.ID == id && t.ItemID > 0 && !t.RemovedOnDelete() })
	}
	var first, last []int
	for _, id := range ids {
		if kept(id) {
			last = append(last, id)
		} else {
			first = append(first, id)
		}
	}
	return append(first, last...)
}
