package glpi

import (
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
)

func userType() *Itemtype {
	return &Itemtype{
		Name: "User", Title: "User", Table: "glpi_users", Right: "user", Hidden: []string{"password"},
		Children: []string{"Document_Item"}, Display: []int{34, 5, 6, 8},
		Columns: columns(`
		id                                     int
		name                                   text     null
		password                               text     null
		phone                                  text     null
		phone2                                 text     null
		mobile                                 text     null
		realname                               text     null
		firstname                              text     null
		locations_id                           int      0
		language                               text     null
		use_mode                               int      0
		list_limit                             int      null
		is_active                              int      1
		comment                                text     null
		auths_id                               int      0
		authtype                               int      1
		last_login                             datetime null
		date_mod                               datetime null
		date_sync                              datetime null
		is_deleted                             int      0
		profiles_id                            int      0
		entities_id                            int      0
		usertitles_id                          int      0
		usercategories_id                      int      0
		date_format                            text     null
		number_format                          text     null
		names_format                           text     null
		csv_delimiter                          text     null
		is_ids_visible                         text     null
		use_flat_dropdowntree                  text     null
		show_jobs_at_login                     text     null
		priority_1                             text     null
		priority_2                             text     null
		priority_3                             text     null
		priority_4                             text     null
		priority_5                             text     null
		priority_6                             text     null
		followup_private                       text     null
		task_private                           text     null
		default_requesttypes_id                text     null
		password_forget_token                  text     null
		password_forget_token_date             datetime null
		user_dn                                text     null
		registration_number                    text     null
		show_count_on_tabs                     text     null
		refresh_ticket_list                    text     null
		set_default_tech                       text     null
		personal_token                         text     null
		personal_token_date                    datetime null
		api_token                              text     null
		api_token_date                         datetime null
		display_count_on_home                  text     null
		notification_to_myself                 text     null
		duedateok_color                        text     null
		duedatewarning_color                   text     null
		duedatecritical_color                  text     null
		duedatewarning_less                    text     null
		duedatecritical_less                   text     null
		duedatewarning_unit                    text     null
		duedatecritical_unit                   text     null
		display_options                        text     null
		is_deleted_ldap                        int      0
		pdffont                                text     null
		picture                                text     null
		begin_date                             datetime null
		end_date                               datetime null
		keep_devices_when_purging_item         text     null
		privatebookmarkorder                   text     null
		backcreated                            text     null
		task_state                             text     null
		layout                                 text     null
		palette                                text     null
		ticket_timeline                        text     null
		ticket_timeline_keep_replaced_tabs     text     null
		set_default_requester                  text     null
		lock_autolock_mode                     text     null
		lock_directunlock_notification         text     null
		date_creation                          datetime null
		highcontrast_css                       int      null
		plannings                              text     null
		sync_field                             text     null`),
		Options: loadOptions("User", map[int]func(*Tx, *Row) []Value{
			5:  userEmails,
			20: userGrants("Profile", "profiles_id", "name"),
			80: userGrants("Entity", "entities_id", "completename"),
		}),
		Label: func(_ *Tx, row *Row) string { return fullName(row) },
		Hooks: Hooks{
			PrepareAdd: prepareUser, PostAdd: createdUser, PrepareUpdate: changeUser, PostUpdate: changedUser,
			PostDelete: forgetUser, CanItem: canUser, ListFilter: listUser,
		},
	}
}

// fullName is how GLPI shows a person: last name, first name; the login where there is none.
func fullName(user *Row) string {
	if name := strings.TrimSpace(user.Str("realname") + " " + user.Str("firstname")); name != "" {
		return name
	}
	return user.Str("name")
}

func userEmails(tx *Tx, user *Row) []Value {
	var emails []Value
	for _, row := range tx.Find("UserEmail", "users_id", user.ID()) {
		emails = append(emails, row.Get("email"))
	}
	return emails
}

// userGrants is a column of the profiles or entities that a user was granted, one value a grant.
func userGrants(itemtype, key, column string) func(*Tx, *Row) []Value {
	return func(tx *Tx, user *Row) []Value {
		var values []Value
		for _, link := range tx.Find("Profile_User", "users_id", user.ID()) {
			if row := tx.Row(itemtype, link.Int(key)); row != nil {
				values = append(values, row.Get(column))
			}
		}
		return values
	}
}

