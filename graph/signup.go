package graph

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/signin"
	"fleetgate/internal/throttle"
)

// signupPlugin is the plugin of GLPI's with which people make accounts for themselves.
const signupPlugin = "flyvemdmdemo"

// Signups is how people make accounts for themselves: through the session of the plugin's own account, within bounds.
type Signups struct {
	session func(context.Context) (*glpiproxy.Session, error)
	allowed *Allowance
	// asked bounds the captchas for one client: GLPI gives 20 an hour to the gateway, for everybody.
	asked *throttle.Failures
	// tried holds the captchas that were used: GLPI would take an answer again and again.
	tried *throttle.Failures
}

// NewSignups makes accounts in the session that a function gives.
func NewSignups(session func(context.Context) (*glpiproxy.Session, error)) *Signups {
	return &Signups{
		session: session, allowed: NewAllowance(),
		asked: throttle.New(throttle.Options{Burst: 5, Refill: 5 * time.Minute}),
		tried: throttle.New(throttle.Options{Burst: 1, Refill: time.Hour}),
	}
}

// offered says whether GLPI has the plugin.
func (s *Signups) offered(ctx context.Context) (bool, error) {
	session, err := s.session(ctx)
	if err != nil {
		return false, err
	}
	scope, err := session.Scope(ctx)
	if err != nil {
		return false, err
	}
	return scope.Plugins == nil || slices.Contains(scope.Plugins, signupPlugin), nil
}

// signupSession is the session to make accounts in. It is read from first: a session that GLPI has ended meanwhile is
// opened anew by a read, but not by a write.
func (r *Resolver) signupSession(ctx context.Context) (*glpiproxy.Session, error) {
	if r.Signups == nil {
		return nil, capabilityMissing()
	}
	offered, err := r.Signups.offered(ctx)
	if err != nil {
		return nil, err
	}
	if !offered {
		return nil, capabilityMissing()
	}
	return r.Signups.session(ctx)
}

// createSignupCaptcha makes a captcha.
func (r *Resolver) createSignupCaptcha(ctx context.Context) (*model.CreateSignupCaptchaPayload, error) {
	refused := func(wrong *model.UserError) *model.CreateSignupCaptchaPayload {
		return &model.CreateSignupCaptchaPayload{UserErrors: []*model.UserError{wrong}}
	}
	s, err := r.signupSession(ctx)
	if err != nil {
		return nil, err
	}
	settle, wait := begin([]count{{r.Signups.asked, signin.ClientAddress(ctx)}})
	if settle == nil {
		return refused(rateLimited("Too many requests.", wait)), nil
	}
	settle(true) // each counts
	captcha, err := s.NewCaptcha(ctx)
	if err != nil {
		wrong, err := refusal(err)
		return refused(wrong), err
	}
	return &model.CreateSignupCaptchaPayload{UserErrors: []*model.UserError{}, Captcha: &model.SignupCaptcha{
		ID: model.GlobalID("SignupCaptcha", captcha.ID), Image: "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(captcha.JPEG),
	}}, nil
}

// createAccount makes an account that is off until its owner shows that the address is theirs.
func (r *Resolver) createAccount(ctx context.Context, input model.CreateAccountInput) (*model.CreateAccountPayload, error) {
	refused := func(wrong ...*model.UserError) *model.CreateAccountPayload {
		return &model.CreateAccountPayload{UserErrors: wrong}
	}
	s, err := r.signupSession(ctx)
	if err != nil {
		return nil, err
	}
	captchaID, mistakes := checkAccount(input)
	config, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	mistakes = append(mistakes, weaknesses(config.Password, input.Password)...)
	if len(mistakes) > 0 {
		return refused(mistakes...), nil
	}
	if wrong := r.Signups.admit(ctx, input.Email, captchaID); wrong != nil {
		return refused(wrong), nil
	}
	_, err = s.SignUp(ctx, glpiproxy.SignUpInput{
		Email: input.Email, Password: input.Password, FirstName: input.FirstName, LastName: input.LastName,
		CaptchaID: captchaID, Answer: input.CaptchaAnswer, Newsletter: input.Newsletter,
	})
	if err != nil {
		wrong, err := refusal(err, "input", signupField(err))
		return refused(wrong), err
	}
	return &model.CreateAccountPayload{Created: true, UserErrors: []*model.UserError{}}, nil
}

// admit counts a try to make an account; the answer says why it is one too many.
func (s *Signups) admit(ctx context.Context, email string, captchaID int) *model.UserError {
	if wrong := s.allowed.count(ctx, strings.ToLower(email)); wrong != nil {
		return wrong
	}
	settle, _ := begin([]count{{s.tried, strconv.Itoa(captchaID)}})
	if settle == nil {
		return userError(model.UserErrorCodeConflict, "This captcha was used already: ask for another.", "input", "captchaId")
	}
	settle(true)
	return nil
}

// checkAccount refuses what can't become an account before GLPI is asked.
func checkAccount(input model.CreateAccountInput) (captchaID int, mistakes []*model.UserError) {
	captchaID, wrong := inputID("SignupCaptcha", input.CaptchaID, "input", "captchaId")
	if wrong != nil {
		mistakes = append(mistakes, wrong)
	}
	for _, given := range []struct{ field, value string }{
		{"password", input.Password}, {"firstName", input.FirstName}, {"lastName", input.LastName}, {"captchaAnswer", input.CaptchaAnswer},
	} {
		if wrong := checkCredential(given.field, given.value); wrong != nil {
			mistakes = append(mistakes, wrong)
		}
	}
	return captchaID, mistakes
}

// signupField is the field that the plugin blames, by its words.
func signupField(err error) string {
	for words, field := range map[string]string{"Turing test": "captchaAnswer", "Password": "password"} {
		if strings.Contains(err.Error(), words) {
			return field
		}
	}
	return "email"
}

// validateAccount turns an account on. Tokens that don't hold are counted like failed sign-ins.
func (r *Resolver) validateAccount(ctx context.Context, input model.ValidateAccountInput) (*model.ValidateAccountPayload, error) {
	refused := func(wrong *model.UserError) *model.ValidateAccountPayload {
		return &model.ValidateAccountPayload{UserErrors: []*model.UserError{wrong}}
	}
	s, err := r.signupSession(ctx)
	if err != nil {
		return nil, err
	}
	settle, wait := begin([]count{{r.AddressFailures, signin.ClientAddress(ctx)}, {r.NameFailures, "validation " + strconv.Itoa(input.ValidationID)}})
	if settle == nil {
		return refused(tooManyTries(wait)), nil
	}
	err = s.ValidateAccount(ctx, input.ValidationID, input.Token)
	wrong := err != nil && glpiproxy.KindOf(err) == glpiproxy.Invalid
	settle(wrong)
	switch {
	case wrong: // in one way: which numbers there are is nobody's business
		return refused(unknownLink()), nil
	case err != nil:
		return nil, err
	}
	return &model.ValidateAccountPayload{Validated: true, UserErrors: []*model.UserError{}}, nil
}

func unknownLink() *model.UserError {
	return userError(model.UserErrorCodeNotFound, "The link is wrong, was used already or is older than a day.", "input", "token")
}
