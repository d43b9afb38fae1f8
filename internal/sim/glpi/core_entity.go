package glpi

import (
	"fmt"
	"strconv"
	"strings"
)

func entityType() *Itemtype {
	return &Itemtype{
		Name: "Entity", Title: "Entity", Table: "glpi_entities", Right: "entity", NameField: "completename",
		Children: []string{"Document_Item"}, Display: []int{1, 14},
		Columns: columns(`
		id                                     int
		name                                   text
		entities_id                            int
		completename                           text
		comment                                text     null
		level                                  int      0
		sons_cache                             text     null
		ancestors_cache                        text     null
		address                                text     null
		postcode                               text     null
		town                                   text     null
		state                                  text     null
		country                                text     null
		website                                text     null
		phonenumber                            text     null
		fax                                    text     null
		email                                  text     null
		admin_email                            text     null
		admin_email_name                       text     null
		admin_reply                            text     null
		admin_reply_name                       text     null
		notification_subject_tag               text     null
		ldap_dn                                text     null
		tag                                    text     null
		authldaps_id                           int      0
		mail_domain                            text     null
		entity_ldapfilter                      text     null
		mailing_signature                      text     null
		cartridges_alert_repeat                int      -2
		consumables_alert_repeat               int      -2
		use_licenses_alert                     int      -2
		send_licenses_alert_before_delay       int      -2
		use_certificates_alert                 int      -2
		send_certificates_alert_before_delay   int      -2
		use_contracts_alert                    int      -2
		send_contracts_alert_before_delay      int      -2
		use_infocoms_alert                     int      -2
		send_infocoms_alert_before_delay       int      -2
		use_reservations_alert                 int      -2
		autoclose_delay                        int      -2
		notclosed_delay                        int      -2
		calendars_id                           int      -2
		auto_assign_mode                       int      -2
		tickettype                             int      -2
		max_closedate                          datetime null
		inquest_config                         int      -2
		inquest_rate                           int      0
		inquest_delay                          int      -10
		inquest_URL                            text     null
		autofill_warranty_date                 int      -2
		autofill_use_date                      int      -2
		autofill_buy_date                      int      -2
		autofill_delivery_date                 int      -2
		autofill_order_date                    int      -2
		tickettemplates_id                     int      -2
		entities_id_software                   int      -2
		default_contract_alert                 int      -2
		default_infocom_alert                  int      -2
		default_cartridges_alarm_threshold     int      -2
		default_consumables_alarm_threshold    int      -2
		delay_send_emails                      int      -2
		is_notif_enable_default                int      -2
		inquest_duration                       int      0
		date_mod                               datetime null
		date_creation                          datetime null
		autofill_decommission_date             int      -2`),
		Options: loadOptions("Entity", nil),
		Label: func(_ *Tx, row *Row) string {
			return fmt.Sprintf(`<a href="/glpi/front/entity.form.php?id=%d" title="%s">%s</a>`, row.ID(), row.Str("completename"), row.Str("name"))
		},
		Hooks: Hooks{
			PrepareAdd: prepareEntity, PostAdd: createdEntity, PostUpdate: renamedEntity, CanItem: canEntity,
			ListFilter: func(tx *Tx, row *Row) bool { return tx.Sees(row.ID()) },
		},
	}
}

// canEntity: an entity belongs to itself, and a new one to its parent.
func canEntity(tx *Tx, entity *Row, right Rights) bool {
	if !tx.canType(entity.Type(), right) {
		return false
	}
	if right == Create {
		return tx.Sees(entity.Int("entities_id"))
	}
	return tx.Sees(entity.ID())
}

func prepareEntity(tx *Tx, in Input) error {
	if in.Str("name") == "" {
		return Refuse("You can't add an entity without name")
	}
	for _, sibling := range tx.Find("Entity", "entities_id", in.Int("entities_id")) {
		if strings.EqualFold(sibling.Str("name"), in.Str("name")) {
			return Refuse("%s: %s", "An item with this name already exists", in.Str("name"))
		}
	}
	in.Set("max_closedate", tx.Date())
	if parent := tx.Row("Entity", in.Int("entities_id")); parent != nil {
		in.Set("completename", parent.Str("completename")+" > "+in.Str("name"))
	}
	return nil
}

func createdEntity(tx *Tx, entity *Row, _ Input) error {
	tx.placeEntity(entity)
	tx.addSon(entity)
	return nil
}

// renamedEntity carries a new name to the complete names below.
func renamedEntity(tx *Tx, entity *Row, _ Input, old Change) error {
	if _, renamed := old["name"]; !renamed {
		return nil
	}
	for _, id := range tx.Sons(entity.ID()) {
		tx.placeEntity(tx.Row("Entity", id))
	}
	return nil
}

// placeEntity computes an entity's level, complete name and list of ancestors from its parents.
func (tx *Tx) placeEntity(entity *Row) {
	parent := tx.Row("Entity", entity.Int("entities_id"))
	if entity.ID() == 0 || parent == nil {
		entity.Set("level", 1)
		entity.Set("completename", entity.Str("name"))
		return
	}
	entity.Set("level", parent.Int("level")+1)
	entity.Set("completename", parent.Str("completename")+" > "+entity.Str("name"))
	var above []string
	for _, id := range tx.Ancestors(entity.ID()) {
		above = append([]string{`"` + strconv.Itoa(id) + `"`}, above...)
	}
	entity.Set("ancestors_cache", "["+strings.Join(above, ",")+"]")
}

// treeHooks keep the complete name of a dropdown whose words have parents.
func treeHooks(parent string) Hooks {
	place := func(tx *Tx, row *Row) {
		name, level := row.Str("name"), 1
		if above := row.tab.rows[row.Int(parent)]; above != nil && above != row {
			name, level = above.Str("completename")+" > "+name, above.Int("level")+1
		}
		row.Set("completename", name)
		row.Set("level", level)
	}
	return Hooks{
		PostAdd:    func(tx *Tx, row *Row, _ Input) error { place(tx, row); return nil },
		PostUpdate: func(tx *Tx, row *Row, _ Input, _ Change) error { place(tx, row); return nil },
	}
}
