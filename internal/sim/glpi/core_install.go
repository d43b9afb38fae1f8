package glpi

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed data/rights.tsv
var installedRights string

const helpdeskTypes = `["Computer","Monitor","NetworkEquipment","Peripheral","Phone","Printer","Software", "DCRoom", "Rack", "Enclosure"]`

const selfServiceStatus = `{"1":{"2":0,"3":0,"4":0,"5":0,"6":0},"2":{"1":0,"3":0,"4":0,"5":0,"6":0},"3":{"1":0,"2":0,"4":0,"5":0,"6":0},` +
	`"4":{"1":0,"2":0,"3":0,"5":0,"6":0},"5":{"1":0,"2":0,"3":0,"4":0},"6":{"1":0,"2":0,"3":0,"4":0,"5":0}}`

// coreInstall fills the store as GLPI's installer does.
func coreInstall(tx *Tx) {
	installRoot(tx)
	installProfiles(tx)
	installUsers(tx)
	for i, plugin := range [][3]string{
		{"flyvemdm", "Flyve Mobile Device Management", "2.0.0-rc.3"}, {"fusioninventory", "FusionInventory", "9.3+1.2"},
	} {
		if !tx.s.opts.NoFlyve || i > 0 {
			tx.Insert("Plugin", map[string]any{"id": i + 1, "directory": plugin[0], "name": plugin[1], "version": plugin[2], "state": 1})
		}
	}
	tx.Insert("NotificationTemplate", map[string]any{"id": forgetTemplate, "name": "Password Forget", "itemtype": "User", "date_mod": tx.Date()})
	for _, setting := range [][2]string{
		{"version", tx.s.opts.Version}, {"language", "en_GB"}, {"list_limit", "15"}, {"list_limit_max", "50"},
		{"use_password_security", "0"}, {"password_min_length", "8"}, {"password_need_number", "1"},
		{"password_need_letter", "1"}, {"password_need_caps", "1"}, {"password_need_symbol", "1"},
		{"enable_api", "1"}, {"enable_api_login_credentials", "1"}, {"enable_api_login_external_token", "1"},
		{"use_notifications", "1"}, {"notifications_mailing", "1"}, {"admin_email", "admsys@localhost"},
	} {
		tx.SetConfig("core", setting[0], setting[1])
	}
}

// installRoot makes the root entity, whose settings inherit from nobody.
func installRoot(tx *Tx) {
	root := map[string]any{"id": 0, "name": "Root entity", "entities_id": -1, "completename": "Root entity", "level": 1}
	for _, col := range tx.table("Entity").typ.Columns {
		if col.Kind == Int && col.Default.Int() < 0 {
			root[col.Name] = 0
		}
	}
	for col, v := range map[string]int{
		"autoclose_delay": -10, "auto_assign_mode": -10, "tickettype": 1, "inquest_config": 1, "inquest_delay": 0,
		"tickettemplates_id": 1, "entities_id_software": -10, "default_cartridges_alarm_threshold": 10,
		"default_consumables_alarm_threshold": 10, "is_notif_enable_default": 1,
	} {
		root[col] = v
	}
	tx.Insert("Entity", root)
}

func installProfiles(tx *Tx) {
	for i, name := range []string{
		"Self-Service", "Observer", "Admin", "Super-Admin", "Hotliner", "Technician", "Supervisor", "Read-Only",
	} {
		row := tx.Insert("Profile", map[string]any{
			"name": name, "interface": "central", "helpdesk_item_type": helpdeskTypes, "ticket_status": "[]",
			"problem_status": "[]", "helpdesk_hardware": 1,
		})
		switch i {
		case 0:
			row.Set("interface", "helpdesk")
			row.Set("is_default", 1)
			row.Set("ticket_status", selfServiceStatus)
		case 2, 3, 5, 6:
			row.Set("helpdesk_hardware", 3)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(installedRights), "\n") {
		fields := strings.Split(line, "\t")
		for i, bits := range fields[1:] {
			if n, err := strconv.Atoi(bits); err == nil && !strings.HasPrefix(line, "#") {
				tx.SetRights(i+1, map[string]Rights{fields[0]: Rights(n)})
			}
		}
	}
}

// AddProfile makes a profile with every right that is known, at nothing, as plugins do before they grant theirs.
func (tx *Tx) AddProfile(name, comment string) *Row {
	row := tx.Insert("Profile", map[string]any{
		"name": name, "comment": comment, "interface": "central", "helpdesk_item_type": "[]",
	})
	for _, right := range tx.s.rightNames {
		tx.SetRights(row.ID(), map[string]Rights{right: 0})
	}
	return row
}

func installUsers(tx *Tx) {
	for _, u := range []struct {
		id      int
		name    string
		profile int
	}{{2, "glpi", 4}, {3, "post-only", 1}, {4, "tech", 6}, {5, "normal", 2}} {
		tx.Insert("User", map[string]any{
			"id": u.id, "name": u.name, "password": hashPassword(u.name), "phone": "", "phone2": "", "mobile": "",
			"realname": "", "list_limit": 20, "language": "en_GB", "highcontrast_css": 0, "plannings": "", "password_forget_token": "",
		})
		tx.Insert("Profile_User", map[string]any{"id": u.id, "users_id": u.id, "profiles_id": u.profile, "is_recursive": 1})
	}
	tx.Insert("User", map[string]any{"id": 6, "name": "Plugin_FusionInventory", "realname": "Plugin FusionInventory", "date_creation": tx.Date(), "date_mod": tx.Date()})
	tx.Insert("Profile_User", map[string]any{"id": 6, "users_id": 6, "profiles_id": 1, "is_recursive": 0})
}
