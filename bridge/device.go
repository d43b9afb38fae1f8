package bridge

import (
	"math"
	"strconv"
	"strings"
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
// every text that looks like one, so the phone that calls itself 0042 is 42 there. Serials that GLPI keeps apart stay
// apart: whole numbers up to 18 digits are exact, and longer ones are left as they are.
func (k DeviceKey) canonical() DeviceKey {
	if strings.Trim(k.Serial, "+-.eE0123456789") != "" {
		return k // letters: no number, nor what only Go takes for one, such as infinity or 0x1p-2
	}
	if whole, err := strconv.ParseInt(k.Serial, 10, 64); err == nil {
		k.Serial = strconv.FormatInt(whole, 10)
		return k
	}
	const exactDigits = 15
	number, err := strconv.ParseFloat(k.Serial, 64)
	switch {
	case err != nil || len(k.Serial) > exactDigits:
	case number == math.Trunc(number) && math.Abs(number) < 1<<53:
		k.Serial = strconv.FormatInt(int64(number), 10)
	default:
		k.Serial = strconv.FormatFloat(number, 'g', -1, 64)
	}
	return k
}

// Same says whether two keys name the same device, whichever way its serial is written.
func (k DeviceKey) Same(other DeviceKey) bool { return k.canonical() == other.canonical() }

// Tag names a device in a word, the same whichever way its serial is written.
func (k DeviceKey) Tag() string {
	k = k.canonical()
	return "device:" + strconv.Itoa(k.EntityID) + "/" + k.Serial
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
