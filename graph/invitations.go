package graph

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// invitationPage reads a page of invitations. GLPI can neither find nor sort them by their state, so with a filter or an
// order all of them are read.
func (r *Resolver) invitationPage(ctx context.Context, a pageArguments, filter *model.InvitationFilter, order *model.InvitationOrder) (*model.InvitationConnection, error) {
	s, err := readable[glpiproxy.Invitation](ctx)
	if err != nil {
		return nil, err
	}
	id := func(i glpiproxy.Invitation) int { return i.ID }
	rows := listed(s, glpiproxy.ListOptions{}, id)
	if filter != nil || order != nil {
		chosen, err := r.chosenInvitations(ctx, s, filter, order)
		if err != nil {
			return nil, err
		}
		rows = inMemory(chosen, id)
	}
	p, err := rows.read(ctx, a)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c := &model.InvitationConnection{Edges: []*model.InvitationEdge{}, Nodes: []*model.Invitation{}, PageInfo: p.info(), TotalCount: p.total}
	for i, item := range p.items {
		r.expectInvitation(l, item)
		node := &model.Invitation{Invitation: item}
		c.Nodes = append(c.Nodes, node)
		c.Edges = append(c.Edges, &model.InvitationEdge{Node: node, Cursor: p.cursor(i)})
	}
	return c, nil
}

// expectInvitation tells that what an invitation points to may be asked for soon.
func (r *Resolver) expectInvitation(l *loaders, i glpiproxy.Invitation) {
	l.users.expect(i.UserID)
	l.entities.expect(i.EntityID)
	l.invitationLogs.expect(i.ID)
	l.mailLoader(r).expect(i.ID)
	l.notes(r).expect(i.ID)
}

// allInvitations reads every invitation in sight.
func allInvitations(ctx context.Context, s *glpiproxy.Session) ([]glpiproxy.Invitation, error) {
	return readWhole(ctx, func(ctx context.Context, start, count int) ([]glpiproxy.Invitation, int, error) {
		p, err := glpiproxy.List[glpiproxy.Invitation](ctx, s, glpiproxy.ListOptions{Range: glpiproxy.Range{Start: start, Count: count}})
		return p.Items, p.Total, err
	})
}

// chosenInvitations are those that a filter lets through, in order.
func (r *Resolver) chosenInvitations(ctx context.Context, s *glpiproxy.Session, filter *model.InvitationFilter, order *model.InvitationOrder) ([]glpiproxy.Invitation, error) {
	if filter == nil {
		filter = &model.InvitationFilter{}
	}
	entityIDs, err := idSet("filter.entityIds", "Entity", filter.EntityIds)
	if err != nil {
		return nil, err
	}
	userIDs, err := idSet("filter.userIds", "User", filter.UserIds)
	if err != nil {
		return nil, err
	}
	found, err := r.peopleNamed(ctx, s, filter.Search)
	if err != nil {
		return nil, err
	}
	all, err := allInvitations(ctx, s)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i glpiproxy.Invitation) bool {
		return !among(entityIDs, i.EntityID) || !among(userIDs, i.UserID) || !among(found, i.UserID)
	})
	if filter.States != nil {
		if all, err = r.inStates(ctx, all, filter.States); err != nil {
			return nil, err
		}
	}
	sortInvitations(all, order)
	return all, nil
}

// among tells whether an id is one of some; nil stands for all.
func among(ids map[int]struct{}, id int) bool {
	_, in := ids[id]
	return ids == nil || in
}

func (r *Resolver) inStates(ctx context.Context, invitations []glpiproxy.Invitation, states []model.InvitationState) ([]glpiproxy.Invitation, error) {
	opened, err := r.Invitations.EverOpened(ctx)
	return slices.DeleteFunc(invitations, func(i glpiproxy.Invitation) bool {
		_, open := opened[i.ID]
		return !slices.Contains(states, r.stateOf(i, open))
	}), err
}

// stateOf is where an invitation stands, from what GLPI has and what the gateway saw.
func (r *Resolver) stateOf(i glpiproxy.Invitation, opened bool) model.InvitationState {
	state := model.Invitation{Invitation: i}.StateAt(r.Now())
	if state == model.InvitationStatePending && opened {
		return model.InvitationStateOpened
	}
	return state
}

