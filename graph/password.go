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

// pace is what answers about lost passwords take, or a multiple of it: how long GLPI was at it would tell whether
// somebody has the address.
const pace = 500 * time.Millisecond

// Allowance bounds what strangers may have GLPI do for them. Each time counts, whatever came of it.
type Allowance struct {
	byTarget, byClient, inAll *throttle.Failures
}

// NewAllowance allows a few in a row for one target (an address that gets mail), more for one client, and a number in all
// that a GLPI can bear.
func NewAllowance() *Allowance {
	return &Allowance{
		byTarget: throttle.New(throttle.Options{Burst: 3, Refill: 10 * time.Minute}),
		byClient: throttle.New(throttle.Options{Burst: 10, Refill: time.Minute}),
		inAll:    throttle.New(throttle.Options{Burst: 60, Refill: 2 * time.Second}),
	}
}

// count counts one more; the answer says why it is one too many.
func (a *Allowance) count(ctx context.Context, target string) *model.UserError {
	settle, wait := begin([]count{{a.byTarget, target}, {a.byClient, signin.ClientAddress(ctx)}, {a.inAll, ""}})
	if settle == nil {
		return rateLimited("Too many requests.", wait)
	}
	settle(true)
	return nil
}

// requestPasswordReset has GLPI mail a link. Whether GLPI can do that at all is asked first, without the address: only
// that goes on to the caller, since whatever the address leads to, an error too, tells something of it.
func (r *Resolver) requestPasswordReset(ctx context.Context, email string) (*model.RequestPasswordResetPayload, error) {
	if wrong := r.Mails.count(ctx, strings.ToLower(email)); wrong != nil {
		return &model.RequestPasswordResetPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	offered, err := r.GLPI.OffersPasswordReset(ctx)
	switch {
	case err != nil:
		return nil, err
	case !offered:
		return nil, &coded{CodeCapabilityMissing, "this GLPI sends no mail, and so no links for new passwords"}
	}
	err = paced(ctx, func() error { return r.GLPI.RequestPasswordReset(ctx, email) })
	if err != nil && glpiproxy.KindOf(err) != glpiproxy.NotFound {
		r.Logger.WarnContext(ctx, "a link for a new password was not mailed", "error", err)
	}
	return &model.RequestPasswordResetPayload{Accepted: true, UserErrors: []*model.UserError{}}, nil
}

// resetPassword sets a new password with a mailed token. Tokens that don't hold are counted like failed sign-ins.
func (r *Resolver) resetPassword(ctx context.Context, input model.ResetPasswordInput) (*model.ResetPasswordPayload, error) {
	refused := func(wrong *model.UserError) (*model.ResetPasswordPayload, error) {
		return &model.ResetPasswordPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	for field, value := range map[string]string{"token": input.Token, "password": input.Password} {
		if wrong := checkCredential(field, value); wrong != nil {
			return refused(wrong)
		}
	}
	target, address := "reset "+strings.ToLower(input.Email), signin.ClientAddress(ctx)
	settle, wait := begin([]count{{r.AddressFailures, address}, {r.UserFailures, target + " " + address}, {r.NameFailures, target}})
	if settle == nil {
		return refused(tooManyTries(wait))
	}
	err := paced(ctx, func() error { return r.GLPI.ResetPassword(ctx, input.Email, input.Token, input.Password) })
	kind := glpiproxy.KindOf(err)
	settle(err != nil && kind == glpiproxy.NotFound)
	switch {
	case err == nil:
		r.endSessionsAt(ctx, input.Email)
		return &model.ResetPasswordPayload{Reset: true, UserErrors: []*model.UserError{}}, nil
	case kind == glpiproxy.NotFound:
		return refused(userError(model.UserErrorCodeNotFound,
			"GLPI refused it: the link is wrong or older than a day, or the password is too weak.", "input", "token"))
	}
	wrong, err := refusal(err, "input", "password")
	if err != nil {
		return nil, err
	}
	return refused(wrong)
}

// endSessionsAt ends the sessions of whoever has an address, where the service account can tell who that is: GLPI leaves
// them alive when a password changes.
func (r *Resolver) endSessionsAt(ctx context.Context, email string) {
	if r.Service == nil {
		return
	}
	service, err := r.Service(ctx)
	if err != nil {
		r.Logger.WarnContext(ctx, "sessions from before a new password were left alive", "error", err)
		return
	}
	found, err := glpiproxy.Search[glpiproxy.User](ctx, service, glpiproxy.Query{
		Criteria: []glpiproxy.Criterion{{Field: userOptionEmail, Type: glpiproxy.Exactly, Value: email}}, Range: glpiproxy.Range{Count: 10}, Fresh: true,
	})
	if err != nil {
		r.Logger.WarnContext(ctx, "sessions from before a new password were left alive", "error", err)
		return
	}
	for _, row := range found.Rows {
		r.SignIn.EndUsers(ctx, "", row.ID())
	}
}

// paced tries something and returns at a whole multiple of pace after the start.
func paced(ctx context.Context, try func() error) error {
	start := time.Now()
	err := try()
	took := time.Since(start)
	select {
	case <-time.After(pace - took%pace):
	case <-ctx.Done():
	}
	return err
}
