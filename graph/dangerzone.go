package graph

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/dangerzone"
)

// planDangerZone tells what an action would do.
func (r *Resolver) planDangerZone(ctx context.Context, in model.PlanDangerZoneInput) (*model.PlanDangerZonePayload, error) {
	action := dangerzone.Action(in.Action)
	s, err := allowed[glpiproxy.Agent](ctx, glpiproxy.Read, action.Right())
	if err == nil && in.DeleteComputers {
		s, err = allowed[glpiproxy.Computer](ctx, glpiproxy.Read, glpiproxy.Purge)
	}
	if err != nil {
		return nil, err
	}
	request, wrong := dangerZoneRequest(in)
	if len(wrong) > 0 {
		return &model.PlanDangerZonePayload{UserErrors: wrong}, nil
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if wrong := r.againstRules(scope, request.Action, len(request.AgentIDs)); wrong != nil {
		return &model.PlanDangerZonePayload{UserErrors: mistakes(wrong)}, nil
	}
	plan, err := r.DangerZone.Plan(ctx, s, request)
	var unknown *dangerzone.Unknown
	switch {
	case errors.As(err, &unknown):
		for _, place := range unknown.Places {
			wrong = append(wrong, unknownAt("input", "agentIds", strconv.Itoa(place)))
		}
		return &model.PlanDangerZonePayload{UserErrors: wrong}, nil
	case err != nil:
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	shown := presentPlan(l, plan)
	shown.PasswordNeeded = r.DangerZoneRules.Wants(plan.Action)
	return &model.PlanDangerZonePayload{Plan: shown, UserErrors: mistakes(nil)}, nil
}

// dangerZoneRequest reads an input; or the caller's mistakes.
func dangerZoneRequest(in model.PlanDangerZoneInput) (request dangerzone.Request, wrong []*model.UserError) {
	request = dangerzone.Request{Action: dangerzone.Action(in.Action), DeleteComputers: in.DeleteComputers}
	if in.DeleteComputers && request.Action != dangerzone.Delete {
		wrong = append(wrong, badAt("Computers are deleted with DELETE only.", "input", "deleteComputers"))
	}
	if in.Note != nil {
		if request.Note = *in.Note; !dangerzone.GoodNote(request.Note) {
			wrong = append(wrong, badAt("A note has 500 characters at most, on one line or several, and nothing else that controls.", "input", "note"))
		}
	}
	if n := len(in.AgentIds); n == 0 || n > dangerzone.MostTargets {
		return request, append(wrong, badAt(fmt.Sprintf("Give between 1 and %d.", dangerzone.MostTargets), "input", "agentIds"))
	}
	seen := map[int]bool{}
	for place, globalID := range in.AgentIds {
		field := []string{"input", "agentIds", strconv.Itoa(place)}
		id, mistake := inputID("Agent", globalID, field...)
		if mistake == nil && seen[id] {
			mistake = badAt("It is there twice.", field...)
		}
		if mistake != nil {
			wrong = append(wrong, mistake)
			continue
		}
		seen[id] = true
		request.AgentIDs = append(request.AgentIDs, id)
	}
	return request, wrong
}

func presentPlan(l *loaders, plan *dangerzone.Plan) *model.DangerZonePlan {
	shown := &model.DangerZonePlan{
		ConfirmationToken: plan.Token, ExpiresAt: plan.ExpiresAt,
		Action: model.DangerZoneAction(plan.Action), DeleteComputers: plan.DeleteComputers,
	}
	for _, planned := range plan.Targets {
		target := &model.DangerZonePlanTarget{Agent: presentAgent(l, planned.Agent), Warnings: []*model.DangerZoneWarning{}}
		for _, warning := range planned.Warnings {
			target.Warnings = append(target.Warnings, &model.DangerZoneWarning{
				Code: model.DangerZoneWarningCode(warning.Code), Message: warning.Message,
			})
		}
		shown.Targets = append(shown.Targets, target)
	}
	return shown
}
