package glpiproxy

import (
	"context"
	"strings"
)

// TaskInput is a policy to be applied to an agent or a fleet.
type TaskInput struct {
	Target   Target
	PolicyID int
	// Value is what the policy is set to: "0" and "1", a whole number, an option's
	// key, a package's name or a path. It is left empty for deployments.
	Value string
	// Deploy is what a policy of deployment deploys; nil for all others.
	Deploy *Deployment
}

// Deployment is what a task brings to devices: a file or an application.
type Deployment struct {
	FileID         int
	Destination    string // of a file: "%SDCARD%/reports"
	ApplicationID  int
	RemoveOnDelete bool // removed from the devices when the task is deleted
}

func (TaskInput) creates(Task) {}

func (i TaskInput) write(f *fields) {
	switch i.Target.Kind {
	case TargetAgent:
		f.link("items_id_applied", Agent{}, i.Target.ID)
	case TargetFleet:
		f.link("items_id_applied", Fleet{}, i.Target.ID)
	default:
		f.fail("itemtype_applied: a task applies to an agent or a fleet")
		return
	}
	kind := string(i.Target.Kind)
	f.text("itemtype_applied", &kind)
	f.link("plugin_flyvemdm_policies_id", Policy{}, i.PolicyID)
	f.order("itemtype", "") // PHP warns of keys that are missing
	f.order("items_id", "0")
	if i.Deploy == nil {
		f.text("value", &i.Value)
		return
	}
	i.Deploy.write(f)
}

func (d Deployment) write(f *fields) {
	value := map[string]string{"remove_on_delete": "0"}
	if d.RemoveOnDelete {
		value["remove_on_delete"] = "1"
	}
	switch {
	case d.FileID != 0 && d.ApplicationID != 0:
		f.fail("items_id: a file or an application, not both")
	case d.FileID != 0:
		f.required("destination", d.Destination)
		delete(f.input, "destination")
		value["destination"] = d.Destination
		f.link("items_id", File{}, d.FileID)
		f.order("itemtype", File{}.itemtype())
	default:
		f.link("items_id", Application{}, d.ApplicationID)
		f.order("itemtype", Application{}.itemtype())
	}
	f.order("value", value)
}

// TaskChange is what can be changed of a task: its value. One that deploys something
// can only be deleted and made anew.
type TaskChange struct{ Value *string }

func (TaskChange) changes(Task) {}

func (c TaskChange) write(f *fields) { f.text("value", c.Value) }

func (c TaskChange) suits(_ context.Context, w *writer, task Task) error {
	if c.Value != nil && (task.ItemType != "" || strings.HasPrefix(task.Value, "{")) {
		return &Error{Kind: Invalid, Operation: w.operation, Message: "a deployment can't be changed, only deleted and made anew"}
	}
	return nil
}
