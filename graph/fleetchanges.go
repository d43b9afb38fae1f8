package graph

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// mostName is how many bytes of a name GLPI keeps.
const mostName = 255

// checkName refuses what can't be a fleet's name; nil when it can.
func checkName(name string, field ...string) *model.UserError {
	switch {
	case strings.TrimSpace(name) == "":
		return badAt("It is empty.", field...)
	case len(name) > mostName:
		return badAt(fmt.Sprintf("It is longer than %d bytes.", mostName), field...)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return badAt("It has control characters.", field...)
	}
	return nil
}

// createFleet makes a fleet, with tasks where some are given. Nothing is made when one of them can't be applied.
func createFleet(ctx context.Context, in model.CreateFleetInput) (*model.CreateFleetPayload, error) {
	s, err := allowed[glpiproxy.Fleet](ctx, glpiproxy.Read, glpiproxy.Create)
	if err == nil && (len(in.Tasks) > 0 || in.CopyTasksFrom != nil) {
		_, err = mayApply(ctx, glpiproxy.TargetFleet)
	}
	if err != nil {
		return nil, err
	}
	payload := &model.CreateFleetPayload{Results: []*model.TaskResult{}, UserErrors: []*model.UserError{}}
	entityID, wrong, err := fleetEntity(ctx, s, in)
	if err != nil {
		return nil, err
	}
	wishes, wrongTasks, err := wishesForNew(ctx, s, in)
	if err != nil {
		return nil, err
	}
	if payload.UserErrors = append(append(payload.UserErrors, wrong...), wrongTasks...); len(payload.UserErrors) > 0 {
		return payload, nil
	}
	target := glpiproxy.Target{Kind: glpiproxy.TargetFleet}
	target.ID, err = glpiproxy.CreateItem(ctx, s, glpiproxy.FleetInput{Name: in.Name, EntityID: entityID, Recursive: in.IsRecursive})
	if err != nil {
		wrong, err := refusal(err, "input")
		payload.UserErrors = append(payload.UserErrors, wrong)
		return payload, err
	}
	now, err := glpiproxy.TasksNow(ctx, s, target)
	if err != nil {
		return nil, err
	}
	done, err := (&saving{now: now, wishes: wishes}).save(ctx, s)
	if err != nil {
		return nil, err
	}
	payload.Fleet, payload.Results = &model.Fleet{Fleet: done.after.Fleet}, done.results
	payload.UserErrors = orNone(done.wrong)
	return payload, nil
}

// fleetEntity is the entity that a new fleet is for, after a look at the rest of what names the fleet.
func fleetEntity(ctx context.Context, s *glpiproxy.Session, in model.CreateFleetInput) (id int, wrong []*model.UserError, err error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return 0, nil, err
	}
	if mistake := checkName(in.Name, "input", "name"); mistake != nil {
		wrong = append(wrong, mistake)
	}
	if id = scope.EntityID; in.EntityID != nil {
		var mistake *model.UserError
		id, mistake = inputID("Entity", *in.EntityID, "input", "entityId")
		if mistake == nil && !scope.SeesEntity(id) {
			mistake = unknownAt("input", "entityId")
		}
		if mistake != nil {
			wrong = append(wrong, mistake)
		}
	}
	return id, wrong, nil
}

// wishesForNew are the tasks that a new fleet is to have: those of the input, and those of another fleet that the
// input does not have with a value of its own.
func wishesForNew(ctx context.Context, s *glpiproxy.Session, in model.CreateFleetInput) ([]*wish, []*model.UserError, error) {
	wishes, wrong, err := fleetWishes(ctx, in.Tasks)
	if err != nil || len(wrong) > 0 || in.CopyTasksFrom == nil {
		return wishes, wrong, err
	}
	field := []string{"input", "copyTasksFrom"}
	id, mistake := inputID("Fleet", *in.CopyTasksFrom, field...)
	if mistake != nil {
		return nil, []*model.UserError{mistake}, nil
	}
	source, err := glpiproxy.TasksNow(ctx, s, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: id})
	if err != nil {
		mistake, err := refusal(err, field...)
		return nil, []*model.UserError{mistake}, err
	}
	policies, err := policiesByID(ctx)
	own := map[string]bool{}
	for _, w := range wishes {
		own[w.key()] = true
	}
	for _, task := range source.Tasks {
		if p := policies[task.PolicyID]; p != nil && !own[wishFor(p, task).key()] {
			copied := wishFor(p, task)
			copied.field = field
			wishes = append(wishes, copied)
		}
	}
	return wishes, nil, err
}

