package glpi

func fleetType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmFleet", Title: "Fleet", Table: "glpi_plugin_flyvemdm_fleets", Right: "flyvemdm:fleet",
		Entity: Recursive,
		Columns: columns(`
			id           int
			name         text
			entities_id  int
			is_recursive int
			is_default   int`),
		Options: loadOptions("PluginFlyvemdmFleet", nil),
		Hooks: Hooks{
			CanItem: func(tx *Tx, row *Row, right Rights) bool {
				if right == Purge && row.Int("is_default") == 1 {
					return false
				}
				return defaultCan(tx, row, right)
			},
			PostAdd: announceFleet, PrepareUpdate: changeFleet, PreDelete: emptyFleet,
			PostDelete: func(tx *Tx, fleet *Row) error {
				tx.send(fleetRoot(fleet)+"/"+lastPolicyGroup, "", true)
				return nil
			},
		},
	}
}

// The plugin means to publish to the topics of all policies, but only the last one of a batch is ever sent.
const (
	lastPolicySymbol = "defaultStreamType"
	lastPolicyGroup  = "ui"
)

func announceFleet(tx *Tx, fleet *Row, _ Input) error {
	tx.send(fleetRoot(fleet)+"/Policy/"+lastPolicySymbol, `{"`+lastPolicySymbol+`":"default","taskId":""}`, true)
	return nil
}

func changeFleet(_ *Tx, fleet *Row, in Input) error {
	delete(in, "is_default")
	if fleet.Int("is_default") == 1 {
		delete(in, "is_recursive")
	}
	return nil
}

// defaultFleet is the fleet of an entity's unmanaged devices; nil when it has none.
func (tx *Tx) defaultFleet(entity int) *Row {
	for _, fleet := range tx.Find("PluginFlyvemdmFleet", "entities_id", entity) {
		if fleet.Int("is_default") == 1 {
			return fleet
		}
	}
	return nil
}

// emptyFleet moves the devices of a fleet that is being deleted out of it and purges its tasks. Those that deploy something
// end in the fatal error of tasks that leave it there.
func emptyFleet(tx *Tx, fleet *Row) error {
	return tx.quietly(func() error {
		agents := tx.Find("PluginFlyvemdmAgent", "plugin_flyvemdm_fleets_id", fleet.ID())
		home := tx.defaultFleet(fleet.Int("entities_id"))
		if home == nil && len(agents) > 0 {
			return Refuse("No default fleet found to move devices")
		}
		for _, agent := range agents {
			move := Input{}
			move.Set("plugin_flyvemdm_fleets_id", home.ID())
			if err := tx.Update(agent, move); err != nil {
				return Refuse("Could not move all devices to the not managed fleet")
			}
		}
		for _, task := range tx.tasksOn("PluginFlyvemdmFleet", fleet.ID()) {
			keepDeployed(task)
			if err := tx.Delete(task); err != nil {
				return err
			}
		}
		return nil
	})
}
