package dangerzone

import "fleetgate/glpiproxy"

// Action is what is done to devices.
type Action string

// The actions.
const (
	Wipe       Action = "WIPE"        // the device erases itself
	Unenroll   Action = "UNENROLL"    // the device leaves Flyve MDM
	Delete     Action = "DELETE"      // GLPI forgets the device
	CancelWipe Action = "CANCEL_WIPE" // a wipe that has not run yet is taken back
)

// Right is what a profile must be allowed on agents for the action.
func (a Action) Right() glpiproxy.Right {
	if a == Delete {
		return glpiproxy.Purge
	}
	return glpiproxy.Update
}

// command is what the device is told over MQTT; "": nothing that it confirms.
func (a Action) command() string {
	switch a {
	case Wipe:
		return "Wipe"
	case Unenroll:
		return "Unenroll"
	}
	return ""
}

// known says whether it is one of the actions.
func (a Action) known() bool {
	switch a {
	case Wipe, Unenroll, Delete, CancelWipe:
		return true
	}
	return false
}
