package glpiproxy

import "time"

// UserInput is a new user with a profile. Without a password nobody can sign in as
// them but by a token.
type UserInput struct {
	Username  string // letters, digits, spaces and ' . @ - _
	Password  *string
	Email     *string // the first address, which becomes the default one
	ProfileID int     // granted in EntityID
	EntityID  int
	Recursive bool // granted in the descendants too
	Person    Person
}

// Person is what describes a user. In a change nil is unchanged and "" or 0 clears.
type Person struct {
	FirstName          *string
	LastName           *string
	Phone              *string // GLPI loses leading zeros and + of what is all digits
	Phone2             *string
	Mobile             *string
	RegistrationNumber *string
	Comment            *string
	Language           *string    // "en_GB", "": the server's
	BeginDate          *time.Time // no sign-in before; the zero time: no limit
	EndDate            *time.Time // no sign-in after; the zero time: no limit
	TitleID            *int
	CategoryID         *int
	LocationID         *int
	Active             *bool // false: may not sign in
}

func (p Person) write(f *fields) {
	f.text("firstname", p.FirstName)
	f.text("realname", p.LastName)
	f.text("phone", p.Phone)
	f.text("phone2", p.Phone2)
	f.text("mobile", p.Mobile)
	f.text("registration_number", p.RegistrationNumber)
	f.lines("comment", p.Comment)
	f.text("language", p.Language)
	f.moment("begin_date", p.BeginDate)
	f.moment("end_date", p.EndDate)
	f.choice("usertitles_id", UserTitle{}, p.TitleID)
	f.choice("usercategories_id", UserCategory{}, p.CategoryID)
	f.choice("locations_id", Location{}, p.LocationID)
	f.flag("is_active", p.Active)
}

func (UserInput) creates(User) {}

func (i UserInput) write(f *fields) {
	f.required("name", i.Username)
	f.password(i.Password)
	if i.Email != nil {
		f.required("_useremails", *i.Email)
		f.order("_useremails", []string{*i.Email}) // at 0: any other key would be an address's id
	}
	f.number("_profiles_id", &i.ProfileID, 1, 1<<31)
	f.home("entities_id", i.EntityID)
	f.home("_entities_id", i.EntityID)
	f.flag("_is_recursive", &i.Recursive)
	i.Person.write(f)
}

// UserChange is what can be changed of a user. A password that breaks GLPI's rules is
// Invalid with GLPI's message, and the other fields are saved all the same; that of
// somebody with more rights than the viewer stays as it is without a word.
type UserChange struct {
	Username  *string
	Password  *string
	ProfileID *int  // the default profile, one of the user's; 0: none
	EntityID  *int  // the default entity, one of the user's
	Deleted   *bool // false: out of the trash
	Person    Person
}

func (UserChange) changes(User) {}

func (c UserChange) write(f *fields) {
	f.renamed("name", c.Username)
	f.password(c.Password)
	f.number("profiles_id", c.ProfileID, 0, 1<<31)
	f.number("entities_id", c.EntityID, 0, 1<<31)
	f.flag("is_deleted", c.Deleted)
	c.Person.write(f)
}

// UserEmailInput is a new address of a user. The first one becomes the default one.
type UserEmailInput struct {
	UserID  int
	Email   string
	Default bool
}

func (UserEmailInput) creates(UserEmail) {}

func (i UserEmailInput) write(f *fields) {
	f.link("users_id", User{}, i.UserID)
	f.required("email", i.Email)
	if i.Default {
		f.flag("is_default", &i.Default)
	}
}

// UserEmailChange is what can be changed of an address. An address stops to be the
// default one when another becomes it.
type UserEmailChange struct {
	Email       *string
	MakeDefault bool
}

func (UserEmailChange) changes(UserEmail) {}

func (c UserEmailChange) write(f *fields) {
	f.renamed("email", c.Email)
	if c.MakeDefault {
		f.flag("is_default", &c.MakeDefault)
	}
}

// ProfileUserInput grants a profile to a user.
type ProfileUserInput struct {
	UserID    int
	ProfileID int
	EntityID  int
	Recursive bool // in the entity's descendants too
}

func (ProfileUserInput) creates(ProfileUser) {}

func (i ProfileUserInput) write(f *fields) {
	f.link("users_id", User{}, i.UserID)
	f.number("profiles_id", &i.ProfileID, 1, 1<<31)
	f.home("entities_id", i.EntityID)
	f.flag("is_recursive", &i.Recursive)
}
