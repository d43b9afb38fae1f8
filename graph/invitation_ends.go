package graph

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
)

// supersede ends the older invitations of those who have a new one.
func (v *inviting) supersede(ctx context.Context, part []*invitee) error {
	var old []glpiproxy.Invitation
	owners := map[int]*invitee{}
	for _, i := range part {
		if i.result.Invitation == nil {
			continue
		}
		for _, o := range v.older[i.user.ID] {
			old, owners[o.ID] = append(old, o), i
		}
	}
	for _, o := range old { // before they end, so that a gateway that dies meanwhile has not lost it
		if err := v.resolver.Invitations.Supersede(ctx, o.ID, owners[o.ID].result.Invitation.ID); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(old, glpiproxy.MaxWrites) {
		outcomes, err := v.resolver.endInvitations(ctx, v.session, some)
		if err != nil { // the new ones stand all the same
			for _, o := range some {
				if err := v.spare(ctx, o, owners[o.ID], err); err != nil {
					return err
				}
			}
			continue
		}
		for n, o := range some {
			i := owners[o.ID]
			if outcomes[n].Err != nil {
				if err := v.spare(ctx, o, i, outcomes[n].Err); err != nil {
					return err
				}
				continue
			}
			i.result.SupersededIds = append(i.result.SupersededIds, model.GlobalID("Invitation", o.ID))
		}
	}
	return nil
}

// spare tells why an older invitation did not end, and forgets that another one took its place.
func (v *inviting) spare(ctx context.Context, old glpiproxy.Invitation, i *invitee, why error) error {
	i.fail(why)
	return v.resolver.Invitations.NotSuperseded(ctx, old.ID)
}

// endInvitations puts invitations to "done" in GLPI, takes back their credentials, and tells those who watch.
func (r *Resolver) endInvitations(ctx context.Context, s *glpiproxy.Session, ended []glpiproxy.Invitation) (glpiproxy.Outcomes, error) {
	done := "done"
	edits := make([]glpiproxy.Edit[glpiproxy.InvitationChange], len(ended))
	for n, i := range ended {
		edits[n] = glpiproxy.Edit[glpiproxy.InvitationChange]{ID: i.ID, Change: glpiproxy.InvitationChange{Status: &done}}
	}
	outcomes, err := glpiproxy.UpdateMany(ctx, s, edits)
	if err != nil {
		return nil, err
	}
	for n, i := range ended {
		if outcomes[n].Err != nil {
			continue
		}
		if err := r.Invitations.Retire(ctx, i.ID); err != nil {
			return nil, err
		}
		seen := invitation.Sighting{InvitationID: i.ID, EntityID: i.EntityID, State: invitation.StateDeactivated}
		if err := r.Invitations.See(ctx, seen); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}
