package glpi

// A metacriterion looks at rows of another class that belong to the one searched: at those behind a foreign key on either
// side, or behind a link table.

// linkTables are the tables between classes that have no key of each other.
var linkTables = []struct{ from, link, fromKey, toKey, to string }{
	{"Computer", "Item_OperatingSystem", "items_id", "operatingsystems_id", "OperatingSystem"},
	{"Computer", "Item_OperatingSystem", "items_id", "operatingsystemversions_id", "OperatingSystemVersion"},
	{"User", "Profile_User", "users_id", "profiles_id", "Profile"},
	{"User", "Profile_User", "users_id", "entities_id", "Entity"},
}

// related tells whether GLPI can join two classes; where it cannot, the query is nonsense.
func related(tab, other *table) bool {
	name, with := tab.typ.Name, other.typ.Name
	if tab.typ.Has(other.typ.foreignKey()) || other.typ.Has(tab.typ.foreignKey()) || installs(name, with) || installs(with, name) {
		return true
	}
	for _, l := range linkTables {
		if l.from == name && l.to == with || l.from == with && l.to == name {
			return true
		}
	}
	return false
}

// installs tells whether the two are a computer and software, which two link tables join.
func installs(computer, software string) bool {
	return computer == "Computer" && software == "Software"
}

// relatives are the rows of another class that belong to one.
func (tx *Tx) relatives(row *Row, other *table) []*Row {
	name, with := row.Type().Name, other.typ.Name
	switch {
	case installs(name, with):
		return tx.softwareOn(row)
	case installs(with, name):
		return tx.computersWith(row)
	}
	for _, l := range linkTables {
		switch {
		case l.from == name && l.to == with:
			return tx.across(l.link, l.fromKey, l.toKey, row, other)
		case l.from == with && l.to == name:
			return tx.across(l.link, l.toKey, l.fromKey, row, other)
		}
	}
	if key := other.typ.foreignKey(); row.Has(key) {
		if to := tx.Row(with, row.Int(key)); to != nil {
			return []*Row{to}
		}
		return nil
	}
	return tx.Find(with, row.Type().foreignKey(), row.ID())
}

func (tx *Tx) across(link, fromKey, toKey string, row *Row, other *table) []*Row {
	var rows []*Row
	for _, between := range tx.Find(link, fromKey, row.ID()) {
		if to := tx.Row(other.typ.Name, between.Int(toKey)); to != nil {
			rows = append(rows, to)
		}
	}
	return rows
}

func (tx *Tx) softwareOn(computer *Row) []*Row {
	var rows []*Row
	for _, link := range tx.Find("Computer_SoftwareVersion", "computers_id", computer.ID()) {
		if version := tx.Row("SoftwareVersion", link.Int("softwareversions_id")); version != nil {
			if software := tx.Row("Software", version.Int("softwares_id")); software != nil {
				rows = append(rows, software)
			}
		}
	}
	return rows
}

func (tx *Tx) computersWith(software *Row) []*Row {
	var rows []*Row
	for _, version := range tx.Find("SoftwareVersion", "softwares_id", software.ID()) {
		for _, link := range tx.Find("Computer_SoftwareVersion", "softwareversions_id", version.ID()) {
			if computer := tx.Row("Computer", link.Int("computers_id")); computer != nil {
				rows = append(rows, computer)
			}
		}
	}
	return rows
}