// canUser: a user belongs to the entities of his grants, and to see him also to those below a recursive one. One of them
// must be active to see and change him, all to delete him. Creating needs a default profile or the root entity.
func canUser(tx *Tx, user *Row, right Rights) bool {
	if !tx.canType(user.Type(), right) {
		return false
	}
	if right == Create {
		return canCreateUser(tx)
	}
	links := tx.Find("Profile_User", "users_id", user.ID())
	seen := 0
	for _, link := range links {
		entity := link.Int("entities_id")
		if tx.Sees(entity) || right == Read && link.Int("is_recursive") == 1 && tx.above(entity) {
			seen++
		}
	}
	if tx.Sees(0) && len(tx.session.entities) == len(tx.Rows("Entity")) {
		return true
	}
	if right == Delete || right == Purge {
		return seen == len(links)
	}
	return seen > 0
}

// canCreateUser: a profile and an entity that one may not give are no hindrance where there is a default profile; they are
// given all the same.
func canCreateUser(tx *Tx) bool {
	in := tx.Input()
	if profile := in.Int("_profiles_id"); profile > 0 && tx.holds(profile) && in.Given("_entities_id") && tx.Sees(in.Int("_entities_id")) {
		return true
	}
	return tx.Sees(0) || tx.First("Profile", "is_default", 1) != nil
}

// listUser: lists show everybody with a grant in an active entity, or in one above that is recursive.
func listUser(tx *Tx, user *Row) bool {
	if tx.session == nil {
		return true
	}
	for _, link := range tx.Find("Profile_User", "users_id", user.ID()) {
		entity := link.Int("entities_id")
		if tx.Sees(entity) || link.Int("is_recursive") == 1 && tx.above(entity) {
			return true
		}
	}
	return false
}

var loginFormat = regexp.MustCompile(`^[[:alnum:]'@._\- ]+$`)

func prepareUser(tx *Tx, in Input) error {
	if !loginFormat.MatchString(in.Str("name")) {
		return Refuse("The login is not valid. Unable to add the user.")
	}
	if tx.First("User", "name", in.Str("name")) != nil {
		return Refuse("Unable to add. The user already exists.")
	}
	if err := tx.takePassword(in, nil); err != nil {
		return err
	}
	if in.Int("entities_id") < 0 || !in.Has("entities_id") {
		in.Set("entities_id", 0)
	}
	if !in.Given("highcontrast_css") {
		in.Set("highcontrast_css", 0)
	}
	delete(in, "api_token")
	return nil
}

// translate is a message in the session user's language, as far as the simulator knows it.
func (tx *Tx) translate(message string) string {
	if user := tx.User(); user != nil && strings.HasPrefix(user.Str("language"), "fr") {
		if french, ok := frenchMessages[message]; ok {
			return french
		}
	}
	return message
}

var frenchMessages = map[string]string{
	"Error: the two passwords do not match": "Erreur : les deux mots de passe ne sont pas identiques",
}

// createdUser grants the profile that the input asks for, else the default one in the active entity, and stores the
// addresses.
func createdUser(tx *Tx, user *Row, in Input) error {
	messages := tx.messages
	defer func() { tx.messages = messages }()
	grant := Input{}
	grant.Set("users_id", user.ID())
	if profile := in.Int("_profiles_id"); profile > 0 {
		grant.Set("profiles_id", profile)
		grant.Set("entities_id", in.Int("_entities_id"))
		grant.Set("is_recursive", in.Int("_is_recursive"))
	} else if row := tx.First("Profile", "is_default", 1); row != nil {
		grant.Set("profiles_id", row.ID())
		grant.Set("entities_id", tx.ActiveEntity())
		grant.Set("is_recursive", 0)
	}
	if grant.Has("profiles_id") {
		if _, err := tx.Add("Profile_User", grant); err != nil {
			return err
		}
	}
	return tx.addEmails(user, in)
}

