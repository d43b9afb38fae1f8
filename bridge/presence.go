package bridge

import "time"

// PresenceState says whether a device is there.
type PresenceState string

// The states of presence.
const (
	Online  PresenceState = "ONLINE"
	Offline PresenceState = "OFFLINE"
	Stale   PresenceState = "STALE" // it said that it is online, and then nothing for long
	Unknown PresenceState = "UNKNOWN"
)

// Source is where the deciding word on a device's presence comes from.
type Source string

// The sources of knowledge.
const (
	NoSource Source = ""
	MQTT     Source = "MQTT"
	GLPI     Source = "GLPI"
)

// Presence is whether a device is there, weighed from all that is known. Zero times are unknown.
type Presence struct {
	State       PresenceState `json:"state"`
	Since       time.Time     `json:"since"`       // when the state was taken
	LastContact time.Time     `json:"lastContact"` // the last sign of life
	Source      Source        `json:"source,omitempty"`
	// Ambiguous says that several agents share the device's name on the broker: nobody can tell which of them
	// was heard. Phones without a serial of their own all call themselves "unknown".
	Ambiguous bool `json:"ambiguous,omitempty"`
}

// Heard is what a device, or its last will, said over MQTT.
type Heard struct {
	// State is Online, Offline or Unknown.
	State PresenceState
	// Since is when the state was taken, of Offline when it was last said: a will that comes again is newer than what
	// GLPI heard in between. Zero when that is not known, as with a retained message.
	Since time.Time
	// LastContact is the last sign of life heard from the device itself; zero when there was none.
	LastContact time.Time
	// Retained says that only a retained message speaks for the state: its age is unknown.
	Retained bool
}

// Record is what GLPI stores of a device's presence.
type Record struct {
	Online      bool
	LastContact time.Time // UTC; zero: never
}

// Weigh decides between the broker's word and GLPI's record. Neither is right alone: GLPI's flag is never set by
// devices that speak MQTT, since its own listener does not run; and half of the installed Android agents answer
// over HTTP only and leave a retained "offline" on the broker that nothing overwrites. So the newest word of known
// age wins. A retained word is of unknown age: it counts only where GLPI has no contact on record at all.
func Weigh(heard Heard, record Record, now time.Time, staleAfter time.Duration) Presence {
	verdict := fromMQTT(heard)
	if verdict.Source == NoSource || (!record.LastContact.IsZero() && (heard.Retained || record.LastContact.After(spoken(heard)))) {
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
func spoken(heard Heard) time.Time {
	if heard.Since.After(heard.LastContact) {
		return heard.Since
	}
	return heard.LastContact
}

func fromMQTT(heard Heard) Presence {
	switch heard.State {
	case Online, Offline:
		return Presence{State: heard.State, Since: heard.Since, LastContact: heard.LastContact, Source: MQTT}
	}
	return Presence{State: Unknown}
}

// fromGLPI takes GLPI's flag for a word only when a contact stands beside it: the flag is false from the start,
// for devices that never said anything.
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
