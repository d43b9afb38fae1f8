package graph

import (
	"context"
	"fmt"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// wish is a policy and the value that it is to have on a fleet or a device.
type wish struct {
	field  []string // of the input
	policy *model.Policy
	value  string                // as GLPI stores it, but for deployments
	deploy *glpiproxy.Deployment // nil unless the policy deploys something
	leaves string                // what a deployment leaves on devices: a package's name or a file's path
	wrong  []*model.UserError
}

func (w *wish) refuse(wrong *model.UserError) { w.wrong = append(w.wrong, wrong) }

// at is the path of a part of the wish in the input.
func (w *wish) at(parts ...string) []string {
	return append(append([]string{}, w.field...), parts...)
}

// key tells which task of a target the wish is about: GLPI takes one with each key.
func (w *wish) key() string {
	d := glpiproxy.Deployment{}
	if w.deploy != nil {
		d = *w.deploy
	}
	return taskKey(w.policy, w.value, d)
}

func taskKey(p *model.Policy, value string, d glpiproxy.Deployment) string {
	switch {
	case p.Type() == model.PolicyTypeDeployApplication:
		return fmt.Sprint(p.ID, " application ", d.ApplicationID)
	case p.Type() == model.PolicyTypeDeployFile:
		return fmt.Sprint(p.ID, " file ", d.FileID, " ", strings.TrimSuffix(d.Destination, "/"))
	case p.Unique():
		return fmt.Sprint(p.ID)
	}
	return fmt.Sprint(p.ID, " value ", value)
}

// wishFor makes the wish that a task fulfils.
func wishFor(p *model.Policy, t glpiproxy.Task) *wish {
	w := &wish{policy: p, value: t.Value}
	if t.ItemID > 0 {
		w.deploy = &glpiproxy.Deployment{
			FileID: t.FileID(), ApplicationID: t.ApplicationID(), Destination: t.Destination(), RemoveOnDelete: t.RemovedOnDelete(),
		}
	}
	return w
}

// fulfilled tells whether a task with the wish's key is as the wish wants it.
func (w *wish) fulfilled(t glpiproxy.Task) bool {
	there := wishFor(w.policy, t)
	if w.deploy == nil || there.deploy == nil {
		return w.deploy == nil && there.deploy == nil && w.value == t.Value
	}
	return w.deploy.RemoveOnDelete == there.deploy.RemoveOnDelete
}

// input is the wish as GLPI takes it.
func (w *wish) input(target glpiproxy.Target) glpiproxy.TaskInput {
	return glpiproxy.TaskInput{Target: target, PolicyID: w.policy.ID, Value: w.value, Deploy: w.deploy}
}

// refused tells whether any of the wishes can't be fulfilled.
func refused(wishes []*wish) (wrong []*model.UserError) {
	for _, w := range wishes {
		wrong = append(wrong, w.wrong...)
	}
	return wrong
}

// readWishes makes wishes of an input's policies, each with what is wrong with it. The error is for what nobody can
// help by another input.
func readWishes(ctx context.Context, inputs []*model.PolicyValueInput, field ...string) ([]*wish, error) {
	byID, err := policiesByID(ctx)
	if err != nil {
		return nil, err
	}
	bySymbol := make(map[string]*model.Policy, len(byID))
	for _, p := range byID {
		bySymbol[p.Symbol] = p
	}
	values := make([]model.TypedValue, len(inputs))
	for i, in := range inputs {
		values[i] = in.TypedValue
	}
	known, err := readMentioned(ctx, values)
	if err != nil {
		return nil, err
	}
	wishes := make([]*wish, len(inputs))
	for i, in := range inputs {
		w := &wish{field: append(append([]string{}, field...), fmt.Sprint(i))}
		if w.resolve(in, byID, bySymbol); w.policy != nil {
			w.give(in.TypedValue, known)
		}
		wishes[i] = w
	}
	return wishes, nil
}

// resolve finds the wish's policy.
func (w *wish) resolve(in *model.PolicyValueInput, byID map[int]*model.Policy, bySymbol map[string]*model.Policy) {
	switch {
	case (in.Symbol == nil) == (in.PolicyID == nil):
		w.refuse(badAt("Name the policy by symbol or by policyId.", w.field...))
	case in.Symbol != nil:
		if w.policy = bySymbol[*in.Symbol]; w.policy == nil {
			w.refuse(unknownAt(w.at("symbol")...))
		}
	default:
		id, wrong := inputID("Policy", *in.PolicyID, w.at("policyId")...)
		if wrong == nil && byID[id] == nil {
			wrong = unknownAt(w.at("policyId")...)
		}
		if wrong != nil {
			w.refuse(wrong)
			return
		}
		w.policy = byID[id]
	}
}
