package graph

import (
	"context"
	"fmt"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// mostTasks bounds how many policies or tasks one mutation takes.
const mostTasks = glpiproxy.MaxWrites

// targetInput takes out of an input what a policy is to be applied to, with the input's field that names it.
func targetInput(fleetID, agentID *string) (target glpiproxy.Target, field []string, wrong *model.UserError) {
	switch {
	case (fleetID == nil) == (agentID == nil):
		return target, nil, badAt("Give fleetId or agentId.", "input")
	case fleetID != nil:
		field = []string{"input", "fleetId"}
		target.Kind = glpiproxy.TargetFleet
		target.ID, wrong = inputID("Fleet", *fleetID, field...)
	default:
		field = []string{"input", "agentId"}
		target.Kind = glpiproxy.TargetAgent
		target.ID, wrong = inputID("Agent", *agentID, field...)
	}
	return target, field, wrong
}

// mayApply refuses, before GLPI is asked, whose profile can never apply policies to such a target.
func mayApply(ctx context.Context, kind glpiproxy.TargetKind) (*glpiproxy.Session, error) {
	if _, err := allowed[glpiproxy.Policy](ctx, glpiproxy.Read); err != nil {
		return nil, err
	}
	if kind == glpiproxy.TargetAgent {
		return allowed[glpiproxy.Agent](ctx, glpiproxy.Read, glpiproxy.Update)
	}
	return allowed[glpiproxy.Fleet](ctx, glpiproxy.Read, glpiproxy.Update)
}

// tasksToChange reads a target with its tasks, as they are in GLPI now. A default fleet takes no policies.
func tasksToChange(ctx context.Context, s *glpiproxy.Session, target glpiproxy.Target, field []string) (glpiproxy.TargetTasks, *model.UserError, error) {
	now, err := glpiproxy.TasksNow(ctx, s, target)
	if err != nil {
		wrong, err := refusal(err, field...)
		return now, wrong, err
	}
	if now.Fleet.Default {
		return now, userError(model.UserErrorCodeConflict, "It is the default fleet of its entity, which takes no policies.", field...), nil
	}
	return now, nil, nil
}

// applied is what became of policies that were to be applied to a target.
type applied struct {
	target  model.TaskTarget // nil where there is none
	results []*model.TaskResult
	wrong   []*model.UserError
}

// apply applies policies to a fleet or a device, each by itself. field is where the policies stand in the input.
func apply(ctx context.Context, fleetID, agentID *string, policies []*model.PolicyValueInput, field ...string) (*applied, error) {
	nothing := func(wrong *model.UserError) (*applied, error) {
		return &applied{results: []*model.TaskResult{}, wrong: []*model.UserError{wrong}}, nil
	}
	target, targetField, wrong := targetInput(fleetID, agentID)
	if wrong != nil {
		return nothing(wrong)
	}
	s, err := mayApply(ctx, target.Kind)
	if err != nil {
		return nil, err
	}
	if len(policies) == 0 || len(policies) > mostTasks {
		return nothing(badAt(fmt.Sprintf("Give between 1 and %d.", mostTasks), field...))
	}
	now, wrong, err := tasksToChange(ctx, s, target, targetField)
	if wrong != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return nothing(wrong)
	}
	wishes, err := readWishes(ctx, policies, field...)
	if err != nil {
		return nil, err
	}
	done, err := (&saving{now: now, wishes: wishes}).save(ctx, s)
	if err != nil {
		return nil, err
	}
	return &applied{target: presentTarget(done.after), results: done.results, wrong: done.wrong}, nil
}

// applyTask applies one policy to a fleet or a device, of which one is given: what `deployFile`, `removeApplication` and
// their like are made of. Name the policy by its symbol. What is wrong with the target is told at the path input,
// fleetId or agentId, what is wrong with the value at input and the field of PolicyValueInput. The result is nil where
// the target is wrong.
func applyTask(ctx context.Context, fleetID, agentID *string, value model.PolicyValueInput) (*model.TaskResult, []*model.UserError, error) {
	done, err := apply(ctx, fleetID, agentID, []*model.PolicyValueInput{&value}, "input", "policies")
	if err != nil {
		return nil, nil, err
	}
	for _, wrong := range done.wrong {
		if len(wrong.Field) > 2 && wrong.Field[1] == "policies" {
			wrong.Field = append([]string{"input"}, wrong.Field[3:]...) // the only one of the list
		}
	}
	if len(done.results) == 0 {
		return nil, done.wrong, nil
	}
	return done.results[0], done.wrong, nil
}

func presentTarget(t glpiproxy.TargetTasks) model.TaskTarget {
	if t.Target.Kind == glpiproxy.TargetAgent {
		return &model.Agent{Agent: t.Agent}
	}
	return &model.Fleet{Fleet: t.Fleet}
}

func applyPolicies(ctx context.Context, in model.ApplyPoliciesInput) (*model.ApplyPoliciesPayload, error) {
	done, err := apply(ctx, in.FleetID, in.AgentID, in.Policies, "input", "policies")
	if err != nil {
		return nil, err
	}
	return &model.ApplyPoliciesPayload{Target: done.target, Results: done.results, UserErrors: orNone(done.wrong)}, nil
}

