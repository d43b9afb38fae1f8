package glpiproxy

import (
	"slices"
	"testing"
)

// touched are the types whose answers are gone after a change.
func touched(t *testing.T, types []string, change func(*Client)) (gone []string) {
	t.Helper()
	c := newGLPI(t).client()
	for _, itemtype := range types {
		for _, tag := range []string{itemTag(itemtype, 1), itemTag(itemtype, 2), listTag(itemtype)} {
			c.rows.put(tag, 1, 1, 1<<40, c.rows.begin(), everything, itemtype, tag)
		}
	}
	change(c)
	for _, itemtype := range types {
		for _, tag := range []string{itemTag(itemtype, 1), itemTag(itemtype, 2), listTag(itemtype)} {
			if _, ok := c.rows.get(tag); !ok {
				gone = append(gone, tag)
			}
		}
	}
	return gone
}

func TestCascades(t *testing.T) {
	const (
		agent, fleet, task, status = "PluginFlyvemdmAgent", "PluginFlyvemdmFleet", "PluginFlyvemdmTask", "PluginFlyvemdmTaskstatus"
		invitation, file, config   = "PluginFlyvemdmInvitation", "PluginFlyvemdmFile", "PluginFlyvemdmEntityConfig"
		position, policy           = "PluginFlyvemdmGeolocation", "PluginFlyvemdmPolicy"
	)
	all := []string{agent, fleet, task, status, invitation, file, config, position, policy, "Computer", "User", "Entity", "Profile_User", "QueuedNotification"}
	whole := func(types ...string) (tags []string) {
		for _, itemtype := range types {
			tags = append(tags, itemtype+":1", itemtype+":2", itemtype+":*")
		}
		return tags
	}
	for name, c := range map[string]struct {
		change func(*Client)
		gone   []string
	}{
		"an agent moves or ends": {
			func(c *Client) { c.Invalidate(agent + ":1") },
			append([]string{agent + ":1", agent + ":*"}, whole(status, task, invitation, position, "Computer", "User", "Profile_User")...),
		},
		"a fleet": {
			func(c *Client) { c.Invalidate(fleet + ":1") },
			append([]string{fleet + ":1", fleet + ":*"}, whole(agent, task, status)...),
		},
		"a task":     {func(c *Client) { c.Invalidate(task + ":2") }, whole(task, status)},
		"a file":     {func(c *Client) { c.Invalidate(file + ":2") }, append([]string{file + ":2", file + ":*"}, whole(task, status)...)},
		"a person":   {func(c *Client) { c.Invalidate("User:1") }, append([]string{"User:1", "User:*"}, whole("Computer", invitation, agent, "Profile_User")...)},
		"settings":   {func(c *Client) { c.Invalidate(config + ":1") }, whole(config)},
		"an entity":  {func(c *Client) { c.Invalidate("Entity:1") }, whole(all...)},
		"a policy":   {func(c *Client) { c.Invalidate(policy) }, whole(policy)},
		"nothing":    {func(c *Client) { c.Invalidate() }, nil},
		"presence":   {func(c *Client) { c.DeviceChanged(DevicePresence) }, whole(agent)},
		"a position": {func(c *Client) { c.DeviceChanged(DevicePosition) }, whole(agent, position)},
		"inventory":  {func(c *Client) { c.DeviceChanged(DeviceInventory) }, whole(agent, "Computer")},
		"task":       {func(c *Client) { c.DeviceChanged(DeviceTask) }, whole(agent, status)},
		"lock":       {func(c *Client) { c.DeviceChanged(DeviceCommanded) }, whole(agent)},
		"enrolment":  {func(c *Client) { c.DeviceChanged(DeviceMoved) }, whole(agent, status, task, invitation, position, "Computer", "User", "Profile_User")},
		"unenrolled": {func(c *Client) { c.DeviceChanged(DeviceUnenrolled) }, whole(agent, status, task, invitation, position, "Computer", "User", "Profile_User")},
		"an invitation seen from afar": {
			func(c *Client) { c.InvitationChanged(2) },
			append([]string{invitation + ":2", invitation + ":*"}, whole("QueuedNotification")...),
		},
		"two things": {func(c *Client) { c.DeviceChanged(DeviceTask, DevicePosition) }, whole(agent, status, position)},
	} {
		gone := touched(t, all, c.change)
		slices.Sort(gone)
		slices.Sort(c.gone)
		if !slices.Equal(gone, c.gone) {
			t.Errorf("%s: gone are %v,\nwant %v", name, gone, c.gone)
		}
	}
}

// Each type has a word on what its changes touch, and touches known types only.
func TestCascadesKnowEveryItemType(t *testing.T) {
	types := itemTypes(t)
	for _, itemtype := range types {
		if _, known := cascades[itemtype]; !known {
			t.Errorf("cascades says nothing of %s: nil if it touches nothing else", itemtype)
		}
	}
	for itemtype, touched := range cascades {
		for _, name := range append(touched, itemtype) {
			if name != everything && !slices.Contains(types, name) {
				t.Errorf("cascades of %s: there is no type %s", itemtype, name)
			}
		}
	}
}
