package model

import "time"

// DangerZoneOperation is an action on devices as one viewer may see it.
type DangerZoneOperation struct {
	ID              int // the gateway's own
	Action          DangerZoneAction
	DeleteComputers bool
	UserID          int // who confirmed it
	RequestedByName string
	RequestedAt     time.Time
	Note            *string
	Targets         []*DangerZoneTarget
	Done            bool
}

// IsNode marks DangerZoneOperation as a Relay node.
func (DangerZoneOperation) IsNode() {}

// GlobalID is the operation's opaque identity.
func (o DangerZoneOperation) GlobalID() string { return GlobalID("DangerZoneOperation", o.ID) }

// DangerZoneTarget is what became of one device.
type DangerZoneTarget struct {
	AgentID   int // GLPI's
	Name      string
	Serial    *string
	State     DangerZoneTargetState
	Message   string
	UpdatedAt time.Time
}

// AgentGlobalID is the opaque identity of the device's agent.
func (t DangerZoneTarget) AgentGlobalID() string { return GlobalID("Agent", t.AgentID) }
