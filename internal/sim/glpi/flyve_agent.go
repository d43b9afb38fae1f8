package glpi

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"
)

//go:embed data/raw/PluginFlyvemdmAgent.json
var rawAgentOptions []byte

func agentType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmAgent", Title: "Agent", Table: "glpi_plugin_flyvemdm_agents", Right: "flyvemdm:agent",
		Entity: Local, Silent: true, Display: []int{11, 12, 3},
		Columns: columns(`
			id                        int
			name                      text
			version                   text
			computers_id              int
			users_id                  int
			wipe                      int
			lock                      int
			enroll_status             enum(enrolled|unenrolling|unenrolled) enrolled
			entities_id               int
			plugin_flyvemdm_fleets_id int null
			last_report               datetime
			last_contact              datetime
			is_online                 int
			certificate               text
			mdm_type                  enum(android|apple) android
			has_system_permission     int
			notification_type         text
			notification_token        text`),
		Options: agentOptions(),
		Hooks: Hooks{
			CanItem: canAgent, PostGet: showAgent,
			PrepareAdd: enrol, PostAdd: welcome,
			PrepareUpdate: commandAgent, PostUpdate: agentChanged,
			PreDelete: releaseAgent,
			PostDelete: func(tx *Tx, agent *Row) error { // of all its retained messages only this one is cleared
				tx.command(agent, "Unenroll", "", true)
				return nil
			},
		},
	}
}

// agentOptions are the search options with what the class itself declares of them, which listSearchOptions shows with raw.
func agentOptions() []SearchOption {
	options := loadOptions("PluginFlyvemdmAgent", map[int]func(*Tx, *Row) []Value{18: appliedPolicies})
	raw := orderedObject(rawAgentOptions)
	for i, option := range options {
		if declared, ok := raw.Get(strconv.Itoa(option.ID)).(json.RawMessage); ok {
			options[i].Raw = orderedObject(declared)
		}
	}
	return options
}

// appliedPolicies are the names of the policies applied to an agent itself.
func appliedPolicies(tx *Tx, agent *Row) []Value {
	var names []Value
	for _, task := range tx.tasksOn("PluginFlyvemdmAgent", agent.ID()) {
		if policy := tx.Row("PluginFlyvemdmPolicy", task.Int("plugin_flyvemdm_policies_id")); policy != nil {
			names = append(names, policy.Get("name"))
		}
	}
	return names
}

// canAgent: a guest sees the agents on his own computers, a device changes only itself.
func canAgent(tx *Tx, agent *Row, right Rights) bool {
	switch {
	case !defaultCan(tx, agent, right):
		return false
	case right == Create:
		return true
	case tx.isGuest():
		return tx.ownsComputer(agent)
	case tx.isDevice() && right != Read:
		return agent.Int("users_id") == tx.UserID()
	}
	return true
}

func (tx *Tx) ownsComputer(agent *Row) bool {
	computer := tx.Row("Computer", agent.Int("computers_id"))
	return computer != nil && computer.Int("users_id") == tx.UserID()
}

// showAgent adds the token of the device's account for every reader, and for its owner as a guest what the device needs to
// reach the broker, which changes its password each time.
func showAgent(tx *Tx, agent *Row, obj *Object) {
	if tx.isGuest() && tx.ownsComputer(agent) {
		setting := func(name string) string { return tx.Config("flyvemdm", name) }
		port := setting("mqtt_broker_port")
		if setting("mqtt_tls_for_clients") == "1" {
			port = setting("mqtt_broker_tls_port")
		}
		obj.Set("topic", tx.agentTopic(agent))
		obj.Set("mqttpasswd", tx.openAccount(agent))
		obj.Set("broker", setting("mqtt_broker_address"))
		obj.Set("port", port)
		obj.Set("tls", setting("mqtt_tls_for_clients"))
		for _, name := range []string{"android_bugcollecctor_url", "android_bugcollector_login", "android_bugcollector_passwd"} {
			obj.Set(name, setting(name))
		}
	}
	token := ""
	if account := tx.Row("User", agent.Int("users_id")); account != nil {
		token = tx.UserToken(account)
	}
	obj.Set("api_token", token)
}

