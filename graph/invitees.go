package graph

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// findPeople finds who is meant: by id, by whole address among the people in sight, and in their trash.
func (v *inviting) findPeople(ctx context.Context) error {
	v.refuseTwice(func(i *invitee) string { return strings.ToLower(i.email) })
	for _, trash := range []bool{false, true} {
		if err := v.findAddresses(ctx, trash); err != nil {
			return err
		}
	}
	if err := v.readPeople(ctx); err != nil {
		return err
	}
	v.refuseTwice(func(i *invitee) string {
		if i.user.ID == 0 {
			return ""
		}
		return strconv.Itoa(i.user.ID)
	})
	return v.restorePeople(ctx)
}

// refuseTwice refuses people who are there for the second time.
func (v *inviting) refuseTwice(key func(*invitee) string) {
	seen := map[string]bool{}
	for _, i := range v.sound() {
		k := key(i)
		if seen[k] && k != "" {
			i.refuse(model.UserErrorCodeBadUserInput, "This person is there twice.", i.named())
		}
		seen[k] = true
	}
}

// findAddresses finds the people with the addresses that nobody was found for so far.
func (v *inviting) findAddresses(ctx context.Context, trash bool) error {
	wanted := map[string]*invitee{}
	for _, i := range v.sound() {
		if i.user.ID == 0 {
			wanted[strings.ToLower(i.email)] = i
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	found, err := glpiproxy.UsersByEmail(ctx, v.session, slices.Sorted(maps.Keys(wanted)), trash)
	if err != nil {
		return err
	}
	for address, i := range wanted {
		switch ids := found[address]; len(ids) {
		case 0:
		case 1:
			i.user.ID = ids[0]
		default:
			i.refuse(model.UserErrorCodeConflict, "Several people have this address: say by userId whom you mean.", "email")
		}
	}
	return nil
}

// readPeople reads who was found, with the viewer's own eyes: whom they don't see can't be invited.
func (v *inviting) readPeople(ctx context.Context) error {
	var ids []int
	for _, i := range v.sound() {
		if i.user.ID > 0 {
			ids = append(ids, i.user.ID)
		}
	}
	found, err := glpiproxy.GetFresh[glpiproxy.User](ctx, v.session, ids)
	if err != nil {
		return err
	}
	for _, i := range v.sound() {
		switch read := found[i.user.ID]; {
		case i.user.ID == 0:
		case read.Err != nil || isMachine(read.Item.Username):
			i.refuse(model.UserErrorCodeNotFound, unknownAt().Message, i.named())
		default:
			i.user = read.Item
			i.result.UserCreated = i.email != "" && v.batch.Again && i.user.ID > v.batch.UserID
		}
	}
	return nil
}

// restorePeople takes people out of the trash, where the viewer may do that and has authority over them.
func (v *inviting) restorePeople(ctx context.Context) error {
	var a *authority
	for _, i := range v.sound() {
		if !i.user.Deleted {
			continue
		}
		if !glpiproxy.Can[glpiproxy.User](v.scope, glpiproxy.Update) || !glpiproxy.Can[glpiproxy.User](v.scope, glpiproxy.Delete) {
			i.refuse(model.UserErrorCodeForbidden, "This person was deleted, and your profile does not allow to restore people.", i.named())
			continue
		}
		var err error
		if a == nil {
			if a, err = v.resolver.authority(ctx, glpiproxy.Update); err != nil {
				return err
			}
		}
		reason, err := a.reasonAgainst(ctx, i.user.ID)
		if err != nil {
			return err
		}
		if reason != "" {
			i.refuse(model.UserErrorCodeForbidden, "This person was deleted. "+reason, i.named())
			continue
		}
		restored := false
		if err := glpiproxy.UpdateItem(ctx, v.session, i.user.ID, glpiproxy.UserChange{Deleted: &restored}); err != nil {
			i.fail(err, i.named())
		}
	}
	return nil
}

// createPeople makes users for the addresses that nobody in sight has, with the guest profile, which allows to enrol.
func (v *inviting) createPeople(ctx context.Context) error {
	var missing []*invitee
	for _, i := range v.sound() {
		switch {
		case i.user.ID > 0:
		case !glpiproxy.Can[glpiproxy.User](v.scope, glpiproxy.Create):
			i.refuse(model.UserErrorCodeForbidden, "Nobody in sight has this address, and your profile does not allow to create people.", "email")
		case v.scope.GuestProfileID == 0:
			return capabilityMissing()
		default:
			missing = append(missing, i)
		}
	}
	for part := range slices.Chunk(missing, invitesAtOnce) {
		if err := v.goOn(ctx); err != nil {
			return err
		}
		taken, err := v.createSome(ctx, part, func(i *invitee) string { return loginOf(i.email) }, false)
		if err == nil && len(taken) > 0 {
			// A name may be somebody's out of sight, who is not to be found out, and has no part in this. And not every GLPI
			// takes letters with accents there.
			_, err = v.createSome(ctx, taken, func(i *invitee) string { return asciiOf(loginOf(i.email)) + "-" + strconv.Itoa(v.entityID) }, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// createSome makes users under the names given. refused are those that GLPI did not want, who are told so only at last.
func (v *inviting) createSome(ctx context.Context, part []*invitee, username func(*invitee) string, last bool) (refused []*invitee, err error) {
	inputs := make([]glpiproxy.UserInput, len(part))
	for n, i := range part {
		inputs[n] = glpiproxy.UserInput{
			Username: username(i), Email: &i.email, ProfileID: v.scope.GuestProfileID, EntityID: v.entityID,
			Person: glpiproxy.Person{FirstName: i.FirstName, LastName: i.LastName, Phone: i.Phone},
		}
	}
	outcomes, err := glpiproxy.CreateMany(ctx, v.session, inputs)
	if err != nil {
		return nil, err
	}
	for n, i := range part {
		switch {
		case outcomes[n].Err == nil:
			i.user = glpiproxy.User{ID: outcomes[n].ID, ProfileID: v.scope.GuestProfileID}
			i.result.UserCreated = true
		case glpiproxy.KindOf(outcomes[n].Err) == glpiproxy.Invalid && !last:
			refused = append(refused, i)
		default:
			i.notCreated(outcomes[n].Err)
		}
	}
	return refused, nil
}

// notCreated tells why GLPI did not make a user of somebody, at the field that is to blame.
func (v *invitee) notCreated(err error) {
	at := "invitees." + strconv.Itoa(v.place) + "."
	columns := map[string]string{"firstname": at + "firstName", "realname": at + "lastName", "phone": at + "phone"}
	wrong, failed := columnRefusals(err, columns, nil, "input", "invitees", strconv.Itoa(v.place), "email")
	if failed != nil {
		v.fail(failed, "email")
	}
	v.result.UserErrors = append(v.result.UserErrors, wrong...)
}

// loginOf makes a user name of an address: GLPI takes letters, digits, spaces and ' . @ - _ only.
func loginOf(address string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("'.@-_", r) {
			return r
		}
		return '-'
	}, address)
}

// asciiOf writes letters beyond ASCII as their numbers, so that no two names become one.
func asciiOf(name string) string {
	var text strings.Builder
	for _, r := range name {
		if r > unicode.MaxASCII {
			text.WriteString("-" + strconv.FormatInt(int64(r), 16))
			continue
		}
		text.WriteRune(r)
	}
	return text.String()
}

// keepDefaultProfiles gives people who have chosen no default profile the one that they get so far, the first of theirs
// by name. GLPI makes a guest of everybody who is invited, and that profile could become the first.
func (v *inviting) keepDefaultProfiles(ctx context.Context) error {
	unsettled := map[int]*invitee{}
	for _, i := range v.sound() {
		if i.user.ProfileID == 0 {
			unsettled[i.user.ID] = i
		}
	}
	if len(unsettled) == 0 {
		return nil
	}
	eyes := v.session
	if v.resolver.Service != nil {
		var err error
		if eyes, err = v.resolver.Service(ctx); err != nil {
			return err
		}
	}
	held, err := glpiproxy.ProfilesHeldBy(ctx, eyes, slices.Collect(maps.Keys(unsettled)))
	if err != nil {
		return err
	}
	ids, err := profileIDs(ctx, eyes, v.scope)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(unsettled)), glpiproxy.MaxWrites) {
		if err := v.settleProfiles(ctx, eyes, part, unsettled, held, ids); err != nil {
			return err
		}
	}
	return nil
}

func (v *inviting) settleProfiles(ctx context.Context, eyes *glpiproxy.Session, userIDs []int, unsettled map[int]*invitee, held map[int][]string, ids map[string]int) error {
	var edits []glpiproxy.Edit[glpiproxy.UserChange]
	for _, userID := range userIDs {
		names := slices.DeleteFunc(held[userID], func(name string) bool { return ids[name] == v.scope.GuestProfileID })
		if len(names) == 0 { // a guest, or nobody
			continue
		}
		id, known := ids[slices.Min(names)]
		if !known {
			unsettled[userID].refuse(model.UserErrorCodeForbidden, "GLPI would change this person's profile at sign-in, and it can't be kept.")
			continue
		}
		edits = append(edits, glpiproxy.Edit[glpiproxy.UserChange]{ID: userID, Change: glpiproxy.UserChange{ProfileID: &id}})
	}
	outcomes, err := glpiproxy.UpdateMany(ctx, eyes, edits)
	if wrong, fatal := refusal(err); err != nil {
		if fatal != nil {
			return fatal
		}
		for _, edit := range edits {
			unsettled[edit.ID].refuse(wrong.Code, "GLPI would change this person's profile at sign-in, and your profile does not allow to keep it.")
		}
		return nil
	}
	for n, edit := range edits {
		if outcomes[n].Err != nil {
			unsettled[edit.ID].fail(outcomes[n].Err)
		}
	}
	return nil
}

// profileIDs are the profiles by name, as far as they can be read.
func profileIDs(ctx context.Context, s *glpiproxy.Session, scope *glpiproxy.Scope) (map[string]int, error) {
	ids := map[string]int{scope.Profile.Name: scope.Profile.ID}
	profiles, err := glpiproxy.Profiles(ctx, s)
	if err != nil && !isUnreadable(err) {
		return nil, err
	}
	for _, p := range profiles {
		ids[p.Name] = p.ID
	}
	return ids, nil
}
