package graph

import (
	"context"
	"slices"
	"strconv"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
)

// longestInvitation bounds how long an invitation can be made to hold from now on: as long as GLPI's own setting can.
const longestInvitation = 180 * 24 * time.Hour

// chosenInvitation is one of many invitations that a mutation is about.
type chosenInvitation struct {
	item   glpiproxy.Invitation
	field  []string
	result *model.InvitationResult
}

func (c *chosenInvitation) refuse(wrong *model.UserError) {
	c.result.UserErrors = append(c.result.UserErrors, wrong)
}

// someInvitations reads the invitations of an input. all has one for each id, sound those that are there.
func someInvitations(ctx context.Context, s *glpiproxy.Session, globalIDs []string, field ...string) (all, sound []*chosenInvitation, err error) {
	seen := map[int]bool{}
	var ids []int
	for n, globalID := range globalIDs {
		c := &chosenInvitation{field: field, result: &model.InvitationResult{ID: globalID, UserErrors: []*model.UserError{}}}
		if field[len(field)-1] == "invitationIds" {
			c.field = append(slices.Clone(field), strconv.Itoa(n))
		}
		id, wrong := inputID("Invitation", globalID, c.field...)
		if wrong == nil && seen[id] {
			wrong = badAt("It is there twice.", c.field...)
		}
		if all = append(all, c); wrong != nil {
			c.refuse(wrong)
			continue
		}
		seen[id], c.item.ID = true, id
		ids = append(ids, id)
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, s, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		switch {
		case len(c.result.UserErrors) > 0:
		case found[c.item.ID].Err != nil:
			c.refuse(unknownAt(c.field...))
		default:
			c.item = found[c.item.ID].Item
			sound = append(sound, c)
		}
	}
	return all, sound, nil
}

// checkInvitationIDs bounds the ids of an input.
func checkInvitationIDs(globalIDs []string) *model.UserError {
	if n := len(globalIDs); n == 0 || n > glpiproxy.MaxWrites {
		return badAt("Give between 1 and "+strconv.Itoa(glpiproxy.MaxWrites)+".", "input", "invitationIds")
	}
	return nil
}

