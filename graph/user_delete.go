package graph

import (
	"context"
	"slices"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// userDeletion is a deletion of people under way: results, and the ids in GLPI of those that nothing speaks against.
type userDeletion struct {
	*authority
	purge   bool
	results []*model.DeleteUserResult
	ids     []int       // those still to be deleted
	places  map[int]int // of an id among the results
}

// deleteUsers puts people into the trash, or deletes them for good.
func (r *Resolver) deleteUsers(ctx context.Context, in model.DeleteUsersInput) (*model.DeleteUsersPayload, error) {
	right := glpiproxy.Delete
	if in.Purge {
		right = glpiproxy.Purge
	}
	a, err := r.authority(ctx, right)
	if err != nil {
		wrong, err := oneRefusal(err)
		return &model.DeleteUsersPayload{Results: []*model.DeleteUserResult{}, UserErrors: wrong}, err
	}
	if n := len(in.Ids); n == 0 || n > glpiproxy.MaxWrites {
		wrong := badAt("Give between 1 and "+strconv.Itoa(glpiproxy.MaxWrites)+".", "input", "ids")
		return &model.DeleteUsersPayload{Results: []*model.DeleteUserResult{}, UserErrors: []*model.UserError{wrong}}, nil
	}
	d := &userDeletion{authority: a, purge: in.Purge, places: map[int]int{}}
	d.take(in.Ids)
	for _, step := range []func(context.Context) error{d.checkPeople, d.checkRanks, d.run} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.SignIn.EndUsers(ctx, "", d.gone()...)
	return &model.DeleteUsersPayload{Results: d.results, UserErrors: []*model.UserError{}}, nil
}

// gone are the people who were deleted, whose sessions GLPI leaves alive.
func (d *userDeletion) gone() (ids []int) {
	for id, place := range d.places {
		if d.results[place].Deleted {
			ids = append(ids, id)
		}
	}
	return ids
}

// take reads the ids.
func (d *userDeletion) take(globalIDs []string) {
	for i, globalID := range globalIDs {
		d.results = append(d.results, &model.DeleteUserResult{ID: globalID, DeletedInvitationIds: []string{}, UserErrors: []*model.UserError{}})
		id, wrong := inputID("User", globalID, "input", "ids", strconv.Itoa(i))
		_, twice := d.places[id]
		switch {
		case wrong != nil:
		case twice:
			wrong = badAt("It is there twice.", "input", "ids", strconv.Itoa(i))
		case id == d.scope.UserID:
			wrong = userError(model.UserErrorCodeForbidden, "You can't delete yourself.", "input", "ids", strconv.Itoa(i))
		}
		if wrong != nil {
			d.results[i].UserErrors = append(d.results[i].UserErrors, wrong)
			continue
		}
		d.places[id] = i
		d.ids = append(d.ids, id)
	}
}

// refuse takes an id out of what is to be deleted.
func (d *userDeletion) refuse(id int, code model.UserErrorCode, message string) {
	place := d.places[id]
	d.results[place].UserErrors = append(d.results[place].UserErrors, userError(code, message, "input", "ids", strconv.Itoa(place)))
	d.ids = slices.DeleteFunc(d.ids, func(other int) bool { return other == id })
}

// checkPeople refuses who is unknown, and accounts that are nobody's.
func (d *userDeletion) checkPeople(ctx context.Context) error {
	ids := slices.Clone(d.ids)
	results, err := glpiproxy.GetMany[glpiproxy.User](ctx, d.session, ids)
	if err != nil {
		return err
	}
	own := 0
	if d.eyes != d.session {
		scope, err := d.eyes.Scope(ctx)
		if err != nil {
			return err
		}
		own = scope.UserID
	}
	for i, id := range ids {
		switch {
		case results[i].Err != nil || isMachine(results[i].Item.Username):
			d.refuse(id, model.UserErrorCodeNotFound, unknownAt().Message)
		case id == own:
			d.refuse(id, model.UserErrorCodeForbidden, "This is the gateway's own account.")
		}
	}
	return nil
}

// checkRanks refuses people who have more rights than the viewer. That they hold no profile out of sight is what GLPI
// checks itself when it deletes.
func (d *userDeletion) checkRanks(ctx context.Context) error {
	held, err := glpiproxy.ProfilesHeldBy(ctx, d.session, d.ids)
	if err != nil {
		return err
	}
	allowed := map[string]bool{d.scope.Profile.Name: true}
	for _, p := range d.profiles {
		allowed[p.Name] = !d.outranks(p.ID)
	}
	for _, id := range slices.Clone(d.ids) {
		if slices.ContainsFunc(held[id], func(name string) bool { return !allowed[name] }) {
			d.refuse(id, model.UserErrorCodeForbidden, "This person has more rights than you.")
		}
	}
	return nil
}

// run deletes those who are left.
func (d *userDeletion) run(ctx context.Context) error {
	if len(d.ids) == 0 {
		return nil
	}
	invitations, err := d.invitations(ctx)
	if err != nil {
		return err
	}
	remove := glpiproxy.DeleteMany[glpiproxy.User]
	if d.purge {
		remove = glpiproxy.PurgeUsers
	}
	outcomes, err := remove(ctx, d.session, d.ids)
	if err != nil {
		return err
	}
	for i, id := range d.ids {
		result, place := d.results[d.places[id]], strconv.Itoa(d.places[id])
		if outcomes[i].Err == nil {
			result.Deleted = true
			continue
		}
		result.UserErrors = append(result.UserErrors, notDeleted(outcomes[i].Err, "input", "ids", place))
	}
	return d.tellInvitations(ctx, invitations)
}

// notDeleted says why GLPI did not delete somebody: it asks for nothing but rights.
func notDeleted(err error, field ...string) *model.UserError {
	if glpiproxy.KindOf(err) == glpiproxy.Invalid {
		return userError(model.UserErrorCodeForbidden, "Only who sees all entities of this person may delete them.", field...)
	}
	if wrong, err := refusal(err, field...); err == nil {
		return wrong
	}
	return userError(model.UserErrorCodeUpstreamError, "GLPI failed at it.", field...)
}

// invitations are those that go with people who are deleted for good, by user.
func (d *userDeletion) invitations(ctx context.Context) (map[int][]int, error) {
	if !d.purge || !glpiproxy.Can[glpiproxy.Invitation](d.scope, glpiproxy.Read) {
		return nil, nil
	}
	return glpiproxy.InvitationsOf(ctx, d.session, d.ids)
}

func (d *userDeletion) tellInvitations(ctx context.Context, before map[int][]int) error {
	var all []int
	for _, ids := range before {
		all = append(all, ids...)
	}
	after, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, d.session, all)
	if err != nil {
		return err
	}
	for userID, ids := range before {
		result := d.results[d.places[userID]]
		for _, id := range ids {
			if after[id].Err != nil {
				result.DeletedInvitationIds = append(result.DeletedInvitationIds, model.GlobalID("Invitation", id))
			}
		}
	}
	return nil
}
