package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// createUser makes a person. GLPI hides why it refuses a password of a new user, so that is set afterwards, and nobody
// is left behind when it is refused.
func (r *Resolver) createUser(ctx context.Context, in model.CreateUserInput) (*model.CreateUserPayload, error) {
	refuse := func(wrong []*model.UserError, err error) (*model.CreateUserPayload, error) {
		return &model.CreateUserPayload{UserErrors: wrong}, err
	}
	a, err := r.authority(ctx, glpiproxy.Create)
	if err != nil {
		return refuse(oneRefusal(err))
	}
	input, wrong := newUser(a, in)
	if len(wrong) > 0 {
		return refuse(wrong, nil)
	}
	id, err := glpiproxy.CreateItem(ctx, a.session, input)
	if err != nil {
		return refuse(columnRefusals(err, userColumns, userLinks, "input", "username"))
	}
	wrong, kept, err := setFirstPassword(ctx, a.session, id, in.Password)
	if err != nil || !kept {
		return refuse(wrong, err)
	}
	more, err := addEmails(ctx, a.session, id, in.Emails[min(1, len(in.Emails)):], "emails", 1)
	if err != nil {
		return nil, err
	}
	user, err := glpiproxy.Get[glpiproxy.User](ctx, a.session, id)
	if err != nil {
		return nil, err
	}
	return &model.CreateUserPayload{User: &model.User{User: user}, UserErrors: withoutNil(append(wrong, more...))}, nil
}

// setFirstPassword gives a new user a password. kept is false when it was refused and the user purged again; where the
// viewer may not purge, the user stays, without a password.
func setFirstPassword(ctx context.Context, s *glpiproxy.Session, id int, password *string) (wrong []*model.UserError, kept bool, err error) {
	if password == nil {
		return nil, true, nil
	}
	err = glpiproxy.UpdateItem(ctx, s, id, glpiproxy.UserChange{Password: password})
	wrong, err = columnRefusals(err, userColumns, userLinks, "input", "password")
	if err != nil || len(wrong) == 0 {
		return nil, err == nil, err
	}
	outcomes, err := glpiproxy.PurgeUsers(ctx, s, []int{id})
	return wrong, err != nil || outcomes.Err() != nil, nil
}

func newUser(a *authority, in model.CreateUserInput) (glpiproxy.UserInput, []*model.UserError) {
	grant, wrong := a.grant(in.Grant, "input", "grant")
	for _, mistake := range []*model.UserError{
		checkUsername(&in.Username), checkLanguage(in.Language), atMost(len(in.Emails), mostEmails, "input", "emails"),
	} {
		if mistake != nil {
			wrong = append(wrong, mistake)
		}
	}
	input := glpiproxy.UserInput{
		Username: in.Username, ProfileID: grant.ProfileID, EntityID: grant.EntityID, Recursive: grant.Recursive,
		Person: glpiproxy.Person{
			FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone, Phone2: in.Phone2, Mobile: in.Mobile,
			RegistrationNumber: in.RegistrationNumber, Comment: in.Comment, Language: in.Language,
			BeginDate: in.ValidFrom, EndDate: in.ValidUntil, Active: &in.IsActive,
			TitleID:    listID("UserTitle", in.TitleID, "titleId", &wrong),
			CategoryID: listID("UserCategory", in.CategoryID, "categoryId", &wrong),
			LocationID: listID("Location", in.LocationID, "locationId", &wrong),
		},
	}
	if len(in.Emails) > 0 {
		input.Email = &in.Emails[0]
	}
	return input, wrong
}

func withoutNil(wrong []*model.UserError) []*model.UserError {
	if wrong == nil {
		return []*model.UserError{}
	}
	return wrong
}
