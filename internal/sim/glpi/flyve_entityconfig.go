package glpi

import (
	"regexp"
	"slices"
)

func entityConfigType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmEntityConfig", Title: "Entity configuration", Table: "glpi_plugin_flyvemdm_entityconfigs",
		Right: "flyvemdm:entity", Entity: Local,
		Columns: columns(`
			id               int
			entities_id      int
			enroll_token     text null
			agent_token_life text P7D
			support_name     text null
			support_phone    text null
			support_website  text null
			support_email    text null
			support_address  text
			managed          int
			download_url     text
			device_limit     int`),
		Options: loadOptions("PluginFlyvemdmEntityConfig", nil),
		Hooks: Hooks{
			CanType: func(tx *Tx, right Rights) bool {
				if right == Update {
					right = setDeviceLimit | setDownloadURL | setTokenLife // any of the three opens the door
				}
				return tx.Right("flyvemdm:entity")&right != 0
			},
			PrepareUpdate: changeEntityConfig,
			PostGet:       showEntityConfig,
		},
	}
}

// supportColumns are the settings that an entity inherits while its own are empty; inheritedColumns adds the download URL.
var (
	supportColumns   = []string{"support_name", "support_phone", "support_website", "support_email", "support_address"}
	inheritedColumns = append(slices.Clone(supportColumns), "download_url")
)

const (
	inherited = -2
	own       = -3
)

// addEntityConfig gives an entity its settings, which have its id.
func addEntityConfig(tx *Tx, entity int) *Row {
	return tx.Insert("PluginFlyvemdmEntityConfig", map[string]any{
		"id": entity, "entities_id": entity, "enroll_token": tx.Hex(64),
		"device_limit": tx.Config("flyvemdm", "default_device_limit"),
	})
}

// effective is a setting of an entity: its own, else that of the nearest entity above that has one.
func (tx *Tx) effective(entity int, column string) string {
	for _, id := range append([]int{entity}, tx.Ancestors(entity)...) {
		if row := tx.Row("PluginFlyvemdmEntityConfig", id); row != nil && row.Str(column) != "" {
			return row.Str(column)
		}
	}
	return ""
}

func showEntityConfig(tx *Tx, row *Row, obj *Object) {
	for _, column := range inheritedColumns {
		obj.Set(column, tx.effective(row.Int("entities_id"), column))
	}
	for _, column := range inheritedColumns {
		origin := own
		if row.Str(column) == "" {
			origin = inherited
		}
		obj.Set("_"+column, origin)
	}
}

var tokenLife = regexp.MustCompile(`^P(\d+)D$`)

// changeEntityConfig refuses a change by anybody who lacks one of the three rights, whatever is changed. A value that equals
// the one in force is stored as "", that is inherited, even where it was the entity's own.
func changeEntityConfig(tx *Tx, row *Row, in Input) error {
	var refusal error
	for _, need := range []struct {
		right   Rights
		setting string
	}{{setDeviceLimit, "device limit"}, {setDownloadURL, "download URL of the MDM agent"}, {setTokenLife, "invitation token life"}} {
		if tx.Right("flyvemdm:entity")&need.right == 0 {
			refusal = Refuse("You are not allowed to change the %s", need.setting)
		}
	}
	if refusal != nil {
		return refusal
	}
	for _, column := range []string{"entities_id", "enroll_token", "managed"} {
		delete(in, column)
	}
	if in.Has("agent_token_life") {
		m := tokenLife.FindStringSubmatch(in.Str("agent_token_life"))
		if m == nil || phpInt(m[1]) < 1 || phpInt(m[1]) > 180 {
			return Refuse("The agent token life invalid or too long")
		}
	}
	for _, column := range inheritedColumns {
		if in.Has(column) && in.Str(column) == tx.effective(row.Int("entities_id"), column) {
			in.Set(column, "")
		}
	}
	return nil
}
