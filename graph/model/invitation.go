package model

import "time"

// InvitationEvent is something that happened to an invitation. What it points to is read when it is asked for.
type InvitationEvent struct {
	Cursor         string
	At             time.Time
	Kind           InvitationEventKind
	Entity, Number int // GLPI's ids of the entity and of the invitation
	AgentNumber    int // of the device that enrolled, 0: none is known
}

// EntityID is the global id of the invitation's entity.
func (e InvitationEvent) EntityID() string { return GlobalID("Entity", e.Entity) }

// InvitationID is the invitation's global id.
func (e InvitationEvent) InvitationID() string { return GlobalID("Invitation", e.Number) }
