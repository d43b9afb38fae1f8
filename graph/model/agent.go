package model

import (
	"time"

	"fleetgate/glpiproxy"
)

// Agent is a device as GLPI stores it; what the gateway adds (presence, relations) is resolved.
type Agent struct{ glpiproxy.Agent }

// IsNode marks Agent as a Relay node.
func (Agent) IsNode() {}

// GlobalID is the agent's opaque identity.
func (a Agent) GlobalID() string { return GlobalID("Agent", a.ID) }

// MDMType is the platform; nil for one that this API has no name for.
func (a Agent) MDMType() *MdmType {
	return enum(mdmTypes, a.Agent.MDMType)
}

// EnrollStatus is where the device stands between enrolled and gone.
func (a Agent) EnrollStatus() *EnrollStatus {
	return enum(enrollStatuses, a.Agent.EnrollStatus)
}

// NotificationType is how commands reach the device.
func (a Agent) NotificationType() *NotificationType {
	return enum(map[string]NotificationType{"mqtt": NotificationTypeMqtt, "fcm": NotificationTypeFcm}, a.Agent.NotificationType)
}

// Version is the agent application's version.
func (a Agent) Version() *string { return text(a.Agent.Version) }

// Presence is whether a device is online, and how that is known.
type Presence struct {
	// Ambiguous: several agents share the device's serial.
	Ambiguous   bool
	State       PresenceState
	Since       *time.Time
	LastContact *time.Time
	Source      *PresenceSource
}

// Position is a place on earth, in degrees.
type Position struct {
	Latitude, Longitude float64
	At                  time.Time
}

// GLPI's words for what this API has names for.
var (
	mdmTypes       = map[string]MdmType{"android": MdmTypeAndroid, "apple": MdmTypeApple}
	enrollStatuses = map[string]EnrollStatus{
		"enrolled": EnrollStatusEnrolled, "unenrolling": EnrollStatusUnenrolling, "unenrolled": EnrollStatusUnenrolled,
	}
)

// MDMTypeWord is GLPI's word for a platform, to search by.
func MDMTypeWord(t MdmType) string { return wordFor(mdmTypes, t) }

// EnrollStatusWord is GLPI's word for an enrolment state, to search by.
func EnrollStatusWord(s EnrollStatus) string { return wordFor(enrollStatuses, s) }

// wordFor is enum the other way round.
func wordFor[E comparable](words map[string]E, value E) string {
	for word, named := range words {
		if named == value {
			return word
		}
	}
	return ""
}

// enum translates GLPI's word; nil for one that this API has no name for.
func enum[E ~string](words map[string]E, word string) *E {
	value, known := words[word]
	if !known {
		return nil
	}
	return &value
}

// text makes the empty text, which GLPI uses for "none", GraphQL's null.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
