package dangerzone

import (
	"fmt"

	"fleetgate/bridge"
)

// WarningCode names a kind of warning, for programs.
type WarningCode string

// The kinds of warnings.
const (
	WarnOffline          WarningCode = "OFFLINE"
	WarnNeverHeard       WarningCode = "NEVER_HEARD"
	WarnOnline           WarningCode = "ONLINE"
	WarnNoSerial         WarningCode = "NO_SERIAL"
	WarnPush             WarningCode = "PUSH"
	WarnAlreadyWiping    WarningCode = "ALREADY_WIPING"
	WarnNotWiping        WarningCode = "NOT_WIPING"
	WarnAlreadyLeaving   WarningCode = "ALREADY_UNENROLLING"
	WarnLockSwallowed    WarningCode = "LOCK_SWALLOWED"
	WarnIgnored          WarningCode = "IGNORED_BY_PLATFORM"
	WarnWipeTakenBack    WarningCode = "WIPE_TAKEN_BACK"
	WarnSharedDevice     WarningCode = "SHARED_DEVICE"
	WarnComputerKept     WarningCode = "COMPUTER_KEPT"
	WarnInvitations      WarningCode = "INVITATIONS_DELETED"
	WarnMayNeverConfirm  WarningCode = "MAY_NEVER_CONFIRM"
	WarnComputerNotThere WarningCode = "COMPUTER_NOT_THERE"
)

// Warning is something that whoever confirms a plan should know, in words.
type Warning struct {
	Code    WarningCode
	Message string
}

// warnings are those of one device.
func (f *facts) warnings(agentID int) []Warning {
	all := []Warning{}
	for _, some := range [][]Warning{f.ofReach(agentID), f.ofState(agentID), f.ofSharing(agentID), f.ofOwner(agentID)} {
		all = append(all, some...)
	}
	return all
}

// ofReach tells whether the device will hear of it, and when.
func (f *facts) ofReach(agentID int) []Warning {
	action, state := f.request.Action, f.presence[agentID].State
	switch {
	case f.computer(agentID).ID == 0:
		return []Warning{{WarnComputerNotThere, "Its computer is gone, or not yours to see: it can't be told anything, and GLPI leaves its accounts behind."}}
	case f.computer(agentID).Serial == "":
		return []Warning{{WarnNoSerial, "It has no serial number, so it can't be told anything."}}
	case action == CancelWipe && state == bridge.Online:
		return []Warning{{WarnOnline, "It is online: it has probably taken the command already, and then nothing brings it back."}}
	case action == CancelWipe || state == bridge.Online:
	case action == Delete:
		return []Warning{{WarnOffline, "It is not online: it will not hear of it, and keeps what Flyve MDM has set on it. Unenrol it first to have it told when it returns."}}
	case state == bridge.Unknown:
		return []Warning{{WarnNeverHeard, "Nothing was ever heard from it: nobody knows whether it will hear the command."}}
	default:
		return []Warning{{WarnOffline, "It is not online: the command runs when it returns."}}
	}
	return nil
}

// ofState tells what GLPI has of the device already, and what it makes of the request.
func (f *facts) ofState(agentID int) (all []Warning) {
	a := f.agents[agentID]
	warn := func(holds bool, code WarningCode, message string) {
		if holds {
			all = append(all, Warning{code, message})
		}
	}
	switch f.request.Action {
	case Wipe:
		warn(a.Wipe, WarnAlreadyWiping, "A wipe was requested before: it is sent again.")
		warn(true, WarnLockSwallowed, "From then on GLPI drops every lock and unlock of it.")
		warn(a.EnrollStatus == "unenrolling", WarnAlreadyLeaving, "It was told to leave before: if it has, it hears of no wipe.")
		warn(a.MDMType == "apple", WarnIgnored, "Flyve MDM's agent for iOS ignores it.")
	case CancelWipe:
		warn(!a.Wipe, WarnNotWiping, "GLPI has no wipe requested for it: only the broker is cleared.")
	case Unenroll:
		warn(a.EnrollStatus == "unenrolling", WarnAlreadyLeaving, "It was told to leave before: it is told again.")
		warn(a.EnrollStatus != "unenrolling", WarnMayNeverConfirm, "Newer agents never confirm that they have left: then it counts as done when it fell silent at the command.")
	case Delete:
		warn(a.EnrollStatus == "unenrolling", WarnAlreadyLeaving, "It was told to leave and has not confirmed it: GLPI does not tell it again.")
	}
	warn(a.Wipe && (f.request.Action == Delete || f.request.Action == Unenroll), WarnWipeTakenBack,
		"A wipe was requested. If it has not run yet it never will: this takes the command off the broker.")
	warn(f.push[agentID] && f.request.Action.command() != "", WarnPush, "It is told by push message: the gateway can't see whether it was sent.")
	return all
}

// ofSharing tells of other agents that are hit too.
func (f *facts) ofSharing(agentID int) (all []Warning) {
	if n := len(f.neighbours[agentID]); n > 0 {
		all = append(all, Warning{WarnSharedDevice, fmt.Sprintf("It shares its computer or its name on the broker with %s: what is said to it reaches all of them.", number(n, "other agent"))})
	}
	if outside := f.outsiders(agentID); f.request.DeleteComputers && len(outside) > 0 {
		all = append(all, Warning{WarnComputerKept, "Its computer is kept: an agent that stays is on it."})
	}
	return all
}

// ofOwner tells what its owner loses.
func (f *facts) ofOwner(agentID int) []Warning {
	n := f.pending[f.computer(agentID).UserID]
	if f.request.Action != Delete || n == 0 || !f.losesProfile(agentID) {
		return nil
	}
	return []Warning{{WarnInvitations, fmt.Sprintf("It is its owner's last device here: GLPI deletes %s of theirs with it.", number(n, "pending invitation"))}}
}

func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
