package model

import (
	"context"
	"time"

	"fleetgate/glpiproxy"
)

// Task is a policy that is applied to a fleet or to one device.
type Task struct{ glpiproxy.Task }

// IsNode marks Task as a Relay node.
func (Task) IsNode() {}

// GlobalID is the task's opaque identity.
func (t Task) GlobalID() string { return GlobalID("Task", t.ID) }

// ValueText is the value as GLPI stores it.
func (t Task) ValueText() string { return t.Task.Value }

// IsTaskTarget marks Fleet as something that tasks apply to.
func (Fleet) IsTaskTarget() {}

// IsTaskTarget marks Agent as something that tasks apply to.
func (Agent) IsTaskTarget() {}

// taskStates are GLPI's words, one of them in its own spelling, for how far a task has come.
var taskStates = map[string]TaskState{
	"pending": TaskStatePending, "received": TaskStateReceived, "waiting": TaskStateWaiting, "done": TaskStateDone,
	"failed": TaskStateFailed, "incompatible": TaskStateIncompatible, "overriden": TaskStateOverridden,
	"canceled": TaskStateCanceled,
}

// TaskStateOf is the state that GLPI, or a device, has this word for; nil for a word that is none of theirs.
func TaskStateOf(word string) *TaskState { return enum(taskStates, word) }

// DeployedApplication is the value of a task that installs an application.
type DeployedApplication struct {
	ID             int // GLPI's, of the application
	RemoveOnDelete bool
}

// IsTaskValue marks it as the value of a task.
func (DeployedApplication) IsTaskValue() {}

// ApplicationID is the application's opaque identity.
func (d DeployedApplication) ApplicationID() string { return GlobalID("Application", d.ID) }

// DeployedFile is the value of a task that stores a file.
type DeployedFile struct {
	ID             int // GLPI's, of the file
	Destination    string
	RemoveOnDelete bool
}

// IsTaskValue marks it as the value of a task.
func (DeployedFile) IsTaskValue() {}

// FileID is the file's opaque identity.
func (d DeployedFile) FileID() string { return GlobalID("File", d.ID) }

// TaskStatus is how far a task has come on one device. One that a device tells live has no row in GLPI yet.
type TaskStatus struct {
	Row   int // GLPI's id of the status itself; 0 for what is told live
	Task  int // GLPI's id of the task
	State TaskState
	At    time.Time // zero: not known
	// AgentID is GLPI's id of the device; 0 where FindAgent looks it up.
	AgentID   int
	FindAgent func(context.Context) (*Agent, error)
}

// TaskID is the task's opaque identity.
func (s TaskStatus) TaskID() string { return GlobalID("Task", s.Task) }

// ChangedAt is when the state was told.
func (s TaskStatus) ChangedAt() *time.Time { return Moment(s.At) }

// AgentTask is a task that a device has, its own or that of its fleet.
type AgentTask struct {
	Agent      *Agent
	Task       *Task
	Via        TaskVia
	Overridden bool
	Effect     PolicyEffectiveness
}

// TaskStatusChanged says how far a device has come with a task.
type TaskStatusChanged struct {
	EventBase
	TaskStatus *TaskStatus
}

// Add counts one more state.
func (c *TaskStateCounts) Add(state TaskState) {
	c.Total++
	switch state {
	case TaskStatePending:
		c.Pending++
	case TaskStateReceived:
		c.Received++
	case TaskStateWaiting:
		c.Waiting++
	case TaskStateDone:
		c.Done++
	case TaskStateFailed:
		c.Failed++
	case TaskStateIncompatible:
		c.Incompatible++
	case TaskStateOverridden:
		c.Overridden++
	case TaskStateCanceled:
		c.Canceled++
	}
}

// PercentDone is how many of all are done; nil where there is nothing to do.
func (c *TaskStateCounts) PercentDone() *float64 {
	if c.Total == 0 {
		return nil
	}
	percent := 100 * float64(c.Done) / float64(c.Total)
	return &percent
}

// AddAll takes over what was counted elsewhere.
func (c *TaskStateCounts) AddAll(more *TaskStateCounts) {
	c.Total += more.Total
	c.Pending += more.Pending
	c.Received += more.Received
	c.Waiting += more.Waiting
	c.Done += more.Done
	c.Failed += more.Failed
	c.Incompatible += more.Incompatible
	c.Overridden += more.Overridden
	c.Canceled += more.Canceled
}
