package graph

import (
	"context"
	"slices"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// userUpdate is a change of a person under way: what is refused on the way is gathered.
type userUpdate struct {
	*authority
	id    int
	in    model.UpdateUserInput
	wrong []*model.UserError
	// shutsOut says that sessions opened before must end: the password is another, or the account is off.
	shutsOut bool

	fields, defaults glpiproxy.UserChange
	emails           []glpiproxy.UserEmail // those before the change
	newGrants        []glpiproxy.ProfileUserInput
	lostGrants       []int
}

// updateUser changes a person. Everything that can be checked is checked before anything is sent. The password goes
// first, alone: GLPI would save the rest beside a password that it refuses.
func (r *Resolver) updateUser(ctx context.Context, in model.UpdateUserInput) (*model.UpdateUserPayload, error) {
	a, err := r.authority(ctx, glpiproxy.Update)
	if err != nil {
		wrong, err := oneRefusal(err)
		return &model.UpdateUserPayload{UserErrors: wrong}, err
	}
	u := &userUpdate{authority: a, in: in}
	for _, step := range []func(context.Context) error{
		u.check, u.setPassword, u.setFields, u.changeEmails, u.changeGrants, u.setDefaults,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
		if len(u.wrong) > 0 {
			break
		}
	}
	if u.shutsOut {
		r.SignIn.EndUsers(ctx, a.session.Token(), u.id) // which GLPI leaves alive
	}
	payload := &model.UpdateUserPayload{UserErrors: withoutNil(u.wrong)}
	if u.id == 0 {
		return payload, nil
	}
	user, err := glpiproxy.Get[glpiproxy.User](ctx, a.session, u.id)
	if err == nil {
		payload.User = &model.User{User: user}
	} else if !isUnreadable(err) {
		return nil, err
	}
	return payload, nil
}

// refuse gathers the caller's mistakes in a write; the error is what nobody can help.
func (u *userUpdate) refuse(err error, field ...string) error {
	wrong, err := columnRefusals(err, userColumns, userLinks, field...)
	u.wrong = append(u.wrong, wrong...)
	return err
}

func (u *userUpdate) mistake(wrong ...*model.UserError) {
	for _, w := range wrong {
		if w != nil {
			u.wrong = append(u.wrong, w)
		}
	}
}

// check finds who the person is and what is wrong with the input.
func (u *userUpdate) check(ctx context.Context) error {
	id, wrong := inputID("User", u.in.ID, "input", "id")
	if wrong != nil {
		u.mistake(wrong)
		return nil
	}
	user, err := glpiproxy.Get[glpiproxy.User](ctx, u.session, id)
	if err == nil && isMachine(user.Username) {
		err = notFound()
	}
	if err != nil {
		return u.refuse(err, "input", "id")
	}
	u.id = id
	u.checkFields()
	u.checkDefaults()
	for _, check := range []func(context.Context) error{u.checkAuthority, u.checkEmails, u.checkGrants} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (u *userUpdate) checkFields() {
	in := u.in
	u.mistake(checkUsername(in.Username), checkLanguage(in.Language),
		checkDateChange(in.ValidFrom, in.ClearValidFrom, "validFrom"), checkDateChange(in.ValidUntil, in.ClearValidUntil, "validUntil"))
	u.fields = glpiproxy.UserChange{Username: in.Username, Person: glpiproxy.Person{
		FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone, Phone2: in.Phone2, Mobile: in.Mobile,
		RegistrationNumber: in.RegistrationNumber, Comment: in.Comment, Language: in.Language,
		BeginDate: dateChange(in.ValidFrom, in.ClearValidFrom), EndDate: dateChange(in.ValidUntil, in.ClearValidUntil),
		Active:     in.IsActive,
		TitleID:    listID("UserTitle", in.TitleID, "titleId", &u.wrong),
		CategoryID: listID("UserCategory", in.CategoryID, "categoryId", &u.wrong),
		LocationID: listID("Location", in.LocationID, "locationId", &u.wrong),
	}}
}

func checkDateChange(date *time.Time, drop bool, field string) *model.UserError {
	if date == nil || !drop {
		return nil
	}
	return badAt("Give a date or drop it, not both.", "input", field)
}

// dateChange is a new date, the zero time for dropping it, or nil.
func dateChange(date *time.Time, drop bool) *time.Time {
	if drop {
		return &time.Time{}
	}
	return date
}

func (u *userUpdate) checkDefaults() {
	if u.in.DefaultProfileID != nil {
		id, wrong := inputID("Profile", *u.in.DefaultProfileID, "input", "defaultProfileId")
		u.mistake(wrong)
		u.defaults.ProfileID = &id
	}
	if u.in.DefaultEntityID == nil {
		return
	}
	id, wrong := inputID("Entity", *u.in.DefaultEntityID, "input", "defaultEntityId")
	if wrong == nil && !u.scope.SeesEntity(id) {
		wrong = unknownAt("input", "defaultEntityId")
	}
	u.mistake(wrong)
	u.defaults.EntityID = &id
}

// checkAuthority refuses what opens the account to somebody else, where the viewer has no authority over it.
func (u *userUpdate) checkAuthority(ctx context.Context) error {
	in := u.in
	var opening []string
	for field, given := range map[string]bool{
		"username": in.Username != nil, "password": in.Password != nil, "isActive": in.IsActive != nil,
		"validFrom": in.ValidFrom != nil || in.ClearValidFrom, "validUntil": in.ValidUntil != nil || in.ClearValidUntil,
		"addEmails": len(in.AddEmails) > 0, "removeEmails": len(in.RemoveEmails) > 0, "defaultEmail": in.DefaultEmail != nil,
		"addGrants": len(in.AddGrants) > 0, "removeGrantIds": len(in.RemoveGrantIds) > 0,
	} {
		if given {
			opening = append(opening, field)
		}
	}
	if len(opening) == 0 {
		return nil
	}
	reason, err := u.reasonAgainst(ctx, u.id)
	if err != nil || reason == "" {
		return err
	}
	slices.Sort(opening)
	for _, field := range opening {
		u.mistake(userError(model.UserErrorCodeForbidden, reason, "input", field))
	}
	return nil
}

func (u *userUpdate) setPassword(ctx context.Context) error {
	if u.in.Password == nil {
		return nil
	}
	err := glpiproxy.SetPassword(ctx, u.session, u.id, *u.in.Password)
	u.shutsOut = err == nil
	return u.refuse(err, "input", "password")
}

func (u *userUpdate) setFields(ctx context.Context) error {
	refused := len(u.wrong)
	err := u.change(ctx, u.fields, "input", "username")
	if err == nil && len(u.wrong) == refused && u.in.IsActive != nil && !*u.in.IsActive {
		u.shutsOut = true
	}
	return err
}

// setDefaults comes after the grants: GLPI drops a default that the person does not hold without a word.
func (u *userUpdate) setDefaults(ctx context.Context) error {
	return u.change(ctx, u.defaults, "input")
}

func (u *userUpdate) change(ctx context.Context, change glpiproxy.UserChange, field ...string) error {
	if change == (glpiproxy.UserChange{}) {
		return nil
	}
	return u.refuse(glpiproxy.UpdateItem(ctx, u.session, u.id, change), field...)
}
