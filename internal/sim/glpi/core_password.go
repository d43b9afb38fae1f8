package glpi

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// weakness is what GLPI finds wrong with a password, in its order; nothing while use_password_security is off.
func (tx *Tx) weakness(password string) []string {
	if !truthy(tx.Config("core", "use_password_security")) {
		return nil
	}
	var wrong []string
	if len(password) < phpInt(tx.Config("core", "password_min_length")) {
		wrong = append(wrong, "Password too short!")
	}
	for _, rule := range []struct {
		setting, message string
		counts           func(rune) bool
	}{
		{"password_need_number", "Password must include at least a digit!", isASCIIDigit},
		{"password_need_letter", "Password must include at least a lowercase letter!", func(r rune) bool { return 'a' <= r && r <= 'z' }},
		{"password_need_caps", "Password must include at least a uppercase letter!", func(r rune) bool { return 'A' <= r && r <= 'Z' }},
		{"password_need_symbol", "Password must include at least a symbol!", func(r rune) bool { return !unicode.IsLetter(r) && !isASCIIDigit(r) }},
	} {
		if truthy(tx.Config("core", rule.setting)) && !strings.ContainsFunc(password, rule.counts) {
			wrong = append(wrong, rule.message)
		}
	}
	return wrong
}

func isASCIIDigit(r rune) bool { return '0' <= r && r <= '9' }

// takePassword turns the pair password and password2 into what is stored. On an update one without the other is ignored. A
// password that is too weak, or that of somebody who may do more than the session, is dropped, and the write succeeds all
// the same: only the message tells.
func (tx *Tx) takePassword(in Input, user *Row) error {
	password, second := in.Str("password"), in.Str("password2")
	switch {
	case in.Has("password") && in.Has("password2") && password != second:
		return Refuse("%s", tx.translate("Error: the two passwords do not match"))
	case password == "" || user != nil && password != second || user != nil && !tx.mayChangePassword(user):
		delete(in, "password")
		return nil
	}
	if wrong := tx.weakness(password); len(wrong) > 0 {
		delete(in, "password")
		for _, message := range wrong {
			tx.Warn(message)
		}
		return nil
	}
	in.Set("password", hashPassword(password))
	return nil
}

// mayChangePassword tells whether a password is the session user's own, or of somebody who may do no more than he.
func (tx *Tx) mayChangePassword(user *Row) bool {
	if tx.session == nil || user.ID() == tx.UserID() {
		return true
	}
	for _, granted := range tx.grants(user.ID()) {
		if !tx.holds(granted.id) {
			return false
		}
	}
	return true
}

// forgetTokenLife is how long the link in the mail works.
const forgetTokenLife = 24 * time.Hour

// lostPassword asks for a mail with a token, or sets a password with one. It must come without a session.
func (r *request) lostPassword() (*reply, error) {
	if r.http.Method != http.MethodPut && r.http.Method != http.MethodPatch {
		return nil, documented(http.StatusBadRequest, "ERROR", "Only HTTP verb PUT is allowed")
	}
	refuse := func(text string) (*reply, error) { return nil, documented(http.StatusBadRequest, "ERROR", text) }
	tx := r.server.begin(nil)
	defer tx.end()
	switch {
	case !truthy(tx.Config("core", "use_notifications")) || !truthy(tx.Config("core", "notifications_mailing")):
		return refuse("Email notifications are disabled")
	case !r.given("email"):
		return refuse("email parameter missing")
	case r.text("session_token") != "":
		return refuse("A session is active")
	}
	email := tx.First("UserEmail", "email", r.text("email"))
	if email == nil {
		return refuse("Email address not found.")
	}
	user := tx.Row("User", email.Int("users_id"))
	switch {
	case user == nil || user.Int("is_deleted") == 1 || user.Int("is_active") == 0:
		return refuse("Email address not found.")
	case user.Int("authtype") != 1: // not one whose password GLPI keeps
		return refuse("The authentication method configuration doesn't allow you to change your password.")
	case !r.given("password_forget_token"):
		tx.mailForgetToken(user)
		return ok(List{"An email has been sent to your email address. The email contains information for reset your password."}), nil
	case !tx.forgetTokenHolds(user, r.text("password_forget_token")):
		return refuse("Your password reset request has expired or is invalid. Please renew it.")
	}
	if wrong := tx.weakness(r.text("password")); len(wrong) > 0 {
		return refuse(strings.Join(wrong, `\n`))
	}
	user.Set("password", hashPassword(r.text("password")))
	user.Set("password_forget_token", "")
	user.Set("password_forget_token_date", nil)
	return ok(List{"Reset password successful."}), nil
}

func (tx *Tx) forgetTokenHolds(user *Row, token string) bool {
	asked, err := time.ParseInLocation(dateLayout, user.Str("password_forget_token_date"), tx.s.opts.Location)
	return err == nil && token != "" && user.Str("password_forget_token") == token && tx.Now().Sub(asked) <= forgetTokenLife
}

// mailForgetToken gives a user a new token, which alone is good then, and queues the mail that tells it.
func (tx *Tx) mailForgetToken(user *Row) {
	user.Set("password_forget_token", tx.Hex(40))
	user.Set("password_forget_token_date", tx.Date())
	base := strings.TrimSuffix(strings.TrimSuffix(tx.Config("core", "url_base_api"), "/"), "/apirest.php")
	tx.queueMail(letter{about: user, template: forgetTemplate, to: user, subject: "Forgotten password?", text: fmt.Sprintf(
		"%s %s\n\nYou have been asked to reset your password.\n\nJust follow this link (you have one day):\n\n%s/front/lostpassword.php?password_forget_token=%s\n",
		user.Str("realname"), user.Str("firstname"), base, user.Str("password_forget_token"))})
}

// forgetTemplate is the id of the template of that mail.
const forgetTemplate = 13
