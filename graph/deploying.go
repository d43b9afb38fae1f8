package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

func deployFile(ctx context.Context, in model.DeployFileInput) (*model.DeployFilePayload, error) {
	task, wrong, err := applyDeployment(ctx, in.FleetID, in.AgentID, "deployFile", model.TypedValue{
		File: &model.FileDeploymentInput{ID: in.FileID, Destination: in.Destination, RemoveOnDelete: in.RemoveOnDelete},
	})
	if err != nil {
		return nil, err
	}
	return &model.DeployFilePayload{Task: task, UserErrors: wrong}, nil
}

func deployApplication(ctx context.Context, in model.DeployApplicationInput) (*model.DeployApplicationPayload, error) {
	task, wrong, err := applyDeployment(ctx, in.FleetID, in.AgentID, "deployApp", model.TypedValue{
		Application: &model.ApplicationDeploymentInput{ID: in.ApplicationID, RemoveOnDelete: in.RemoveOnDelete},
	})
	if err != nil {
		return nil, err
	}
	return &model.DeployApplicationPayload{Task: task, UserErrors: wrong}, nil
}

func removeFile(ctx context.Context, in model.RemoveFileInput) (*model.RemoveFilePayload, error) {
	task, wrong, err := applyDeployment(ctx, in.FleetID, in.AgentID, "removeFile", model.TypedValue{Path: &in.Path})
	if err != nil {
		return nil, err
	}
	return &model.RemoveFilePayload{Task: task, UserErrors: wrong}, nil
}

func removeApplication(ctx context.Context, in model.RemoveApplicationInput) (*model.RemoveApplicationPayload, error) {
	name, wrong, err := packageToRemove(ctx, in)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return &model.RemoveApplicationPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	task, wrongs, err := applyDeployment(ctx, in.FleetID, in.AgentID, "removeApp", model.TypedValue{PackageName: &name})
	if err != nil {
		return nil, err
	}
	return &model.RemoveApplicationPayload{Task: task, UserErrors: wrongs}, nil
}

// packageToRemove is the name of a package: as it is given, or that of an application.
func packageToRemove(ctx context.Context, in model.RemoveApplicationInput) (name string, wrong *model.UserError, err error) {
	if (in.PackageName == nil) == (in.ApplicationID == nil) {
		return "", badAt("Give packageName or applicationId.", "input"), nil
	}
	if in.PackageName != nil {
		return *in.PackageName, nil, nil
	}
	id, wrong := inputID("Application", *in.ApplicationID, "input", "applicationId")
	if wrong != nil {
		return "", wrong, nil
	}
	application, err := single[glpiproxy.Application](ctx, id)
	if err != nil {
		wrong, err := refusal(err, "input", "applicationId")
		return "", wrong, err
	}
	if application.PackageName == "" {
		return "", userError(model.UserErrorCodeConflict, "GLPI has not read the package: nobody knows its name.", "input", "applicationId"), nil
	}
	return application.PackageName, nil, nil
}

// applyDeployment applies a policy that brings something to devices or takes it away. It is applyTask with what is wrong
// told at the fields of the mutations here.
func applyDeployment(ctx context.Context, fleetID, agentID *string, symbol string, value model.TypedValue) (*model.Task, []*model.UserError, error) {
	result, wrong, err := applyTask(ctx, fleetID, agentID, model.PolicyValueInput{Symbol: &symbol, TypedValue: value})
	if err != nil {
		return nil, nil, err
	}
	for _, w := range wrong {
		w.Field = deploymentField(w.Field)
	}
	if wrong == nil {
		wrong = []*model.UserError{}
	}
	if result == nil {
		return nil, wrong, nil
	}
	return result.Task, wrong, nil
}

// deploymentField is the field here for one of a PolicyValueInput.
func deploymentField(field []string) []string {
	if len(field) < 2 {
		return field
	}
	switch {
	case field[1] == "symbol":
		return field[:1]
	case len(field) == 3 && field[2] == "id":
		return []string{field[0], field[1] + "Id"}
	case len(field) == 3:
		return []string{field[0], field[2]}
	}
	return field
}
