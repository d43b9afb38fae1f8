package glpi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Add creates a row as a class does, hooks included, without asking for rights.
func (tx *Tx) Add(itemtype string, in Input) (*Row, error) {
	return tx.create(tx.table(itemtype), in, false)
}

func (tx *Tx) create(tab *table, in Input, checked bool) (*Row, error) {
	t := tab.typ
	if checked {
		draft := tab.newRow()
		tx.fill(draft, in)
		draft.Set("id", Null)
		tx.input = in
		allowed := tx.canItem(draft, Create)
		tx.input = nil
		if !allowed {
			return nil, Refuse(noPermission)
		}
	}
	for _, h := range hooksOf(t) {
		if h.PrepareAdd != nil {
			if err := h.PrepareAdd(tx, in); err != nil {
				return nil, err
			}
		}
	}
	tx.checkValues(t, in)
	row := tab.newRow()
	for _, col := range []string{"date_creation", "date_mod"} {
		row.Set(col, tx.Date())
	}
	tx.fill(row, in)
	row.Set("id", tab.next)
	tab.insert(row)
	if !t.Silent {
		tx.Info("Item successfully added: " + tx.label(row))
	}
	for _, h := range hooksOf(t) {
		if h.PostAdd != nil {
			if err := h.PostAdd(tx, row, in); err != nil {
				return row, err
			}
		}
	}
	return row, nil
}

func hooksOf(t *Itemtype) []Hooks { return append([]Hooks{t.Hooks}, t.Also...) }

// label is what messages call a row: its name, else its class and id.
func (tx *Tx) label(row *Row) string {
	t := row.Type()
	name := row.Name()
	if t.Label != nil {
		name = t.Label(tx, row)
	}
	if name != "" {
		return name
	}
	title := t.Title
	if title == "" {
		title = t.Name
	}
	return fmt.Sprintf("%s - ID %d", title, row.ID())
}

// fill stores the columns that the input names.
func (tx *Tx) fill(row *Row, in Input) {
	for _, col := range row.Type().Columns {
		if v, given := in[col.Name]; given && col.Name != "id" {
			if value, isScalar := stored(col, v); isScalar {
				row.Set(col.Name, value)
			}
		}
	}
}

// Update changes a row as a class does, hooks included, without asking for rights.
func (tx *Tx) Update(row *Row, in Input) error {
	t := row.Type()
	for _, h := range hooksOf(t) {
		if h.PrepareUpdate != nil {
			if err := h.PrepareUpdate(tx, row, in); err != nil {
				return err
			}
		}
	}
	tx.checkValues(t, in)
	old := Change{}
	for _, col := range t.Columns {
		v, given := in[col.Name]
		if !given || col.Name == "id" {
			continue
		}
		value, isScalar := stored(col, v)
		if before := row.Get(col.Name); isScalar && value != before {
			old[col.Name] = before
			row.Set(col.Name, value)
		}
	}
	if len(old) > 0 {
		row.Set("date_mod", tx.Date())
	}
	for _, h := range hooksOf(t) {
		if h.PostUpdate != nil {
			if err := h.PostUpdate(tx, row, in, old); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete purges a row as a class does, hooks included, without asking for rights.
func (tx *Tx) Delete(row *Row) error {
	for _, h := range hooksOf(row.Type()) {
		if h.PreDelete != nil {
			if err := h.PreDelete(tx, row); err != nil {
				return err
			}
		}
	}
	tx.Remove(row)
	for _, h := range hooksOf(row.Type()) {
		if h.PostDelete != nil {
			if err := h.PostDelete(tx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	dateFormat     = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}`)
	datetimeFormat = regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?$`)
)

// checkValues drops values that do not fit the search option over their column, with a warning, and cuts long texts.
func (tx *Tx) checkValues(t *Itemtype, in Input) {
	var wrong []string
	for _, col := range t.Columns {
		option := t.optionOf(col.Name)
		text, isText := in[col.Name].(string)
		if option == nil || !in.Given(col.Name) {
			continue
		}
		if !isText || text == "" {
			if option.DataType == "date" || option.DataType == "datetime" {
				in[col.Name] = nil
			}
			continue
		}
		fits := true
		switch option.DataType {
		case "integer", "count", "number", "decimal":
			fits = isNumeric(strings.ReplaceAll(text, ",", "."))
		case "date":
			fits = dateFormat.MatchString(text)
		case "datetime":
			fits = datetimeFormat.MatchString(text)
		case "email", "string", "itemlink":
			if len(text) > 255 {
				in[col.Name] = text[:254]
			}
		}
		if !fits {
			delete(in, col.Name)
			wrong = append(wrong, option.Name)
		}
	}
	if len(wrong) > 0 {
		tx.Warn("At least one field has an incorrect value: " + strings.Join(wrong, ", "))
	}
}

// stored is a value as the column takes it with MySQL's strict mode off.
func stored(col Column, v any) (Value, bool) {
	text, isText := v.(string)
	if v == nil {
		if col.Default.IsNull() {
			return Null, true
		}
		return zero(col), true
	}
	if !isText {
		return Null, false
	}
	switch col.Kind {
	case Int:
		return Val(phpInt(text)), true
	case Datetime:
		if !datetimeFormat.MatchString(text) {
			return Val("0000-00-00 00:00:00"), true
		}
	case Date:
		if !dateFormat.MatchString(text) {
			return Val("0000-00-00"), true
		}
	case Float:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			f = float64(phpInt(text))
		}
		return Val(f), true
	case Enum:
		for _, option := range col.Options {
			if strings.EqualFold(option, text) {
				return Val(option), true
			}
		}
		return Val(""), true
	}
	return Val(text), true
}

func zero(col Column) Value {
	switch col.Kind {
	case Int, Float:
		return Val("0")
	case Datetime:
		return Val("0000-00-00 00:00:00")
	case Date:
		return Val("0000-00-00")
	}
	return Val("")
}
