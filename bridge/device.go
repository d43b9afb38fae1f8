package bridge

import "time"

// DeviceKey names a device on the broker. The entity is part of the name: it is what decides who may see the
// device, and the broker's ACL vouches for it, not the device's word.
type DeviceKey struct {
	// EntityID is GLPI's id of the entity, as the topic has it.
	EntityID int
	// Serial is the serial number, which is the device's account on the broker.
	Serial string
}

// Device is what is known of a device from MQTT alone.
type Device struct {
	Key      DeviceKey
	Presence Presence
	// Position is the last one reported over MQTT since the bridge started; nil when there was none.
	Position *Position
}

// PresenceState says whether a device is there.
type PresenceState string

// The states of presence. That a contact is too old to count is the reader's to derive.
const (
	Online  PresenceState = "ONLINE"
	Offline PresenceState = "OFFLINE"
	Unknown PresenceState = "UNKNOWN"
)

// Presence is whether a device is there, and how that is known.
type Presence struct {
	State PresenceState
	// Since is when the state was taken; zero when that is not known, as with a retained message.
	Since time.Time
	// LastContact is the last sign of life heard from the device itself; zero when there was none.
	LastContact time.Time
	// Retained says that only a retained message speaks for the state: its age is unknown.
	Retained bool
}

// Position is where a device says it is.
type Position struct {
	// Latitude and Longitude are in degrees, within ±90 and ±180.
	Latitude, Longitude float64
	// At is when the device took the position, or when its message came if it gives no believable date.
	At time.Time
	// Available is false when the device said that its GPS is off; the coordinates are zero then.
	Available bool
}
