package glpi

import (
	"encoding/json"
	"regexp"
	"sort"
	"strings"
)

// wish is what somebody wants a policy to be.
type wish struct {
	policy   *Row
	value    any // text, or the fields of a deployment
	itemtype string
	item     int
}

// text is a scalar value, or the JSON of an object as PHP writes it.
func (w wish) text() string {
	if fields, isObject := w.value.(map[string]any); isObject {
		return jsonMessage(sortedObject(fields))
	}
	text, _ := w.value.(string)
	return text
}

// fields are the parts of a deployment, from an object or its JSON.
func (w wish) fields() map[string]any {
	if fields, isObject := w.value.(map[string]any); isObject {
		return fields
	}
	return fieldsOf(w.text())
}

func fieldsOf(text string) map[string]any {
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return nil
	}
	return fields
}

// rule is what one type of policy accepts and sends.
type rule interface {
	check(tx *Tx, w wish) error                     // whether the value fits
	same(tx *Tx, w wish, task *Row) bool            // whether a task on the same target is the same already
	conflict(tx *Tx, w wish, on []*Row) error       // with other tasks on the target
	stored(w wish) string                           // the value as the row keeps it
	payload(tx *Tx, policy, task *Row) Object       // the message to the device, without the task's id
	removal(tx *Tx, task *Row) (symbol, val string) // the policy that undoes a deployment; "": none
}

// keepIt is the removal of a deployment that is to stay on the device.
const keepIt = "\x00keep"

func ruleOf(policy *Row) rule {
	if policy == nil {
		return scalarRule{}
	}
	switch policy.Str("type") {
	case "deployapp":
		return deployRule{itemtype: "PluginFlyvemdmPackage", noun: "application", remover: "removeApp"}
	case "deployfile":
		return deployRule{itemtype: "PluginFlyvemdmFile", noun: "file", remover: "removeFile"}
	case "removeapp", "removefile":
		return removeRule{}
	}
	return scalarRule{policy.Str("type")}
}

// scalarRule is a bool, an int, a choice or a text.
type scalarRule struct{ kind string }

var lax = regexp.MustCompile(`^\s*[+-]?\d`)

// check refuses without a word. A number may be followed by anything.
func (r scalarRule) check(_ *Tx, w wish) error {
	value, fits := w.text(), true
	switch r.kind {
	case "bool":
		fits = value == "0" || value == "1"
	case "int":
		fits = value == "" || lax.MatchString(value)
	case "dropdown":
		_, fits = fieldsOf(w.policy.Str("type_data"))[value]
	}
	if !fits || w.itemtype != "" || w.item != 0 {
		return Refuse("")
	}
	return nil
}

func (r scalarRule) same(_ *Tx, w wish, task *Row) bool {
	return w.policy.Int("unicity") == 1 && task.Int("plugin_flyvemdm_policies_id") == w.policy.ID()
}

func (r scalarRule) conflict(*Tx, wish, []*Row) error { return nil }
func (r scalarRule) stored(w wish) string             { return w.text() }
func (r scalarRule) removal(*Tx, *Row) (_, _ string)  { return }

func (r scalarRule) payload(_ *Tx, policy, task *Row) Object {
	value := task.Str("value")
	if r.kind == "bool" {
		value = map[bool]string{false: "false", true: "true"}[value == "1"]
	}
	return Object{{policy.Str("symbol"), quoted(value)}}
}

// removeRule removes an application by its package name, or a file by its path.
type removeRule struct{}

func (removeRule) check(_ *Tx, w wish) error {
	switch {
	case w.policy.Str("type") == "removeapp" && (w.text() == "" || w.itemtype != "" || w.item != 0):
		return Refuse("An application ID is required")
	case w.text() == "" || w.itemtype != "" || w.item != 0:
		return Refuse("")
	}
	return nil
}

// same: a file's removal is compared with those of anything else that is only a text.
func (removeRule) same(_ *Tx, w wish, task *Row) bool {
	if task.Str("value") != w.text() {
		return false
	}
	if w.policy.Str("type") == "removefile" {
		return task.Str("itemtype") == ""
	}
	return task.Int("plugin_flyvemdm_policies_id") == w.policy.ID()
}

func (removeRule) conflict(*Tx, wish, []*Row) error { return nil }
func (removeRule) stored(w wish) string             { return w.text() }
func (removeRule) removal(*Tx, *Row) (_, _ string)  { return }
func (removeRule) payload(_ *Tx, policy, task *Row) Object {
	return Object{{policy.Str("symbol"), quoted(task.Str("value"))}}
}

// deployRule deploys an application or a file.
type deployRule struct{ itemtype, noun, remover string }

func (r deployRule) isFile() bool { return r.noun == "file" }