// fleetWishes reads the tasks that a fleet is to have. All that is wrong with any of them is told.
func fleetWishes(ctx context.Context, inputs []*model.PolicyValueInput) ([]*wish, []*model.UserError, error) {
	if len(inputs) == 0 {
		return nil, nil, nil
	}
	if len(inputs) > mostTasks {
		return nil, []*model.UserError{badAt(fmt.Sprintf("Give at most %d.", mostTasks), "input", "tasks")}, nil
	}
	wishes, err := readWishes(ctx, inputs, "input", "tasks")
	return wishes, refused(wishes), err
}

// updateFleet changes a fleet and, where tasks are given, makes them all that is applied to it.
func updateFleet(ctx context.Context, in model.UpdateFleetInput) (*model.UpdateFleetPayload, error) {
	s, err := allowed[glpiproxy.Fleet](ctx, glpiproxy.Read, glpiproxy.Update)
	if err == nil && in.Tasks != nil {
		_, err = mayApply(ctx, glpiproxy.TargetFleet)
	}
	if err != nil {
		return nil, err
	}
	payload := &model.UpdateFleetPayload{Results: []*model.TaskResult{}, Removed: []*model.TaskRemoval{}, UserErrors: []*model.UserError{}}
	if l, err := load(ctx); err == nil && len(in.Tasks) > 0 {
		l.policies.beginAll(ctx, anyPolicy)
	}
	now, wrong, err := fleetNow(ctx, s, in.ID)
	if wrong != nil || err != nil {
		payload.UserErrors = append(payload.UserErrors, wrong)
		return payload, err
	}
	payload.Fleet = &model.Fleet{Fleet: now.Fleet}
	change, mistakes := fleetChange(now.Fleet, in)
	wishes, _, err := fleetWishes(ctx, in.Tasks)
	if err != nil {
		return nil, err
	}
	if payload.UserErrors = append(payload.UserErrors, mistakes...); len(mistakes) > 0 {
		return payload, nil
	}
	done, err := (&saving{now: now, fleet: change, wishes: wishes, whole: in.Tasks != nil}).save(ctx, s)
	if err != nil {
		return nil, err
	}
	if done.fleet != nil {
		payload.UserErrors = append(payload.UserErrors, itemRefusal(done.fleet, "input"))
	}
	payload.Fleet = &model.Fleet{Fleet: done.after.Fleet}
	payload.Results, payload.Removed = done.results, done.removed
	payload.UserErrors = append(payload.UserErrors, done.wrong...)
	return payload, nil
}

// fleetNow reads a fleet that an input names, with its tasks.
func fleetNow(ctx context.Context, s *glpiproxy.Session, globalID string) (glpiproxy.TargetTasks, *model.UserError, error) {
	id, wrong := inputID("Fleet", globalID, "input", "id")
	if wrong != nil {
		return glpiproxy.TargetTasks{}, wrong, nil
	}
	now, err := glpiproxy.TasksNow(ctx, s, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: id})
	if err != nil {
		wrong, err = refusal(err, "input", "id")
	}
	return now, wrong, err
}

// fleetChange is what an input changes of the fleet itself. GLPI lets a default fleet be renamed, after which nobody
// knows it again.
func fleetChange(f glpiproxy.Fleet, in model.UpdateFleetInput) (change glpiproxy.FleetChange, wrong []*model.UserError) {
	keeps := func(what string, field string) {
		wrong = append(wrong, userError(model.UserErrorCodeConflict, "It is the default fleet of its entity, which "+what+".", "input", field))
	}
	if in.Name != nil && *in.Name != f.Name {
		change.Name = in.Name
		if mistake := checkName(*in.Name, "input", "name"); mistake != nil {
			wrong = append(wrong, mistake)
		}
		if f.Default {
			keeps("keeps its name", "name")
		}
	}
	if in.IsRecursive != nil && *in.IsRecursive != f.Recursive {
		if change.Recursive = in.IsRecursive; f.Default {
			keeps("keeps its reach", "isRecursive")
		}
	}
	if f.Default && len(in.Tasks) > 0 {
		keeps("takes no policies", "tasks")
	}
	if len(in.Tasks) > mostTasks {
		wrong = append(wrong, badAt(fmt.Sprintf("Give at most %d.", mostTasks), "input", "tasks"))
	}
	return change, wrong
}

