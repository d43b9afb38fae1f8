package glpiproxy

import (
	"encoding/json"
	"strings"
	"time"
)

// TargetKind is what kind of thing a task applies to.
type TargetKind string

// The kinds of targets, in GLPI's names.
const (
	TargetAgent TargetKind = "PluginFlyvemdmAgent"
	TargetFleet TargetKind = "PluginFlyvemdmFleet"
)

// Target is an agent or a fleet that tasks apply to.
type Target struct {
	Kind TargetKind
	ID   int
}

// Task is a policy applied to a fleet or an agent (PluginFlyvemdmTask). GLPI's
// lists of tasks show every company's: read them by TasksOf, TasksOfMany,
// TasksOfFiles and TasksOfApplications, or one by Get.
type Task struct {
	ID       int    `json:"id"`
	Target   Target `json:"-"`
	PolicyID int    `json:"plugin_flyvemdm_policies_id"`
	Value    string `json:"value"`    // "1", "PASSWORD_PIN", for deployments JSON text
	ItemType string `json:"itemtype"` // of what is deployed; "": nothing is
	ItemID   int    `json:"items_id"`

	seenBy string // the scope that has been found to see the target
}

// FileID is the file that the task deploys, 0 when it deploys none.
func (t Task) FileID() int { return t.deploys(File{}) }

// ApplicationID is the application that the task deploys, 0 when it deploys none.
func (t Task) ApplicationID() int { return t.deploys(Application{}) }

// deployedValue is what GLPI keeps of a deployment. The flag is a text or a number.
type deployedValue struct {
	Destination    string          `json:"destination"`
	RemoveOnDelete json.RawMessage `json:"remove_on_delete"`
}

func (t Task) deployed() (d deployedValue) {
	if t.ItemType == "" || json.Unmarshal([]byte(t.Value), &d) != nil {
		return deployedValue{}
	}
	return d
}

// Destination is the folder on devices that the task deploys a file into, "" when it
// deploys none.
func (t Task) Destination() string { return t.deployed().Destination }

// RemovedOnDelete tells whether devices remove what the task deploys when it is deleted.
func (t Task) RemovedOnDelete() bool { return boolOf(t.deployed().RemoveOnDelete) }

func (t Task) deploys(kind Item) int {
	if t.ItemType != kind.itemtype() {
		return 0
	}
	return t.ItemID
}

// complete reads the target, and takes JSON text as it is.
func (t *Task) complete(r row) {
	t.Target = Target{TargetKind(r.text("itemtype_applied")), r.int("items_id_applied")}
	if text := plain(r["value"]); strings.HasPrefix(text, "{") {
		t.Value = text
	}
}

// TaskStatus is how far a task has come on one device (PluginFlyvemdmTaskstatus).
// Read it by StatusesOfTask, StatusesOfTasks or StatusesOfAgent.
type TaskStatus struct {
	ID      int `json:"id"`
	AgentID int `json:"plugin_flyvemdm_agents_id"`
	TaskID  int `json:"plugin_flyvemdm_tasks_id"`
	// Status: pending, received, waiting, done, failed, incompatible, overriden
	// (GLPI's spelling) or canceled.
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"date_creation"` // UTC
	ChangedAt time.Time `json:"date_mod"`      // UTC
}

// InvitationLog is why an enrolment with an invitation failed
// (PluginFlyvemdmInvitationlog). Read it by LogOf.
type InvitationLog struct {
	ID           int       `json:"id"`
	InvitationID int       `json:"plugin_flyvemdm_invitations_id"`
	At           time.Time `json:"date_creation"` // UTC
	Event        string    `json:"event"`
}

func (Task) itemtype() string          { return "PluginFlyvemdmTask" }
func (TaskStatus) itemtype() string    { return "PluginFlyvemdmTaskstatus" }
func (InvitationLog) itemtype() string { return "PluginFlyvemdmInvitationlog" }

func (i Task) id() int          { return i.ID }
func (i TaskStatus) id() int    { return i.ID }
func (i InvitationLog) id() int { return i.ID }
