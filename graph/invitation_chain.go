package graph

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// mustChain tells whether nobody could arm an invitation again after the first device: in GLPI it is for one, and only who
// may change it can have it used again. Who is to have several devices gets as many invitations then.
func (v *inviting) mustChain(ctx context.Context) (bool, error) {
	if !slices.ContainsFunc(v.invitees, func(i *invitee) bool { return i.Slots > 1 }) {
		return false, nil
	}
	if v.resolver.Service == nil {
		return true, nil
	}
	service, err := v.resolver.Service(ctx)
	if err != nil {
		return false, err
	}
	scope, err := service.Scope(ctx)
	return err == nil && !glpiproxy.Can[glpiproxy.Invitation](scope, glpiproxy.Update), err
}

// needs is how many invitations somebody gets.
func (v *inviting) needs(i *invitee) int {
	if v.chained {
		return i.Slots
	}
	return 1
}

// unused tells whether an invitation is neither used nor ended, though its time may be over.
func (r *Resolver) unused(i glpiproxy.Invitation) bool {
	state := (model.Invitation{Invitation: i}).StateAt(r.Now())
	return state == model.InvitationStatePending || state == model.InvitationStateExpired
}

// chainOf reads the invitations that share the link of one, in order, with the viewer's own eyes: those that are still the
// same person's, in the same entity. Mostly it is alone.
func (r *Resolver) chainOf(ctx context.Context, s *glpiproxy.Session, id int) ([]glpiproxy.Invitation, error) {
	ids, err := r.Invitations.Chain(ctx, id)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(ids, id) {
		ids = []int{id}
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	own := found[id]
	if own.Err != nil {
		return nil, own.Err
	}
	var chain []glpiproxy.Invitation
	for _, id := range ids {
		if i := found[id]; i.Err == nil && i.Item.UserID == own.Item.UserID && i.Item.EntityID == own.Item.EntityID {
			chain = append(chain, i.Item)
		}
	}
	return chain, nil
}

// usable are those of some invitations that a device can enrol with now.
func (r *Resolver) usable(chain []glpiproxy.Invitation) []glpiproxy.Invitation {
	return slices.DeleteFunc(chain, func(i glpiproxy.Invitation) bool {
		return (model.Invitation{Invitation: i}).StateAt(r.Now()) != model.InvitationStatePending || i.ExpiresAt.IsZero()
	})
}

// withBehind adds those that are behind chosen invitations in their chains, as far as neither is used or ended: they share
// what becomes of them, and what goes wrong with one is told of the chosen one.
func (r *Resolver) withBehind(ctx context.Context, s *glpiproxy.Session, chosen []*chosenInvitation) ([]*chosenInvitation, error) {
	ids := make([]int, len(chosen))
	for n, c := range chosen {
		ids[n] = c.item.ID
	}
	chains, err := r.Invitations.Chains(ctx, ids...)
	if err != nil {
		return nil, err
	}
	taken := map[int]*chosenInvitation{}
	var behind []int
	for _, c := range chosen {
		chain := chains[c.item.ID]
		if !r.unused(c.item) || len(chain) == 0 {
			continue
		}
		for _, id := range chain[slices.Index(chain, c.item.ID)+1:] {
			if taken[id] == nil && !slices.Contains(ids, id) {
				taken[id], behind = c, append(behind, id)
			}
		}
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, s, behind)
	if err != nil {
		return nil, err
	}
	for _, id := range behind {
		c, i := taken[id], found[id]
		if i.Err == nil && i.Item.UserID == c.item.UserID && r.unused(i.Item) {
			chosen = append(chosen, &chosenInvitation{item: i.Item, field: c.field, result: c.result})
		}
	}
	return chosen, nil
}
