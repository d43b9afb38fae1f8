package glpi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// outcome is the result of one element of a write.
type outcome struct {
	result any // what the answer shows of it; nil: nothing
	failed bool
}

// inputs reads the input parameter: one object, or a list of them.
func (r *request) inputs() (elements []any, isList bool, err error) {
	switch v := r.params["input"].(type) {
	case map[string]any:
		return []any{v}, false, nil
	case []any:
		return v, true, nil
	}
	return nil, false, errBadArray
}

// decode turns decoded JSON into what GLPI works with after cleaning: scalars as text, < and > as entities.
func decode(v any) any {
	switch v := v.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, e := range v {
			clean[key] = decode(e)
		}
		return clean
	case []any:
		clean := make([]any, len(v))
		for i, e := range v {
			clean[i] = decode(e)
		}
		return clean
	case json.Number:
		return v.String()
	case string:
		return cleaner.Replace(v)
	}
	return scalar(v)
}

var cleaner = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&#039;", "'", "&#39;", "'")

func decodeInput(v any) Input {
	fields, _ := v.(map[string]any)
	in := Input{}
	for key, e := range fields {
		in[key] = decode(e)
	}
	return in
}

// create answers POST /:itemtype.
func (r *request) create(tab *table) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		return nil, err
	}
	var results []outcome
	var created []string
	for _, e := range elements {
		row, done, err := r.createOne(tab, decodeInput(e))
		if err != nil {
			return nil, err
		}
		if row != nil {
			created = append(created, fmt.Sprintf("%s/%s/%d", r.apiURL(), tab.typ.Name, row.ID()))
		}
		results = append(results, done)
	}
	answer, err := summary("ADD", results, isList)
	if err != nil || answer.status == http.StatusMultiStatus {
		return answer, err
	}
	answer.status = http.StatusCreated
	if isList {
		answer.set("link", strings.Join(created, ","))
		return answer, nil
	}
	answer.set("location", created[0])
	answer.body = results[0].result
	return answer, nil
}

func (r *request) createOne(tab *table, in Input) (*Row, outcome, error) {
	if !in.Given("entities_id") && tab.typ.Has("entities_id") {
		in.Set("entities_id", r.tx.ActiveEntity())
	}
	row, err := r.tx.create(tab, in, true)
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return nil, outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return nil, outcome{Object{{"id", false}, {"message", plainText(message)}}, true}, nil
	}
	result := Object{{"id", row.ID()}, {"message", plainText(message)}}
	if len(r.parts) > 0 {
		result.Set("upload_result", r.uploadResult())
	}
	return row, outcome{result, false}, nil
}

// update answers PUT and PATCH. In 9.3.1 objects inside the input stay PHP objects, which is fatal where they are used.
func (r *request) update(tab *table, id int, hasID bool) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		return nil, err
	}
	var results []outcome
	for _, e := range elements {
		fields, _ := e.(map[string]any)
		for _, v := range fields {
			if _, nested := v.(map[string]any); nested {
				return nil, ErrFatal
			}
		}
		in := decodeInput(e)
		if hasID && !isList {
			in.Set("id", id)
		}
		done, err := r.updateOne(tab, in)
		if err != nil {
			return nil, err
		}
		results = append(results, done)
	}
	return summary("UPDATE", results, isList)
}

func (r *request) updateOne(tab *table, in Input) (outcome, error) {
	if !in.Has("id") {
		return outcome{result: Object{}}, nil
	}
	row := r.tx.load(tab, in.Int("id"))
	if row == nil {
		return outcome{failed: true}, nil
	}
	id := in.Str("id")
	if !r.tx.canItem(row, Update) {
		return refused(id, noPermission), nil
	}
	err := r.tx.Update(row, in)
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return refused(id, plainText(message)), nil
	}
	return outcome{result: Object{{id, true}, {"message", plainText(message)}}}, nil
}

func refused(id, message string) outcome {
	return outcome{Object{{id, false}, {"message", message}}, true}
}

// remove answers DELETE: to the trash where the class has one and force_purge is not given.
func (r *request) remove(tab *table, id int, hasID bool) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		if !hasID {
			return nil, err
		}
		elements, isList = []any{map[string]any{}}, false
	}
	purge := r.flag("force_purge", false)
	var results []outcome
	for _, e := range elements {
		in := decodeInput(e)
		if hasID && !isList {
			in.Set("id", id)
		}
		purge = purge || in.Int("force_purge") == 1
		done, err := r.removeOne(tab, in, purge)
		if err != nil {
			return nil, err
		}
		results = append(results, done)
	}
	return summary("DELETE", results, isList)
}

func (r *request) removeOne(tab *table, in Input, purge bool) (outcome, error) {
	id := in.Str("id")
	row := r.tx.load(tab, in.Int("id"))
	if row == nil {
		return refused(id, "Item not found"), nil
	}
	right := Purge
	if trash := tab.typ.Has("is_deleted"); trash && !purge {
		right = Delete
	}
	if !r.tx.canItem(row, right) {
		return refused(id, noPermission), nil
	}
	var err error
	if right == Delete {
		row.Set("is_deleted", 1)
		row.Set("date_mod", r.tx.Date())
	} else {
		err = r.tx.Delete(row)
	}
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return refused(id, plainText(message)), nil
	}
	return outcome{result: Object{{id, true}, {"message", plainText(message)}}}, nil
}

// summary makes the answer of a write: all done, some failed (207), or all failed.
func summary(verb string, results []outcome, isList bool) (*reply, error) {
	failed, list := 0, List{}
	for _, done := range results {
		if done.failed {
			failed++
		}
		if done.result != nil {
			list = append(list, done.result)
		}
	}
	switch {
	case failed == len(results) && !isList:
		var message any
		if len(list) > 0 {
			message = list[0].(Object).Get("message")
		}
		return nil, plain(http.StatusBadRequest, "ERROR_GLPI_"+verb, message)
	case failed == len(results):
		return nil, plain(http.StatusBadRequest, "ERROR_GLPI_"+verb, list)
	case failed > 0:
		return &reply{status: http.StatusMultiStatus, body: List{"ERROR_GLPI_PARTIAL_" + verb, list}}, nil
	}
	return ok(list), nil
}

var tag = regexp.MustCompile(`<[^<>]*>`)

// plainText is a message without HTML as GLPI's API makes it: tags cut out with a simple pattern that an attribute's >
// fools, and what is left encoded again.
func plainText(message string) string {
	decoded := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(message)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(tag.ReplaceAllString(decoded, ""))
}

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