// showNow gives the results the invitations as they are now.
func (r *Resolver) showNow(ctx context.Context, s *glpiproxy.Session, all []*chosenInvitation) ([]*model.InvitationResult, error) {
	results, ids := []*model.InvitationResult{}, []int{}
	for _, c := range all {
		if results = append(results, c.result); c.item.UserID > 0 {
			ids = append(ids, c.item.ID)
		}
	}
	now, err := glpiproxy.GetMany[glpiproxy.Invitation](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	shown := map[int]*model.Invitation{}
	for n, id := range ids {
		if now[n].Err == nil {
			r.expectInvitation(l, now[n].Item)
			shown[id] = &model.Invitation{Invitation: now[n].Item}
		}
	}
	for _, c := range all {
		if len(c.result.UserErrors) == 0 || c.item.UserID > 0 {
			c.result.Invitation = shown[c.item.ID]
		}
	}
	return results, nil
}

// deactivateInvitations ends invitations before they are used.
func (r *Resolver) deactivateInvitations(ctx context.Context, in model.DeactivateInvitationsInput) (*model.DeactivateInvitationsPayload, error) {
	payload := &model.DeactivateInvitationsPayload{Results: []*model.InvitationResult{}, UserErrors: mistakes(checkInvitationIDs(in.InvitationIds))}
	s, err := allowed[glpiproxy.Invitation](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		payload.UserErrors, err = oneRefusal(err)
		return payload, err
	}
	if len(payload.UserErrors) > 0 {
		return payload, nil
	}
	all, sound, err := someInvitations(ctx, s, in.InvitationIds, "input", "invitationIds")
	if err == nil {
		sound, err = r.withBehind(ctx, s, sound)
	}
	if err != nil {
		return nil, err
	}
	var places []*chosenInvitation
	for _, c := range sound {
		switch (model.Invitation{Invitation: c.item}).StateAt(r.Now()) {
		case model.InvitationStateEnrolled:
			c.refuse(userError(model.UserErrorCodeConflict, "A device has enrolled with it.", c.field...))
		case model.InvitationStateDeactivated:
		default:
			places = append(places, c)
		}
	}
	for some := range slices.Chunk(places, glpiproxy.MaxWrites) {
		ended := make([]glpiproxy.Invitation, len(some))
		for n, c := range some {
			ended[n] = c.item
		}
		outcomes, err := r.endInvitations(ctx, s, ended)
		if err != nil {
			return nil, err
		}
		for n, c := range some {
			if outcomes[n].Err != nil {
				c.refuse(itemRefusal(outcomes[n].Err, c.field...))
			}
		}
	}
	payload.Results, err = r.showNow(ctx, s, all)
	return payload, err
}

// deleteInvitations deletes invitations, and takes back their credentials.
func (r *Resolver) deleteInvitations(ctx context.Context, in model.DeleteInvitationsInput) (*model.DeleteInvitationsPayload, error) {
	payload := &model.DeleteInvitationsPayload{Results: []*model.DeleteInvitationResult{}, UserErrors: mistakes(checkInvitationIDs(in.InvitationIds))}
	s, err := allowed[glpiproxy.Invitation](ctx, glpiproxy.Read, glpiproxy.Purge)
	if err != nil {
		payload.UserErrors, err = oneRefusal(err)
		return payload, err
	}
	if len(payload.UserErrors) > 0 {
		return payload, nil
	}
	all, sound, err := someInvitations(ctx, s, in.InvitationIds, "input", "invitationIds")
	if err == nil {
		sound, err = r.withBehind(ctx, s, sound)
	}
	if err != nil {
		return nil, err
	}
	deleted := map[*chosenInvitation]bool{}
	for some := range slices.Chunk(sound, glpiproxy.MaxWrites) {
		if err := r.deleteSome(ctx, s, some, deleted); err != nil {
			return nil, err
		}
	}
	for _, c := range all {
		payload.Results = append(payload.Results, &model.DeleteInvitationResult{ID: c.result.ID, Deleted: deleted[c], UserErrors: c.result.UserErrors})
	}
	return payload, nil
}

// deleteSome deletes invitations in one call, and notes which are gone.
func (r *Resolver) deleteSome(ctx context.Context, s *glpiproxy.Session, some []*chosenInvitation, deleted map[*chosenInvitation]bool) error {
	ids := make([]int, len(some))
	for n, c := range some {
		ids[n] = c.item.ID
	}
	outcomes, err := glpiproxy.DeleteMany[glpiproxy.Invitation](ctx, s, ids)
	if err != nil {
		return err
	}
	for n, c := range some {
		if outcomes[n].Err != nil {
			c.refuse(itemRefusal(outcomes[n].Err, c.field...))
			continue
		}
		deleted[c] = true
		if err := r.Invitations.Retire(ctx, c.item.ID); err != nil {
			return err
		}
		if err := r.Invitations.Gone(ctx, c.item.ID, c.item.EntityID); err != nil {
			return err
		}
	}
	return nil
}

// renewInvitation sends the mails of invitations again. Their tokens stay, so the credentials do.
func (r *Resolver) renewInvitation(ctx context.Context, in model.RenewInvitationInput) (*model.RenewInvitationPayload, error) {
	payload := &model.RenewInvitationPayload{Results: []*model.InvitationResult{}, UserErrors: r.checkRenewal(in)}
	s, err := allowed[glpiproxy.Invitation](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		payload.UserErrors, err = oneRefusal(err)
		return payload, err
	}
	if len(payload.UserErrors) > 0 {
		return payload, nil
	}
	globalIDs, field := in.InvitationIds, "invitationIds"
	if in.InvitationID != nil {
		globalIDs, field = []string{*in.InvitationID}, "invitationId"
	}
	all, sound, err := someInvitations(ctx, s, globalIDs, "input", field)
	if err == nil {
		sound, err = r.withBehind(ctx, s, sound)
	}
	for some := range slices.Chunk(sound, glpiproxy.MaxWrites) {
		if err == nil {
			err = r.renew(ctx, s, some, in.ExpiresAt)
		}
	}
	if err != nil {
		return nil, err
	}
	if payload.Results, err = r.showNow(ctx, s, all); err != nil {
		return nil, err
	}
	payload.Invitation = payload.Results[0].Invitation
	if in.InvitationID != nil {
		payload.UserErrors = payload.Results[0].UserErrors
	}
	return payload, nil
}

func (r *Resolver) checkRenewal(in model.RenewInvitationInput) []*model.UserError {
	wrong := []*model.UserError{}
	switch {
	case (in.InvitationID == nil) == (in.InvitationIds == nil):
		wrong = append(wrong, badAt("Give either invitationId or invitationIds.", "input"))
	case in.InvitationID == nil:
		wrong = mistakes(checkInvitationIDs(in.InvitationIds))
	}
	if in.ExpiresAt == nil {
		return wrong
	}
	if life := in.ExpiresAt.Sub(r.Now()); life < time.Minute || life > longestInvitation {
		wrong = append(wrong, badAt("It must lie ahead, by 180 days at most.", "input", "expiresAt"))
	}
	return wrong
}

// renew lets invitations hold until a time, where one is given, and then has GLPI send their mails: they tell no time.
func (r *Resolver) renew(ctx context.Context, s *glpiproxy.Session, chosen []*chosenInvitation, until *time.Time) error {
	var ready []*chosenInvitation
	for _, c := range chosen {
		switch state := (model.Invitation{Invitation: c.item}).StateAt(r.Now()); {
		case state == model.InvitationStateEnrolled:
			c.refuse(userError(model.UserErrorCodeConflict, "A device has enrolled with it: invite the person again.", c.field...))
		case state == model.InvitationStateDeactivated:
			c.refuse(userError(model.UserErrorCodeConflict, "It was ended: invite the person again.", c.field...))
		case state == model.InvitationStateExpired && until == nil:
			c.refuse(userError(model.UserErrorCodeConflict, "It has expired: say until when it is to hold.", c.field...))
		default:
			ready = append(ready, c)
		}
	}
	if until != nil {
		var err error
		if ready, err = extend(ctx, s, ready, until.Truncate(time.Second)); err != nil {
			return err
		}
	}
	ids := make([]int, len(ready))
	for n, c := range ready {
		ids[n] = c.item.ID
	}
	outcomes, err := glpiproxy.SendInvitations(ctx, s, ids)
	if err != nil {
		return err
	}
	for n, c := range ready {
		if outcomes[n].Err != nil {
			c.refuse(itemRefusal(outcomes[n].Err, c.field...))
			continue
		}
		if err := r.tellRenewed(ctx, c.item); err != nil {
			return err
		}
	}
	if until == nil {
		return nil
	}
	return r.prolongCredentials(ctx, s, ids)
}

// prolongCredentials lets the credentials that are about hold as long as their invitations do now.
func (r *Resolver) prolongCredentials(ctx context.Context, s *glpiproxy.Session, invitationIDs []int) error {
	prolonged := map[int]bool{}
	for _, id := range invitationIDs {
		issued, err := r.Invitations.Issued(ctx, id)
		if err != nil {
			return err
		}
		if !issued || prolonged[id] {
			continue
		}
		chain, err := r.chainOf(ctx, s, id)
		if err != nil && !isUnreadable(err) {
			return err
		}
		for _, i := range chain {
			prolonged[i.ID] = true
		}
		if chain = r.usable(chain); len(chain) == 0 {
			continue
		}
		grant, err := r.grantFor(ctx, s, chain)
		if isUnreadable(err) { // whoever may read it issues them anew: they are the same
			continue
		}
		if err != nil {
			return err
		}
		if _, err := r.Invitations.Issue(ctx, grant); err != nil {
			return err
		}
	}
	return nil
}

// extend gives invitations a new end in GLPI; extended are those that took it.
func extend(ctx context.Context, s *glpiproxy.Session, chosen []*chosenInvitation, until time.Time) (extended []*chosenInvitation, err error) {
	edits := make([]glpiproxy.Edit[glpiproxy.InvitationChange], len(chosen))
	for n, c := range chosen {
		edits[n] = glpiproxy.Edit[glpiproxy.InvitationChange]{ID: c.item.ID, Change: glpiproxy.InvitationChange{ExpiresAt: &until}}
	}
	outcomes, err := glpiproxy.UpdateMany(ctx, s, edits)
	if err != nil {
		return nil, err
	}
	for n, c := range chosen {
		if outcomes[n].Err != nil {
			c.refuse(itemRefusal(outcomes[n].Err, c.field...))
			continue
		}
		extended = append(extended, c)
	}
	return extended, nil
}

// tellRenewed tells those who watch, once.
func (r *Resolver) tellRenewed(ctx context.Context, i glpiproxy.Invitation) error {
	seen := invitation.Sighting{InvitationID: i.ID, EntityID: i.EntityID, State: invitation.StatePending, MailDue: true, Quiet: true}
	if err := r.Invitations.See(ctx, seen); err != nil {
		return err
	}
	return r.Invitations.Announce(ctx, invitation.Event{Kind: invitation.Renewed, InvitationID: i.ID, EntityID: i.EntityID})
}
