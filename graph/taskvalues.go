package graph

import (
	"math"
	"slices"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// presentValue gives the value of a task the type of its policy. What that type can't have, or a policy that is no
// longer known, leaves the text.
func presentValue(p *model.Policy, t glpiproxy.Task) model.TaskValue {
	plain := &model.TextValue{Text: t.Value}
	if p == nil {
		return plain
	}
	switch p.Type() {
	case model.PolicyTypeBoolean:
		if t.Value == "0" || t.Value == "1" {
			return &model.BooleanValue{Boolean: t.Value == "1"}
		}
	case model.PolicyTypeInteger:
		if n, err := strconv.Atoi(t.Value); err == nil && n >= math.MinInt32 && n <= math.MaxInt32 {
			return &model.IntegerValue{Integer: n}
		}
	case model.PolicyTypeDropdown:
		return presentOption(p, t.Value)
	case model.PolicyTypeDeployApplication, model.PolicyTypeDeployFile:
		if deployed := presentDeployment(t); deployed != nil {
			return deployed
		}
	case model.PolicyTypeRemoveApplication:
		return &model.RemovedApplication{PackageName: t.Value}
	case model.PolicyTypeRemoveFile:
		return &model.RemovedFile{Path: t.Value}
	}
	return plain
}

func presentOption(p *model.Policy, key string) model.TaskValue {
	choices := p.Choices()
	at := slices.IndexFunc(choices, func(c *model.PolicyChoice) bool { return c.Key == key })
	if at < 0 {
		return &model.OptionValue{Option: key}
	}
	return &model.OptionValue{Option: key, Label: &choices[at].Label}
}

// presentDeployment is nil where the value is none of a deployment.
func presentDeployment(t glpiproxy.Task) model.TaskValue {
	switch {
	case t.ApplicationID() > 0:
		return &model.DeployedApplication{ID: t.ApplicationID(), RemoveOnDelete: t.RemovedOnDelete()}
	case t.FileID() > 0 && t.Destination() != "":
		return &model.DeployedFile{ID: t.FileID(), Destination: t.Destination(), RemoveOnDelete: t.RemovedOnDelete()}
	}
	return nil
}
