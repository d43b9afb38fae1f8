package bridge

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind is what happened to a device.
type Kind string

// The kinds of events, and which fields of an Event they fill beside Cursor, At, Kind and Device.
const (
	PresenceChanged   Kind = "PRESENCE_CHANGED"    // Presence
	PositionReported  Kind = "POSITION_REPORTED"   // Position
	CommandSent       Kind = "COMMAND_SENT"        // Command
	CommandAnswered   Kind = "COMMAND_ANSWERED"    // Command, RoundTrip
	InventoryReceived Kind = "INVENTORY_RECEIVED"  //
	AgentUnenrolled   Kind = "AGENT_UNENROLLED"    //
	TaskStatusChanged Kind = "TASK_STATUS_CHANGED" // Task
	AgentEnrolled     Kind = "AGENT_ENROLLED"      // AgentID
	AgentDeleted      Kind = "AGENT_DELETED"       // AgentID
)

// Event is something that happened to a device. What it points to is shared between subscribers: read only.
type Event struct {
	// Cursor is the event's place in the log, to resume a subscription after it. Opaque, and good with every
	// bridge that has the same Log and CursorSecret.
	Cursor string `json:"-"`
	// Number counts the events that this bridge has taken in, from 1: a later one has a higher number. It means nothing
	// to other bridges.
	Number uint64 `json:"-"`
	// At is when the bridge heard of it.
	At        time.Time     `json:"at"`
	Kind      Kind          `json:"kind"`
	Device    DeviceKey     `json:"device"`
	AgentID   int           `json:"agent,omitempty"` // GLPI's id
	Presence  *Presence     `json:"presence,omitempty"`
	Position  *Position     `json:"position,omitempty"`
	Command   *Command      `json:"command,omitempty"`
	RoundTrip time.Duration `json:"roundTrip,omitempty"`
	Task      *TaskStatus   `json:"task,omitempty"`
}

// Command is what GLPI told a device.
type Command struct {
	// Name is Ping, Geolocate, Inventory, Lock (which also unlocks), Wipe, Unenroll or Subscribe.
	Name string
	// SentAt is when the command passed the broker.
	SentAt time.Time
}

// TaskStatus is how far a device has come with a task.
type TaskStatus struct {
	// TaskID is GLPI's id of the task.
	TaskID int
	// Status is pending, received, done, failed, canceled, incompatible, overriden (sic) or waiting.
	Status string
}

// Filter says which events a subscription may see: those that pass all three of its parts. The zero Filter
// lets nothing through.
type Filter struct {
	// Entities are GLPI's ids of the entities whose devices may be seen; nil is none.
	Entities map[int]struct{}
	// AllEntities lets the devices of every entity through, whatever Entities says.
	AllEntities bool
	// Devices narrows it to these devices; nil is any.
	Devices map[DeviceKey]struct{}
	// Kinds narrows it to these kinds of events; nil is any.
	Kinds map[Kind]struct{}
}

// And lets through what both filters let through.
func (f Filter) And(other Filter) Filter {
	both := Filter{AllEntities: f.AllEntities && other.AllEntities, Devices: common(f.Devices, other.Devices), Kinds: common(f.Kinds, other.Kinds)}
	switch {
	case f.AllEntities:
		both.Entities = other.Entities
	case other.AllEntities:
		both.Entities = f.Entities
	case f.Entities != nil && other.Entities != nil:
		both.Entities = common(f.Entities, other.Entities)
	}
	return both
}

// common is what is in both sets, where nil is everything.
func common[K comparable](a, b map[K]struct{}) map[K]struct{} {
	switch {
	case a == nil:
		return maps.Clone(b)
	case b == nil:
		return maps.Clone(a)
	}
	both := map[K]struct{}{}
	for key := range a {
		if _, in := b[key]; in {
			both[key] = struct{}{}
		}
	}
	return both
}

var (
	// ErrResync says that events are missing before a cursor: read the present state again, then subscribe
	// without a cursor.
	ErrResync = errors.New("events were missed: a resync is needed")
	// ErrLagged says that a subscriber did not keep up and that events were left out; it is an ErrResync.
	ErrLagged = fmt.Errorf("the subscriber fell behind: %w", ErrResync)
	// ErrClosed says that a subscription, or the bridge, was closed.
	ErrClosed = errors.New("the subscription is closed")
)
