package glpi

import "slices"

// canType tells whether the session may do something with a class at all.
func (tx *Tx) canType(t *Itemtype, right Rights) bool {
	switch {
	case tx.session == nil:
		return true
	case t.CanType != nil:
		return t.CanType(tx, right)
	case t.Parent != "":
		return tx.canType(tx.table(t.Parent).typ, parentRight(right))
	case t.Right == "":
		return true
	}
	return tx.Right(t.Right)&right != 0
}

// parentRight is what one must be allowed on a parent to do something with its children: whatever writes needs Update.
func parentRight(right Rights) Rights {
	if right == Read {
		return Read
	}
	return Update
}

// canItem tells whether the session may do something with one row, which for Create is one that is not stored yet.
func (tx *Tx) canItem(row *Row, right Rights) bool {
	if tx.session == nil {
		return true
	}
	t := row.Type()
	may := defaultCan
	if t.CanItem != nil {
		may = t.CanItem
	}
	if !may(tx, row, right) {
		return false
	}
	for _, h := range t.Also {
		if h.CanItem != nil && !h.CanItem(tx, row, right) {
			return false
		}
	}
	return true
}

// defaultCan is the normal rule: the right of the class and, where rows belong to entities, the row's entity.
func defaultCan(tx *Tx, row *Row, right Rights) bool {
	t := row.Type()
	if !tx.canType(t, right) {
		return false
	}
	if t.Parent != "" {
		parent := tx.Row(t.Parent, row.Int(tx.table(t.Parent).typ.foreignKey()))
		return parent != nil && tx.canItem(parent, parentRight(right))
	}
	switch t.Entity {
	case Local:
		return tx.Sees(row.Int("entities_id"))
	case Recursive:
		entity := row.Int("entities_id")
		return tx.Sees(entity) || right == Read && row.Int("is_recursive") == 1 && tx.above(entity)
	}
	return true
}

// above tells whether an entity is above one of the session's active ones.
func (tx *Tx) above(entity int) bool {
	for active := range tx.session.entities {
		if slices.Contains(tx.Ancestors(active), entity) {
			return true
		}
	}
	return false
}

// listed is the filter of lists: an active entity, without regard to rows that are recursive from above.
func (tx *Tx) listed(row *Row) bool {
	t := row.Type()
	if t.ListFilter != nil {
		return t.ListFilter(tx, row)
	}
	return t.Entity == Global || tx.Sees(row.Int("entities_id"))
}

// found is the filter of searches, which honours recursive rows from above.
func (tx *Tx) found(row *Row) bool {
	t := row.Type()
	if t.ListFilter == nil && t.Entity == Recursive && row.Int("is_recursive") == 1 && tx.above(row.Int("entities_id")) {
		return true
	}
	return tx.listed(row)
}

// load is GLPI's getFromDB: nil where there is no such row, or where its class says so.
func (tx *Tx) load(tab *table, id int) *Row {
	tx.furnishFor(tab, id)
	row := tab.rows[id]
	if row == nil {
		return nil
	}
	for _, h := range append([]Hooks{tab.typ.Hooks}, tab.typ.Also...) {
		if h.Missing != nil && h.Missing(tx, row) {
			return nil
		}
	}
	return row
}
