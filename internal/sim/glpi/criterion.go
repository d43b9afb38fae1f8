package glpi

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// values is what a row holds under an option: one value of its own, those behind a foreign key, or what the option's own
// function finds.
func (o *SearchOption) values(tx *Tx, row *Row) []Value {
	if o.Values != nil {
		return o.Values(tx, row)
	}
	if o.Table == row.Type().Table {
		return []Value{row.Get(o.Field)}
	}
	target := tx.s.schema.byTable[o.Table]
	if target == nil {
		return nil
	}
	if to := target.rows[row.Int(o.linkField(o.Table))]; to != nil && row.Has(o.linkField(o.Table)) {
		return []Value{to.Get(o.Field)}
	}
	return nil
}

// searched is what a criterion looks through. Another class's user is found by a part of any of the names.
func (o *SearchOption) searched(tx *Tx, row *Row, kind string) []Value {
	values := o.values(tx, row)
	if o.Table != "glpi_users" || o.Field != "name" || row.Type().Name == "User" || kind != "contains" {
		return values
	}
	user := tx.s.schema.byTable[o.Table].rows[row.Int(o.linkField(o.Table))]
	if user == nil || !row.Has(o.linkField(o.Table)) {
		return values
	}
	last, first := user.Str("realname"), user.Str("firstname")
	return append(values, Val(last), Val(first), Val(last+" "+first))
}

// test makes a criterion's test. An unknown search type is read as contains.
func (o *SearchOption) test(tx *Tx, tab *table, kind, value string) func([]Value) bool {
	any := func(test func(Value) bool) func([]Value) bool {
		return func(values []Value) bool { return slices.ContainsFunc(values, test) }
	}
	not := func(test func([]Value) bool) func([]Value) bool {
		return func(values []Value) bool { return !test(values) }
	}
	same := any(func(v Value) bool { return strings.EqualFold(v.text, value) })
	under := any(func(v Value) bool { return v.text == value || strings.HasPrefix(v.text, value+" > ") })
	if named := o.named(tx, tab, value); named != nil {
		same = any(func(v Value) bool { return v.text == named.text })
		under = any(func(v Value) bool { return v.text == named.text || strings.HasPrefix(v.text, named.text+" > ") })
	}
	if value == "0" && o.Table != tab.typ.Table && o.Values == nil { // also what points at nothing
		named := same
		same = func(values []Value) bool { return len(values) == 0 || named(values) }
	}
	if o.DataType == "datetime" || o.DataType == "date" {
		value = tx.moment(value)
	}
	switch kind {
	case "equals":
		return same
	case "notequals":
		return not(same)
	case "under":
		return under
	case "notunder":
		return not(under)
	case "lessthan":
		return any(func(v Value) bool { return !v.IsNull() && compareText(v.text, value) < 0 })
	case "morethan":
		return any(func(v Value) bool { return !v.IsNull() && compareText(v.text, value) > 0 })
	case "notcontains":
		return not(o.contains(value))
	}
	return o.contains(value)
}

// named is what an id means where an option shows a name: equals on another class's name takes that class's id, and on an
// itemlink the row's own.
func (o *SearchOption) named(tx *Tx, tab *table, value string) *Value {
	if o.Field == "id" || !isDigits(value) || o.Table == tab.typ.Table && o.DataType != "itemlink" {
		return nil
	}
	none := Val("\x00") // an id that names nothing equals nothing
	if target := tx.s.schema.byTable[o.Table]; target != nil {
		if row := target.rows[phpInt(value)]; row != nil {
			v := row.Get(o.Field)
			return &v
		}
	}
	return &none
}

// contains searches numbers for the number and all else as text. NULL finds what is empty.
func (o *SearchOption) contains(value string) func([]Value) bool {
	if strings.EqualFold(value, "NULL") || value == "^$" {
		return func(values []Value) bool {
			return len(values) == 0 || slices.ContainsFunc(values, func(v Value) bool { return v.text == "" })
		}
	}
	like := likeText(value)
	switch o.DataType {
	case "number", "integer", "count", "decimal", "bool":
		if isNumeric(value) {
			like = func(v Value) bool { return isNumeric(v.text) && compareText(v.text, value) == 0 }
		}
	}
	return func(values []Value) bool { return slices.ContainsFunc(values, like) }
}

var relativeMoment = regexp.MustCompile(`^(-?\d+)(HOUR|DAY|WEEK|MONTH|YEAR)$`)

// moment reads what GLPI's screens offer for dates: NOW, TODAY and distances from now such as -7DAY. All else stays.
func (tx *Tx) moment(value string) string {
	now := tx.Now()
	switch value {
	case "NOW":
		return now.Format(dateLayout)
	case "TODAY":
		return now.Format(time.DateOnly)
	}
	m := relativeMoment.FindStringSubmatch(value)
	if m == nil {
		return value
	}
	n := phpInt(m[1])
	switch m[2] {
	case "HOUR":
		now = now.Add(time.Duration(n) * time.Hour)
	case "DAY":
		now = now.AddDate(0, 0, n)
	case "WEEK":
		now = now.AddDate(0, 0, 7*n)
	case "MONTH":
		now = now.AddDate(0, n, 0)
	case "YEAR":
		now = now.AddDate(n, 0, 0)
	}
	return now.Format(dateLayout)
}

func compareText(a, b string) int {
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA == nil && errB == nil {
		return boolOrder(x > y, y > x)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}