// orNone is an empty list for none at all, which GraphQL does not take for a list.
func orNone(wrong []*model.UserError) []*model.UserError {
	if wrong == nil {
		return []*model.UserError{}
	}
	return wrong
}

// updateTask gives a task another value.
func updateTask(ctx context.Context, in model.UpdateTaskInput) (*model.UpdateTaskPayload, error) {
	refuse := func(wrong ...*model.UserError) (*model.UpdateTaskPayload, error) {
		return &model.UpdateTaskPayload{UserErrors: wrong}, nil
	}
	s, err := mayChangeTasks(ctx)
	if err != nil {
		return nil, err
	}
	now, task, wrong, err := taskToChange(ctx, s, in.ID)
	if wrong != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return refuse(wrong)
	}
	v := &saving{now: now}
	w, err := v.wishOf(ctx, task, in.TypedValue)
	if err != nil {
		return nil, err
	}
	if len(w.wrong) > 0 {
		return refuse(w.wrong...)
	}
	if w.fulfilled(task) {
		return &model.UpdateTaskPayload{Task: &model.Task{Task: task}, UserErrors: []*model.UserError{}}, nil
	}
	outcomes, err := glpiproxy.CarryOut(ctx, s, now, glpiproxy.TaskPlan{
		Change: []glpiproxy.Edit[glpiproxy.TaskChange]{{ID: task.ID, Change: glpiproxy.TaskChange{Value: &w.value}}},
	})
	if err == nil {
		err = outcomes.Changed[0].Err
	}
	if err != nil {
		wrong, err := refusal(err, "input")
		if err != nil {
			return nil, err
		}
		return refuse(wrong)
	}
	return &model.UpdateTaskPayload{Task: taskAmong(outcomes.After.Tasks, task.ID), UserErrors: []*model.UserError{}}, nil
}

func taskAmong(tasks []glpiproxy.Task, id int) *model.Task {
	at := slices.IndexFunc(tasks, func(t glpiproxy.Task) bool { return t.ID == id })
	if at < 0 {
		return nil
	}
	return &model.Task{Task: tasks[at]}
}

// mayChangeTasks refuses, before GLPI is asked, whose profile can never change a task of anything.
func mayChangeTasks(ctx context.Context) (*glpiproxy.Session, error) {
	s, err := mayApply(ctx, glpiproxy.TargetFleet)
	if err != nil {
		s, err = mayApply(ctx, glpiproxy.TargetAgent)
	}
	return s, err
}

// taskToChange finds a task and its target, both as GLPI has them now.
func taskToChange(ctx context.Context, s *glpiproxy.Session, globalID string) (now glpiproxy.TargetTasks, task glpiproxy.Task, wrong *model.UserError, err error) {
	field := []string{"input", "id"}
	id, wrong := inputID("Task", globalID, field...)
	if wrong != nil {
		return now, task, wrong, nil
	}
	task, err = glpiproxy.Get[glpiproxy.Task](ctx, s, id)
	if err != nil {
		wrong, err = refusal(err, field...)
		return now, task, wrong, err
	}
	now, wrong, err = tasksToChange(ctx, s, task.Target, field)
	if wrong != nil || err != nil {
		return now, task, wrong, err
	}
	found := taskAmong(now.Tasks, id)
	if found == nil {
		return now, task, unknownAt(field...), nil
	}
	return now, found.Task, nil, nil
}

// wishOf is the wish that a task has another value, judged by what else its target has.
func (v *saving) wishOf(ctx context.Context, task glpiproxy.Task, value model.TypedValue) (*wish, error) {
	policies, err := policiesByID(ctx)
	if err != nil {
		return nil, err
	}
	known, err := readMentioned(ctx, []model.TypedValue{value})
	if err != nil {
		return nil, err
	}
	w := &wish{field: []string{"input"}, policy: policies[task.PolicyID]}
	if w.policy == nil {
		w.refuse(userError(model.UserErrorCodeConflict, "Flyve MDM no longer has the policy of this task.", "input", "id"))
		return w, nil
	}
	w.give(value, known)
	if len(w.wrong) > 0 {
		return w, nil
	}
	if w.deploy != nil && (wishFor(w.policy, task).key() != w.key() || !w.fulfilled(task)) {
		w.refuse(userError(model.UserErrorCodeConflict, "A deployment can't be changed: remove its task, then apply the policy again.", w.field...))
		return w, nil
	}
	v.wishes = []*wish{w}
	v.now.Tasks = slices.DeleteFunc(slices.Clone(v.now.Tasks), func(t glpiproxy.Task) bool { return t.ID == task.ID })
	if err := v.compare(ctx); err != nil {
		return nil, err
	}
	if _, twice := v.there[w.key()]; twice {
		w.refuse(userError(model.UserErrorCodeConflict, "Another task applies the same here already.", w.field...))
	}
	return w, nil
}
