package glpiproxy

import (
	"slices"
	"strings"
	"time"
)

// traits are what has to be known of an item type to read it safely.
type traits struct {
	// right is the profile's right without which GLPI refuses every item; "":
	// none is known.
	right string
	// catalogue is changed rarely: it is kept longer.
	catalogue bool
	// global is the same for every viewer who may read it at all, but for the
	// language.
	global bool
	// searchable tells that GLPI's search works on it and that its option 2 is
	// the id.
	searchable bool
	// throughParent must be read as a child: GLPI doesn't keep companies apart.
	throughParent bool
	// itemsOnly: GLPI's lists and searches show what they should not (other
	// companies' rows, values without what is inherited), a single item is right.
	itemsOnly bool
	// hasZero: 0 is an id like any other.
	hasZero bool
	// named: single items are read with the names of what they point to, in the
	// place of the keys.
	named bool
}

func traitsOf(itemtype string) traits {
	switch itemtype {
	case "PluginFlyvemdmAgent":
		return traits{right: "flyvemdm:agent", searchable: true}
	case "PluginFlyvemdmFleet":
		return traits{right: "flyvemdm:fleet", searchable: true}
	case "PluginFlyvemdmInvitation":
		return traits{right: "flyvemdm:invitation", searchable: true}
	case "PluginFlyvemdmPolicy":
		return traits{right: "flyvemdm:policy", searchable: true, catalogue: true, global: true}
	case "PluginFlyvemdmPolicyCategory":
		return traits{right: "flyvemdm:policycategory", searchable: true, catalogue: true, global: true}
	case "PluginFlyvemdmTask":
		return traits{right: "flyvemdm:policy", searchable: true, itemsOnly: true}
	case "PluginFlyvemdmTaskstatus":
		return traits{right: "flyvemdm:taskstatus", searchable: true, throughParent: true}
	case "PluginFlyvemdmInvitationlog":
		return traits{right: "flyvemdm:invitationLog", throughParent: true}
	case "QueuedNotification":
		return traits{right: "queuednotification"}
	case "PluginFlyvemdmEntityConfig":
		return traits{right: "flyvemdm:entity", itemsOnly: true}
	case "PluginFlyvemdmWellknownpath":
		return traits{right: "flyvemdm:wellknownpath", searchable: true, catalogue: true, global: true}
	case "PluginFlyvemdmGeolocation":
		return traits{right: "flyvemdm:geolocation", throughParent: true}
	case "PluginFlyvemdmFile":
		return traits{right: "flyvemdm:file", searchable: true}
	case "PluginFlyvemdmPackage":
		return traits{right: "flyvemdm:package", searchable: true}
	case "Computer":
		return traits{right: "computer", searchable: true}
	case "User":
		return traits{right: "user", searchable: true}
	case "Entity":
		return traits{right: "entity", searchable: true, hasZero: true}
	case "SoftwareVersion":
		return traits{right: "software", searchable: true, catalogue: true, named: true}
	case "DeviceProcessor", "DeviceBattery", "DeviceSimcard":
		return traits{searchable: true, catalogue: true, named: true}
	case "Line":
		return traits{right: "line", searchable: true, named: true}
	case "Location":
		return traits{right: "location", searchable: true, catalogue: true}
	case "UserTitle", "UserCategory":
		return traits{right: "dropdown", searchable: true, catalogue: true}
	case "Profile":
		return traits{right: "profile", searchable: true, catalogue: true}
	case "SearchOption":
		return traits{catalogue: true, global: true}
	case "Profile_User":
		return traits{right: "user", throughParent: true}
	case "UserEmail", "Item_OperatingSystem":
		return traits{throughParent: true}
	}
	return traits{searchable: true, catalogue: true} // names of models, makers, systems
}

// pluginOf is the plugin that brings an item type; "" for GLPI's own.
func pluginOf(itemtype string) string {
	if strings.HasPrefix(itemtype, "PluginFlyvemdm") {
		return "flyvemdm"
	}
	return ""
}

// ttlOf is how long rows of a type are kept.
func (c *Client) ttlOf(t traits) time.Duration {
	if t.catalogue {
		return c.ttl * catalogueFactor
	}
	return c.ttl
}

// families are the pairs for which GLPI filters the children by their parent, each
// with the child's own word on who that is. On other pairs GLPI joins wrongly, or
// not at all and answers with everybody's.
var families = map[[2]string]func(Item) int{
	{"Computer", "PluginFlyvemdmGeolocation"}:      func(i Item) int { return i.(Geolocation).ComputerID },
	{"Computer", "PluginFlyvemdmAgent"}:            func(i Item) int { return i.(Agent).ComputerID },
	{"Computer", "Item_OperatingSystem"}:           func(i Item) int { return i.(InstalledOperatingSystem).ComputerID },
	{"PluginFlyvemdmFleet", "PluginFlyvemdmAgent"}: func(i Item) int { return i.(Agent).FleetID },
	{"User", "PluginFlyvemdmInvitation"}:           func(i Item) int { return i.(Invitation).UserID },
	{"User", "UserEmail"}:                          func(i Item) int { return i.(UserEmail).UserID },
	{"User", "Profile_User"}:                       func(i Item) int { return i.(ProfileUser).UserID },

	{"PluginFlyvemdmAgent", "PluginFlyvemdmTaskstatus"}:         func(i Item) int { return i.(TaskStatus).AgentID },
	{"PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"}:          func(i Item) int { return i.(TaskStatus).TaskID },
	{"PluginFlyvemdmInvitation", "PluginFlyvemdmInvitationlog"}: func(i Item) int { return i.(InvitationLog).InvitationID },
}

// reserved are columns that GLPI puts into its SQL unquoted, where they are words
// of the language: the answer would be an empty list.
var reserved = []string{"lock", "group"}

// sortable tells whether a list may be sorted or filtered by a column. Only
// columns that are shown may: a filter on a token would tell it, guess by guess.
func sortable(columns []column, name string) bool {
	return !slices.Contains(reserved, name) &&
		slices.ContainsFunc(columns, func(c column) bool { return c.name == name && !c.computed })
}

// checkID refuses what GLPI would take for a list.
func checkID(operation string, t traits, id int) error {
	if id > 0 || id == 0 && t.hasZero {
		return nil
	}
	return &Error{Kind: Invalid, Operation: operation, Message: "an id is a positive number"}
}

// checkViewer refuses agents to Flyve MDM's guests, whose GET of one changes the
// device's MQTT password, and whose lists show other people's.
func checkViewer(operation, itemtype string, scope *Scope) error {
	if itemtype == "PluginFlyvemdmAgent" && scope.isGuest() {
		return &Error{Kind: Forbidden, Operation: operation, Message: "the guest profile is for enrolling only"}
	}
	return nil
}
