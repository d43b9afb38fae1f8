package dangerzone

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleetgate/bridge"
)

// State is what is known to have become of one device.
type State string

// The states. The last four are final.
const (
	Requested  State = "REQUESTED"  // written down; GLPI was asked or is about to be
	Dispatched State = "DISPATCHED" // the broker has shown the command
	Completed  State = "COMPLETED"  // the device said so, the row is gone, or what was to be undone is undone
	Failed     State = "FAILED"     // it was not done, or is taken back
	Unverified State = "UNVERIFIED" // GLPI said yes, and nothing of it can be seen
	Expired    State = "EXPIRED"    // nothing was heard of it for too long
)

func (s State) final() bool { return s != Requested && s != Dispatched }

// step is how far the gateway has come with one device. It is written down before GLPI is asked.
type step string

const (
	waiting step = ""
	asking  step = "asking"  // GLPI is being asked, or was and gave no answer
	asked   step = "asked"   // GLPI has done its part
	purging step = "purging" // the agent is gone, and its computer is to follow
	// doubting: GLPI was asked to delete the computer, and gave no answer.
	doubting step = "doubting"
)

// Operation is an action on devices that somebody confirmed.
type Operation struct {
	ID              int       `json:"id"`
	Action          Action    `json:"action"`
	DeleteComputers bool      `json:"deleteComputers,omitempty"`
	Note            string    `json:"note,omitempty"`
	UserID          int       `json:"userId"` // who confirmed it
	Username        string    `json:"username"`
	From            string    `json:"from,omitempty"` // their network address
	RequestedAt     time.Time `json:"requestedAt"`
	Targets         []Target  `json:"targets"`
	// Recorded says that the audit trail has what became of it.
	Recorded bool `json:"recorded,omitempty"`
}

// Target is one device of an operation.
type Target struct {
	AgentID    int `json:"agent"`
	ComputerID int `json:"computer,omitempty"`
	EntityID   int `json:"entity"`
	// ComputerEntityID is the entity of the computer, which may be another one.
	ComputerEntityID int       `json:"computerEntity,omitempty"`
	Name             string    `json:"name"` // as it was then
	Serial           string    `json:"serial,omitempty"`
	State            State     `json:"state"`
	Message          string    `json:"message"` // why, for a person
	UpdatedAt        time.Time `json:"updatedAt"`

	Step  step `json:"step,omitempty"`
	Push  bool `json:"push,omitempty"`  // told by push message, not over MQTT
	Again bool `json:"again,omitempty"` // GLPI has it so already and would not say it again
	// Ignores says that the agent on this platform does not do what it is told: that it goes away says nothing.
	Ignores   bool      `json:"ignores,omitempty"`
	AskedAt   time.Time `json:"askedAt,omitzero"`
	SentAt    time.Time `json:"sentAt,omitzero"`    // when the command was on the broker
	SoughtAt  time.Time `json:"soughtAt,omitzero"`  // when it was last looked for there
	ThereAt   time.Time `json:"thereAt,omitzero"`   // when the device came, or was there last, to take the command
	OfflineAt time.Time `json:"offlineAt,omitzero"` // since when the device has been away after that
	// Leftovers says that the broker may still keep what was said to a device that is done with.
	Leftovers bool `json:"leftovers,omitempty"`
}

// Done says whether it is known what became of every device.
func (o *Operation) Done() bool {
	return !slices.ContainsFunc(o.Targets, func(t Target) bool { return !t.State.final() })
}

// open says whether there is anything left to do or to write down.
func (o *Operation) open() bool {
	return !o.Recorded || o.leftovers() > 0
}

// leftovers is the number of devices that are done with, and of which the broker may still keep something.
func (o *Operation) leftovers() (n int) {
	for _, t := range o.Targets {
		if t.Leftovers {
			n++
		}
	}
	return n
}

// unasked says whether there is something that GLPI was not asked for yet.
func (o *Operation) unasked() bool {
	return slices.ContainsFunc(o.Targets, func(t Target) bool { return !t.State.final() && t.Step == waiting })
}

// halfway says whether there is a computer of which it is not known whether it has followed its agent.
func (o *Operation) halfway() bool {
	return slices.ContainsFunc(o.Targets, func(t Target) bool { return !t.State.final() && t.halfway() })
}

// halfway says that the agent is gone, and nothing is known of its computer.
func (t *Target) halfway() bool { return t.Step == purging || t.Step == doubting }

// each calls do for the targets that are not final.
func (o *Operation) each(do func(*Target)) {
	for i := range o.Targets {
		if !o.Targets[i].State.final() {
			do(&o.Targets[i])
		}
	}
}

// find is the target of an agent, nil where there is none.
func (o *Operation) find(agentID int) *Target {
	for i := range o.Targets {
		if o.Targets[i].AgentID == agentID {
			return &o.Targets[i]
		}
	}
	return nil
}

// summary counts the states, for the audit trail.
func (o *Operation) summary() string {
	var parts []string
	for _, state := range []State{Requested, Dispatched, Completed, Failed, Unverified, Expired} {
		n := 0
		for _, t := range o.Targets {
			if t.State == state {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", state, n))
		}
	}
	return strings.Join(parts, ", ")
}

// become gives a target another state. A state that is final stays.
func (t *Target) become(state State, now time.Time, message string) {
	if t.State.final() {
		return
	}
	t.State, t.Message, t.UpdatedAt = state, message, now.UTC()
}

// say changes only the words.
func (t *Target) say(now time.Time, message string) {
	if t.Message != message {
		t.Message, t.UpdatedAt = message, now.UTC()
	}
}

// device is the target's name on the broker.
func (t *Target) device() bridge.DeviceKey {
	return bridge.DeviceKey{EntityID: t.EntityID, Serial: t.Serial}
}
