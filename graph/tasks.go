package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// targetsOf are what tasks come to a device through: the device itself, and its fleet where it has one.
func targetsOf(a glpiproxy.Agent) []glpiproxy.Target { return membership{a.ID, a.FleetID}.targets() }

// membership is a device in its fleet; 0: it is in none.
type membership struct{ agentID, fleetID int }

func (m membership) targets() []glpiproxy.Target {
	targets := []glpiproxy.Target{{Kind: glpiproxy.TargetAgent, ID: m.agentID}}
	if m.fleetID > 0 {
		targets = append(targets, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: m.fleetID})
	}
	return targets
}

// fleetOf reads a fleet and, beside it, what is asked for of its tasks: the look at the fleet tells whether the viewer may
// have them.
func fleetOf(ctx context.Context, id int) (*model.Fleet, error) {
	if _, err := readable[glpiproxy.Fleet](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := readable[glpiproxy.Task](ctx); err == nil && asksFor(ctx, "Fleet", "tasks") {
		l.beginPolicies(ctx)
		l.fleetTasks.beginAll(ctx, []int{id})
	}
	fleet, err := l.fleets.load(ctx, id)
	return fleet, hidden(err)
}

// agentOf reads a device and, beside it, what is asked for of its tasks that its id alone finds.
func agentOf(ctx context.Context, id int) (*model.Agent, error) {
	if _, err := readable[glpiproxy.Agent](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := readable[glpiproxy.TaskStatus](ctx); err == nil && (asksFor(ctx, "AgentTask", "status") || asksFor(ctx, "Agent", "taskStatuses")) {
		l.agentStatuses.beginAll(ctx, []int{id})
	}
	if _, err := readable[glpiproxy.Task](ctx); err == nil && asksFor(ctx, "Agent", "tasks") {
		l.policies.beginAll(ctx, anyPolicy)
		l.beginPolicies(ctx)
	}
	agent, err := l.agents.load(ctx, id)
	return agent, hidden(err)
}

// fleetTasks reads what is applied to a fleet, by id.
func fleetTasks(ctx context.Context, f *model.Fleet) ([]*model.Task, error) {
	if _, err := readable[glpiproxy.Task](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	found, err := l.fleetTasks.load(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	tasks := make([]*model.Task, len(found))
	for i, task := range byID(found) {
		tasks[i] = &model.Task{Task: task}
	}
	return tasks, nil
}

// byID are tasks in the order in which they were made.
func byID(tasks []glpiproxy.Task) []glpiproxy.Task {
	return slices.SortedFunc(slices.Values(tasks), func(a, b glpiproxy.Task) int { return a.ID - b.ID })
}

// agentTasks reads what a device has to obey, its own tasks before those of its fleet. A fleet that the viewer can't
// see, which a fresh device can be in, is an error beside the device's own tasks.
func agentTasks(ctx context.Context, a *model.Agent) ([]*model.AgentTask, error) {
	if _, err := readable[glpiproxy.Task](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	found, err := l.agentTasks.load(ctx, membership{a.ID, a.FleetID})
	if err != nil {
		return nil, err
	}
	all := []*model.AgentTask{}
	for _, target := range targetsOf(a.Agent) {
		tasks, seen := found[target]
		if !seen {
			graphql.AddError(ctx, notFound())
		}
		for _, task := range byID(tasks) {
			all = append(all, &model.AgentTask{Agent: a, Task: &model.Task{Task: task}, Via: viaOf(target)})
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
