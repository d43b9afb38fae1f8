package glpiproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is where PHP ends. GLPI encodes every numeric-looking text as a
// number, booleans as 0 and 1, dates in the server's own time, text with HTML
// entities, and a PHP array as a JSON array or an object depending on its keys.

// errNotJSON: the body is empty, cut short, or has text around the JSON (a PHP
// warning, an SQL error). Nothing can be concluded from such an answer.
var errNotJSON = errors.New("the answer is not clean JSON")

// parseJSON checks that body is exactly one JSON value.
func parseJSON(body []byte) (json.RawMessage, error) {
	body = bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf"))
	if len(body) == 0 || !json.Valid(body) {
		return nil, errNotJSON
	}
	return body, nil
}

// member is one entry of a PHP array; key is "" for a JSON array.
type member struct {
	key   string
	value json.RawMessage
}

// members reads a PHP array in either of its JSON forms, an object's members in
// the order of their keys (numbers as numbers). ok is false for anything else.
func members(raw json.RawMessage) (list []member, ok bool) {
	switch leading(raw) {
	case '[':
		var values []json.RawMessage
		if json.Unmarshal(raw, &values) != nil {
			return nil, false
		}
		for _, v := range values {
			list = append(list, member{value: v})
		}
		return list, true
	case '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		for k, v := range object {
			list = append(list, member{key: k, value: v})
		}
		slices.SortFunc(list, func(a, b member) int {
			x, errX := strconv.Atoi(a.key)
			y, errY := strconv.Atoi(b.key)
			if errX == nil && errY == nil {
				return cmp.Compare(x, y)
			}
			return cmp.Compare(a.key, b.key)
		})
		return list, true
	}
	return nil, false
}

// row is one JSON object, its columns not yet understood.
type row map[string]json.RawMessage

func parseRow(raw json.RawMessage) (row, error) {
	var r row
	if leading(raw) != '{' || json.Unmarshal(raw, &r) != nil {
		return nil, errors.New("an object was expected")
	}
	return r, nil
}

func (r row) text(column string) string { return textOf(r[column]) }
func (r row) int(column string) int     { n, _ := intOf(r[column]); return n }
func (r row) bool(column string) bool   { return boolOf(r[column]) }

func leading(raw json.RawMessage) byte {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// plain is a scalar as text: the string decoded, the number as it was written,
// "" for null and for what is no scalar.
func plain(raw json.RawMessage) string {
	switch c := leading(raw); {
	case c == '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f':
		return string(bytes.TrimSpace(raw))
	}
	return ""
}

// entities undoes what GLPI does to text before it stores it, once.
var entities = strings.NewReplacer(
	"&lt;", "<", "&gt;", ">", "&#60;", "<", "&#62;", ">",
	"&amp;", "&", "&#38;", "&",
	"&quot;", `"`, "&#34;", `"`, "&#039;", "'", "&#39;", "'", "&apos;", "'",
)

func textOf(raw json.RawMessage) string { return entities.Replace(plain(raw)) }

// intOf reads a whole number; ok is false when there is none (null, "", text).
func intOf(raw json.RawMessage) (n int, ok bool) {
	s := strings.TrimSpace(plain(raw))
	if n, err := strconv.Atoi(s); err == nil {
		return n, true
	}
	if s == "true" {
		return 1, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

func floatOf(raw json.RawMessage) (f float64, ok bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(plain(raw)), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func boolOf(raw json.RawMessage) bool {
	switch strings.ToLower(strings.TrimSpace(plain(raw))) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

// timeOf reads a date that has no zone, in the server's, as UTC. An empty, zero
// or unreadable date is the zero time.
func timeOf(raw json.RawMessage, server *time.Location) time.Time {
	s := strings.TrimSpace(plain(raw))
	if s == "" || strings.HasPrefix(s, "0000-00-00") {
		return time.Time{}
	}
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, server); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// column is a field of an item and the column it is read from.
type column struct {
	name     string
	index    []int
	computed bool // GLPI makes it up when one item is read: no list knows it
}

// columnsOf lists the columns of an item type: those with a field, no others.
func columnsOf(t reflect.Type) []column {
	var list []column
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); name != "" && name != "-" {
			list = append(list, column{name, f.Index, f.Tag.Get("glpi") == "computed"})
		}
	}
	return list
}

// completer is an item with a field that depends on more than its own column.
type completer interface{ complete(row) }

// decodeItem reads one item. Odd values of single columns become zero values,
// so that one strange row doesn't cost the page; a row without an id is an error.
func decodeItem[T Item](raw json.RawMessage, server *time.Location, columns []column) (T, error) {
	var item T
	r, err := parseRow(raw)
	if err != nil {
		return item, fmt.Errorf("decoding %s: %w", item.itemtype(), err)
	}
	return decodeRow[T](r, server, columns)
}

func decodeRow[T Item](r row, server *time.Location, columns []column) (T, error) {
	var item T
	if _, ok := intOf(r["id"]); !ok {
		return item, fmt.Errorf("decoding %s: no id", item.itemtype())
	}
	target := reflect.ValueOf(&item).Elem()
	for _, c := range columns {
		setField(target.FieldByIndex(c.index), r[c.name], server)
	}
	if c, ok := any(&item).(completer); ok {
		c.complete(r)
	}
	return item, nil
}

func setField(field reflect.Value, raw json.RawMessage, server *time.Location) {
	switch field.Interface().(type) {
	case string:
		field.SetString(textOf(raw))
	case int:
		n, _ := intOf(raw)
		field.SetInt(int64(n))
	case bool:
		field.SetBool(boolOf(raw))
	case float64:
		f, _ := floatOf(raw)
		field.SetFloat(f)
	case time.Time:
		field.Set(reflect.ValueOf(timeOf(raw, server)))
	}
}

// decodeItems reads a list of items.
func decodeItems[T Item](raw json.RawMessage, server *time.Location) ([]T, error) {
	list, ok := members(raw)
	if !ok {
		return nil, errors.New("a list was expected")
	}
	columns := columnsOf(reflect.TypeFor[T]())
	items := make([]T, 0, len(list))
	for _, m := range list {
		item, err := decodeItem[T](m.value, server, columns)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// complete sees whether the device gave a position: GPS off is stored as "na".
func (g *Geolocation) complete(r row) {
	latitude, okLat := floatOf(r["latitude"])
	longitude, okLong := floatOf(r["longitude"])
	g.Available = okLat && okLong && math.Abs(latitude) <= 90 && math.Abs(longitude) <= 180
	if !g.Available {
		g.Latitude, g.Longitude = 0, 0
	}
}

// complete takes the policy's JSON as it is; GLPI writes "no data" as two quotes.
func (p *Policy) complete(r row) {
	p.TypeData = plain(r["type_data"])
	if p.TypeData == `""` {
		p.TypeData = ""
	}
}

// contentRange reads "0-9/39". Searches without a row say "0--1/0".
func contentRange(s string) (start, total int, ok bool) {
	window, after, found := strings.Cut(s, "/")
	if !found {
		return 0, 0, false
	}
	first, _, _ := strings.Cut(window, "-")
	start, err1 := strconv.Atoi(strings.TrimSpace(first))
	total, err2 := strconv.Atoi(strings.TrimSpace(after))
	return start, total, err1 == nil && err2 == nil && start >= 0 && total >= 0
}
