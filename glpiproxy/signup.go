package glpiproxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// This file is for the plugin flyvemdmdemo, with which people make accounts for
// themselves. Its calls are made in the session of the plugin's service account,
// whose token must stay in the gateway. Without the plugin they end with Unsupported.

const (
	captchaType    = "PluginFlyvemdmdemoCaptcha"
	signUpType     = "PluginFlyvemdmdemoUser"
	validationType = "PluginFlyvemdmdemoAccountvalidation"
)

// Captcha is a picture of what a person has to type to make an account. It can be
// used for about an hour, and more than once.
type Captcha struct {
	ID   int
	JPEG []byte
}

// NewCaptcha makes a captcha. Throttled: GLPI gave this client's address too many of
// late, which all people behind a gateway share.
func (s *Session) NewCaptcha(ctx context.Context) (Captcha, error) {
	const operation = "captcha"
	id, err := s.post(ctx, call{operation: operation, path: "/" + captchaType}, map[string]any{})
	if err != nil {
		return Captcha{}, said(err, Throttled, "Too many captcha requests")
	}
	a, err := s.call(ctx, call{
		operation: operation, path: "/" + captchaType + "/" + strconv.Itoa(id), query: "alt=media", accept: "application/octet-stream",
	})
	switch {
	case err != nil:
		return Captcha{}, err
	case !bytes.HasPrefix(a.body, []byte("\xff\xd8\xff")):
		return Captcha{}, unexpected(operation, a.status, errors.New("the captcha is no picture"))
	}
	return Captcha{ID: id, JPEG: a.body}, nil
}

// SignUpInput is an account to be made, with a company of its own.
type SignUpInput struct {
	Email      string // also the name to sign in with
	Password   string
	FirstName  string
	LastName   string
	CaptchaID  int
	Answer     string // what the captcha shows
	Newsletter bool
}

// SignUp makes an account that can do nothing until it is validated by the link that
// GLPI mails, and tells its user's id. Errors: Conflict (there is such an account),
// Invalid (with GLPI's message), and those of a write in doubt.
func (s *Session) SignUp(ctx context.Context, input SignUpInput) (int, error) {
	f := newFields(nil)
	f.required("name", input.Email)
	f.password(&input.Password)
	f.text("firstname", &input.FirstName)
	f.text("realname", &input.LastName)
	f.number("_plugin_flyvemdmdemo_captchas_id", &input.CaptchaID, 1, 1<<31)
	f.required("_answer", input.Answer)
	f.flag("_newsletter", &input.Newsletter)
	if f.err != nil {
		return 0, f.err
	}
	k := call{operation: "signUp", path: "/" + signUpType, secrets: []string{input.Password}}
	id, err := s.post(ctx, k, f.input)
	s.client.Invalidate(listTag(User{}.itemtype()), listTag(Entity{}.itemtype()), listTag(Fleet{}.itemtype()))
	return id, said(err, Conflict, "An entity already exists for your email", "The user already exists")
}

// post makes an item that has no type here.
func (s *Session) post(ctx context.Context, k call, input map[string]any) (int, error) {
	k.method, k.body, k.once = http.MethodPost, map[string]any{"input": input}, true
	a, err := s.call(ctx, k)
	return created(k.operation, a, err)
}

// ValidateAccount turns an account on, with the two parts of the link that GLPI
// mailed. Invalid: the token is wrong, used or a day old.
func (s *Session) ValidateAccount(ctx context.Context, validationID int, token string) error {
	const operation = "validateAccount"
	if validationID <= 0 || token == "" || strings.Trim(token, "0123456789abcdefABCDEF") != "" {
		return &Error{Kind: Invalid, Operation: operation, Message: "this can't be a validation"}
	}
	k := call{
		operation: operation, method: http.MethodPut, path: "/" + validationType + "/" + strconv.Itoa(validationID), once: true,
		body: map[string]any{"input": map[string]string{"_validate": token}}, secrets: []string{token},
	}
	a, err := s.call(ctx, k)
	s.client.Invalidate(listTag(User{}.itemtype()))
	results, ok, err := resultsOf(operation, a, err)
	switch {
	case KindOf(err) == NotFound && err != nil:
		return &Error{Kind: Invalid, Operation: operation, Message: "this can't be a validation", Err: err}
	case !ok && uncertain(err):
		return inDoubt(operation, err)
	case !ok:
		return err
	}
	return Outcomes(results).Err()
}

// said gives an error its kind by GLPI's English words, which the service account
// speaks.
func said(err error, kind Kind, words ...string) error {
	if err == nil || KindOf(err) != Invalid {
		return err
	}
	for _, text := range words {
		if strings.Contains(err.Error(), text) {
			return &Error{Kind: kind, Operation: "signUp", Message: text, Err: err}
		}
	}
	return err
}
