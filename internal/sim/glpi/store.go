package glpi

import (
	"slices"
	"sort"
	"strings"
)

// table is the rows of one itemtype by auto-increment id. The server's mutex guards it.
type table struct {
	typ     *Itemtype
	column  map[string]int // position by name
	rows    map[int]*Row
	ids     []int // ascending
	next    int
	indexes map[string]map[string][]int // column, text of the value: ids, unordered
}

func newTable(t *Itemtype) *table {
	tab := &table{typ: t, column: map[string]int{}, rows: map[int]*Row{}, next: 1, indexes: map[string]map[string][]int{}}
	for i, c := range t.Columns {
		tab.column[c.Name] = i
	}
	return tab
}

// Row is one row of a table. Its values are read and set with the server's lock held, that is inside a Tx.
type Row struct {
	tab  *table
	vals []Value
	gone bool
}

// newRow is a row with every column at its default, not in the table yet.
func (tab *table) newRow() *Row {
	row := &Row{tab: tab, vals: make([]Value, len(tab.typ.Columns))}
	for i, c := range tab.typ.Columns {
		row.vals[i] = c.Default
	}
	return row
}

// Type is the row's itemtype.
func (r *Row) Type() *Itemtype { return r.tab.typ }

// ID is the row's primary key.
func (r *Row) ID() int { return r.Int("id") }

// Gone tells whether the row was deleted, which may happen during a Tx.Wait.
func (r *Row) Gone() bool { return r.gone }

// Has tells whether the table has the column.
func (r *Row) Has(col string) bool { _, ok := r.tab.column[col]; return ok }

// Get is the value of a column; NULL when the table has none of that name.
func (r *Row) Get(col string) Value {
	if i, ok := r.tab.column[col]; ok {
		return r.vals[i]
	}
	return Null
}

// Str is a column's text, "" for NULL.
func (r *Row) Str(col string) string { return r.Get(col).text }

// Int is a column as a number, 0 for NULL.
func (r *Row) Int(col string) int { return r.Get(col).Int() }

// IsNull tells whether a column is NULL.
func (r *Row) IsNull(col string) bool { return r.Get(col).IsNull() }

// Set stores a value without hooks or checks. Columns that the table lacks are ignored, as GLPI does.
func (r *Row) Set(col string, v any) {
	i, ok := r.tab.column[col]
	if !ok {
		return
	}
	value := Val(v)
	if idx, ok := r.tab.indexes[col]; ok && !r.gone && r.tab.rows[r.ID()] == r {
		dropFrom(idx, r.vals[i].text, r.ID())
		idx[value.text] = append(idx[value.text], r.ID())
	}
	r.vals[i] = value
}

// Name is what GLPI shows for the row.
func (r *Row) Name() string {
	if f := r.tab.typ.NameField; f != "" {
		return r.Str(f)
	}
	return r.Str("name")
}

// insert puts a row that has an id into the table.
func (tab *table) insert(row *Row) {
	id := row.ID()
	tab.next = max(tab.next, id+1)
	tab.rows[id] = row
	if n := len(tab.ids); n == 0 || tab.ids[n-1] < id {
		tab.ids = append(tab.ids, id)
	} else {
		at, _ := slices.BinarySearch(tab.ids, id)
		tab.ids = slices.Insert(tab.ids, at, id)
	}
	for col, idx := range tab.indexes {
		idx[row.Str(col)] = append(idx[row.Str(col)], id)
	}
}

func (tab *table) remove(row *Row) {
	id := row.ID()
	if tab.rows[id] != row {
		return
	}
	delete(tab.rows, id)
	if at, ok := slices.BinarySearch(tab.ids, id); ok {
		tab.ids = slices.Delete(tab.ids, at, at+1)
	}
	for col, idx := range tab.indexes {
		dropFrom(idx, row.Str(col), id)
	}
	row.gone = true
}

func dropFrom(idx map[string][]int, text string, id int) {
	ids := idx[text]
	if at := slices.Index(ids, id); at >= 0 {
		idx[text] = slices.Delete(ids, at, at+1)
	}
	if len(idx[text]) == 0 {
		delete(idx, text)
	}
}

// all is every row by id.
func (tab *table) all() []*Row {
	rows := make([]*Row, len(tab.ids))
	for i, id := range tab.ids {
		rows[i] = tab.rows[id]
	}
	return rows
}

// find is the rows whose column holds the value, by id. NULL is found by no value.
func (tab *table) find(col string, v any) []*Row {
	if _, ok := tab.column[col]; !ok {
		return nil
	}
	idx, ok := tab.indexes[col]
	if !ok {
		idx = make(map[string][]int)
		for _, id := range tab.ids {
			text := tab.rows[id].Str(col)
			idx[text] = append(idx[text], id)
		}
		tab.indexes[col] = idx
	}
	ids := slices.Clone(idx[Val(v).text])
	sort.Ints(ids)
	rows := make([]*Row, 0, len(ids))
	for _, id := range ids {
		if row := tab.rows[id]; !row.IsNull(col) {
			rows = append(rows, row)
		}
	}
	return rows
}

// schema finds itemtypes by name, table and foreign key.
type schema struct {
	byName  map[string]*table
	byTable map[string]*table
}

func newSchema(types []*Itemtype) schema {
	s := schema{map[string]*table{}, map[string]*table{}}
	for _, t := range types {
		if t.Options == nil {
			t.Options = plainOptions(t)
		}
		tab := newTable(t)
		s.byName[t.Name], s.byTable[t.Table] = tab, tab
	}
	return s
}

// foreignKey is the name of the column with which other tables point at this one.
func (t *Itemtype) foreignKey() string { return strings.TrimPrefix(t.Table, "glpi_") + "_id" }

// keyed is the table that a column points at: `users_id` and `users_id_tech` point at glpi_users. isKey is true for a
// column that looks like a foreign key, even one to a table that does not exist (`items_id_applied`).
func (s schema) keyed(col string) (tab *table, isKey bool) {
	at := strings.Index(col+"_", "_id_")
	if at <= 0 || col == "items_id" {
		return nil, false
	}
	return s.byTable["glpi_"+col[:at]], true
}
