package bridge

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTopic  = 512 // bytes
	maxSerial = 128 // bytes; Android's are 16 or less, iOS has a UUID
	maxDigits = 10  // of an id; GLPI's are 32-bit integers
)

// The first level below a device's own topic.
const (
	statusSection  = "Status"
	commandSection = "Command"
	policySection  = "Policy"
)

// commands are the names that GLPI's commands have.
var commands = map[string]bool{
	"Ping": true, "Geolocate": true, "Inventory": true, "Lock": true, "Wipe": true, "Unenroll": true, "Subscribe": true,
}

// address is a topic taken apart: whose it is and what is said there.
type address struct {
	device  DeviceKey
	section string // Status, Command or Policy
	name    string // Ping, Online, ...; empty for Policy
	taskID  int    // of Status/Task/{id}
}

// parseTopic takes {entity}/agent/{serial}/{section}/... apart, with or without a leading slash. It is strict
// about the entity, which decides who may see the device: one entity has one spelling.
func parseTopic(topic string) (address, error) {
	if len(topic) > maxTopic {
		return address{}, refusedTopicTooLong
	}
	levels := strings.Split(strings.TrimPrefix(topic, "/"), "/")
	if len(levels) < 5 || levels[1] != "agent" {
		return address{}, refusedUnknownTopic
	}
	entity, ok := parseID(levels[0])
	if !ok {
		return address{}, refusedEntity
	}
	if !validSerial(levels[2]) {
		return address{}, refusedSerial
	}
	a := address{device: DeviceKey{EntityID: entity, Serial: levels[2]}, section: levels[3], name: levels[4]}
	return a, a.checkName(levels[5:])
}

// checkName checks what follows the section; rest is what comes after the name.
func (a *address) checkName(rest []string) error {
	switch {
	case a.section == policySection:
		a.name = ""
		return nil
	case a.section == commandSection && len(rest) == 0 && commands[a.name]:
		return nil
	case a.section == statusSection && len(rest) == 1 && a.name == "Task":
		var ok bool
		if a.taskID, ok = parseID(rest[0]); ok && a.taskID > 0 {
			return nil
		}
	case a.section == statusSection && len(rest) == 0:
		if kind, known := statusKinds[a.name]; known && kind != kindTask {
			return nil
		}
	}
	return refusedUnknownTopic
}

// parseID reads one of GLPI's ids: plain digits without leading zeros.
func parseID(text string) (int, bool) {
	if text == "" || len(text) > maxDigits || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	id := 0
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		id = id*10 + int(digit-'0')
	}
	return id, true
}

// validSerial lets through whatever a maker may call a phone, but nothing that is special in a topic or unfit
// for a line of log.
func validSerial(serial string) bool {
	return serial != "" && len(serial) <= maxSerial && utf8.ValidString(serial) &&
		!strings.ContainsFunc(serial, func(r rune) bool { return r == '+' || r == '#' || r == '/' || unicode.IsControl(r) })
}
