package model

import (
	"strings"
	"time"

	"fleetgate/glpiproxy"
)

// User is a person in GLPI.
type User struct{ glpiproxy.User }

// IsNode marks User as a Relay node.
func (User) IsNode() {}

// GlobalID is the user's opaque identity.
func (u User) GlobalID() string { return GlobalID("User", u.ID) }

// DisplayName is first and last name, or the user name where there is none.
func (u User) DisplayName() string { return DisplayName(u.User.FirstName, u.User.LastName, u.Username) }

// FirstName is the first name.
func (u User) FirstName() *string { return text(u.User.FirstName) }

// LastName is the last name.
func (u User) LastName() *string { return text(u.User.LastName) }

// Phone is the telephone number, as far as GLPI's API keeps it whole.
func (u User) Phone() *string { return text(u.User.Phone) }

// Phone2 is the second telephone number, as far as GLPI's API keeps it whole.
func (u User) Phone2() *string { return text(u.User.Phone2) }

// Mobile is the mobile telephone number, as far as GLPI's API keeps it whole.
func (u User) Mobile() *string { return text(u.User.Mobile) }

// RegistrationNumber is the administrative number, as far as GLPI's API keeps it whole.
func (u User) RegistrationNumber() *string { return text(u.User.RegistrationNumber) }

// Language is the language that GLPI speaks to the person.
func (u User) Language() *string { return text(u.User.Language) }

// Comment is what an administrator remarked.
func (u User) Comment() *string { return text(u.User.Comment) }

// ValidFrom is the moment before which there is no sign-in.
func (u User) ValidFrom() *time.Time { return Moment(u.BeginDate) }

// ValidUntil is the moment after which there is no sign-in.
func (u User) ValidUntil() *time.Time { return Moment(u.EndDate) }

// LastLoginAt is the last sign-in.
func (u User) LastLoginAt() *time.Time { return Moment(u.LastLogin) }

// ModifiedAt is when the record last changed.
func (u User) ModifiedAt() *time.Time { return Moment(u.User.ModifiedAt) }

// DisplayName is first and last name, or the user name where there is none.
func DisplayName(first, last, username string) string {
	if name := strings.TrimSpace(first + " " + last); name != "" {
		return name
	}
	return username
}

// ProfileGrant is a profile that a person holds, and where.
type ProfileGrant struct{ glpiproxy.ProfileUser }

// GlobalID is the grant's opaque identity.
func (g ProfileGrant) GlobalID() string { return GlobalID("ProfileGrant", g.ID) }

// UserFormChoices are resolved list by list.
type UserFormChoices struct{}

// NewNamedEntry shows an entry of one of GLPI's lists of names.
func NewNamedEntry(typename string, id int, name string) *NamedEntry {
	return &NamedEntry{ID: GlobalID(typename, id), DatabaseID: id, Name: name}
}

// NewPersonalDetails shows what a person may see of their own record.
func NewPersonalDetails(u glpiproxy.User) *PersonalDetails {
	shown := User{User: u}
	return &PersonalDetails{
		Username: u.Username, FirstName: shown.FirstName(), LastName: shown.LastName(),
		Phone: shown.Phone(), Phone2: shown.Phone2(), Mobile: shown.Mobile(), Language: shown.Language(),
	}
}
