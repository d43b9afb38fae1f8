package graph

import (
	"context"
	"slices"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// grantableProfiles lists the profiles that the viewer may give to others.
func grantableProfiles(ctx context.Context) ([]*model.NamedEntry, error) {
	s, err := readable[glpiproxy.ProfileName](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := glpiproxy.Profiles(ctx, s)
	if err != nil {
		return nil, err
	}
	entries := []*model.NamedEntry{}
	for _, p := range profiles {
		if p.Within(scope) {
			entries = append(entries, profileEntry(p))
		}
	}
	return entries, nil
}

// authority is what a viewer may do to other people's accounts. GLPI itself lets everybody who may update users change
// the addresses, and with them the password, of people with more rights, and lets them create users with any profile
// anywhere; so this is checked here.
type authority struct {
	session *glpiproxy.Session
	scope   *glpiproxy.Scope
	// eyes see all of a person's profiles: the service account's, or the viewer's own where there is none.
	eyes     *glpiproxy.Session
	profiles []glpiproxy.ProfileName
}

// authority of the viewer, who must be allowed something with users.
func (r *Resolver) authority(ctx context.Context, right glpiproxy.Right) (*authority, error) {
	s, err := allowed[glpiproxy.User](ctx, right)
	if err != nil {
		return nil, err
	}
	a := &authority{session: s, eyes: s}
	if a.scope, err = s.Scope(ctx); err != nil {
		return nil, err
	}
	if r.Service != nil {
		if a.eyes, err = r.Service(ctx); err != nil {
			return nil, err
		}
	}
	reader := s
	if !glpiproxy.Can[glpiproxy.ProfileName](a.scope, glpiproxy.Read) {
		reader = a.eyes
	}
	if a.profiles, err = glpiproxy.Profiles(ctx, reader); err != nil && !isUnreadable(err) {
		return nil, err
	}
	return a, nil
}

// within tells whether a profile allows nothing that the viewer's own does not. One whose rights can't be read does not
// count as such.
func (a *authority) within(profileID int) bool {
	return profileID == a.scope.Profile.ID || slices.ContainsFunc(a.profiles, func(p glpiproxy.ProfileName) bool {
		return p.ID == profileID && p.Within(a.scope)
	})
}

// outranks tells whether who holds a profile has more rights than the viewer. Flyve MDM's guests, who are people that were
// invited, may do one thing more, enrolling a device, and count for less all the same.
func (a *authority) outranks(profileID int) bool {
	return profileID != a.scope.GuestProfileID && !a.within(profileID)
}

// reasonAgainst tells why the viewer has no authority over somebody's account; "" when there is no reason.
func (a *authority) reasonAgainst(ctx context.Context, userID int) (string, error) {
	if userID == a.scope.UserID {
		return "", nil
	}
	found, err := glpiproxy.GrantsOf(ctx, a.eyes, []int{userID})
	if err != nil {
		return "", err
	}
	held := found[userID]
	inSight := 0
	for _, grant := range held {
		if a.scope.SeesEntity(grant.EntityID) {
			inSight++
		}
	}
	switch {
	case inSight == 0:
		return "This person holds no profile in the entities that you see.", nil
	case inSight < len(held):
		return "This person also holds a profile in an entity that you don't see.", nil
	case slices.ContainsFunc(held, func(g glpiproxy.ProfileUser) bool { return a.outranks(g.ProfileID) }):
		return "This person has more rights than you.", nil
	}
	return "", nil
}

// grant reads what a profile is to be given by, or tells the caller's mistakes. Without a profile it is GLPI's for new
// users.
func (a *authority) grant(in *model.ProfileGrantInput, field ...string) (glpiproxy.ProfileUserInput, []*model.UserError) {
	at := func(name string) []string { return append(slices.Clone(field), name) }
	grant := glpiproxy.ProfileUserInput{EntityID: a.scope.EntityID}
	if in == nil {
		standard := slices.IndexFunc(a.profiles, func(p glpiproxy.ProfileName) bool { return p.Default })
		if standard < 0 {
			return grant, []*model.UserError{badAt("GLPI has no profile for new users that you may see: choose one.", field...)}
		}
		grant.ProfileID = a.profiles[standard].ID
		return grant, nil
	}
	var wrong *model.UserError
	if grant.ProfileID, wrong = inputID("Profile", in.ProfileID, at("profileId")...); wrong != nil {
		return grant, []*model.UserError{wrong}
	}
	if in.EntityID != nil {
		if grant.EntityID, wrong = inputID("Entity", *in.EntityID, at("entityId")...); wrong != nil {
			return grant, []*model.UserError{wrong}
		}
	}
	grant.Recursive = in.IsRecursive
	return grant, a.mistakesIn(grant, at)
}

func (a *authority) mistakesIn(grant glpiproxy.ProfileUserInput, at func(string) []string) (wrong []*model.UserError) {
	known := slices.ContainsFunc(a.profiles, func(p glpiproxy.ProfileName) bool { return p.ID == grant.ProfileID })
	switch {
	case a.within(grant.ProfileID):
	case !known && len(a.profiles) > 0:
		wrong = append(wrong, unknownAt(at("profileId")...))
	default:
		wrong = append(wrong, userError(model.UserErrorCodeForbidden, "This profile allows more than your own.", at("profileId")...))
	}
	if !a.scope.SeesEntity(grant.EntityID) {
		wrong = append(wrong, unknownAt(at("entityId")...))
	}
	if grant.Recursive && !a.scope.Recursive {
		wrong = append(wrong, userError(model.UserErrorCodeForbidden,
			"You don't see the entities below at the moment: switch to an entity together with those below it.", at("isRecursive")...))
	}
	return wrong
}

// mostGrants bounds the grants in an input.
const mostGrants = 20

// checkGrants reads which profiles are to be given and taken away. The person must keep one that the viewer sees.
func (u *userUpdate) checkGrants(ctx context.Context) error {
	if len(u.in.AddGrants)+len(u.in.RemoveGrantIds) == 0 {
		return nil
	}
	u.mistake(atMost(len(u.in.AddGrants), mostGrants, "input", "addGrants"), atMost(len(u.in.RemoveGrantIds), mostGrants, "input", "removeGrantIds"))
	if len(u.wrong) > 0 {
		return nil
	}
	for i, given := range u.in.AddGrants {
		grant, wrong := u.grant(given, "input", "addGrants", strconv.Itoa(i))
		grant.UserID = u.id
		u.newGrants = append(u.newGrants, grant)
		u.mistake(wrong...)
	}
	found, err := glpiproxy.GrantsOf(ctx, u.session, []int{u.id})
	if err != nil {
		return err
	}
	u.checkLostGrants(found[u.id])
	return nil
}

func (u *userUpdate) checkLostGrants(held []glpiproxy.ProfileUser) {
	for i, globalID := range u.in.RemoveGrantIds {
		field := []string{"input", "removeGrantIds", strconv.Itoa(i)}
		id, wrong := inputID("ProfileGrant", globalID, field...)
		if wrong == nil && !slices.ContainsFunc(held, func(g glpiproxy.ProfileUser) bool { return g.ID == id }) {
			wrong = unknownAt(field...)
		}
		u.mistake(wrong)
		if !slices.Contains(u.lostGrants, id) {
			u.lostGrants = append(u.lostGrants, id)
		}
	}
	switch {
	case len(u.lostGrants) == 0 || len(u.wrong) > 0:
	case u.id == u.scope.UserID:
		u.mistake(userError(model.UserErrorCodeForbidden, "You can't take a profile away from yourself.", "input", "removeGrantIds"))
	case len(u.lostGrants) >= len(held)+len(u.newGrants):
		u.mistake(badAt("It would leave no profile that you see: delete the person instead.", "input", "removeGrantIds"))
	}
}

// changeGrants gives profiles, then takes others away.
func (u *userUpdate) changeGrants(ctx context.Context) error {
	if len(u.newGrants) > 0 {
		outcomes, err := glpiproxy.CreateMany(ctx, u.session, u.newGrants)
		if err := u.refuseEach(outcomes, err, "addGrants"); err != nil || len(u.wrong) > 0 {
			return err
		}
	}
	if len(u.lostGrants) == 0 {
		return nil
	}
	outcomes, err := glpiproxy.DeleteMany[glpiproxy.ProfileUser](ctx, u.session, u.lostGrants)
	return u.refuseEach(outcomes, err, "removeGrantIds")
}

// refuseEach gathers the caller's mistakes in a write of several items, each at its place in a list of the input.
func (u *userUpdate) refuseEach(outcomes glpiproxy.Outcomes, err error, field string) error {
	if err != nil {
		return u.refuse(err, "input", field)
	}
	for i, outcome := range outcomes {
		if outcome.Err == nil {
			continue
		}
		if err := u.refuse(outcome.Err, "input", field, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}
