package glpiproxy

import (
	"context"
	"errors"
)

// command is a change of an agent that its device hears of.
type command struct {
	order  string // the input that makes GLPI ask the device; "": none
	column string // the column that the command sets; "": none
	on     bool
	status string // the enrolment status that follows
	slow   bool
}

func (command) changes(Agent) {}

func (c command) write(f *fields) {
	if c.order != "" {
		f.order(c.order, "1")
	}
	if c.column != "" {
		f.flag(c.column, &c.on)
	}
	if c.status != "" {
		f.sent = append(f.sent, sentField{"enroll_status", c.status})
	}
	f.slow = c.slow
}

// Lock asks devices to lock their screens. GLPI tells a device only when the flag
// changes, so one that is locked already hears nothing; a device with a wipe
// requested stays as it is (Unchanged).
func Lock(ctx context.Context, s *Session, agentIDs []int) (Outcomes, error) {
	return order(ctx, s, agentIDs, command{column: "lock", on: true})
}

// Unlock takes a lock back.
func Unlock(ctx context.Context, s *Session, agentIDs []int) (Outcomes, error) {
	return order(ctx, s, agentIDs, command{column: "lock"})
}

// Wipe asks devices to erase themselves. There is no way back once a device has seen
// it.
func Wipe(ctx context.Context, s *Session, agentIDs []int) (Outcomes, error) {
	return order(ctx, s, agentIDs, command{column: "wipe", on: true})
}

// CancelWipe takes the request back in GLPI only: the retained message stays on the
// MQTT broker until somebody clears it there.
func CancelWipe(ctx context.Context, s *Session, agentIDs []int) (Outcomes, error) {
	return order(ctx, s, agentIDs, command{column: "wipe"})
}

// Unenroll asks devices to leave Flyve MDM. Their agents stay, as unenrolling, until
// they answer or are deleted.
func Unenroll(ctx context.Context, s *Session, agentIDs []int) (Outcomes, error) {
	return order(ctx, s, agentIDs, command{order: "_unenroll_request", status: "unenrolling"})
}

func order(ctx context.Context, s *Session, agentIDs []int, c command) (Outcomes, error) {
	edits := make([]Edit[command], len(agentIDs))
	for i, id := range agentIDs {
		edits[i] = Edit[command]{id, c}
	}
	return UpdateMany(ctx, s, edits)
}

// Answer is what came of a question to a device.
type Answer struct {
	Answered bool
	Message  string // GLPI's, in the session's language
}

// Ping asks a device for a sign of life. GLPI waits up to 10 seconds for it, and
// misses answers that come within the same second.
func Ping(ctx context.Context, s *Session, agentID int) (Answer, error) {
	return ask(ctx, s, agentID, "_ping_request")
}

// Locate asks a device for its position and waits up to 10 seconds. A device whose
// GPS is off does not answer.
func Locate(ctx context.Context, s *Session, agentID int) (Answer, error) {
	return ask(ctx, s, agentID, "_geolocate_request")
}

// RequestInventory asks a device for its inventory and waits up to 10 seconds.
func RequestInventory(ctx context.Context, s *Session, agentID int) (Answer, error) {
	return ask(ctx, s, agentID, "_inventory_request")
}

// ask sends a question. That GLPI refuses it means, for an agent in the viewer's
// sight, that no answer came or that the device can't be asked.
func ask(ctx context.Context, s *Session, agentID int, question string) (Answer, error) {
	outcomes, err := order(ctx, s, []int{agentID}, command{order: question, slow: true})
	if err != nil {
		return Answer{}, err
	}
	outcome := outcomes[0]
	var e *Error
	if errors.As(outcome.Err, &e) && e.Code == "ERROR_GLPI_UPDATE" && e.Kind == Invalid {
		return Answer{Message: e.Message}, nil
	}
	return Answer{Answered: outcome.Err == nil, Message: outcome.Message}, outcome.Err
}
