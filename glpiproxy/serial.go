package glpiproxy

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// AgentsBySerial finds the agents of an entity on computers with exactly this
// serial: normally one, none when nobody the viewer may see has it. Devices call
// themselves by their serial, GLPI's agents don't know it.
func AgentsBySerial(ctx context.Context, s *Session, entityID int, serial string) ([]Agent, error) {
	agents, err := AgentsWithSerial(ctx, s, serial)
	return slices.DeleteFunc(agents, func(a Agent) bool { return a.EntityID != entityID }), err
}

// AgentsWithSerial finds the agents on computers with exactly this serial in all
// entities of the viewer. Several mean that phones without a serial of their own
// share a name such as "unknown".
func AgentsWithSerial(ctx context.Context, s *Session, serial string) ([]Agent, error) {
	if strings.TrimSpace(serial) == "" {
		return nil, &Error{Kind: Invalid, Operation: "list", Message: "the serial is empty"}
	}
	computers, err := List[Computer](ctx, s, ListOptions{Filter: map[string]string{"serial": serial}})
	if err != nil {
		return nil, err
	}
	var found []Agent
	for _, computer := range computers.Items {
		if !sameText(computer.Serial, serial) {
			continue
		}
		agents, err := Children[Computer, Agent](ctx, s, computer.ID, ListOptions{})
		if err != nil {
			return nil, err
		}
		found = append(found, agents.Items...)
	}
	return found, nil
}

// sameText compares a text with what GLPI made of it: a text that looks like a
// number comes back as one, without its leading zeros.
func sameText(fromGLPI, text string) bool {
	if fromGLPI == text {
		return true
	}
	a, errA := strconv.ParseFloat(fromGLPI, 64)
	b, errB := strconv.ParseFloat(text, 64)
	return errA == nil && errB == nil && a == b
}
