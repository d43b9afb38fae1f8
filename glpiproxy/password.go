package glpiproxy

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"strings"
	"time"
)

// GLPI answers everything that goes wrong with a lost password with the code ERROR, and tells it apart in words. It
// speaks English before anybody has signed in. Words that are not known here mean "no such request": GLPI tells who
// has an account, and nobody else should.
const (
	mailIsOff         = "Email notifications are disabled"
	passwordIsRefused = "Password "
)

// longestAddress bounds an e-mail address, in bytes, as GLPI's column does.
const longestAddress = 255

// RequestPasswordReset has GLPI mail a link for a new password to an address. Errors: Invalid (no address), NotFound
// (no account that may have a new password has this address: don't pass that on), Unsupported (GLPI sends no mail),
// Unavailable, Timeout.
func (c *Client) RequestPasswordReset(ctx context.Context, email string) error {
	if err := checkAddress(email); err != nil {
		return err
	}
	return c.lostPassword(ctx, map[string]any{"email": email}, email)
}

// ResetPassword sets a new password with the token that was mailed. Errors: Invalid (a weak password, with GLPI's
// words, or what can't be an address, a token or a password), NotFound (a wrong or expired token, or no such address),
// Unsupported, Unavailable, Timeout.
func (c *Client) ResetPassword(ctx context.Context, email, token, password string) error {
	if err := checkAddress(email); err != nil {
		return err
	}
	if token == "" || strings.Trim(token, "0123456789abcdefABCDEF") != "" {
		return &Error{Kind: NotFound, Operation: "lostPassword", Message: "this can't be a token"}
	}
	if password == "" {
		return &Error{Kind: Invalid, Operation: "lostPassword", Message: "a password is needed"}
	}
	body := map[string]any{"email": email, "password_forget_token": token, "password": password}
	return c.lostPassword(ctx, body, email, token, password)
}

// OffersPasswordReset tells whether GLPI sends mail, and so links for new passwords. It asks for none.
func (c *Client) OffersPasswordReset(ctx context.Context) (bool, error) {
	err := c.lostPassword(ctx, map[string]any{"email": nil})
	switch KindOf(err) {
	case Unsupported:
		return false, nil
	case NotFound: // it misses the address
		return true, nil
	}
	return err == nil, err
}

// lostPassword goes without a session: GLPI refuses it to those who are signed in.
func (c *Client) lostPassword(ctx context.Context, body map[string]any, secrets ...string) error {
	const operation = "lostPassword"
	k := call{operation: operation, method: http.MethodPut, path: "/lostPassword", body: body, secrets: secrets, once: true}
	_, err := c.do(ctx, k)
	var refused *Error
	if !errors.As(err, &refused) || refused.Kind != Invalid {
		return err
	}
	e := &Error{Kind: NotFound, Operation: operation, Status: refused.Status, Code: refused.Code}
	switch {
	case strings.HasPrefix(refused.Message, mailIsOff):
		e.Kind, e.Message = Unsupported, refused.Message
	case strings.HasPrefix(refused.Message, passwordIsRefused):
		e.Kind, e.Message = Invalid, strings.ReplaceAll(refused.Message, `\n`, " ") // GLPI joins reasons so
	}
	return e
}

// checkAddress refuses what is no plain e-mail address.
func checkAddress(email string) error {
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > longestAddress || strings.ContainsAny(email, "\\\"") {
		return &Error{Kind: Invalid, Operation: "lostPassword", Message: "this is no e-mail address"}
	}
	return nil
}

// nextSecond is how long GLPI's clock, which counts in whole seconds, takes to move on.
const nextSecond = 1100 * time.Millisecond

// SetPassword gives a user a new password and makes sure that GLPI has taken it. Errors: Invalid (with GLPI's words for
// a password against its rules), Unchanged (somebody with more rights than the viewer, or whose password is not in
// GLPI, keeps theirs without a word), and those of UpdateItem.
func SetPassword(ctx context.Context, s *Session, userID int, password string) error {
	before, err := modifiedAt(ctx, s, userID)
	for range 2 {
		if err != nil {
			return err
		}
		if err := UpdateItem(ctx, s, userID, UserChange{Password: &password}); err != nil {
			return err
		}
		after, err := modifiedAt(ctx, s, userID)
		if err != nil || !after.Equal(before) {
			return err
		}
		wait := time.NewTimer(nextSecond) // the same second proves nothing
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return contextError("update", ctx)
		}
	}
	return &Error{Kind: Unchanged, Operation: "update", Fields: []string{"password"}, Message: "GLPI reported success and kept the old password"}
}

// modifiedAt is when a user's record last changed, as GLPI has it now.
func modifiedAt(ctx context.Context, s *Session, userID int) (time.Time, error) {
	found, err := GetFresh[User](ctx, s, []int{userID})
	if err != nil {
		return time.Time{}, err
	}
	return found[userID].Item.ModifiedAt, found[userID].Err
}