func (r deployRule) check(tx *Tx, w wish) error {
	fields := w.fields()
	remove, hasRemove := fields["remove_on_delete"]
	destination, _ := fields["destination"].(string)
	flag := strings.Trim(string(encode(remove)), `"`)
	switch {
	case r.isFile() && (destination == "" || !hasRemove):
		return Refuse("A destination and the remove on delete flag are mandatory")
	case !hasRemove:
		return Refuse("The remove on delete flag is mandatory")
	case flag != "0" && flag != "1":
		return Refuse("The remove on delete flag must be 0 or 1")
	case w.itemtype != r.itemtype:
		return Refuse("You must choose %s to apply this policy", map[bool]string{true: "a file", false: "an application"}[r.isFile()])
	case tx.Row(r.itemtype, w.item) == nil:
		return Refuse("The %s does not exists", r.noun)
	case r.isFile() && !tx.knownPath(destination):
		return Refuse("invalid base path")
	}
	return nil
}

// knownPath tells whether a path is a well-known one, or below one without tricks.
func (tx *Tx) knownPath(path string) bool {
	if strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") || strings.Contains(path, "//") {
		return false
	}
	for _, known := range tx.Rows("PluginFlyvemdmWellknownpath") {
		if path == known.Str("name") || strings.HasPrefix(path, known.Str("name")+"/") {
			return true
		}
	}
	return false
}

func (r deployRule) same(_ *Tx, w wish, task *Row) bool {
	if task.Int("plugin_flyvemdm_policies_id") != w.policy.ID() || task.Int("items_id") != w.item {
		return false
	}
	return !r.isFile() || fieldsOf(task.Str("value"))["destination"] == w.fields()["destination"]
}

// conflict: an application's removal is looked for under the name of its file, so that it is hardly ever found.
func (r deployRule) conflict(tx *Tx, w wish, on []*Row) error {
	value, message := tx.Row(r.itemtype, w.item).Str("name"), "A removal policy for this application is applied. Please, remove it first."
	if r.isFile() {
		destination, _ := w.fields()["destination"].(string)
		value, message = slashed(destination)+value, "A removal policy is applied for this file destination. Please, remove it first."
	}
	remover := tx.First("PluginFlyvemdmPolicy", "symbol", r.remover)
	for _, task := range on {
		if remover != nil && task.Int("plugin_flyvemdm_policies_id") == remover.ID() && task.Str("value") == value {
			return Refuse("%s", message)
		}
	}
	return nil
}

func (r deployRule) stored(w wish) string { return w.text() }

func (r deployRule) payload(tx *Tx, policy, task *Row) Object {
	item := tx.Row(r.itemtype, task.Int("items_id"))
	if item == nil {
		return Object{{policy.Str("symbol"), quoted("")}}
	}
	if r.isFile() {
		destination, _ := fieldsOf(task.Str("value"))["destination"].(string)
		return Object{{policy.Str("symbol"), quoted(slashed(destination))}, {"id", quoted(item.Str("id"))}, {"version", quoted(item.Str("version"))}}
	}
	return Object{
		{policy.Str("symbol"), quoted(item.Str("package_name"))}, {"id", quoted(item.Str("id"))},
		{"versionCode", quoted(item.Str("version_code"))},
	}
}

func (r deployRule) removal(tx *Tx, task *Row) (symbol, value string) {
	fields, item := fieldsOf(task.Str("value")), tx.Row(r.itemtype, task.Int("items_id"))
	if item == nil || strings.Trim(string(encode(fields["remove_on_delete"])), `"`) != "1" {
		return r.remover, keepIt
	}
	if r.isFile() {
		destination, _ := fields["destination"].(string)
		return r.remover, slashed(destination) + item.Str("name")
	}
	return r.remover, item.Str("package_name")
}

// keepDeployed marks a task so that what it deployed stays.
func keepDeployed(task *Row) {
	if fields := fieldsOf(task.Str("value")); fields["remove_on_delete"] != nil {
		fields["remove_on_delete"] = "0"
		task.Set("value", jsonMessage(sortedObject(fields)))
	}
}

// slashed is a path with a slash at its end.
func slashed(path string) string { return strings.TrimSuffix(path, "/") + "/" }

func sortedObject(fields map[string]any) Object {
	keys := make([]string, 0, len(fields))
	for key := range fields {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	object := Object{}
	for _, key := range keys {
		text, isText := fields[key].(string)
		if !isText {
			text = string(encode(fields[key]))
		}
		object = append(object, Member{key, quoted(text)})
	}
	return object
}

// quoted is a text that stays one, even if it looks like a number.
func quoted(text string) json.RawMessage {
	return encodeTexts(text)
}

// plainJSON is JSON as it is.
func plainJSON(text string) json.RawMessage { return json.RawMessage(text) }

// jsonMessage is the text of a message.
func jsonMessage(o Object) string { return string(encode(o)) }
