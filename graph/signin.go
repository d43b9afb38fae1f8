package graph

import (
	"context"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/signin"
	"fleetgate/internal/throttle"
)

// longestCredential bounds what is taken for a user name, a password or a token.
const longestCredential = 1024

// signIn opens a session in GLPI and answers a token that seals it. Failed tries are counted, so that passwords
// can't be guessed through the gateway, which GLPI itself does not prevent: few for one name from one address,
// more for an address, and most for a name from anywhere, so that it is hard to lock somebody else out.
func (r *Resolver) signIn(ctx context.Context, username string, open func(context.Context) (*glpiproxy.Session, error)) (*model.LoginPayload, error) {
	address, name := signin.ClientAddress(ctx), strings.ToLower(strings.TrimSpace(username))
	counts := []count{{r.AddressFailures, address}}
	if name != "" { // a token names nobody
		counts = append(counts, count{r.UserFailures, name + " " + address}, count{r.NameFailures, name})
	}
	settle, wait := begin(counts)
	if settle == nil {
		return refuse(tooManyTries(wait)), nil
	}
	s, err := open(ctx)
	wrong := err != nil && glpiproxy.KindOf(err) == glpiproxy.BadCredentials
	settle(wrong)
	if wrong {
		return refuse(userError(model.UserErrorCodeUnauthenticated,
			"The credentials are not right, or the account may not sign in.")), nil
	}
	if err != nil {
		return nil, err
	}
	return r.welcome(ctx, s)
}

// count is one of the counts that a try goes on.
type count struct {
	failures *throttle.Failures
	key      string
}

// begin starts a try on all counts, or on none when one of them is full.
func begin(counts []count) (settle func(failed bool), wait time.Duration) {
	var begun []func(bool)
	settle = func(failed bool) {
		for _, done := range begun {
			done(failed)
		}
	}
	for _, c := range counts {
		done, wait := c.failures.Begin(c.key)
		if done == nil {
			settle(false)
			return nil, wait
		}
		begun = append(begun, done)
	}
	return settle, 0
}

// welcome seals a fresh session into a token.
func (r *Resolver) welcome(ctx context.Context, s *glpiproxy.Session) (*model.LoginPayload, error) {
	expires := r.Now().Add(r.SessionLifetime)
	v, err := r.viewer(ctx, s, expires)
	if err != nil {
		_ = s.End(context.WithoutCancel(ctx)) // nobody will hold it
		return nil, err
	}
	token := r.SignIn.Seal(s.Token(), expires)
	signedIn(ctx, &signin.Viewer{Session: s, ExpiresAt: expires})
	return &model.LoginPayload{Token: &token, Viewer: v, UserErrors: []*model.UserError{}}, nil
}

// logout ends the session in GLPI and the sockets that are signed in with it.
func (r *Resolver) logout(ctx context.Context) (*model.LogoutPayload, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	err = s.End(ctx)
	r.SignIn.End(s.Token())
	if err != nil && glpiproxy.KindOf(err) != glpiproxy.Unauthenticated { // which means that it had ended already
		return nil, err
	}
	return &model.LogoutPayload{Ended: true, UserErrors: []*model.UserError{}}, nil
}

// checkCredential refuses what can't be a credential before GLPI is asked; nil when there is nothing to refuse.
func checkCredential(field, value string) *model.UserError {
	switch {
	case value == "":
		return badAt("It is empty.", "input", field)
	case len(value) > longestCredential:
		return badAt("It is too long.", "input", field)
	}
	return nil
}

// refuse answers a sign-in that did not work.
func refuse(errs ...*model.UserError) *model.LoginPayload {
	return &model.LoginPayload{UserErrors: errs}
}

func tooManyTries(wait time.Duration) *model.UserError {
	return rateLimited("Too many failed tries.", wait)
}

func rateLimited(what string, wait time.Duration) *model.UserError {
	return userError(model.UserErrorCodeRateLimited, what+" Try again in "+shownWait(wait)+".")
}

// shownWait is a wait in whole seconds, never too short.
func shownWait(wait time.Duration) string { return (wait + time.Second).Truncate(time.Second).String() }
