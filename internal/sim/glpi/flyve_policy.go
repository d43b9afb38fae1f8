package glpi

func policyType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmPolicy", Title: "Policy", Table: "glpi_plugin_flyvemdm_policies", Right: "flyvemdm:policy",
		Group: "Policy",
		Columns: columns(`
			id                                  int
			name                                text
			group                               text
			symbol                              text
			type                                text
			type_data                           text null
			unicity                             int 1
			plugin_flyvemdm_policycategories_id int
			comment                             text null
			default_value                       text
			recommended_value                   text
			is_android_system                   int
			android_min_version                 text 0
			android_max_version                 text 0
			apple_min_version                   text 0
			apple_max_version                   text 0`),
		Options: loadOptions("PluginFlyvemdmPolicy", nil),
		Hooks: Hooks{
			// Loading one translates the keys of a dropdown and blanks the constraints of all others.
			PostGet: func(_ *Tx, row *Row, obj *Object) {
				if row.Str("type") != "dropdown" {
					obj.Set("type_data", `""`)
				}
			},
		},
	}
}

func policyCategoryType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmPolicyCategory", Title: "Policy category", Table: "glpi_plugin_flyvemdm_policycategories",
		Right: "flyvemdm:policycategory", NameField: "completename",
		Columns: columns(`
			id                                  int
			name                                text
			plugin_flyvemdm_policycategories_id int
			completename                        text null
			comment                             text null
			level                               int
			sons_cache                          text null
			ancestors_cache                     text null`),
		Options: loadOptions("PluginFlyvemdmPolicyCategory", nil),
	}
}
