// Package presence decides whether a device is online from everything that is known of it: what it said on
// the broker and what GLPI recorded. Neither is right alone. GLPI's flag is never set by devices that speak
// MQTT, since its own listener does not run; and half of the installed Android agents answer over HTTP only
// and leave a retained "offline" on the broker that nothing overwrites. So the newest word of known age wins.
package presence

import (
	"time"

	"fleetgate/bridge"
)

// State is whether a device is online.
type State string

// The states of a device.
const (
	Online  State = "ONLINE"
	Offline State = "OFFLINE"
	Stale   State = "STALE" // it said that it is online, and then nothing for long
	Unknown State = "UNKNOWN"
)

// Source is where the deciding word comes from.
type Source string

// The sources of knowledge.
const (
	None Source = ""
	MQTT Source = "MQTT"
	GLPI Source = "GLPI"
)

// Record is what GLPI stores of a device.
type Record struct {
	Online      bool
	LastContact time.Time // UTC; zero: never
}

// Presence is the verdict. Zero times are unknown.
type Presence struct {
	State       State
	Since       time.Time
	LastContact time.Time
	Source      Source
}

// Weigh decides between the broker's word and GLPI's record. A retained word on the broker is of unknown age:
// it counts only where GLPI has no contact on record at all.
func Weigh(heard bridge.Presence, record Record, now time.Time, staleAfter time.Duration) Presence {
	verdict := fromMQTT(heard)
	if verdict.Source == None || (!record.LastContact.IsZero() && (heard.Retained || record.LastContact.After(spoken(heard)))) {
		verdict = fromGLPI(record)
	}
	if heard.LastContact.After(verdict.LastContact) {
		verdict.LastContact = heard.LastContact
	}
	if verdict.State == Online && now.Sub(verdict.LastContact) > staleAfter {
		verdict.State = Stale
		if !verdict.LastContact.IsZero() {
			verdict.Since = verdict.LastContact.Add(staleAfter)
		}
	}
	return verdict
}

// spoken is when the broker's word was said. A last will is no contact with the device: it has a time of its own.
func spoken(heard bridge.Presence) time.Time {
	if heard.Since.After(heard.LastContact) {
		return heard.Since
	}
	return heard.LastContact
}

func fromMQTT(heard bridge.Presence) Presence {
	switch heard.State {
	case bridge.Online:
		return Presence{State: Online, Since: heard.Since, LastContact: heard.LastContact, Source: MQTT}
	case bridge.Offline:
		return Presence{State: Offline, Since: heard.Since, LastContact: heard.LastContact, Source: MQTT}
	}
	return Presence{State: Unknown}
}

// fromGLPI takes GLPI's flag for a word only when a contact stands beside it: the flag is false from the
// start, for devices that never said anything.
func fromGLPI(record Record) Presence {
	switch {
	case record.LastContact.IsZero():
		return Presence{State: Unknown}
	case record.Online:
		return Presence{State: Online, LastContact: record.LastContact, Source: GLPI}
	default:
		return Presence{State: Offline, LastContact: record.LastContact, Source: GLPI}
	}
}
