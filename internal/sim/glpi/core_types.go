package glpi

// coreItemtypes declares GLPI's own itemtypes, as far as the product and the plugin touch them.
func coreItemtypes() []*Itemtype {
	types := []*Itemtype{userType(), entityType(), profileType(), computerType(), documentType()}
	types = append(types, linkTypes()...)
	types = append(types, assetTypes()...)
	return append(types, dropdownTypes()...)
}

// linkTypes are the tables between others, and those of the system.
func linkTypes() []*Itemtype {
	return []*Itemtype{
		{
			Name: "UserEmail", Title: "Email", Table: "glpi_useremails", NameField: "email", Parent: "User",
			Columns: columns(`
				id         int
				users_id   int
				is_default int
				is_dynamic int
				email      text null`),
			Hooks: userEmailHooks(),
		},
		{
			Name: "Profile_User", Title: "Authorization", Table: "glpi_profiles_users", Right: "user", Entity: Local,
			Columns: columns(`
				id           int
				users_id     int
				profiles_id  int
				entities_id  int
				is_recursive int 1
				is_dynamic   int`),
			Hooks: Hooks{CanType: profileUserRight, CanItem: canGrant},
		},
		{
			Name: "Document_Item", Title: "Document item", Table: "glpi_documents_items", Parent: "Document",
			Columns: columns(`
				id                int
				documents_id      int
				items_id          int
				itemtype          text
				entities_id       int
				is_recursive      int
				date_mod          datetime
				users_id          int
				timeline_position int`),
		},
		{
			Name: "QueuedNotification", Title: "Notification queue", Table: "glpi_queuednotifications", Right: "queuednotification",
			Entity: Local,
			Columns: columns(`
				id                       int
				itemtype                 text null
				items_id                 int
				notificationtemplates_id int
				entities_id              int
				is_deleted               int
				sent_try                 int
				create_time              datetime
				send_time                datetime
				sent_time                datetime
				name                     text null
				sender                   text null
				sendername               text
				recipient                text null
				recipientname            text null
				replyto                  text null
				replytoname              text null
				headers                  text null
				body_html                text null
				body_text                text null
				messageid                text null
				documents                text null
				mode                     text mailing`),
		},
		{
			Name: "NotificationTemplate", Title: "Notification template", Table: "glpi_notificationtemplates", Right: "config",
			Columns: columns(`
				id            int
				name          text null
				itemtype      text
				date_mod      datetime
				comment       text null
				css           text null
				date_creation datetime`),
		},
		{
			Name: "Config", Title: "Setup", Table: "glpi_configs", Right: "config",
			Columns: columns(`
				id      int
				context text null
				name    text null
				value   text null`),
			Hooks: Hooks{ListFilter: openConfig, CanItem: func(tx *Tx, row *Row, right Rights) bool {
				return defaultCan(tx, row, right) && openConfig(tx, row)
			}},
		},
		{
			Name: "Plugin", Title: "Plugin", Table: "glpi_plugins", Right: "config",
			Columns: columns(`
				id        int
				directory text
				name      text
				version   text
				state     int
				author    text null
				homepage  text null
				license   text null`),
		},
	}
}

// profileUserRight: habilitations follow the right on users, of which reading is enough to see them.
func profileUserRight(tx *Tx, right Rights) bool {
	if right == Read {
		return tx.Right("user")&Read != 0
	}
	return tx.Right("user")&(Update|Create) != 0
}

// canGrant: who grants a profile must see the user and the entity, and hold every right of the profile.
func canGrant(tx *Tx, grant *Row, right Rights) bool {
	if right != Create {
		return defaultCan(tx, grant, right)
	}
	user := tx.Row("User", grant.Int("users_id"))
	return tx.canType(grant.Type(), right) && user != nil && canUser(tx, user, Read) &&
		tx.holds(grant.Int("profiles_id")) && tx.Sees(grant.Int("entities_id"))
}

// holds tells whether the session's profile has every right of another one, or may make profiles as it likes.
func (tx *Tx) holds(profile int) bool {
	if tx.Right("profile")&Create != 0 {
		return true
	}
	for name, bits := range tx.s.rights[profile] {
		if bits&^tx.Right(name) != 0 {
			return false
		}
	}
	return true
}

// openConfig hides the settings that GLPI and the plugin do not disclose. The token of Firebase is not among them.
func openConfig(_ *Tx, row *Row) bool {
	switch row.Str("name") {
	case "proxy_passwd", "smtp_passwd", "mqtt_passwd", "android_bugcollector_passwd":
		return false
	}
	return true
}

// dropdownTypes are the lists of words.
func dropdownTypes() []*Itemtype {
	word := func(name, title, table string) *Itemtype {
		return &Itemtype{
			Name: name, Title: title, Table: table, Right: "dropdown",
			Columns: columns(`
				id            int
				name          text null
				comment       text null
				date_mod      datetime
				date_creation datetime`),
		}
	}
	tree := func(name, title, table, own, right string) *Itemtype {
		return &Itemtype{
			Name: name, Title: title, Table: table, Right: right, Entity: Recursive, NameField: "completename",
			Columns: columns(`
				id              int
				entities_id     int
				is_recursive    int
				name            text null
				` + own + `     int
				completename    text null
				comment         text null
				level           int 1
				ancestors_cache text null
				sons_cache      text null
				date_mod        datetime
				date_creation   datetime`),
			Hooks: treeHooks(own),
		}
	}
	types := []*Itemtype{
		tree("Location", "Location", "glpi_locations", "locations_id", "location"),
		tree("State", "Status of items", "glpi_states", "states_id", "state"),
	}
	for _, w := range [][3]string{
		{"ComputerModel", "Computer model", "glpi_computermodels"},
		{"ComputerType", "Computer type", "glpi_computertypes"},
		{"Manufacturer", "Manufacturer", "glpi_manufacturers"},
		{"OperatingSystem", "Operating system", "glpi_operatingsystems"},
		{"OperatingSystemVersion", "Version of the operating system", "glpi_operatingsystemversions"},
		{"OperatingSystemServicePack", "Service pack", "glpi_operatingsystemservicepacks"},
		{"OperatingSystemArchitecture", "Operating system architecture", "glpi_operatingsystemarchitectures"},
		{"OperatingSystemKernel", "Kernel", "glpi_operatingsystemkernels"},
		{"OperatingSystemEdition", "Edition", "glpi_operatingsystemeditions"},
		{"UserTitle", "User title", "glpi_usertitles"},
		{"UserCategory", "User category", "glpi_usercategories"},
		{"DeviceBatteryType", "Battery type", "glpi_devicebatterytypes"},
		{"Filesystem", "File system", "glpi_filesystems"},
		{"LineType", "Line type", "glpi_linetypes"},
	} {
		types = append(types, word(w[0], w[1], w[2]))
	}
	return types
}
