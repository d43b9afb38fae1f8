package glpi

import (
	"fmt"
	"slices"
)

func taskType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmTask", Title: "Task", Table: "glpi_plugin_flyvemdm_tasks", Right: "flyvemdm:policy",
		Columns: columns(`
			id                          int
			itemtype_applied            text null
			items_id_applied            int
			plugin_flyvemdm_policies_id int
			value                       text
			itemtype                    text null
			items_id                    int`),
		Options: loadOptions("PluginFlyvemdmTask", nil),
		Hooks: Hooks{
			CanType:    func(tx *Tx, _ Rights) bool { return tx.Right("flyvemdm:policy")&Read != 0 },
			CanItem:    canTask,
			PrepareAdd: prepareTask, PostAdd: publishNewTask, PrepareUpdate: prepareTaskUpdate, PostUpdate: publishTaskUpdate,
			PreDelete: withdrawTask, PostDelete: removeDeployed,
		},
	}
}

// canTask: a task needs rights on its target, to write it for all but reading, and on its policy. Deleting one asks
// nobody.
func canTask(tx *Tx, task *Row, right Rights) bool {
	if !tx.canType(task.Type(), right) {
		return false
	}
	if right == Purge || right == Delete {
		return true
	}
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	target := tx.targetOf(task.Str("itemtype_applied"), task.Int("items_id_applied"))
	return policy != nil && target != nil && tx.canItem(target, parentRight(right))
}

// targetOf is what a task applies to; nil when the class or the row does not exist.
func (tx *Tx) targetOf(itemtype string, id int) *Row {
	if tx.s.schema.byName[itemtype] == nil {
		return nil
	}
	return tx.Row(itemtype, id)
}

// tasksOn is the tasks of an agent or a fleet itself.
func (tx *Tx) tasksOn(itemtype string, id int) []*Row {
	tasks := tx.Find("PluginFlyvemdmTask", "items_id_applied", id)
	return slices.DeleteFunc(tasks, func(task *Row) bool { return task.Str("itemtype_applied") != itemtype })
}

// prepareTask checks a new task in the plugin's order.
func prepareTask(tx *Tx, in Input) error {
	if !in.Has("itemtype_applied") || !in.Has("items_id_applied") || !in.Has("plugin_flyvemdm_policies_id") {
		return Refuse("Notifiable and policy must be specified")
	}
	policy := tx.Row("PluginFlyvemdmPolicy", in.Int("plugin_flyvemdm_policies_id"))
	if policy == nil {
		return Refuse("Policy not found")
	}
	rule := ruleOf(policy)
	wanted := wish{policy: policy, value: in["value"], itemtype: in.Str("itemtype"), item: in.Int("items_id")}
	if err := rule.check(tx, wanted); err != nil {
		return err
	}
	target := tx.targetOf(in.Str("itemtype_applied"), in.Int("items_id_applied"))
	if err := notifiable(in.Str("itemtype_applied"), target); err != nil {
		return err
	}
	for _, task := range tx.tasksOn(target.Type().Name, target.ID()) {
		if rule.same(tx, wanted, task) {
			return Refuse("Policy already applied")
		}
	}
	if err := rule.conflict(tx, wanted, tx.tasksOn(target.Type().Name, target.ID())); err != nil {
		return err
	}
	in.Set("value", rule.stored(wanted))
	if in.Str("itemtype") == "" {
		in["itemtype"] = nil
	}
	return nil
}

func notifiable(itemtype string, target *Row) error {
	switch {
	case itemtype != "PluginFlyvemdmAgent" && itemtype != "PluginFlyvemdmFleet":
		return Refuse("This is not a notifiable object")
	case target == nil:
		return Refuse("Cannot find the notifiable object")
	case itemtype == "PluginFlyvemdmFleet" && target.Int("is_default") == 1:
		return Refuse("Cannot apply a policy on a not managed fleet")
	}
	return nil
}

func publishNewTask(tx *Tx, task *Row, _ Input) error {
	tx.awaitTask(task)
	tx.publishTask(task, task.Str("id"))
	return nil
}

// publishTask sends a task's policy to its target, retained. The id is a JSON number at first and text later.
func (tx *Tx) publishTask(task *Row, id string) {
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	root := tx.taskRoot(task)
	if policy == nil || root == "" {
		return
	}
	message := append(ruleOf(policy).payload(tx, policy, task), Member{"taskId", plainJSON(id)})
	tx.send(taskTopic(root, policy, task), jsonMessage(message), true)
}

func taskTopic(root string, policy, task *Row) string {
	return fmt.Sprintf("%s/Policy/%s/Task/%d", root, policy.Str("symbol"), task.ID())
}

// taskRoot is the root of the topics of a task's target; "" when it has none.
func (tx *Tx) taskRoot(task *Row) string {
	target := tx.targetOf(task.Str("itemtype_applied"), task.Int("items_id_applied"))
	switch {
	case target == nil:
		return ""
	case target.Type().Name == "PluginFlyvemdmAgent":
		return tx.agentTopic(target)
	}
	return fleetRoot(target)
}

func prepareTaskUpdate(tx *Tx, task *Row, in Input) error {
	for _, column := range []string{"itemtype_applied", "items_id_applied", "plugin_flyvemdm_policies_id", "itemtype", "items_id"} {
		delete(in, column)
	}
	if !in.Has("value") {
		return Refuse("")
	}
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	if policy == nil {
		return Refuse("Policy not found")
	}
	rule := ruleOf(policy)
	wanted := wish{policy: policy, value: in["value"], itemtype: task.Str("itemtype"), item: task.Int("items_id")}
	if err := rule.check(tx, wanted); err != nil {
		return err
	}
	in.Set("value", rule.stored(wanted))
	return nil
}

// publishTaskUpdate begins the task anew: its statuses go and come back as pending.
func publishTaskUpdate(tx *Tx, task *Row, _ Input, _ Change) error {
	tx.forgetStatuses(task)
	tx.awaitTask(task)
	tx.publishTask(task, `"`+task.Str("id")+`"`)
	return nil
}

// withdrawTask tells the target to undo the policy, retained and never cleared, and forgets who did what.
func withdrawTask(tx *Tx, task *Row) error {
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	if policy == nil {
		return Refuse("Policy not found")
	}
	if root := tx.taskRoot(task); root != "" {
		tx.send(taskTopic(root, policy, task), fmt.Sprintf(`{"%s":"default","taskId":"%d"}`, policy.Str("symbol"), task.ID()), true)
	}
	tx.forgetStatuses(task)
	return nil
}

// removeDeployed adds the task that removes what a task had deployed. Where that was to be kept, the plugin adds nothing at
// all and dies of it; the task is gone by then.
func removeDeployed(tx *Tx, task *Row) error {
	policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id"))
	symbol, value := ruleOf(policy).removal(tx, task)
	if symbol == "" {
		return nil
	}
	if value == keepIt {
		return ErrFatal
	}
	err := tx.quietly(func() error {
		removal := Input{"itemtype_applied": task.Str("itemtype_applied"), "value": value}
		removal.Set("items_id_applied", task.Int("items_id_applied"))
		removal.Set("plugin_flyvemdm_policies_id", tx.First("PluginFlyvemdmPolicy", "symbol", symbol).ID())
		_, err := tx.Add("PluginFlyvemdmTask", removal)
		return err
	})
	if err != nil { // an app without a name cannot be removed, which stops nothing
		tx.Warn(err.Error())
	}
	return nil
}
