package graph

import (
	"context"
	"slices"

	"fleetgate/graph/model"
)

// switchProfile makes another of the viewer's profiles the active one.
func (r *Resolver) switchProfile(ctx context.Context, globalID string) (*model.SwitchProfilePayload, error) {
	refused := func(wrong *model.UserError) *model.SwitchProfilePayload {
		return &model.SwitchProfilePayload{UserErrors: []*model.UserError{wrong}}
	}
	id, wrong := inputID("Profile", globalID, "input", "profileId")
	if wrong != nil {
		return refused(wrong), nil
	}
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	viewer, err := r.switched(ctx, s.SwitchProfile(ctx, id))
	if err != nil {
		wrong, err := refusal(err, "input", "profileId")
		return refused(wrong), err
	}
	if viewer.Scope.Profile.ID != id {
		return refused(notSwitched()), nil
	}
	return &model.SwitchProfilePayload{Viewer: viewer, UserErrors: []*model.UserError{}}, nil
}

// switchEntity makes another entity active, or all that the profile reaches.
func (r *Resolver) switchEntity(ctx context.Context, input model.SwitchEntityInput) (*model.SwitchEntityPayload, error) {
	refused := func(wrong *model.UserError) *model.SwitchEntityPayload {
		return &model.SwitchEntityPayload{UserErrors: []*model.UserError{wrong}}
	}
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	if input.EntityID == nil {
		return r.entitySwitched(ctx, s.SwitchToAllEntities(ctx), nil)
	}
	target, wrong, err := r.switchTarget(ctx, *input.EntityID, input.Recursive)
	if err != nil || wrong != nil {
		return refused(wrong), err
	}
	return r.entitySwitched(ctx, s.SwitchEntity(ctx, target.DatabaseID, target.Recursive), target)
}

// entitySwitched answers a switch to an entity, or to all where target is nil.
func (r *Resolver) entitySwitched(ctx context.Context, err error, target *model.GrantedEntity) (*model.SwitchEntityPayload, error) {
	viewer, err := r.switched(ctx, err)
	wrong, err := refusal(err, "input", "entityId")
	switch {
	case err != nil:
		return nil, err
	case wrong == nil && target != nil && viewer.Scope.EntityID != target.DatabaseID:
		wrong = notSwitched()
	}
	if wrong != nil {
		return &model.SwitchEntityPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	return &model.SwitchEntityPayload{Viewer: viewer, UserErrors: []*model.UserError{}}, nil
}

// switchTarget finds the entity to switch to among those that the active profile reaches, because GLPI lets a profile
// that holds in one entity alone into those below it too. Its Recursive says whether to take in those below.
func (r *Resolver) switchTarget(ctx context.Context, globalID string, recursive *bool) (*model.GrantedEntity, *model.UserError, error) {
	id, wrong := inputID("Entity", globalID, "input", "entityId")
	if wrong != nil {
		return nil, wrong, nil
	}
	viewer, err := r.currentViewer(ctx)
	if err != nil {
		return nil, nil, err
	}
	granted, err := grantedEntitiesOf(ctx, viewer)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(granted, func(e *model.GrantedEntity) bool { return e.DatabaseID == id })
	if i < 0 {
		return nil, unknownAt("input", "entityId"), nil
	}
	target := granted[i]
	if recursive != nil {
		if *recursive && !target.Recursive {
			return nil, userError(model.UserErrorCodeForbidden, "Your profile does not hold in the entities below.", "input", "recursive"), nil
		}
		target.Recursive = *recursive
	}
	return target, nil, nil
}

// switched describes the viewer after a switch. Whatever came of it, running subscriptions ask again what they may
// show before the caller has the answer: an error may mean that GLPI has switched all the same.
func (r *Resolver) switched(ctx context.Context, err error) (*model.Viewer, error) {
	asking, unknown := caller(ctx)
	if unknown != nil {
		return nil, unknown
	}
	r.SignIn.ScopeChanged(asking.Session.Token())
	if err != nil {
		return nil, err
	}
	return r.currentViewer(ctx)
}

func notSwitched() *model.UserError {
	return userError(model.UserErrorCodeUnchanged, "GLPI accepted the switch, but the session is not what was asked for.")
}
