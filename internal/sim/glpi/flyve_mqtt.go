package glpi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// maxMqttLog bounds the log of messages, which the real plugin lets grow for ever.
const maxMqttLog = 10_000

func mqttLogType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmMqttlog", Title: "MQTT log", Table: "glpi_plugin_flyvemdm_mqttlogs", Right: "flyvemdm:mqttlog",
		Silent: true,
		Columns: columns(`
			id        int
			date      datetime
			direction text
			topic     text
			message   text
			itemtype  text
			items_id  int`),
		Options: loadOptions("PluginFlyvemdmMqttlog", nil),
	}
}

// send publishes a message of the plugin at QoS 0 and logs it.
func (tx *Tx) send(topic, payload string, retain bool) {
	tx.Publish(topic, []byte(payload), retain)
	tx.logMessage("O", topic, payload)
}

// logMessage keeps a message by the device or fleet that its topic names; an unknown device has the id -1.
func (tx *Tx) logMessage(direction, topic, payload string) {
	address, ok := parseTopic(topic)
	if !ok {
		return
	}
	itemtype, id := "PluginFlyvemdmFleet", phpInt(address.name)
	if address.kind == "agent" {
		itemtype, id = "PluginFlyvemdmAgent", -1
		if agents := tx.agentsBySerial(address.name); len(agents) > 0 { // of whatever entity
			id = agents[0].ID()
		}
	}
	row := tx.Insert("PluginFlyvemdmMqttlog", map[string]any{
		"date": tx.Date(), "direction": direction, "topic": address.suffix, "message": payload, "itemtype": itemtype, "items_id": id,
	})
	if old := tx.Row("PluginFlyvemdmMqttlog", row.ID()-maxMqttLog); old != nil {
		tx.Remove(old)
	}
}

// address is what a topic `{entity}/agent/{serial}/{suffix}` or `{entity}/fleet/{id}/{suffix}` names.
type address struct {
	entity             int
	kind, name, suffix string
}

var topicFormat = regexp.MustCompile(`^(\d+)/(agent|fleet)/([^/]+)/(.+)$`)

func parseTopic(topic string) (address, bool) {
	m := topicFormat.FindStringSubmatch(topic)
	if m == nil {
		return address{}, false
	}
	return address{phpInt(m[1]), m[2], m[3], m[4]}, true
}

// agentsBySerial are the agents on computers with a serial number, which several companies may share.
func (tx *Tx) agentsBySerial(serial string) []*Row {
	var agents []*Row
	for _, computer := range tx.Find("Computer", "serial", serial) {
		agents = append(agents, tx.Find("PluginFlyvemdmAgent", "computers_id", computer.ID())...)
	}
	return agents
}

// agentAt is the agent that a device's topic names; nil when there is none.
func (tx *Tx) agentAt(a address) *Row {
	for _, agent := range tx.agentsBySerial(a.name) {
		if agent.Int("entities_id") == a.entity {
			return agent
		}
	}
	return nil
}

// serialOf is the serial number of an agent's computer; "" when it has none or is gone.
func (tx *Tx) serialOf(agent *Row) string {
	if computer := tx.Row("Computer", agent.Int("computers_id")); computer != nil {
		return computer.Str("serial")
	}
	return ""
}

// agentTopic is the root of an agent's topics; "" for one that has no serial number.
func (tx *Tx) agentTopic(agent *Row) string {
	serial := tx.serialOf(agent)
	if serial == "" {
		return ""
	}
	return fmt.Sprintf("%d/agent/%s", agent.Int("entities_id"), serial)
}

// fleetTopic is the root of a fleet's topics; "" for the fleet of unmanaged devices, to which nobody subscribes.
func fleetTopic(fleet *Row) string {
	if fleet == nil || fleet.Int("is_default") == 1 {
		return ""
	}
	return fleetRoot(fleet)
}

