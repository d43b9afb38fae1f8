package glpiproxy

import "strings"

// everything is a tag that each cached row carries.
const everything = "*"

// cascades tells, for every type, what else a write to an item of it may change in
// GLPI: rows that go with it, that are moved, or that show something of it.
var cascades = map[string][]string{
	// A move cancels and creates statuses. The end of an agent takes the invitations
	// and the guest profile of its last user along, and its machine account; an
	// enrolment makes a computer and names its user.
	"PluginFlyvemdmAgent": {
		"PluginFlyvemdmTaskstatus", "PluginFlyvemdmTask", "PluginFlyvemdmInvitation", "PluginFlyvemdmInvitationlog",
		"PluginFlyvemdmGeolocation", "Computer", "Item_OperatingSystem", "User", "Profile_User",
	},
	// Its agents go to the default fleet, its tasks end.
	"PluginFlyvemdmFleet": {"PluginFlyvemdmAgent", "PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"},
	// The end of a deployment makes a task that removes what was deployed.
	"PluginFlyvemdmTask":       {"PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"},
	"PluginFlyvemdmTaskstatus": {"PluginFlyvemdmTask"},
	"PluginFlyvemdmFile":       {"PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"},
	"PluginFlyvemdmPackage":    {"PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"},
	// The invited get the guest profile, and a mail.
	"PluginFlyvemdmInvitation": {"PluginFlyvemdmInvitationlog", "User", "Profile_User", "QueuedNotification"},
	// Settings are inherited by the entities below.
	"PluginFlyvemdmEntityConfig": {"PluginFlyvemdmEntityConfig"},
	"Computer": {
		"PluginFlyvemdmAgent", "PluginFlyvemdmGeolocation", "PluginFlyvemdmTaskstatus", "PluginFlyvemdmInvitation",
		"Item_OperatingSystem",
	},
	// Computers lose their user, invitations go; entities show who belongs to them.
	"User": {
		"UserEmail", "Profile_User", "Computer", "PluginFlyvemdmInvitation", "PluginFlyvemdmInvitationlog",
		"PluginFlyvemdmAgent",
	},
	"UserEmail":    {"User", "PluginFlyvemdmInvitation"},
	"Profile_User": {"User", "PluginFlyvemdmInvitation"},
	"Entity":       {everything},

	// Nothing else shows these, or they are changed in GLPI alone and are catalogues:
	// kept for a while whatever happens.
	"PluginFlyvemdmGeolocation": nil, "PluginFlyvemdmInvitationlog": nil, "Item_OperatingSystem": nil,
	"PluginFlyvemdmPolicy": nil, "PluginFlyvemdmPolicyCategory": nil, "PluginFlyvemdmWellknownpath": nil,
	"ComputerModel": nil, "ComputerType": nil, "Manufacturer": nil, "OperatingSystem": nil, "OperatingSystemVersion": nil,
	"QueuedNotification": nil, "UserTitle": nil, "UserCategory": nil, "Location": nil, "Profile": nil,
	"SoftwareVersion": nil, "DeviceProcessor": nil, "DeviceBattery": nil, "DeviceSimcard": nil, "Line": nil,
}

// DeviceChange is something that happened to a device and not through the gateway, as it is seen on the broker.
type DeviceChange int

// What devices do, and what is done to them by others. Nothing here says which device: its agent is not known without
// asking GLPI.
const (
	DevicePresence   DeviceChange = iota // came, went or was heard of
	DevicePosition                       // told where it is
	DeviceInventory                      // sent its inventory
	DeviceTask                           // told how far a task has come
	DeviceCommanded                      // was told something by GLPI
	DeviceMoved                          // was enrolled, or moved to another fleet
	DeviceUnenrolled                     // left: GLPI ends its agent
)

// deviceChanges tells which types a device's doing changes in GLPI.
var deviceChanges = map[DeviceChange][]string{
	DevicePresence:   {"PluginFlyvemdmAgent"},
	DevicePosition:   {"PluginFlyvemdmGeolocation", "PluginFlyvemdmAgent"},
	DeviceInventory:  {"Computer", "Item_OperatingSystem", "PluginFlyvemdmAgent"},
	DeviceTask:       {"PluginFlyvemdmTaskstatus", "PluginFlyvemdmAgent"},
	DeviceCommanded:  {"PluginFlyvemdmAgent"},
	DeviceMoved:      withCascade("PluginFlyvemdmAgent"),
	DeviceUnenrolled: withCascade("PluginFlyvemdmAgent"),
}

// withCascade are the tags to void after a write to a tag.
func withCascade(tag string) []string {
	itemtype, _, one := strings.Cut(tag, ":")
	tags := []string{tag}
	if one {
		tags = append(tags, listTag(itemtype))
	}
	return append(tags, cascades[itemtype]...)
}

// Invalidate forgets what the cache holds under the tags, and what else in GLPI a
// change of it touches: an item type ("PluginFlyvemdmAgent": its lists, counts and
// items) or one item ("PluginFlyvemdmAgent:17": that item and the type's lists and
// counts).
func (c *Client) Invalidate(tags ...string) {
	var all []string
	for _, tag := range tags {
		all = append(all, withCascade(tag)...)
	}
	c.void(all...)
}

// DeviceChanged forgets what the cache holds of what a device may have changed.
func (c *Client) DeviceChanged(changes ...DeviceChange) {
	var all []string
	for _, change := range changes {
		all = append(all, deviceChanges[change]...)
	}
	c.void(all...)
}

// InvitationChanged forgets what the cache holds of an invitation that may have changed past this client, of its mail and
// of its log.
func (c *Client) InvitationChanged(id int) {
	itemtype := Invitation{}.itemtype()
	c.void(itemTag(itemtype, id), listTag(itemtype), InvitationLog{}.itemtype(), QueuedMail{}.itemtype())
}

// listTag is carried by lists and counts, which any change of an item may touch.
func listTag(itemtype string) string { return itemtype + ":*" }
