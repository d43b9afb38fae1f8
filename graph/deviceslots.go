package graph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/enrolment"
)

// slotDemands are what a filter demands of a slot, but for its state.
type slotDemands struct {
	text             string
	entities, people []int
}

func slotDemandsOf(filter *model.DeviceSlotFilter) (d slotDemands, err error) {
	if filter == nil {
		return d, nil
	}
	if filter.EntityIds != nil {
		if d.entities, err = chosenIDs("filter.entityIds", "Entity", filter.EntityIds); err != nil {
			return d, err
		}
	}
	if filter.UserIds != nil {
		if d.people, err = chosenIDs("filter.userIds", "User", filter.UserIds); err != nil {
			return d, err
		}
	}
	if filter.Search != nil {
		d.text = strings.ToLower(strings.TrimSpace(*filter.Search))
	}
	return d, checkChoices("filter.states", filter.States)
}

// deviceSlots reads a page of slots. Their states are the gateway's own making, so the whole list is made for it.
func (r *Resolver) deviceSlots(ctx context.Context, a pageArguments, filter *model.DeviceSlotFilter) (*model.DeviceSlotConnection, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	demands, err := slotDemandsOf(filter)
	if err != nil {
		return nil, err
	}
	slots, err := r.slotsFor(ctx, s, demands)
	if err != nil {
		return nil, err
	}
	counts := countSlots(slots)
	if filter != nil && filter.States != nil {
		slots = slices.DeleteFunc(slots, func(s *model.DeviceSlot) bool { return !slices.Contains(filter.States, s.State) })
	}
	p, err := inMemory(slots, (*model.DeviceSlot).Number).read(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := r.completeSlots(ctx, s, p.items); err != nil {
		return nil, err
	}
	c := &model.DeviceSlotConnection{Edges: []*model.DeviceSlotEdge{}, Nodes: p.items, PageInfo: p.info(), TotalCount: p.total, Counts: counts}
	for i, slot := range p.items {
		c.Edges = append(c.Edges, &model.DeviceSlotEdge{Node: slot, Cursor: p.cursor(i)})
	}
	return c, nil
}

func countSlots(slots []*model.DeviceSlot) []*model.DeviceSlotCount {
	number := map[model.DeviceSlotState]int{}
	for _, slot := range slots {
		number[slot.State]++
	}
	var counts []*model.DeviceSlotCount
	for _, state := range model.AllDeviceSlotState {
		counts = append(counts, &model.DeviceSlotCount{State: state, Count: number[state]})
	}
	return counts
}

// slotsFor are the slots that meet the demands, in their order. Devices and invitations are read side by side.
func (r *Resolver) slotsFor(ctx context.Context, s *glpiproxy.Session, d slotDemands) ([]*model.DeviceSlot, error) {
	var invited, enrolled []*model.DeviceSlot
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { invited, err = r.invitedSlots(within, s, d); return err })
	group.Go(func() (err error) { enrolled, err = r.enrolledSlots(within, s, d); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	newest := func(a, b *model.DeviceSlot) int { return cmp.Compare(b.Number(), a.Number()) }
	slices.SortFunc(invited, newest)
	slices.SortFunc(enrolled, newest)
	return append(invited, enrolled...), nil
}

// enrolledSlots are the devices.
func (r *Resolver) enrolledSlots(ctx context.Context, s *glpiproxy.Session, d slotDemands) ([]*model.DeviceSlot, error) {
	var agents []glpiproxy.Agent
	var known computerFacts
	var named, owned map[int]bool // computers
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { agents, known, err = rosterOf(within, s, false); return err })
	group.Go(func() (err error) { named, err = computersNamed(within, s, d.text); return err })
	group.Go(func() (err error) { owned, err = computersOwned(within, d.people); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var slots []*model.DeviceSlot
	wanted := agentDemands{text: d.text, entities: d.entities}
	for _, a := range agents {
		if wanted.meetsRecord(a) && wanted.meetsText(a, named) && (d.people == nil || owned[a.ComputerID]) {
			state := deviceState(a, r.weigh(ctx, a, known[a.ComputerID].serial).State)
			slots = append(slots, &model.DeviceSlot{State: state, Agent: &model.Agent{Agent: a}})
		}
	}
	return slots, nil
}

func deviceState(a glpiproxy.Agent, presence bridge.PresenceState) model.DeviceSlotState {
	switch {
	case a.EnrollStatus == "unenrolling":
		return model.DeviceSlotStateUnenrolling
	case presence == bridge.Online:
		return model.DeviceSlotStateOnline
	case presence == bridge.Stale:
		return model.DeviceSlotStateStale
	}
	return model.DeviceSlotStateEnrolled
}

// invitedSlots are the invitations that are no device yet; none where the viewer may not read invitations.
func (r *Resolver) invitedSlots(ctx context.Context, s *glpiproxy.Session, d slotDemands) ([]*model.DeviceSlot, error) {
	if may, err := can[glpiproxy.Invitation](ctx, s); err != nil || !may {
		return nil, err
	}
	named, err := r.peopleNamed(ctx, s, &d.text)
	if isUnreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	invitations, err := allInvitations(ctx, s)
	if err != nil {
		return nil, err
	}
	invitations = slices.DeleteFunc(invitations, func(i glpiproxy.Invitation) bool {
		return d.entities != nil && !slices.Contains(d.entities, i.EntityID) || d.people != nil && !slices.Contains(d.people, i.UserID) ||
			!among(named, i.UserID)
	})
	tries, err := r.latestTries(ctx, s, invitations)
	if err != nil {
		return nil, err
	}
	var slots []*model.DeviceSlot
	for _, i := range invitations {
		if slot := r.invitedSlot(i, tries[i.ID]); slot != nil {
			slots = append(slots, slot)
		}
	}
	return slots, r.markOpened(ctx, slots)
}

// latestTries are how the latest tries to enrol with invitations ended: what the gateway noted, or what GLPI logged since,
// of tries past the gateway, where the viewer may read that.
func (r *Resolver) latestTries(ctx context.Context, s *glpiproxy.Session, invitations []glpiproxy.Invitation) (map[int]enrolment.Note, error) {
	var ids []int
	var pending []glpiproxy.Invitation
	for _, i := range invitations {
		ids = append(ids, i.ID)
		if (model.Invitation{Invitation: i}).StateAt(r.Now()) == model.InvitationStatePending {
			pending = append(pending, i)
		}
	}
	tries, err := r.Enrolments.Notes(ctx, ids)
	if err != nil {
		return nil, err
	}
	logs, err := glpiproxy.LogsOfSeen(ctx, s, pending)
	if err != nil && glpiproxy.KindOf(err) != glpiproxy.Forbidden {
		return nil, err
	}
	for id, entries := range logs {
		for _, entry := range entries {
			if entry.ID > tries[id].LogID {
				tries[id] = enrolment.Logged(entry)
			}
		}
	}
	return tries, nil
}

// invitedSlot is nil for an invitation that is no slot.
func (r *Resolver) invitedSlot(i glpiproxy.Invitation, latest enrolment.Note) *model.DeviceSlot {
	slot := &model.DeviceSlot{State: model.DeviceSlotStateSent, Invitation: &model.Invitation{Invitation: i}}
	state := slot.Invitation.StateAt(r.Now())
	used := state == model.InvitationStateEnrolled
	failed := latest.Failed(used, r.Now())
	switch {
	case state == model.InvitationStateDeactivated, used && !failed:
		return nil
	case state == model.InvitationStateExpired:
		latest, failed = enrolment.Note{Code: enrolment.InvitationExpired}, true
	}
	if failed {
		reason, message := model.EnrollFailureCode(latest.Code), latest.Message()
		slot.State, slot.Reason, slot.Message = model.DeviceSlotStateFailed, &reason, &message
	}
	return slot
}

// markOpened finds which of the invitations have been opened.
func (r *Resolver) markOpened(ctx context.Context, slots []*model.DeviceSlot) error {
	var ids []int
	for _, slot := range slots {
		if slot.State == model.DeviceSlotStateSent {
			ids = append(ids, slot.Invitation.ID)
		}
	}
	opened, err := r.Invitations.Opened(ctx, ids...)
	for _, slot := range slots {
		if _, found := opened[slot.Invitation.ID]; found && slot.State == model.DeviceSlotStateSent {
			slot.State = model.DeviceSlotStateOpened
		}
	}
	return err
}

// completeSlots gives the devices of a page their invitations, and tells what the page will ask for.
func (r *Resolver) completeSlots(ctx context.Context, s *glpiproxy.Session, slots []*model.DeviceSlot) error {
	l, err := load(ctx)
	if err != nil {
		return err
	}
	var agents []int
	for _, slot := range slots {
		if slot.Agent == nil {
			l.users.expect(slot.Invitation.UserID)
			l.entities.expect(slot.Invitation.EntityID)
			l.notes(r).expect(slot.Invitation.ID)
			continue
		}
		presentAgent(l, slot.Agent.Agent)
		agents = append(agents, slot.Agent.ID)
	}
	origins, err := r.Invitations.InvitationOf(ctx, agents...)
	if err != nil || len(origins) == 0 {
		return err
	}
	if may, err := can[glpiproxy.Invitation](ctx, s); err != nil || !may {
		return err
	}
	var ids []int
	for _, id := range origins {
		ids = append(ids, id)
	}
	found, err := glpiproxy.GetMany[glpiproxy.Invitation](ctx, s, ids)
	if err != nil {
		return err
	}
	seen := map[int]glpiproxy.Invitation{}
	for i, result := range found {
		if result.Err == nil {
			seen[ids[i]] = result.Item
		}
	}
	for _, slot := range slots {
		if slot.Agent == nil {
			continue
		}
		if invitation, known := seen[origins[slot.Agent.ID]]; known {
			slot.Invitation = &model.Invitation{Invitation: invitation}
		}
	}
	return nil
}

// slotUser is the person invited, or the device's owner.
func (r *Resolver) slotUser(ctx context.Context, slot *model.DeviceSlot) (*model.User, error) {
	if slot.Agent == nil {
		return userOf(ctx, slot.Invitation.UserID)
	}
	return r.Agent().Owner(ctx, slot.Agent)
}
