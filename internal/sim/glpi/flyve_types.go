package glpi

// flyveItemtypes declares the plugin's itemtypes.
func flyveItemtypes() []*Itemtype {
	types := []*Itemtype{
		agentType(), fleetType(), invitationType(), invitationLogType(), policyType(), policyCategoryType(), taskType(),
		taskStatusType(), fileType(), packageType(), geolocationType(), entityConfigType(), wellKnownPathType(), mqttLogType(),
	}
	return append(types, closedTypes()...)
}

// flyveHooks is what the plugin does when rows of GLPI's own itemtypes change, by itemtype name.
func flyveHooks() map[string]Hooks {
	return map[string]Hooks{
		"Entity":       {PostAdd: equipEntity, PostDelete: forgetEntity},
		"Computer":     {PostDelete: forgetComputerAgents},
		"User":         {PostDelete: forgetInvitedUser},
		"Profile_User": {PostDelete: forgetGuest},
	}
}

// equipEntity gives a new entity its settings and the fleet of its unmanaged devices.
func equipEntity(tx *Tx, entity *Row, _ Input) error {
	addEntityConfig(tx, entity.ID())
	return tx.quietly(func() error {
		fleet := Input{"name": "not managed fleet", "is_default": "1"}
		fleet.Set("entities_id", entity.ID())
		_, err := tx.Add("PluginFlyvemdmFleet", fleet)
		return err
	})
}

// forgetEntity purges what the plugin kept for an entity.
func forgetEntity(tx *Tx, entity *Row) error {
	for _, itemtype := range []string{
		"PluginFlyvemdmEntityConfig", "PluginFlyvemdmInvitation", "PluginFlyvemdmAgent", "PluginFlyvemdmFleet",
		"PluginFlyvemdmPackage", "PluginFlyvemdmFile",
	} {
		for _, row := range tx.Find(itemtype, "entities_id", entity.ID()) {
			if err := tx.Delete(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetComputerAgents purges the agents and positions of a purged computer.
func forgetComputerAgents(tx *Tx, computer *Row) error {
	for _, agent := range tx.Find("PluginFlyvemdmAgent", "computers_id", computer.ID()) {
		if err := tx.Delete(agent); err != nil {
			return err
		}
	}
	for _, itemtype := range []string{"PluginFlyvemdmGeolocation", inventoryRecord} {
		for _, row := range tx.Find(itemtype, "computers_id", computer.ID()) {
			tx.Remove(row)
		}
	}
	return nil
}

func forgetInvitedUser(tx *Tx, user *Row) error {
	return tx.deleteAll(tx.Find("PluginFlyvemdmInvitation", "users_id", user.ID()))
}

// forgetGuest deletes all invitations of somebody who loses the guest profile anywhere.
func forgetGuest(tx *Tx, link *Row) error {
	if link.Int("profiles_id") != tx.guestProfile() {
		return nil
	}
	return tx.deleteAll(tx.Find("PluginFlyvemdmInvitation", "users_id", link.Int("users_id")))
}

func (tx *Tx) deleteAll(rows []*Row) error {
	for _, row := range rows {
		if err := tx.Delete(row); err != nil {
			return err
		}
	}
	return nil
}

// guestProfile is the profile with which invited people enrol devices.
func (tx *Tx) guestProfile() int { return phpInt(tx.Config("flyvemdm", "guest_profiles_id")) }

// agentProfile is the profile of the devices' own accounts.
func (tx *Tx) agentProfile() int { return phpInt(tx.Config("flyvemdm", "agent_profiles_id")) }

// isGuest tells whether the session's active profile is the guest one.
func (tx *Tx) isGuest() bool { return tx.session != nil && tx.ProfileID() == tx.guestProfile() }

// isDevice tells whether a device speaks.
func (tx *Tx) isDevice() bool { return tx.session != nil && tx.ProfileID() == tx.agentProfile() }

// quietly does work whose messages are not for the caller's answer.
func (tx *Tx) quietly(work func() error) error {
	messages := tx.messages
	defer func() { tx.messages = messages }()
	return work()
}

func wellKnownPathType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmWellknownpath", Title: "Well known path", Table: "glpi_plugin_flyvemdm_wellknownpaths",
		Right: "flyvemdm:wellknownpath",
		Columns: columns(`
			id         int
			name       text
			comment    text
			is_default int`),
		Options: loadOptions("PluginFlyvemdmWellknownpath", nil),
		Hooks: Hooks{
			PrepareAdd:    func(_ *Tx, in Input) error { delete(in, "is_default"); return nil },
			PrepareUpdate: func(_ *Tx, _ *Row, in Input) error { delete(in, "is_default"); return nil },
		},
	}
}

// closedTypes are classes of the plugin that REST knows and never shows, and FusionInventory's record of the last
// inventory of a computer.
func closedTypes() []*Itemtype {
	closed := func(name, table, list string) *Itemtype {
		return &Itemtype{
			Name: name, Table: table, Columns: columns("id int\n" + list), Silent: true,
			Hooks: Hooks{CanType: func(*Tx, Rights) bool { return false }},
		}
	}
	return []*Itemtype{
		closed("PluginFlyvemdmMqttuser", "glpi_plugin_flyvemdm_mqttusers", `
			user     text
			password text
			enabled  int 1`),
		closed("PluginFlyvemdmMqttacl", "glpi_plugin_flyvemdm_mqttacls", `
			plugin_flyvemdm_mqttusers_id int
			topic                        text
			access_level                 int`),
		closed("PluginFlyvemdmConfig", "glpi_plugin_flyvemdm_configs", ""),
		closed("PluginFlyvemdmProfile", "glpi_plugin_flyvemdm_profiles", ""),
		closed("PluginFlyvemdmGraph", "glpi_plugin_flyvemdm_graphs", ""),
		closed(inventoryRecord, "glpi_plugin_fusioninventory_inventorycomputercomputers", `
			computers_id                int
			last_fusioninventory_update datetime
			serialized_inventory        text`),
	}
}