// commandAgent checks a change and does what has to succeed before it: the queries that wait for the device's answer.
func commandAgent(tx *Tx, agent *Row, in Input) error {
	if err := tx.checkMove(agent, in); err != nil {
		return err
	}
	delete(in, "enroll_status")
	armSwitch(in, "wipe")
	armSwitch(in, "lock")
	if agent.Int("wipe") != 0 || in.Has("wipe") && in.Str("wipe") != "0" {
		delete(in, "lock")
	}
	if in.Has("_unenroll_request") {
		in.Set("enroll_status", "unenrolling")
	}
	if tx.isDevice() {
		if err := tx.deviceReports(agent, in); err != nil {
			return err
		}
	}
	return tx.queryDevice(agent, in)
}

func (tx *Tx) checkMove(agent *Row, in Input) error {
	if !in.Has("plugin_flyvemdm_fleets_id") {
		return nil
	}
	if old := agent.Int("plugin_flyvemdm_fleets_id"); old != 0 && tx.Row("PluginFlyvemdmFleet", old) == nil {
		return Refuse("The fleet of the device does not longer exists")
	}
	if tx.Row("PluginFlyvemdmFleet", in.Int("plugin_flyvemdm_fleets_id")) == nil {
		return Refuse("The target fleet does not exists")
	}
	return nil
}

// armSwitch reads a flag as PHP's != '0' does: "", which false becomes, is on.
func armSwitch(in Input, name string) {
	if !in.Has(name) {
		return
	}
	on := "1"
	if text := in.Str(name); isNumeric(text) && strings.Trim(text, "+-0.") == "" {
		on = "0"
	}
	in.Set(name, on)
}

