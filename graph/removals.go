package graph

import (
	"context"
	"slices"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// removals are what is deployed to a target and what is removed there: GLPI looks for contradictions between them only
// in part, and in one direction.
type removals struct {
	deployed, removed map[string]bool // packages' names and files' paths
}

// removals are those that stay on the target beside the wishes.
func (v *saving) removals(ctx context.Context) (*removals, error) {
	r := &removals{deployed: map[string]bool{}, removed: map[string]bool{}}
	if v.whole {
		return r, nil
	}
	for _, task := range v.now.Tasks {
		if p := v.policies[task.PolicyID]; p != nil && isRemoval(p) {
			r.removed[task.Value] = true
		}
	}
	if !slices.ContainsFunc(v.wishes, func(w *wish) bool { return w.policy != nil && isRemoval(w.policy) }) {
		return r, nil // nobody asks what is deployed
	}
	return r, r.readDeployed(ctx, v.now.Tasks)
}

// readDeployed finds out what tasks leave on devices.
func (r *removals) readDeployed(ctx context.Context, tasks []glpiproxy.Task) error {
	var applicationIDs, fileIDs []int
	for _, task := range tasks {
		if id := task.ApplicationID(); id > 0 {
			applicationIDs = append(applicationIDs, id)
		} else if id := task.FileID(); id > 0 {
			fileIDs = append(fileIDs, id)
		}
	}
	applications, err := visible[glpiproxy.Application](ctx, applicationIDs)
	if err != nil {
		return err
	}
	files, err := visible[glpiproxy.File](ctx, fileIDs)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if application := applications[task.ApplicationID()]; application != nil {
			r.deployed[application.PackageName] = true
		} else if file := files[task.FileID()]; file != nil {
			r.deployed[leftPath(task.Destination(), file.Name)] = true
		}
	}
	return nil
}

func isRemoval(p *model.Policy) bool {
	return p.Type() == model.PolicyTypeRemoveApplication || p.Type() == model.PolicyTypeRemoveFile
}

// contradict tells whether a wish is the contrary of what was noted.
func (r *removals) contradict(w *wish) bool {
	return w.deploy != nil && w.leaves != "" && r.removed[w.leaves] || isRemoval(w.policy) && r.deployed[w.value]
}

func (r *removals) note(w *wish) {
	switch {
	case w.deploy != nil && w.leaves != "":
		r.deployed[w.leaves] = true
	case isRemoval(w.policy):
		r.removed[w.value] = true
	}
}

// removalResults says which tasks are gone, and which tasks GLPI has made by itself to undo on devices what they had
// deployed: it makes them in the order of the deletions.
func removalResults(policies map[int]*model.Policy, before []glpiproxy.Task, created, deleted glpiproxy.Outcomes, after []glpiproxy.Task) []*model.TaskRemoval {
	byID := map[int]glpiproxy.Task{}
	for _, task := range before {
		byID[task.ID] = task
	}
	undoing := slices.DeleteFunc(slices.Clone(after), func(task glpiproxy.Task) bool {
		_, old := byID[task.ID]
		return old || slices.ContainsFunc(created, func(o glpiproxy.Outcome) bool { return o.ID == task.ID })
	})
	slices.SortFunc(undoing, func(a, b glpiproxy.Task) int { return a.ID - b.ID })
	results := make([]*model.TaskRemoval, len(deleted))
	for i, outcome := range deleted {
		results[i] = &model.TaskRemoval{
			TaskID: model.GlobalID("Task", outcome.ID), Removed: outcome.Err == nil, UserErrors: []*model.UserError{},
		}
		if outcome.Err != nil {
			results[i].UserErrors = append(results[i].UserErrors, itemRefusal(outcome.Err))
			continue
		}
		at := slices.IndexFunc(undoing, func(u glpiproxy.Task) bool { return undoes(policies[u.PolicyID], u, byID[outcome.ID]) })
		if at >= 0 {
			results[i].RemovalTask = &model.Task{Task: undoing[at]}
			undoing = slices.Delete(undoing, at, at+1)
		}
	}
	return results
}

// undoes tells whether a task can be the one that removes what another had deployed.
func undoes(p *model.Policy, task, deployed glpiproxy.Task) bool {
	switch {
	case p == nil || task.Target != deployed.Target || !deployed.RemovedOnDelete():
		return false
	case deployed.ApplicationID() > 0:
		return p.Type() == model.PolicyTypeRemoveApplication
	}
	return p.Type() == model.PolicyTypeRemoveFile && strings.HasPrefix(task.Value, leftPath(deployed.Destination(), ""))
}
