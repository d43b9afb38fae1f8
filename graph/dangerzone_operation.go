package graph

import (
	"context"
	"errors"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/signin"
)

// executeDangerZone begins what a plan's token confirms.
func (r *Resolver) executeDangerZone(ctx context.Context, in model.ExecuteDangerZoneInput) (*model.ExecuteDangerZonePayload, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	confirmed, wrong, err := r.confirm(ctx, s, scope, in)
	var op *dangerzone.Operation
	if wrong == nil && err == nil {
		op, err = r.DangerZone.Execute(ctx, s, confirmed, signin.ClientAddress(ctx))
		wrong, err = executionRefusal(err)
	}
	if wrong != nil || err != nil {
		r.recordRefused(ctx, scope, confirmed, wrong, err)
		return refuseExecution(wrong, err)
	}
	return &model.ExecuteDangerZonePayload{Operation: operationFor(ctx, scope, op), UserErrors: mistakes(nil)}, nil
}

// confirm opens a confirmation, and refuses it where the viewer or the operator's rules do not allow it any more.
func (r *Resolver) confirm(ctx context.Context, s *glpiproxy.Session, scope *glpiproxy.Scope, in model.ExecuteDangerZoneInput) (dangerzone.Confirmed, *model.UserError, error) {
	confirmed, err := r.DangerZone.Confirm(s, scope, in.ConfirmationToken)
	if err == nil {
		err = mayExecute(ctx, confirmed)
	}
	wrong, err := executionRefusal(err)
	if wrong == nil && err == nil {
		wrong, err = r.strictly(ctx, scope, confirmed, in.Password)
	}
	return confirmed, wrong, err
}

func refuseExecution(wrong *model.UserError, err error) (*model.ExecuteDangerZonePayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.ExecuteDangerZonePayload{UserErrors: mistakes(wrong)}, nil
}

// strictly refuses what the operator's rules forbid, and who can't give the password again where they want that.
func (r *Resolver) strictly(ctx context.Context, scope *glpiproxy.Scope, confirmed dangerzone.Confirmed, password *string) (*model.UserError, error) {
	if wrong := r.againstRules(scope, confirmed.Action, len(confirmed.AgentIDs)); wrong != nil {
		wrong.Field = []string{"input"} // the devices are the token's
		return wrong, nil
	}
	if !r.DangerZoneRules.Wants(confirmed.Action) {
		return nil, nil
	}
	return r.reauthenticate(ctx, scope, password)
}

// recordRefused leaves a trace of who tried to confirm an action and was refused. Of a confirmation that is not theirs
// nothing is known but that.
func (r *Resolver) recordRefused(ctx context.Context, scope *glpiproxy.Scope, confirmed dangerzone.Confirmed, wrong *model.UserError, err error) {
	entry := audit.Entry{
		Who: audit.Person(scope.Username, scope.UserID), From: signin.ClientAddress(ctx), Note: confirmed.Note,
		What: strings.TrimSpace("executeDangerZone " + string(confirmed.Action)),
	}
	if entry.Outcome = string(codeOf(err)); wrong != nil {
		entry.Outcome = string(wrong.Code)
	}
	if len(scope.EntityIDs) <= mostEntities {
		entry.Entities = scope.EntityIDs
	}
	for _, id := range confirmed.AgentIDs {
		entry.Targets = append(entry.Targets, model.GlobalID("Agent", id))
	}
	if err := r.append(ctx, entry); err != nil {
		r.Logger.ErrorContext(ctx, "a refused confirmation is not in the audit trail", "error", err)
	}
}

// mayExecute refuses what the viewer's profile no longer allows, before anything is written down.
func mayExecute(ctx context.Context, confirmed dangerzone.Confirmed) error {
	_, err := allowed[glpiproxy.Agent](ctx, confirmed.Action.Right())
	if err == nil && confirmed.DeleteComputers {
		_, err = allowed[glpiproxy.Computer](ctx, glpiproxy.Read, glpiproxy.Purge)
	}
	return err
}

func executionRefusal(err error) (*model.UserError, error) {
	if errors.Is(err, dangerzone.ErrConfirmation) {
		message := "This confirmation can't be used: plan again, and confirm that plan once, within five minutes."
		return userError(model.UserErrorCodeConfirmationInvalid, message, "input", "confirmationToken"), nil
	}
	return nil, err
}

// readOperation reads an operation by its global id.
func (r *Resolver) readOperation(ctx context.Context, globalID string) (*model.DangerZoneOperation, error) {
	id, err := parseID("id", "DangerZoneOperation", globalID)
	if err != nil {
		return nil, err
	}
	return r.dangerZoneOperation(ctx, id)
}

// dangerZoneOperation reads an operation as far as the viewer may see it.
func (r *Resolver) dangerZoneOperation(ctx context.Context, id int) (*model.DangerZoneOperation, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	op, err := r.DangerZone.Operation(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := operationFor(ctx, scope, op)
	if shown == nil {
		return nil, notFound()
	}
	r.DangerZone.Lend(id, s)
	return shown, nil
}

// operationFor is an operation as one may see it: the devices of one's entities; nil for who sees none and did not ask for
// it either.
func operationFor(ctx context.Context, scope *glpiproxy.Scope, op *dangerzone.Operation) *model.DangerZoneOperation {
	if op == nil {
		return nil
	}
	shown := &model.DangerZoneOperation{
		ID: op.ID, Action: model.DangerZoneAction(op.Action), DeleteComputers: op.DeleteComputers, UserID: op.UserID,
		RequestedByName: op.Username, RequestedAt: op.RequestedAt, Targets: []*model.DangerZoneTarget{}, Done: op.Done(),
	}
	if op.Note != "" {
		shown.Note = &op.Note
	}
	asked := op.UserID == scope.UserID
	for _, t := range op.Targets {
		unseen := t.EntityID == 0 && t.Name == "" // it was gone already
		if scope.SeesEntity(t.EntityID) && !unseen || unseen && asked {
			shown.Targets = append(shown.Targets, presentDangerTarget(t))
		}
	}
	if len(shown.Targets) == 0 && !asked {
		return nil
	}
	if l, err := load(ctx); err == nil {
		for _, t := range shown.Targets {
			l.agents.expect(t.AgentID)
		}
	}
	return shown
}

func presentDangerTarget(t dangerzone.Target) *model.DangerZoneTarget {
	shown := &model.DangerZoneTarget{
		AgentID: t.AgentID, Name: t.Name, State: model.DangerZoneTargetState(t.State), Message: t.Message,
		UpdatedAt: t.UpdatedAt.Truncate(time.Millisecond),
	}
	if t.Serial != "" {
		shown.Serial = &t.Serial
	}
	return shown
}

// operationNodes reads operations as nodes. They are seen by whoever confirmed them, too, and no row of GLPI's tells of
// them.
func (r *Resolver) operationNodes(ctx context.Context, ids []int) ([]model.Node, []error) {
	spoil(ctx)
	nodes, errs := make([]model.Node, len(ids)), make([]error, len(ids))
	for i, id := range ids {
		op, err := r.dangerZoneOperation(ctx, id)
		if errs[i] = err; err == nil {
			nodes[i] = op
		}
	}
	return nodes, errs
}