// peopleNamed are the people in sight whose name or address holds a text, by id; nil for no text.
func (r *Resolver) peopleNamed(ctx context.Context, s *glpiproxy.Session, search *string) (map[int]struct{}, error) {
	if search == nil || strings.TrimSpace(*search) == "" {
		return nil, nil
	}
	people, err := r.people(ctx)
	if err != nil {
		return nil, err
	}
	criteria, err := userCriteria(ctx, s, &model.UserFilter{Search: search}, people)
	if err != nil {
		return nil, err
	}
	rows, err := allRows[glpiproxy.User](ctx, s, glpiproxy.Query{Criteria: criteria})
	found := make(map[int]struct{}, len(rows))
	for _, row := range rows {
		found[row.ID()] = struct{}{}
	}
	return found, err
}

func sortInvitations(invitations []glpiproxy.Invitation, order *model.InvitationOrder) {
	if order == nil {
		return
	}
	slices.SortFunc(invitations, func(a, b glpiproxy.Invitation) int {
		c := 0
		if order.Field == model.InvitationOrderFieldExpiresAt {
			c = a.ExpiresAt.Compare(b.ExpiresAt)
		}
		c = cmp.Or(c, cmp.Compare(a.ID, b.ID))
		if order.Direction == model.OrderDirectionDesc {
			return -c
		}
		return c
	})
}

func (r *Resolver) invitationState(ctx context.Context, i *model.Invitation) (model.InvitationState, error) {
	at, err := r.openedAt(ctx, i)
	return r.stateOf(i.Invitation, !at.IsZero()), err
}

func (r *Resolver) invitationOpenedAt(ctx context.Context, i *model.Invitation) (*time.Time, error) {
	at, err := r.openedAt(ctx, i)
	return model.Moment(at), err
}

func (r *Resolver) openedAt(ctx context.Context, i *model.Invitation) (time.Time, error) {
	return note(ctx, r, func(n *invitationNotes) *loader[time.Time] { return n.opened }, i.ID)
}

// delivery shows the latest mail of an invitation. Who may read neither GLPI's queue nor use the gateway's own account
// for it sees none.
func (r *Resolver) delivery(ctx context.Context, i *model.Invitation) (*model.InvitationDelivery, error) {
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	mail, err := l.mailLoader(r).load(ctx, i.ID)
	if mail == nil || err != nil {
		return nil, err
	}
	d := &model.InvitationDelivery{State: model.InvitationDeliveryStateQueued, QueuedAt: model.Moment(mail.QueuedAt), SentAt: model.Moment(mail.SentAt)}
	switch {
	case d.SentAt != nil:
		d.State = model.InvitationDeliveryStateSent
	case mail.Tries > 0:
		d.State = model.InvitationDeliveryStateFailing
	}
	return d, nil
}

// supersededBy is the invitation that took the place of another, where the viewer may see it.
func (r *Resolver) supersededBy(ctx context.Context, i *model.Invitation) (*model.Invitation, error) {
	later, err := note(ctx, r, func(n *invitationNotes) *loader[int] { return n.supersededBy }, i.ID)
	if err != nil {
		return nil, err
	}
	return seenOrNil(related(ctx, invitations, later))
}

// invitedAgent is the device that an invitation became, where the viewer may see it.
func (r *Resolver) invitedAgent(ctx context.Context, i *model.Invitation) (*model.Agent, error) {
	became, err := note(ctx, r, func(n *invitationNotes) *loader[int] { return n.agent }, i.ID)
	if err != nil {
		return nil, err
	}
	return seenOrNil(related(ctx, agents, became))
}

// devicesLeft counts the devices that may still enrol.
func (r *Resolver) devicesLeft(ctx context.Context, i *model.Invitation) (int, error) {
	if i.StateAt(r.Now()) != model.InvitationStatePending {
		return 0, nil
	}
	left, err := note(ctx, r, func(n *invitationNotes) *loader[int] { return n.left }, i.ID)
	return max(1, left), err
}

// invitationOrigin is the invitation that a device came from, where the viewer may see it.
func (r *Resolver) invitationOrigin(ctx context.Context, a *model.Agent) (*model.Invitation, error) {
	from, err := note(ctx, r, func(n *invitationNotes) *loader[int] { return n.origin }, a.ID)
	if err != nil {
		return nil, err
	}
	return seenOrNil(related(ctx, invitations, from))
}

// seenOrNil is nothing in the place of what the viewer may not see, or is gone.
func seenOrNil[M any](found *M, err error) (*M, error) {
	if isUnreadable(err) {
		return nil, nil
	}
	return found, err
}
