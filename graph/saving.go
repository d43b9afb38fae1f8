package graph

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// saving brings a fleet, or the tasks of a fleet or a device, to what is wished.
type saving struct {
	now    glpiproxy.TargetTasks
	fleet  glpiproxy.FleetChange // of the target itself
	wishes []*wish
	// whole: the wishes are all that is to be there. Other tasks are removed, and nothing is saved when one of the
	// wishes can't be.
	whole bool

	policies map[int]*model.Policy
	there    map[string]glpiproxy.Task // by key
	steps    []step
	plan     glpiproxy.TaskPlan
}

// step is what is to be done for a wish.
type step struct {
	outcome model.TaskOutcome
	taskID  int // of a task that is there
}

// saved is what became of it.
type saved struct {
	after   glpiproxy.TargetTasks
	fleet   error
	results []*model.TaskResult // of the wishes
	removed []*model.TaskRemoval
	wrong   []*model.UserError // all of theirs
}

// save judges the wishes, has GLPI carry out what is left of them, and tells what GLPI has afterwards.
func (v *saving) save(ctx context.Context, s *glpiproxy.Session) (*saved, error) {
	if err := v.compare(ctx); err != nil {
		return nil, err
	}
	if v.whole && len(refused(v.wishes)) > 0 {
		v.skip()
		return v.tell(glpiproxy.PlanOutcomes{After: v.now}), nil
	}
	v.plan.Fleet = v.fleet
	if v.plan.Fleet == (glpiproxy.FleetChange{}) && len(v.plan.Delete)+len(v.plan.Change)+len(v.plan.Create) == 0 {
		return v.tell(glpiproxy.PlanOutcomes{After: v.now}), nil
	}
	outcomes, err := glpiproxy.CarryOut(ctx, s, v.now, v.plan)
	if err != nil {
		return nil, err
	}
	return v.tell(outcomes), nil
}

// compare finds out what is to be done for each wish.
func (v *saving) compare(ctx context.Context) (err error) {
	if v.policies, err = policiesByID(ctx); err != nil {
		return err
	}
	v.there = map[string]glpiproxy.Task{}
	for _, task := range v.now.Tasks {
		if p := v.policies[task.PolicyID]; p != nil {
			v.there[wishFor(p, task).key()] = task
		}
	}
	removals, err := v.removals(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, w := range v.wishes {
		if len(w.wrong) == 0 {
			v.judge(w, seen, removals)
		}
		v.steps = append(v.steps, v.stepFor(w))
	}
	if !v.whole {
		return nil
	}
	for _, task := range v.now.Tasks {
		if !slices.ContainsFunc(v.steps, func(s step) bool { return s.taskID == task.ID }) {
			v.plan.Delete = append(v.plan.Delete, task.ID)
		}
	}
	slices.Sort(v.plan.Delete)
	return nil
}

// judge refuses a wish that contradicts an earlier one, or what is there.
func (v *saving) judge(w *wish, seen map[string]bool, removals *removals) {
	task, there := v.there[w.key()]
	switch {
	case seen[w.key()]:
		w.refuse(userError(model.UserErrorCodeConflict, "This policy is in the list already.", w.field...))
	case removals.contradict(w):
		w.refuse(userError(model.UserErrorCodeConflict, "The same is to be deployed and removed here: decide on one of them.", w.field...))
	case there && w.deploy != nil && !w.fulfilled(task):
		w.refuse(userError(model.UserErrorCodeConflict,
			"It is deployed here with another removeOnDelete, which can't be changed: remove its task first.", w.field...))
	}
	seen[w.key()] = true
	removals.note(w)
}

// stepFor plans a wish.
func (v *saving) stepFor(w *wish) step {
	if w.policy == nil {
		return step{outcome: model.TaskOutcomeRefused}
	}
	task, there := v.there[w.key()]
	switch {
	case len(w.wrong) > 0:
		return step{model.TaskOutcomeRefused, task.ID}
	case there && w.fulfilled(task):
		return step{model.TaskOutcomeUnchanged, task.ID}
	case there:
		v.plan.Change = append(v.plan.Change, glpiproxy.Edit[glpiproxy.TaskChange]{
			ID: task.ID, Change: glpiproxy.TaskChange{Value: &w.value},
		})
		return step{model.TaskOutcomeUpdated, task.ID}
	}
	v.plan.Create = append(v.plan.Create, w.input(v.now.Target))
	return step{outcome: model.TaskOutcomeCreated}
}

// skip gives the plan up, because one of the wishes can't be fulfilled.
func (v *saving) skip() {
	v.plan = glpiproxy.TaskPlan{}
	for i := range v.steps {
		if v.steps[i].outcome != model.TaskOutcomeRefused {
			v.steps[i].outcome = model.TaskOutcomeSkipped
		}
	}
}

// tell says of each wish, and of each task that was to be removed, what became of it.
func (v *saving) tell(o glpiproxy.PlanOutcomes) *saved {
	told := &saved{after: o.After, fleet: o.Fleet, results: []*model.TaskResult{}}
	after := map[int]*model.Task{}
	for _, task := range o.After.Tasks {
		after[task.ID] = &model.Task{Task: task}
	}
	changed, created := o.Changed, o.Created
	for i, w := range v.wishes {
		outcome := glpiproxy.Outcome{ID: v.steps[i].taskID}
		switch v.steps[i].outcome {
		case model.TaskOutcomeUpdated:
			outcome, changed = changed[0], changed[1:]
		case model.TaskOutcomeCreated:
			outcome, created = created[0], created[1:]
		}
		result := &model.TaskResult{Outcome: v.steps[i].outcome, Task: after[outcome.ID]}
		if outcome.Err != nil {
			w.refuse(itemRefusal(outcome.Err, w.field...))
			result.Outcome = model.TaskOutcomeRefused
		}
		result.UserErrors = append([]*model.UserError{}, w.wrong...)
		told.results = append(told.results, result)
	}
	told.removed = removalResults(v.policies, v.now.Tasks, o.Created, o.Deleted, o.After.Tasks)
	told.wrong = refused(v.wishes)
	for _, removal := range told.removed {
		told.wrong = append(told.wrong, removal.UserErrors...)
	}
	return told
}
