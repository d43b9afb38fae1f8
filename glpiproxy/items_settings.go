package glpiproxy

import (
	"slices"
	"strconv"
	"strings"
)

// EntityConfig is what Flyve MDM is set to for an entity
// (PluginFlyvemdmEntityConfig); its id is the entity's. The values are those in
// force, each with where it comes from. Read it by EntityConfigOf. The enrolment
// token has no field here.
type EntityConfig struct {
	ID             int    `json:"id"`
	EntityID       int    `json:"entities_id"`
	TokenLife      string `json:"agent_token_life"` // of an invitation: "P7D"
	DeviceLimit    int    `json:"device_limit"`     // agents in the entity itself, 0: no limit
	SupportName    string `json:"support_name"`
	SupportPhone   string `json:"support_phone"`
	SupportWebsite string `json:"support_website"`
	SupportEmail   string `json:"support_email"`
	SupportAddress string `json:"support_address"`
	DownloadURL    string `json:"download_url"` // of the agent's app

	// Inherited tells which values are not the entity's own but come from above.
	Inherited InheritedSettings `json:"-"`
}

// InheritedSettings are the settings that an entity without its own takes over
// from the entity above it.
type InheritedSettings struct {
	SupportName, SupportPhone, SupportWebsite, SupportEmail, SupportAddress, DownloadURL bool
}

// TokenLifeDays is how long a new invitation holds, in days; 0 when GLPI's text
// is none of days.
func (c EntityConfig) TokenLifeDays() int {
	text, isPeriod := strings.CutPrefix(c.TokenLife, "P")
	text, isDays := strings.CutSuffix(text, "D")
	days, err := strconv.Atoi(text)
	if err != nil || !isPeriod || !isDays {
		return 0
	}
	return max(days, 0)
}

// fromAbove is GLPI's word for an inherited setting; -3 is an own one.
const fromAbove = -2

// complete reads where each value comes from.
func (c *EntityConfig) complete(r row) {
	c.Inherited = InheritedSettings{
		SupportName:    r.int("_support_name") == fromAbove,
		SupportPhone:   r.int("_support_phone") == fromAbove,
		SupportWebsite: r.int("_support_website") == fromAbove,
		SupportEmail:   r.int("_support_email") == fromAbove,
		SupportAddress: r.int("_support_address") == fromAbove,
		DownloadURL:    r.int("_download_url") == fromAbove,
	}
}

// WellKnownPath is a folder of a device that files can be deployed into
// (PluginFlyvemdmWellknownpath): "%SDCARD%".
type WellKnownPath struct {
	ID      int    `json:"id"`
	Name    string `json:"name"`
	Comment string `json:"comment"`
	Default bool   `json:"is_default"`
}

// UserTitle is an entry of the list of people's titles.
type UserTitle struct{ Dropdown }

// UserCategory is an entry of the list of people's categories.
type UserCategory struct{ Dropdown }

// Location is a place, in a tree.
type Location struct {
	ID           int    `json:"id"`
	Name         string `json:"name"`
	CompleteName string `json:"completename"` // "Paris > 2nd floor"
	EntityID     int    `json:"entities_id"`
	ParentID     int    `json:"locations_id"` // 0: top
}

// ProfileName names a profile (Profile).
type ProfileName struct {
	Dropdown
	Default bool `json:"is_default"` // the profile of new users
	// Rights are right names with their bits. Lists tell none, nor does every GLPI.
	Rights map[string]int `json:"-"`
}

// profileColumns are a profile's numbers that are no rights.
var profileColumns = []string{
	"id", "is_default", "helpdesk_hardware", "create_ticket_on_login", "tickettemplates_id", "changetemplates_id", "problemtemplates_id",
}

// complete tells the rights from the columns.
func (p *ProfileName) complete(r row) {
	for name, value := range r {
		if bits, ok := intOf(value); ok && !slices.Contains(profileColumns, name) {
			if p.Rights == nil {
				p.Rights = map[string]int{}
			}
			p.Rights[name] = bits
		}
	}
}

// Within tells whether the profile grants nothing that the viewer's own does not. A
// profile whose rights GLPI doesn't tell is within none but itself.
func (p ProfileName) Within(s *Scope) bool {
	if p.ID == s.Profile.ID {
		return true
	}
	if _, told := p.Rights["user"]; !told {
		return false
	}
	for name, bits := range p.Rights {
		if bits&^s.Rights[name] != 0 {
			return false
		}
	}
	return true
}

// ProfileUser grants a profile to a user in an entity (Profile_User):
// Children[User, ProfileUser].
type ProfileUser struct {
	ID        int  `json:"id"`
	UserID    int  `json:"users_id"`
	ProfileID int  `json:"profiles_id"`
	EntityID  int  `json:"entities_id"`
	Recursive bool `json:"is_recursive"` // with the entity's descendants
}

func (EntityConfig) itemtype() string  { return "PluginFlyvemdmEntityConfig" }
func (WellKnownPath) itemtype() string { return "PluginFlyvemdmWellknownpath" }
func (UserTitle) itemtype() string     { return "UserTitle" }
func (UserCategory) itemtype() string  { return "UserCategory" }
func (Location) itemtype() string      { return "Location" }
func (ProfileName) itemtype() string   { return "Profile" }
func (ProfileUser) itemtype() string   { return "Profile_User" }

func (i EntityConfig) id() int  { return i.ID }
func (i WellKnownPath) id() int { return i.ID }
func (i Location) id() int      { return i.ID }
func (i ProfileUser) id() int   { return i.ID }
