package bridge

import (
	"strconv"
	"time"
)

// DeviceKey names a device on the broker. The entity is part of the name: it is what decides who may see the
// device, and the broker's ACL vouches for it, not the device's word.
type DeviceKey struct {
	// EntityID is GLPI's id of the entity, as the topic has it.
	EntityID int `json:"entity"`
	// Serial is the serial number, which is the device's account on the broker.
	Serial string `json:"serial"`
}

// canonical is the key under which a device is known, whichever way its serial is written: GLPI makes a number of
// every text that looks like one, so the phone that calls itself 0042 is 42 there.
func (k DeviceKey) canonical() DeviceKey {
	if number, err := strconv.ParseFloat(k.Serial, 64); err == nil && number == number {
		k.Serial = strconv.FormatFloat(number, 'g', -1, 64)
	}
	return k
}

// Device is what is known of a device.
type Device struct {
	Key      DeviceKey
	Presence Presence
	// Heard is what it said over MQTT, on which Presence rests among other things.
	Heard Heard
	// Position is the last one reported over MQTT since the bridge started; nil when there was none.
	Position *Position
	// AgentIDs are GLPI's ids of its agents: none while GLPI was not asked.
	AgentIDs []int
}

// Position is where a device says it is.
type Position struct {
	// Latitude and Longitude are in degrees, within ±90 and ±180.
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	// At is when the device took the position, or when its message came if it gives no believable date.
	At time.Time `json:"at"`
	// Available is false when the device said that its GPS is off; the coordinates are zero then.
	Available bool `json:"available"`
}
