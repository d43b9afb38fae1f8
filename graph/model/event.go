package model

import (
	"context"
	"time"
)

// EventBase is what every event of a device has.
type EventBase struct {
	Cursor string
	At     time.Time
	Kind   DeviceEventKind
	// Entity is GLPI's id of the entity, from the topic that the device spoke on.
	Entity int
	// DeviceSerial is the serial number, from the same topic.
	DeviceSerial string
	// FindAgent looks the device up with the subscriber's own rights. It is called only when `agent` is selected.
	FindAgent func(context.Context) (*Agent, error)
}

// IsDeviceEvent marks the events.
func (EventBase) IsDeviceEvent() {}

// EntityID is the entity's opaque identity.
func (e EventBase) EntityID() string { return GlobalID("Entity", e.Entity) }

// Serial is the serial number.
func (e EventBase) Serial() *string { return text(e.DeviceSerial) }

// Agent is the device, as the subscriber may see it.
func (e EventBase) Agent(ctx context.Context) (*Agent, error) { return e.FindAgent(ctx) }

// PresenceChanged says that a device came or went.
type PresenceChanged struct {
	EventBase
	Presence *Presence
}

// PositionReported says where a device is; without a position, that its GPS is off.
type PositionReported struct {
	EventBase
	Position *Position
}

// CommandSent says that a command was sent to a device.
type CommandSent struct {
	EventBase
	Command *Command
}

// CommandAnswered says that a device answered a command.
type CommandAnswered struct {
	EventBase
	Command     *Command
	RoundTripMs float64
}

// InventoryReceived says that a device sent its inventory.
type InventoryReceived struct{ EventBase }

// AgentEnrolled says that GLPI has a new agent for a device.
type AgentEnrolled struct{ EventBase }

// AgentDeleted says that GLPI has deleted the agent of a device.
type AgentDeleted struct {
	EventBase
	AgentID string // the global id that it had
}

// AgentUnenrolled says that a device left management.
type AgentUnenrolled struct{ EventBase }