// addEmails stores _useremails. Index 0 and negative ones are new addresses; a positive one is the id of an address, which
// is edited, or deleted by "", whoever it belongs to: so the second of a plain list hits somebody's. What is no address at all
// is stored as well, as 136 and 400 show.
func (tx *Tx) addEmails(user *Row, in Input) error {
	for id, email := range indexed(in["_useremails"]) {
		existing := tx.Row("UserEmail", id)
		switch {
		case id > 0 && existing == nil:
		case id > 0 && email == "":
			if err := tx.Delete(existing); err != nil {
				return err
			}
		case id > 0:
			existing.Set("email", email)
		case email != "" && !tx.hasEmail(user, email):
			add := Input{"email": email}
			add.Set("users_id", user.ID())
			if _, err := tx.Add("UserEmail", add); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexed goes through an array of texts by its integer keys.
func indexed(v any) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		byKey := map[int]any{}
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				byKey[i] = e
			}
		case map[string]any:
			for key, e := range v {
				byKey[phpInt(key)] = e
			}
		}
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			if text, isText := byKey[key].(string); isText && !yield(key, text) {
				return
			}
		}
	}
}

func (tx *Tx) hasEmail(user *Row, email string) bool {
	for _, row := range tx.Find("UserEmail", "users_id", user.ID()) {
		if row.Str("email") == email {
			return true
		}
	}
	return false
}

func changeUser(tx *Tx, user *Row, in Input) error {
	if name := in.Str("name"); name != "" && name != user.Str("name") {
		if !loginFormat.MatchString(name) {
			return Refuse("The login is not valid. Unable to update the user.")
		}
		if tx.First("User", "name", name) != nil {
			return Refuse("Unable to update login. A user already exists.")
		}
	}
	if in.Has("profiles_id") && !tx.granted(user, "profiles_id", in.Int("profiles_id")) {
		delete(in, "profiles_id")
	}
	if in.Has("entities_id") && !tx.granted(user, "entities_id", in.Int("entities_id")) {
		delete(in, "entities_id")
	}
	if in.Str("_reset_api_token") != "" {
		in.Set("api_token", tx.Token(40))
		in.Set("api_token_date", tx.Date())
	}
	if in.Str("_reset_personal_token") != "" {
		in.Set("personal_token", tx.Token(40))
		in.Set("personal_token_date", tx.Date())
	}
	if !in.Given("highcontrast_css") {
		in["highcontrast_css"] = nil // GLPI forgets preferences that equal the defaults
	}
	return tx.takePassword(in, user)
}

// granted tells whether a user has a profile, or an entity directly or from a recursive grant above.
func (tx *Tx) granted(user *Row, key string, id int) bool {
	for _, link := range tx.Find("Profile_User", "users_id", user.ID()) {
		if link.Int(key) == id {
			return true
		}
		if key == "entities_id" && link.Int("is_recursive") == 1 {
			for _, above := range tx.Ancestors(id) {
				if above == link.Int(key) {
					return true
				}
			}
		}
	}
	return false
}

func changedUser(tx *Tx, user *Row, in Input, _ Change) error {
	messages := tx.messages
	defer func() { tx.messages = messages }()
	return tx.addEmails(user, in)
}

// forgetUser removes what hung on a purged user; his computers stay without an owner.
func forgetUser(tx *Tx, user *Row) error {
	for _, itemtype := range []string{"Profile_User", "UserEmail"} {
		for _, row := range tx.Find(itemtype, "users_id", user.ID()) {
			if err := tx.Delete(row); err != nil {
				return err
			}
		}
	}
	for _, computer := range tx.Find("Computer", "users_id", user.ID()) {
		computer.Set("users_id", 0)
	}
	return nil
}

// userEmailHooks keep exactly one address of a user the default one.
func userEmailHooks() Hooks {
	return Hooks{
		PrepareAdd: func(tx *Tx, in Input) error {
			if in.Str("email") == "" {
				return Refuse("Invalid email address")
			}
			if len(tx.Find("UserEmail", "users_id", in.Int("users_id"))) == 0 {
				in.Set("is_default", 1)
			}
			return nil
		},
		PostAdd: func(tx *Tx, row *Row, _ Input) error { tx.soleDefault(row); return nil },
		PostUpdate: func(tx *Tx, row *Row, _ Input, _ Change) error {
			tx.soleDefault(row)
			return nil
		},
		PostDelete: func(tx *Tx, row *Row) error {
			if rest := tx.Find("UserEmail", "users_id", row.Int("users_id")); row.Int("is_default") == 1 && len(rest) > 0 {
				rest[0].Set("is_default", 1)
			}
			return nil
		},
	}
}

func (tx *Tx) soleDefault(email *Row) {
	if email.Int("is_default") != 1 {
		return
	}
	for _, other := range tx.Find("UserEmail", "users_id", email.Int("users_id")) {
		if other != email {
			other.Set("is_default", 0)
		}
	}
}