// deviceReports is what a device says of itself over HTTP. Whatever it says is a contact.
func (tx *Tx) deviceReports(agent *Row, in Input) error {
	if in.Given("is_online") && in.Str("is_online") != "0" && in.Str("is_online") != "1" {
		return Refuse("Invalid status value")
	}
	if in.Str("_inventory") != "" {
		xml, err := decodeInventory(in.Str("_inventory"))
		if err != nil {
			return Refuse("Inventory XML is not well formed")
		}
		err = tx.quietly(func() error {
			_, err := tx.importInventory(xml, agent.Int("entities_id"), 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	in.Set("last_contact", tx.Date())
	return nil
}

// queryDevice asks the device what the input requests and waits for the answers.
func (tx *Tx) queryDevice(agent *Row, in Input) error {
	for _, query := range []struct {
		request, name string
		ask           func(*Tx, *Row) error
	}{
		{"_ping_request", "Ping", (*Tx).awaitPing},
		{"_geolocate_request", "Geolocate", (*Tx).awaitPosition},
		{"_inventory_request", "Inventory", (*Tx).awaitInventory},
	} {
		if !in.Has(query.request) {
			continue
		}
		if tx.serialOf(agent) == "" {
			return Refuse("The device is not enrolled yet")
		}
		tx.command(agent, query.name, `{"query":"`+query.name+`"}`, false)
		if err := query.ask(tx, agent); err != nil {
			return err
		}
	}
	return nil
}

// awaitPing waits for another time of last contact. An answer within the second of the contact before it goes unseen.
func (tx *Tx) awaitPing(agent *Row) error {
	before := agent.Get("last_contact")
	if !tx.Wait(func() bool { return agent.Gone() || agent.Get("last_contact") != before }) || agent.Gone() {
		return Refuse("Timeout querying the device")
	}
	tx.Info("The device answered")
	return nil
}

func (tx *Tx) awaitPosition(agent *Row) error {
	computer := agent.Int("computers_id")
	latest := func() *Row {
		positions := tx.Find("PluginFlyvemdmGeolocation", "computers_id", computer)
		if len(positions) == 0 {
			return nil
		}
		return positions[len(positions)-1]
	}
	before := 0
	if row := latest(); row != nil {
		before = row.ID()
	}
	if !tx.Wait(func() bool { row := latest(); return row != nil && row.ID() > before }) {
		return Refuse("Timeout requesting position")
	}
	if latest().Str("latitude") == "na" {
		return Refuse("GPS is turned off or is not ready")
	}
	tx.Info("The device sent its position")
	return nil
}

func (tx *Tx) awaitInventory(agent *Row) error {
	record := func() string {
		row := tx.First(inventoryRecord, "computers_id", agent.Int("computers_id"))
		if row == nil {
			return ""
		}
		return row.Str("last_fusioninventory_update") + row.Str("serialized_inventory")
	}
	before := record()
	if !tx.Wait(func() bool { return record() != before }) {
		return Refuse("Timeout querying the device inventory")
	}
	tx.Info("Inventory received")
	return nil
}

// agentChanged tells the device of what changed. A flag set to null counts as changed and as on, though it is stored as 0.
func agentChanged(tx *Tx, agent *Row, in Input, old Change) error {
	if from, moved := old["plugin_flyvemdm_fleets_id"]; moved {
		tx.moved(agent, from.Int())
	}
	changed := func(column string) bool {
		_, stored := old[column]
		return stored || in.Given(column) && !in.Has(column)
	}
	isNull := func(column string) bool { return in.Given(column) && !in.Has(column) }
	if changed("lock") {
		state := "unlock"
		if agent.Int("lock") != 0 || isNull("lock") {
			state = "now"
		}
		tx.command(agent, "Lock", `{"lock":"`+state+`"}`, true)
	}
	if changed("wipe") && (agent.Int("wipe") != 0 || isNull("wipe")) {
		tx.command(agent, "Wipe", `{"wipe":"now"}`, true)
	}
	if _, left := old["enroll_status"]; left && agent.Str("enroll_status") == "unenrolling" {
		tx.command(agent, "Unenroll", `{"unenroll":"now"}`, true)
	}
	return nil
}

// moved makes an agent a member of its new fleet. Nobody looks whether that is of the same entity.
func (tx *Tx) moved(agent *Row, from int) {
	old, fleet := tx.Row("PluginFlyvemdmFleet", from), tx.Row("PluginFlyvemdmFleet", agent.Int("plugin_flyvemdm_fleets_id"))
	tx.moveAccount(agent, old, fleet)
	tx.subscribeTo(agent, fleet)
	if old != nil && old.Int("is_default") == 0 {
		tx.cancelStatuses(old.ID())
	}
	if fleet == nil {
		return
	}
	for _, task := range tx.tasksOn("PluginFlyvemdmFleet", fleet.ID()) {
		tx.await(agent.ID(), task.ID())
	}
}

// releaseAgent is what deleting an agent takes along: its owner's habilitation and invitations, where it was his last
// computer there, and the device's accounts. Once the computer is gone, nothing.
func releaseAgent(tx *Tx, agent *Row) error {
	computer := tx.Row("Computer", agent.Int("computers_id"))
	if computer == nil {
		return nil
	}
	if tx.Row("Profile", tx.guestProfile()) == nil {
		return Refuse("Failed to find the guest user profile")
	}
	return tx.quietly(func() error {
		if err := tx.dismissGuest(agent, computer); err != nil {
			return Refuse("Failed to remove guest habilitation for the user of the device")
		}
		if account := tx.Row("User", agent.Int("users_id")); account != nil {
			if err := tx.Delete(account); err != nil {
				return err
			}
		}
		if agent.Str("enroll_status") == "enrolled" {
			tx.command(agent, "Unenroll", `{"unenroll":"now"}`, true)
		}
		tx.closeAccount(computer.Str("serial"))
		for _, link := range tx.Find("Document_Item", "items_id", agent.ID()) {
			if link.Str("itemtype") == "PluginFlyvemdmAgent" {
				tx.Remove(link)
			}
		}
		return nil
	})
}

func (tx *Tx) dismissGuest(agent, computer *Row) error {
	entity, owner := agent.Int("entities_id"), computer.Int("users_id")
	for _, other := range tx.Find("Computer", "users_id", owner) {
		if other != computer && other.Int("entities_id") == entity {
			return nil
		}
	}
	for _, link := range tx.Find("Profile_User", "users_id", owner) {
		if link.Int("profiles_id") == tx.guestProfile() && link.Int("entities_id") == entity {
			if err := tx.Delete(link); err != nil {
				return err
			}
		}
	}
	return nil
}
