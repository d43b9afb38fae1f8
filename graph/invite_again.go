package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
)

const (
	// keyHeader holds a client's own name for a wish, so that the same one sent twice is told from two wishes.
	keyHeader  = "Idempotency-Key"
	longestKey = 255 // bytes
)

// begin notes that these people are being invited, before anything is done: GLPI does it in many calls, and a gateway
// may die between two.
func (v *inviting) begin(ctx context.Context) (*model.UserError, error) {
	v.key = graphql.GetOperationContext(ctx).Headers.Get(keyHeader)
	if len(v.key) > longestKey {
		return badAt("The header "+keyHeader+" has more than "+strconv.Itoa(longestKey)+" bytes.", "input"), nil
	}
	var stands invitation.Standing
	var err error
	if stands.InvitationID, err = newestID(ctx, v.session, func(i glpiproxy.Invitation) int { return i.ID }); err != nil {
		return nil, err
	}
	if stands.UserID, err = newestID(ctx, v.session, func(u glpiproxy.User) int { return u.ID }); err != nil {
		return nil, err
	}
	what, err := json.Marshal([]any{v.scope.UserID, v.entityID, v.in, v.key})
	if err != nil {
		return nil, err
	}
	v.batch, err = v.resolver.Invitations.BeginBatch(ctx, string(what), stands)
	if errors.Is(err, invitation.ErrUnderWay) {
		return userError(model.UserErrorCodeConflict, "The same people are being invited already: ask again in ten seconds.", "input"), nil
	}
	return nil, err
}

// newestID is the highest id of a type that the viewer sees: what they see later with a higher one is younger.
func newestID[T glpiproxy.Item](ctx context.Context, s *glpiproxy.Session, id func(T) int) (int, error) {
	page, err := glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1}, Descending: true, Fresh: true})
	if err != nil || len(page.Items) == 0 {
		return 0, err
	}
	return id(page.Items[0]), nil
}

// goOn is to be called before each call to GLPI that makes something.
func (v *inviting) goOn(ctx context.Context) error {
	v.wrote = true
	return v.batch.GoOn(ctx)
}

// end settles the batch. What came of a wish with a key is kept. One without is forgotten once its answer is ready, since who
// asks again then wants everybody invited again; so is any that failed before it made something. What broke off, and what
// is answered to nobody, can be gone on with.
func (v *inviting) end(ctx context.Context, failed error) {
	noted := func(err error) {
		if err != nil {
			v.resolver.Logger.WarnContext(ctx, "that people were invited could not be noted", "error", err)
		}
	}
	forget := func() {
		if ctx.Err() == nil {
			noted(v.batch.End(ctx))
		}
	}
	switch {
	case failed != nil && v.wrote:
	case failed == nil && v.key != "":
		noted(v.batch.Keep(context.WithoutCancel(ctx), v.keepable()))
	case failed == nil:
		afterwards(ctx, forget)
	default:
		forget()
	}
}

// keptResult is what became of one of the people, as it is kept.
type keptResult struct {
	InvitationID  int                `json:"invitation,omitempty"`
	UserCreated   bool               `json:"created,omitempty"`
	BehindIDs     []string           `json:"behind"`
	SupersededIDs []string           `json:"superseded"`
	UserErrors    []*model.UserError `json:"wrong"`
}

func (v *inviting) keepable() []keptResult {
	kept := make([]keptResult, len(v.invitees))
	for n, i := range v.invitees {
		r := i.result
		kept[n] = keptResult{UserCreated: r.UserCreated, BehindIDs: r.BehindIds, SupersededIDs: r.SupersededIds, UserErrors: r.UserErrors}
		if r.Invitation != nil {
			kept[n].InvitationID = r.Invitation.ID
		}
	}
	return kept
}

// tellAgain answers what was answered before, with the invitations as they are now.
func (v *inviting) tellAgain(ctx context.Context, kept []keptResult) error {
	var ids []int
	for _, k := range kept {
		if k.InvitationID > 0 {
			ids = append(ids, k.InvitationID)
		}
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, v.session, ids)
	if err != nil {
		return err
	}
	l, err := load(ctx)
	if err != nil {
		return err
	}
	for n, k := range kept {
		r := v.invitees[n].result
		r.UserCreated, r.BehindIds, r.SupersededIds, r.UserErrors = k.UserCreated, k.BehindIDs, k.SupersededIDs, k.UserErrors
		if now := found[k.InvitationID]; k.InvitationID > 0 && now.Err == nil {
			v.resolver.expectInvitation(l, now.Item)
			r.Invitation = &model.Invitation{Invitation: now.Item}
		}
	}
	return nil
}

// findOwn finds the invitations that people have: those that the new ones are to replace, and those that are the new
// ones, where the same was begun before and broke off.
func (v *inviting) findOwn(ctx context.Context) error {
	v.older = map[int][]glpiproxy.Invitation{}
	owners := map[int]*invitee{}
	for _, i := range v.sound() {
		if !i.result.UserCreated || v.batch.Again {
			owners[i.user.ID] = i
		}
	}
	if len(owners) == 0 || !v.in.Supersede && !v.batch.Again {
		return nil
	}
	own, err := v.invitationsOf(ctx, owners)
	if err != nil {
		return err
	}
	replaced, err := v.resolver.Invitations.SupersededBy(ctx, invitationIDs(own)...)
	if err != nil {
		return err
	}
	for _, o := range own { // the newest first
		i := owners[o.UserID]
		state := (model.Invitation{Invitation: o}).StateAt(v.resolver.Now())
		switch {
		case v.isNew(o) && len(i.done) < v.needs(i) && state != model.InvitationStateDeactivated:
			i.done = slices.Insert(i.done, 0, o.ID)
		case len(i.done) > 0 && replaced[o.ID] == i.done[0] && state == model.InvitationStateDeactivated:
			i.result.SupersededIds = append(i.result.SupersededIds, model.GlobalID("Invitation", o.ID))
			if err := v.resolver.Invitations.Retire(ctx, o.ID); err != nil {
				return err
			}
		case v.in.Supersede && v.resolver.unused(o): // an expired one too: it could be renewed beside the new one
			v.older[o.UserID] = append(v.older[o.UserID], o)
		}
	}
	return nil
}

// isNew tells whether an invitation came of the same wish, which broke off.
func (v *inviting) isNew(i glpiproxy.Invitation) bool {
	return v.batch.Again && i.ID > v.batch.InvitationID && i.EntityID == v.entityID
}

// invitationsOf are the invitations of people as GLPI has them now, the newest first.
func (v *inviting) invitationsOf(ctx context.Context, owners map[int]*invitee) ([]glpiproxy.Invitation, error) {
	byUser, err := glpiproxy.InvitationsOf(ctx, v.session, slices.Sorted(maps.Keys(owners)))
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, own := range byUser {
		ids = append(ids, own...)
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, v.session, ids)
	if err != nil {
		return nil, err
	}
	var own []glpiproxy.Invitation
	for _, read := range found {
		if read.Err == nil && owners[read.Item.UserID] != nil {
			own = append(own, read.Item)
		}
	}
	slices.SortFunc(own, func(a, b glpiproxy.Invitation) int { return cmp.Compare(b.ID, a.ID) })
	return own, nil
}

func invitationIDs(invitations []glpiproxy.Invitation) []int {
	ids := make([]int, len(invitations))
	for n, i := range invitations {
		ids[n] = i.ID
	}
	return ids
}
