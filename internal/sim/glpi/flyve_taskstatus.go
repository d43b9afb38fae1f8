package glpi

import (
	"slices"
	"strings"
)

func taskStatusType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmTaskstatus", Title: "Task status", Table: "glpi_plugin_flyvemdm_taskstatuses",
		Right: "flyvemdm:taskstatus", Silent: true,
		Columns: columns(`
			id                        int
			name                      text
			date_creation             datetime
			date_mod                  datetime
			plugin_flyvemdm_agents_id int
			plugin_flyvemdm_tasks_id  int
			status                    text`),
		Options: loadOptions("PluginFlyvemdmTaskstatus", nil),
		Hooks: Hooks{
			PrepareUpdate: func(tx *Tx, row *Row, in Input) error {
				if in.Given("status") && !tx.allowedStatus(row, in.Str("status")) {
					return Refuse("")
				}
				return nil
			},
		},
	}
}

var taskStatuses = []string{"pending", "received", "done", "failed", "incompatible", "overriden", "canceled"}

// allowedStatus tells whether a task can have a status; only one that a person at the device must help waits.
func (tx *Tx) allowedStatus(row *Row, status string) bool {
	if status != "waiting" {
		return slices.Contains(taskStatuses, status)
	}
	task := tx.Row("PluginFlyvemdmTask", row.Int("plugin_flyvemdm_tasks_id"))
	if task == nil {
		return false
	}
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	return policy != nil && (strings.HasPrefix(policy.Str("type"), "deploy") || strings.HasPrefix(policy.Str("type"), "remove"))
}

// awaitTask notes for each device that a task targets that it has not answered yet.
func (tx *Tx) awaitTask(task *Row) {
	if task.Str("itemtype_applied") == "PluginFlyvemdmAgent" {
		tx.await(task.Int("items_id_applied"), task.ID())
		return
	}
	for _, agent := range tx.Find("PluginFlyvemdmAgent", "plugin_flyvemdm_fleets_id", task.Int("items_id_applied")) {
		tx.await(agent.ID(), task.ID())
	}
}

func (tx *Tx) await(agent, task int) {
	tx.Insert("PluginFlyvemdmTaskstatus", map[string]any{
		"plugin_flyvemdm_agents_id": agent, "plugin_flyvemdm_tasks_id": task, "status": "pending",
		"date_creation": tx.Date(), "date_mod": tx.Date(),
	})
}

func (tx *Tx) forgetStatuses(task *Row) {
	for _, row := range tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task.ID()) {
		tx.Remove(row)
	}
}

// cancelStatuses is what one device's leaving a fleet does: to every device's statuses, and to those of an agent that has
// the fleet's id by chance, because the plugin looks at neither.
func (tx *Tx) cancelStatuses(fleet int) {
	for _, task := range tx.Find("PluginFlyvemdmTask", "items_id_applied", fleet) {
		for _, row := range tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task.ID()) {
			row.Set("status", "canceled")
			row.Set("date_mod", tx.Date())
		}
	}
}
