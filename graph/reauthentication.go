package graph

import (
	"context"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/signin"
)

// reauthenticate refuses an action for which the operator wants the viewer's password again, where it is missing or wrong.
// It counts like a sign-in, so that a stolen token is no way to guess the password. A person who has none in GLPI, but signs
// in with a user token or elsewhere, can't do it.
func (r *Resolver) reauthenticate(ctx context.Context, scope *glpiproxy.Scope, password *string) (*model.UserError, error) {
	field := []string{"input", "password"}
	if password == nil || *password == "" {
		return userError(model.UserErrorCodePasswordNeeded, "Give your password again. Who has none in GLPI can't do this here.", field...), nil
	}
	if wrong := checkCredential("password", *password); wrong != nil {
		return wrong, nil
	}
	address, name := signin.ClientAddress(ctx), strings.ToLower(scope.Username)
	settle, wait := begin([]count{{r.AddressFailures, address}, {r.UserFailures, name + " " + address}, {r.NameFailures, name}})
	if settle == nil {
		return tooManyTries(wait), nil
	}
	same, err := r.isPassword(ctx, scope, *password)
	settle(err == nil && !same)
	if err != nil || same {
		return nil, err
	}
	return userError(model.UserErrorCodePasswordNeeded, "That is not your password.", field...), nil
}

// isPassword says whether GLPI takes a password for the one of a person.
func (r *Resolver) isPassword(ctx context.Context, scope *glpiproxy.Scope, password string) (bool, error) {
	s, err := r.GLPI.SignIn(ctx, scope.Username, password)
	if err != nil {
		if glpiproxy.KindOf(err) == glpiproxy.BadCredentials {
			return false, nil
		}
		return false, err
	}
	defer func() { _ = s.End(context.WithoutCancel(ctx)) }() // nobody holds it
	found, err := s.Scope(ctx)
	return err == nil && found.UserID == scope.UserID, err
}
