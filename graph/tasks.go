package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// targetsOf are what tasks come to a device through: the device itself, and its fleet where it has one.
func targetsOf(a glpiproxy.Agent) []glpiproxy.Target {
	targets := []glpiproxy.Target{{Kind: glpiproxy.TargetAgent, ID: a.ID}}
	if a.FleetID > 0 {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: a.FleetID})
	}
	return targets
}

// tasksOf reads what is applied to a fleet or a device itself, by id.
func tasksOf(ctx context.Context, target glpiproxy.Target) ([]*model.Task, error) {
	if _, err := readable[glpiproxy.Task](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	found, err := l.targetTasks.load(ctx, target)
	if err != nil {
		return nil, err
	}
	tasks := make([]*model.Task, 0, len(found))
	for _, task := range found {
		tasks = append(tasks, &model.Task{Task: task})
	}
	slices.SortFunc(tasks, func(a, b *model.Task) int { return a.ID - b.ID })
	return tasks, nil
}

// agentTasks reads what a device has to obey, its own tasks before those of its fleet. A fleet that the viewer can't
// see, which a fresh device can be in, is an error beside the device's own tasks.
func agentTasks(ctx context.Context, a *model.Agent) ([]*model.AgentTask, error) {
	targets := targetsOf(a.Agent)
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	l.expectTasks(targets...)
	l.agentStatuses.expect(a.ID)
	all := []*model.AgentTask{}
	for i, target := range targets {
		found, err := tasksOf(ctx, target)
		if err != nil && (i == 0 || !isUnseen(err)) {
			return nil, err
		}
		if err != nil {
			graphql.AddError(ctx, err)
		}
		for _, task := range found {
			all = append(all, &model.AgentTask{Agent: a, Task: task, Via: viaOf(target)})
		}
	}
	return all, describeAgentTasks(ctx, a, all)
}

func viaOf(target glpiproxy.Target) model.TaskVia {
	if target.Kind == glpiproxy.TargetAgent {
		return model.TaskViaAgent
	}
	return model.TaskViaFleet
}

// describeAgentTasks says of each task of a device whether it does anything there.
func describeAgentTasks(ctx context.Context, a *model.Agent, all []*model.AgentTask) error {
	own := map[int]bool{} // policies that are applied to the device itself
	for _, t := range all {
		if t.Via == model.TaskViaAgent {
			own[t.Task.PolicyID] = true
		}
	}
	for _, t := range all {
		policy, err := policyOf(ctx, t.Task)
		if err != nil {
			return err
		}
		t.Effect = model.PolicyEffectivenessUnknown
		if policy != nil {
			t.Effect = policy.EffectOn(a.Agent)
			t.Overridden = t.Via == model.TaskViaFleet && policy.Unicity && own[policy.ID]
		}
	}
	return nil
}

// policyOf is the policy that a task applies; nil for one that Flyve MDM no longer has.
func policyOf(ctx context.Context, t *model.Task) (*model.Policy, error) {
	policy, err := related(ctx, policies, t.PolicyID)
	if isUnseen(err) {
		return nil, nil
	}
	return policy, err
}

// targetOf is what a task is applied to.
func targetOf(ctx context.Context, t *model.Task) (model.TaskTarget, error) {
	if t.Target.Kind == glpiproxy.TargetAgent {
		return loaded(ctx, agents, t.Target.ID)
	}
	return loaded(ctx, fleets, t.Target.ID)
}
