package model

import (
	"time"

	"fleetgate/glpiproxy"
)

// Fleet is a group of devices that share policies.
type Fleet struct{ glpiproxy.Fleet }

// IsNode marks Fleet as a Relay node.
func (Fleet) IsNode() {}

// GlobalID is the fleet's opaque identity.
func (f Fleet) GlobalID() string { return GlobalID("Fleet", f.ID) }

// Invitation is an invitation for one person to enrol a device.
type Invitation struct{ glpiproxy.Invitation }

// IsNode marks Invitation as a Relay node.
func (Invitation) IsNode() {}

// GlobalID is the invitation's opaque identity.
func (i Invitation) GlobalID() string { return GlobalID("Invitation", i.ID) }

// ExpiresAt is when the invitation ends; nil once it was used.
func (i Invitation) ExpiresAt() *time.Time { return Moment(i.Invitation.ExpiresAt) }

// StateAt derives the state from what GLPI stores: rows that have expired stay "pending" there, and a used
// invitation loses its date while one that somebody put to "done" keeps it.
func (i Invitation) StateAt(now time.Time) InvitationState {
	used := i.Invitation.ExpiresAt.IsZero()
	switch {
	case i.Status == "done" && used:
		return InvitationStateEnrolled
	case i.Status == "done":
		return InvitationStateDeactivated
	case !used && !now.Before(i.Invitation.ExpiresAt):
		return InvitationStateExpired
	default:
		return InvitationStatePending
	}
}
