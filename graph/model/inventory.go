package model

import (
	"strings"
	"time"

	"fleetgate/glpiproxy"
)

// Entity is a company, or a part of one.
type Entity struct{ glpiproxy.Entity }

// IsNode marks Entity as a Relay node.
func (Entity) IsNode() {}

// GlobalID is the entity's opaque identity.
func (e Entity) GlobalID() string { return GlobalID("Entity", e.ID) }

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

// Mobile is the mobile telephone number, as far as GLPI's API keeps it whole.
func (u User) Mobile() *string { return text(u.User.Mobile) }

// DisplayName is first and last name, or the user name where there is none.
func DisplayName(first, last, username string) string {
	if name := strings.TrimSpace(first + " " + last); name != "" {
		return name
	}
	return username
}

// Computer is a device in GLPI's inventory.
type Computer struct{ glpiproxy.Computer }

// IsNode marks Computer as a Relay node.
func (Computer) IsNode() {}

// GlobalID is the computer's opaque identity.
func (c Computer) GlobalID() string { return GlobalID("Computer", c.ID) }

// Serial is the serial number.
func (c Computer) Serial() *string { return text(c.Computer.Serial) }

// UUID is the hardware's UUID.
func (c Computer) UUID() *string { return text(c.Computer.UUID) }

// Comment is what somebody remarked.
func (c Computer) Comment() *string { return text(c.Computer.Comment) }

// ModifiedAt is when the record last changed.
func (c Computer) ModifiedAt() *time.Time { return Moment(c.Computer.ModifiedAt) }
