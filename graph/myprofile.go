package graph

import (
	"context"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/signin"
)

// ownRecord reads the viewer's own record and tells through whom: the viewer, or the gateway's own account where the
// viewer's profile may not read users.
func (r *Resolver) ownRecord(ctx context.Context, s *glpiproxy.Session, scope *glpiproxy.Scope) (glpiproxy.User, *glpiproxy.Session, error) {
	// Whoever holds an invitation, or a phone, can sign in as its account.
	if isMachine(scope.Username) || scope.GuestProfileID > 0 && scope.Profile.ID == scope.GuestProfileID {
		return glpiproxy.User{}, nil, forbidden()
	}
	readers := []*glpiproxy.Session{}
	if glpiproxy.Can[glpiproxy.User](scope, glpiproxy.Read) {
		readers = append(readers, s)
	}
	if r.Service != nil {
		service, err := r.Service(ctx)
		if err != nil {
			return glpiproxy.User{}, nil, err
		}
		readers = append(readers, service)
	}
	for _, reader := range readers {
		user, err := glpiproxy.Get[glpiproxy.User](ctx, reader, scope.UserID)
		switch {
		case err == nil && strings.EqualFold(user.Username, scope.Username):
			return user, reader, nil
		case err != nil && !isUnreadable(err):
			return glpiproxy.User{}, nil, err
		}
	}
	return glpiproxy.User{}, nil, forbidden()
}

// personalDetailsOf shows the viewer's own record.
func (r *Resolver) personalDetailsOf(ctx context.Context, v *model.Viewer) (*model.PersonalDetails, error) {
	user, _, err := r.ownRecord(ctx, v.Session, v.Scope)
	if err != nil {
		return nil, err
	}
	return model.NewPersonalDetails(user), nil
}

// updateMyProfile changes the viewer's own record: the fields that this input has, of the user who holds the session,
// and nothing else, even where the gateway's own account does it.
func (r *Resolver) updateMyProfile(ctx context.Context, in model.UpdateMyProfileInput) (*model.UpdateMyProfilePayload, error) {
	refuse := func(wrong []*model.UserError, err error) (*model.UpdateMyProfilePayload, error) {
		return &model.UpdateMyProfilePayload{UserErrors: wrong}, err
	}
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if _, _, err := r.ownRecord(ctx, s, scope); err != nil {
		return refuse(oneRefusal(err))
	}
	writer, err := r.ownWriter(ctx, s, scope)
	if err != nil {
		return refuse(oneRefusal(err))
	}
	wrong, err := r.writeOwn(ctx, writer, scope, in)
	if err != nil {
		return nil, err
	}
	user, _, err := r.ownRecord(ctx, s, scope)
	if err != nil {
		return nil, err
	}
	return &model.UpdateMyProfilePayload{PersonalDetails: model.NewPersonalDetails(user), UserErrors: withoutNil(wrong)}, nil
}

// ownWriter is the session that may change the viewer's record. GLPI wants the right on users for one's own record too,
// and a profile that is held in an active entity itself.
func (r *Resolver) ownWriter(ctx context.Context, s *glpiproxy.Session, scope *glpiproxy.Scope) (*glpiproxy.Session, error) {
	if glpiproxy.Can[glpiproxy.User](scope, glpiproxy.Update) && glpiproxy.Can[glpiproxy.User](scope, glpiproxy.Read) {
		grants, err := glpiproxy.GrantsOf(ctx, s, []int{scope.UserID})
		if err != nil {
			return nil, err
		}
		if len(grants[scope.UserID]) > 0 {
			return s, nil
		}
	}
	if r.Service == nil {
		return nil, forbidden()
	}
	return r.Service(ctx)
}

func (r *Resolver) writeOwn(ctx context.Context, writer *glpiproxy.Session, scope *glpiproxy.Scope, in model.UpdateMyProfileInput) ([]*model.UserError, error) {
	if wrong := checkLanguage(in.Language); wrong != nil {
		return []*model.UserError{wrong}, nil
	}
	if in.NewPassword != nil {
		if wrong, err := r.setOwnPassword(ctx, writer, scope, in); err != nil || len(wrong) > 0 {
			return wrong, err
		}
	}
	change := glpiproxy.UserChange{Person: glpiproxy.Person{
		FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone, Phone2: in.Phone2, Mobile: in.Mobile, Language: in.Language,
	}}
	if change == (glpiproxy.UserChange{}) {
		return nil, nil
	}
	return columnRefusals(glpiproxy.UpdateItem(ctx, writer, scope.UserID, change), userColumns, nil, "input")
}

// setOwnPassword replaces the password for whoever knows it, so that a session that was left open is not enough. Tries
// count like those of signing in.
func (r *Resolver) setOwnPassword(ctx context.Context, writer *glpiproxy.Session, scope *glpiproxy.Scope, in model.UpdateMyProfileInput) ([]*model.UserError, error) {
	if in.CurrentPassword == nil || len(*in.CurrentPassword) > longestCredential {
		return []*model.UserError{badAt("A new password needs the current one.", "input", "currentPassword")}, nil
	}
	address, name := signin.ClientAddress(ctx), strings.ToLower(scope.Username)
	settle, wait := begin([]count{{r.AddressFailures, address}, {r.UserFailures, name + " " + address}, {r.NameFailures, name}})
	if settle == nil {
		return []*model.UserError{tooManyTries(wait)}, nil
	}
	proof, err := r.GLPI.SignIn(ctx, scope.Username, *in.CurrentPassword)
	wrong := glpiproxy.KindOf(err) == glpiproxy.BadCredentials && err != nil
	settle(wrong)
	if wrong {
		return []*model.UserError{userError(model.UserErrorCodeUnauthenticated, "It is not the current password.", "input", "currentPassword")}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := proof.End(ctx); err != nil {
		r.Logger.DebugContext(ctx, "a session was left to GLPI to end", "error", err)
	}
	if err := glpiproxy.SetPassword(ctx, writer, scope.UserID, *in.NewPassword); err != nil {
		return columnRefusals(err, map[string]string{"password": "newPassword"}, nil, "input", "newPassword")
	}
	own, err := session(ctx)
	if err != nil {
		return nil, err
	}
	r.SignIn.EndUsers(ctx, own.Token(), scope.UserID) // GLPI leaves those alive that were opened with the old one
	return nil, nil
}