func fleetRoot(fleet *Row) string {
	return fmt.Sprintf("%d/fleet/%d", fleet.Int("entities_id"), fleet.ID())
}

// command publishes a command to an agent, unless it has no topic.
func (tx *Tx) command(agent *Row, name, payload string, retain bool) {
	if root := tx.agentTopic(agent); root != "" {
		tx.send(root+"/Command/"+name, payload, retain)
	}
}

// subscribeTo tells an agent which fleet to listen to.
func (tx *Tx) subscribeTo(agent, fleet *Row) {
	topic := "null"
	if root := fleetTopic(fleet); root != "" {
		topic = `"` + root + `"`
	}
	tx.command(agent, "Subscribe", `{"subscribe":[{"topic":`+topic+`}]}`, true)
}

// openAccount makes an agent's MQTT account, or gives the one it has a new password and forgets the topics of its fleet.
// An agent without a serial number gets none, and the password "".
func (tx *Tx) openAccount(agent *Row) (password string) {
	serial, root := tx.serialOf(agent), tx.agentTopic(agent)
	if serial == "" {
		return ""
	}
	password = tx.Token(32)
	account := tx.First("PluginFlyvemdmMqttuser", "user", serial)
	if account == nil {
		account = tx.Insert("PluginFlyvemdmMqttuser", map[string]any{"user": serial})
	}
	account.Set("password", password) // in clear, since the broker asks for it; the real one keeps a hash
	for _, acl := range tx.Find("PluginFlyvemdmMqttacl", aclAccount, account.ID()) {
		tx.Remove(acl)
	}
	for _, acl := range deviceACL(root) {
		tx.Insert("PluginFlyvemdmMqttacl", map[string]any{aclAccount: account.ID(), "topic": acl.Topic, "access_level": acl.Access})
	}
	tx.pushAccount(account)
	return password
}

const aclAccount = "plugin_flyvemdm_mqttusers_id"

// deviceACL is what a device may do before it joins a fleet.
func deviceACL(root string) []ACL {
	return []ACL{
		{root + "/Status/#", 2}, {root + "/Command/#", 1}, {root + "/Policy/#", 1}, {root + "/FlyvemdmManifest/#", 2},
		{"FlyvemdmManifest/#", 1},
	}
}

// pushAccount tells the broker of an account as it is now.
func (tx *Tx) pushAccount(account *Row) {
	var acl []ACL
	for _, row := range tx.Find("PluginFlyvemdmMqttacl", aclAccount, account.ID()) {
		acl = append(acl, ACL{row.Str("topic"), row.Int("access_level")})
	}
	tx.SetAccount(account.Str("user"), account.Str("password"), acl)
}

// closeAccount removes an agent's MQTT account.
func (tx *Tx) closeAccount(serial string) {
	account := tx.First("PluginFlyvemdmMqttuser", "user", serial)
	if account == nil {
		return
	}
	for _, acl := range tx.Find("PluginFlyvemdmMqttacl", aclAccount, account.ID()) {
		tx.Remove(acl)
	}
	tx.Remove(account)
	tx.RemoveAccount(serial)
}

// moveAccount lets an agent read its new fleet instead of its old one. What the account lost by an openAccount does not
// come back by a move between managed fleets.
func (tx *Tx) moveAccount(agent, from, to *Row) {
	account := tx.First("PluginFlyvemdmMqttuser", "user", tx.serialOf(agent))
	if account == nil {
		return
	}
	old, now := fleetTopic(from), fleetTopic(to)
	var rule *Row
	for _, row := range tx.Find("PluginFlyvemdmMqttacl", aclAccount, account.ID()) {
		if old != "" && row.Str("topic") == old+"/#" {
			rule = row
		}
	}
	switch {
	case rule != nil && now == "":
		tx.Remove(rule)
	case rule != nil:
		rule.Set("topic", now+"/#")
	case old == "" && now != "":
		tx.Insert("PluginFlyvemdmMqttacl", map[string]any{aclAccount: account.ID(), "topic": now + "/#", "access_level": 1})
	}
	tx.pushAccount(account)
}