// deleteFleet removes a fleet's tasks, since GLPI would die half way of those that deploy something, and then the fleet.
func deleteFleet(ctx context.Context, in model.DeleteFleetInput) (*model.DeleteFleetPayload, error) {
	s, err := allowed[glpiproxy.Fleet](ctx, glpiproxy.Read, glpiproxy.Purge)
	if err != nil {
		return nil, err
	}
	payload := &model.DeleteFleetPayload{UserErrors: []*model.UserError{}}
	refuse := func(wrong ...*model.UserError) (*model.DeleteFleetPayload, error) {
		payload.UserErrors = append(payload.UserErrors, wrong...)
		return payload, nil
	}
	now, wrong, err := fleetNow(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return refuse(wrong)
	}
	if now.Fleet.Default {
		return refuse(userError(model.UserErrorCodeConflict, "It is the default fleet of its entity, which can't be deleted.", "input", "id"))
	}
	home, devices, err := whereDevicesGo(ctx, s, now.Fleet)
	if err != nil {
		return nil, err
	}
	if home == nil && devices > 0 {
		return refuse(userError(model.UserErrorCodeConflict, "Its entity has no default fleet that its devices could go to.", "input", "id"))
	}
	if wrong, err := clearFleet(ctx, s, now); len(wrong) > 0 || err != nil {
		payload.UserErrors = append(payload.UserErrors, wrong...)
		return payload, err
	}
	if err := glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, s, now.Fleet.ID); err != nil {
		wrong, err := refusal(err, "input", "id")
		payload.UserErrors = append(payload.UserErrors, wrong)
		return payload, err
	}
	payload.DeletedID, payload.MovedTo, payload.MovedAgentCount = &in.ID, home, devices
	return payload, nil
}

// whereDevicesGo is the default fleet of a fleet's entity, nil where the viewer sees none, and how many devices will
// go there.
func whereDevicesGo(ctx context.Context, s *glpiproxy.Session, f glpiproxy.Fleet) (home *model.Fleet, devices int, err error) {
	defaults, err := glpiproxy.List[glpiproxy.Fleet](ctx, s, glpiproxy.ListOptions{
		Filter: map[string]string{"entities_id": strconv.Itoa(f.EntityID), "is_default": "1"},
	})
	if err != nil {
		return nil, 0, err
	}
	if len(defaults.Items) > 0 {
		home = &model.Fleet{Fleet: defaults.Items[0]}
	}
	in, err := glpiproxy.List[glpiproxy.Agent](ctx, s, glpiproxy.ListOptions{
		Filter: map[string]string{"plugin_flyvemdm_fleets_id": strconv.Itoa(f.ID)}, Range: glpiproxy.Range{Count: 1}, Fresh: true,
	})
	return home, in.Total, err
}

// clearFleet removes all tasks of a fleet, and tells which can't be.
func clearFleet(ctx context.Context, s *glpiproxy.Session, now glpiproxy.TargetTasks) (wrong []*model.UserError, err error) {
	if len(now.Tasks) == 0 {
		return nil, nil
	}
	plan := glpiproxy.TaskPlan{}
	for _, task := range now.Tasks {
		plan.Delete = append(plan.Delete, task.ID)
	}
	outcomes, err := glpiproxy.CarryOut(ctx, s, now, plan)
	for _, outcome := range outcomes.Deleted {
		if outcome.Err != nil {
			mistake := itemRefusal(outcome.Err, "input", "id")
			mistake.Message = "A task of the fleet can't be removed. " + mistake.Message
			wrong = append(wrong, mistake)
		}
	}
	return wrong, err
}
