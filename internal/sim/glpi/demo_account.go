package glpi

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// demoUserType is GLPI's User under the name by which people make accounts for themselves. The id that a creation answers
// is that of the User.
func demoUserType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmdemoUser", Title: "User", Table: "glpi_plugin_flyvemdmdemo_users", Right: "user",
		Columns: columns(`
			id   int
			name text`),
		Hooks: Hooks{
			CanType:    func(tx *Tx, right Rights) bool { return right == Create && tx.isService() },
			PrepareAdd: signUp,
		},
	}
}

func validationType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmdemoAccountvalidation", Title: "Account validation", Table: "glpi_plugin_flyvemdmdemo_accountvalidations",
		Columns: columns(`
			id                   int
			users_id             int
			assigned_entities_id int
			profiles_id          int
			validation_pass      text
			is_trial_ended       int
			date_creation        datetime
			date_end_trial       datetime`),
		Hooks: Hooks{
			CanType:       func(tx *Tx, right Rights) bool { return right == Update && tx.isService() },
			PrepareUpdate: validateAccount,
		},
	}
}

// signUp makes a company of one: an entity named after the address, and a user who may do nothing until he shows that the
// address is his.
func signUp(tx *Tx, in Input) error {
	if err := tx.checkSignUp(in); err != nil {
		return err
	}
	var user *Row
	err := tx.quietly(func() error {
		company := Input{"name": in.Str("name"), "entities_id": "0"}
		entity, err := tx.Add("Entity", company)
		if err != nil {
			return err
		}
		if tx.defaultFleet(entity.ID()) == nil {
			return Refuse("Failed to create default fleet")
		}
		if user, err = tx.newcomer(in, entity.ID()); err != nil {
			return err
		}
		return tx.mailValidation(user, entity.ID())
	})
	if err != nil {
		return err
	}
	tx.table("PluginFlyvemdmdemoUser").next = user.ID()
	return nil
}

func (tx *Tx) checkSignUp(in Input) error {
	switch {
	case in.Str("password") != in.Str("password2"):
		return Refuse("Passwords are different")
	case !isAddress(in.Str("name")):
		return Refuse("Email address is not valid")
	case !in.Has("_answer") || !in.Has("_plugin_flyvemdmdemo_captchas_id"):
		return Refuse("Turing test not specified")
	}
	captcha := tx.Row("PluginFlyvemdmdemoCaptcha", in.Int("_plugin_flyvemdmdemo_captchas_id"))
	switch {
	case captcha == nil || captcha.Str("date_creation") < tx.Now().Add(-captchaLife).Format(dateLayout):
		return Refuse("Turing test not found")
	case captcha.Str("answer") != in.Str("_answer"):
		return Refuse("Turing test failed")
	case tx.Row("Profile", phpInt(tx.Config(demoContext, "inactive_registered_profiles_id"))) == nil:
		return Refuse("No inactive profile available to setup user rights")
	}
	for _, entity := range tx.Find("Entity", "entities_id", 0) {
		if strings.EqualFold(entity.Str("name"), in.Str("name")) {
			return Refuse("An entity already exists for your email. You probably already have an account.")
		}
	}
	return nil
}

func isAddress(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text
}

func (tx *Tx) newcomer(in Input, entity int) (*Row, error) {
	inactive := tx.Config(demoContext, "inactive_registered_profiles_id")
	fields := Input{"_profiles_id": inactive, "profiles_id": inactive, "_is_recursive": "1"}
	for _, key := range []string{"name", "password", "password2", "firstname", "realname"} {
		if in.Has(key) {
			fields[key] = in[key]
		}
	}
	fields.Set("_entities_id", entity)
	fields.Set("entities_id", entity)
	fields["_useremails"] = []any{in.Str("name")}
	tx.signingUp = true
	defer func() { tx.signingUp = false }()
	return tx.Add("User", fields)
}

// mailValidation queues the mail with the link that proves the address.
func (tx *Tx) mailValidation(user *Row, entity int) error {
	row, err := tx.Add("PluginFlyvemdmdemoAccountvalidation", Input{"validation_pass": tx.Hex(64)})
	if err != nil {
		return fmt.Errorf("noting an account to validate: %w", err)
	}
	row.Set("users_id", user.ID())
	row.Set("assigned_entities_id", entity)
	row.Set("profiles_id", tx.Config(demoContext, "registered_profiles_id"))
	tx.queueMail(letter{about: row, template: 0, entity: entity, to: user, subject: "Activate your Flyve MDM account", text: fmt.Sprintf(
		"Hi %s,\n\nplease activate your account with this link:\n\n%s#!/account/%d/validation/%s\n",
		fullName(user), tx.Config(demoContext, "webapp_url"), row.ID(), row.Str("validation_pass"))})
	return nil
}

// validationLife is how long the link in the mail works.
const validationLife = 24 * time.Hour

// validateAccount swaps the profile of somebody who came by the link for one that works.
func validateAccount(tx *Tx, row *Row, in Input) error {
	token := in.Str("_validate")
	for key := range in {
		delete(in, key)
	}
	created, err := time.ParseInLocation(dateLayout, row.Str("date_creation"), tx.s.opts.Location)
	user := tx.Row("User", row.Int("users_id"))
	switch {
	case token == "":
		return Refuse("Validation token missing")
	case token != row.Str("validation_pass"):
		return Refuse("Validation token is invalid")
	case err != nil || tx.Now().Sub(created) > validationLife:
		return Refuse("Validation token expired")
	case user == nil:
		return Refuse("Failed to find your account")
	}
	inactive := phpInt(tx.Config(demoContext, "inactive_registered_profiles_id"))
	for _, link := range tx.Find("Profile_User", "users_id", user.ID()) {
		if link.Int("profiles_id") == inactive {
			link.Set("profiles_id", row.Int("profiles_id"))
		}
	}
	user.Set("profiles_id", row.Int("profiles_id"))
	row.Set("validation_pass", "")
	return nil
}