// flyveReceive applies a device's message, as the plugin's daemon does when it runs.
func flyveReceive(tx *Tx, topic string, payload []byte) {
	tx.logMessage("I", topic, string(payload))
	address, ok := parseTopic(topic)
	if !ok || address.kind != "agent" || !strings.HasPrefix(address.suffix, "Status/") {
		return
	}
	agent := tx.agentAt(address)
	if agent == nil {
		return
	}
	switch kind := strings.TrimPrefix(address.suffix, "Status/"); {
	case kind == "Ping":
		if string(payload) == "!" {
			agent.Set("last_contact", tx.Date())
		}
	case kind == "Online":
		tx.receiveOnline(agent, payload)
	case kind == "Geolocation":
		tx.receivePosition(agent, payload)
	case kind == "Inventory":
		if _, err := tx.importInventory(payload, agent.Int("entities_id"), 0); err == nil {
			agent.Set("last_contact", tx.Date())
		}
	case kind == "Unenroll":
		_ = tx.Delete(agent) // nobody to tell of a failure
	case strings.HasPrefix(kind, "Task/"):
		tx.receiveTaskStatus(agent, phpInt(strings.TrimPrefix(kind, "Task/")), payload)
	}
}

// receiveOnline believes any true value, the text "false" included, and takes even a last will for a contact.
func (tx *Tx) receiveOnline(agent *Row, payload []byte) {
	var message map[string]any
	if json.Unmarshal(payload, &message) != nil {
		return
	}
	online, given := message["online"]
	if !given {
		return
	}
	agent.Set("is_online", truthy(online))
	agent.Set("last_contact", tx.Date())
}

// receivePosition stores a position in the server's time zone; one without a time is dropped.
func (tx *Tx) receivePosition(agent *Row, payload []byte) {
	var message struct {
		Latitude, Longitude, Datetime, GPS json.RawMessage
	}
	if json.Unmarshal(payload, &message) != nil {
		return
	}
	latitude, longitude := jsonText(message.Latitude), jsonText(message.Longitude)
	if jsonText(message.GPS) == "off" {
		latitude, longitude = "na", "na"
	}
	if at := phpInt(jsonText(message.Datetime)); at > 0 && latitude != "" && latitude != "?" && longitude != "" && longitude != "?" {
		in := Input{"latitude": latitude, "longitude": longitude, "date": tx.unixDate(at)}
		in.Set("computers_id", agent.Int("computers_id"))
		_, _ = tx.Add("PluginFlyvemdmGeolocation", in) // an impossible position is refused, with nobody to tell
	}
	agent.Set("last_contact", tx.Date())
}

// jsonText is a JSON scalar as text.
func jsonText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// receiveTaskStatus takes the status of a task that targets the agent or its fleet.
func (tx *Tx) receiveTaskStatus(agent *Row, task int, payload []byte) {
	var message struct{ Status string }
	if json.Unmarshal(payload, &message) != nil || !tx.targets(tx.Row("PluginFlyvemdmTask", task), agent) {
		return
	}
	for _, row := range tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task) {
		if row.Int("plugin_flyvemdm_agents_id") == agent.ID() && tx.allowedStatus(row, message.Status) {
			row.Set("status", message.Status)
			row.Set("date_mod", tx.Date())
			agent.Set("last_contact", tx.Date())
		}
	}
}

// targets tells whether a task is applied to an agent or to the fleet that it is in.
func (tx *Tx) targets(task, agent *Row) bool {
	if task == nil {
		return false
	}
	id := agent.ID()
	if task.Str("itemtype_applied") == "PluginFlyvemdmFleet" {
		id = agent.Int("plugin_flyvemdm_fleets_id")
	}
	return task.Int("items_id_applied") == id
}
