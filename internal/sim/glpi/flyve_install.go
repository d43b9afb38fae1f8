package glpi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed data/policies.json
var installedPolicies []byte

const (
	guestProfileName  = "Flyve MDM guest users"
	devicesProfile    = "Flyve MDM device agent users"
	playStore         = "https://play.google.com/store/apps/details?id=org.flyve.mdm.agent"
	invitationSubject = "You have been invited to join Flyve MDM"
)

// Rights of the plugin beside the standard ones: on the plugin as a whole, and on settings of an entity.
const (
	useFlyve       Rights = 128
	setDeviceLimit Rights = 128
	setDownloadURL Rights = 256
	setTokenLife   Rights = 512
	withNotes             = ReadNote | UpdateNote
)

// operatorRights is what the profile that installs the plugin gets, that is Super-Admin.
var operatorRights = map[string]Rights{
	"flyvemdm:agent":          Read | Update | Purge | withNotes,
	"flyvemdm:entity":         Read | setDeviceLimit | setDownloadURL | setTokenLife,
	"flyvemdm:file":           Standard | withNotes,
	"flyvemdm:fleet":          Standard | withNotes,
	"flyvemdm:flyvemdm":       useFlyve,
	"flyvemdm:geolocation":    Standard | withNotes,
	"flyvemdm:invitation":     Standard,
	"flyvemdm:invitationLog":  Read,
	"flyvemdm:mqttlog":        Read,
	"flyvemdm:package":        Standard | withNotes,
	"flyvemdm:policy":         Read,
	"flyvemdm:policycategory": Read,
	"flyvemdm:taskstatus":     Read,
	"flyvemdm:wellknownpath":  Standard,
}

const superAdmin = 4 // the profile that installs

// flyveInstall does what installing the plugin does: profiles and rights, policies, well-known paths, configuration, and
// the root entity's EntityConfig and default fleet.
func flyveInstall(tx *Tx) {
	tx.SetRights(superAdmin, operatorRights)
	guest := tx.AddProfile(guestProfileName, "guest Flyve MDM users. Created by Flyve MDM - do NOT modify this comment.")
	tx.SetRights(guest.ID(), map[string]Rights{
		"flyvemdm:agent": Read | Create, "flyvemdm:package": Read, "flyvemdm:file": Read,
	})
	device := tx.AddProfile(devicesProfile, "device agent Flyve MDM users. Created by Flyve MDM - do NOT modify this comment.")
	tx.SetRights(device.ID(), map[string]Rights{
		"flyvemdm:agent": Read | Update | Delete, "flyvemdm:package": Read, "flyvemdm:file": Read, "flyvemdm:geolocation": Create,
		"flyvemdm:taskstatus": Read | Update, "flyvemdm:entity": Read,
	})
	installConfig(tx, guest.ID(), device.ID())
	installPolicies(tx)
	for i, name := range []string{"%SDCARD%", "%DOCUMENTS%", "%PHOTOS%", "%MUSIC%"} {
		tx.Insert("PluginFlyvemdmWellknownpath", map[string]any{"name": name, "is_default": i == 0})
	}
	tx.Insert("NotificationTemplate", map[string]any{
		"id": 26, "name": "User invitation", "itemtype": "PluginFlyvemdmInvitation", "date_mod": tx.Date(),
	})
	root := addEntityConfig(tx, 0)
	for _, column := range supportColumns {
		root.Set(column, "")
	}
	root.Set("download_url", playStore)
	tx.Insert("PluginFlyvemdmFleet", map[string]any{"name": "not managed fleet", "entities_id": 0, "is_default": 1})
}

const backendUser = "flyvemdm-backend"

func installConfig(tx *Tx, guest, device int) {
	tls := 0
	if tx.s.opts.BrokerTLS {
		tls = 1
	}
	for _, setting := range []struct {
		name  string
		value any
	}{
		{"mqtt_enabled", 1}, {"fcm_enabled", 0}, {"fcm_api_token", ""}, {"mqtt_broker_address", tx.s.opts.BrokerHost},
		{"mqtt_broker_internal_address", "127.0.0.1"}, {"mqtt_broker_port", tx.s.opts.BrokerPort},
		{"mqtt_broker_tls_port", tx.s.opts.BrokerPort}, {"mqtt_broker_port_backend", 1883},
		{"mqtt_broker_tls_port_backend", 8883}, {"mqtt_tls_for_clients", tls}, {"mqtt_tls_for_backend", 0},
		{"mqtt_use_client_cert", 0}, {"mqtt_broker_tls_ciphers", ""}, {"mqtt_user", backendUser},
		{"mqtt_passwd", tx.Token(32)}, {"instance_id", tx.Hex(32)}, {"ssl_cert_url", ""}, {"registered_profiles_id", ""},
		{"guest_profiles_id", guest}, {"agent_profiles_id", device}, {"service_profiles_id", ""},
		{"inactive_registered_profiles_id", ""}, {"debug_enrolment", tx.s.opts.DebugEnrolment}, {"debug_noexpire", 0},
		{"debug_save_inventory", 0}, {"default_device_limit", 0}, {"default_agent_url", playStore},
		{"android_bugcollecctor_url", ""}, {"android_bugcollector_login", ""}, {"android_bugcollector_passwd", ""},
		{"invitation_deeplink", "http://flyve.org/deeplink/"}, {"computertypes_id", 0}, {"agentusercategories_id", 0},
		{"demo_mode", 0}, {"demo_time_limit", 0}, {"webapp_url", ""}, {"show_wizard", 0},
	} {
		tx.SetConfig("flyvemdm", setting.name, setting.value)
	}
	api := "http://localhost/glpi/api"
	if base := tx.s.opts.BaseURL; base != "" {
		api = base + "/apirest.php"
	}
	tx.SetConfig("core", "url_base_api", api)
}

func installPolicies(tx *Tx) {
	for _, category := range []struct {
		name   string
		parent int
	}{
		{"Deployment", 0}, {"Security", 0}, {"Encryption", 2}, {"Mobile Device Management", 0}, {"Geolocation", 4},
		{"Authentication", 2}, {"Password", 6}, {"Peripherals", 2}, {"USB", 2}, {"User interface", 2}, {"Configuration", 0},
		{"User interface", 11},
	} {
		addPolicyCategory(tx, category.name, category.parent)
	}
	var policies []map[string]any
	if err := json.Unmarshal(installedPolicies, &policies); err != nil {
		panic("glpi: data/policies.json: " + err.Error())
	}
	for _, policy := range policies {
		tx.Insert("PluginFlyvemdmPolicy", policy)
	}
}

func addPolicyCategory(tx *Tx, name string, parent int) {
	row := tx.Insert("PluginFlyvemdmPolicyCategory", map[string]any{
		"name": name, "completename": name, "plugin_flyvemdm_policycategories_id": parent, "level": 1, "ancestors_cache": "[]",
	})
	var above []string
	for up := tx.Row("PluginFlyvemdmPolicyCategory", parent); up != nil; {
		above = append([]string{fmt.Sprintf(`"%d":"%d"`, up.ID(), up.ID())}, above...)
		if len(above) == 1 {
			row.Set("completename", up.Str("completename")+" > "+name)
			row.Set("level", up.Int("level")+1)
		}
		up = tx.Row("PluginFlyvemdmPolicyCategory", up.Int("plugin_flyvemdm_policycategories_id"))
	}
	if len(above) > 0 {
		row.Set("ancestors_cache", "{"+strings.Join(above, ",")+"}")
	}
}
