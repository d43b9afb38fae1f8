package glpi

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Value is a value of the database as PHP sees it: NULL or text.
type Value struct {
	text string
	set  bool
}

// Null is SQL's NULL.
var Null = Value{}

// Val makes a Value of nil, string, bool, int, float64 or a Value.
func Val(v any) Value {
	switch v := v.(type) {
	case nil:
		return Null
	case Value:
		return v
	case string:
		return Value{v, true}
	case bool:
		if v {
			return Value{"1", true}
		}
		return Value{"0", true}
	case int:
		return Value{strconv.Itoa(v), true}
	case float64:
		return Value{strconv.FormatFloat(v, 'f', -1, 64), true}
	}
	return Value{fmt.Sprint(v), true}
}

// String is the text of a value, "" for NULL.
func (v Value) String() string { return v.text }

// IsNull tells whether a value is NULL.
func (v Value) IsNull() bool { return !v.set }

// Int is a value as PHP's (int) cast reads it.
func (v Value) Int() int { return phpInt(v.text) }

var leadingInt = regexp.MustCompile(`^\s*[+-]?\d+`)

// phpInt reads the digits at the beginning of a text.
func phpInt(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	n, err := strconv.Atoi(strings.TrimSpace(leadingInt.FindString(s)))
	if err != nil {
		return 0
	}
	return n
}

// scalar turns what was decoded from JSON, or what Go code sets, into what PHP holds after GLPI's cleaning of the input.
func scalar(v any) any {
	switch v := v.(type) {
	case nil, string, map[string]any, []any:
		return v
	case bool:
		if v {
			return "1"
		}
		return ""
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'G', -1, 64)
	case Value:
		if v.IsNull() {
			return nil
		}
		return v.text
	}
	return fmt.Sprint(v)
}

var (
	columnLine = regexp.MustCompile(`^(\w+)\s+(\w+)(?:\(([^)]*)\))?\s*(.*)$`)
	kinds      = map[string]Kind{"text": Text, "int": Int, "float": Float, "datetime": Datetime, "date": Date, "enum": Enum}
)

// columns reads a table's columns, one a line: `name kind default`. Without a default a text is "", a number 0, and a
// date NULL; "null" is NULL.
func columns(list string) []Column {
	var cols []Column
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		m := columnLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		kind, ok := kinds[m[2]]
		if !ok {
			panic("glpi: column " + m[1] + " is of no known kind: " + m[2])
		}
		col := Column{Name: m[1], Kind: kind, Default: defaultOf(kind, m[4])}
		if kind == Enum {
			col.Options = strings.Split(m[3], "|")
		}
		cols = append(cols, col)
	}
	return cols
}

func defaultOf(kind Kind, text string) Value {
	switch {
	case text == "null":
		return Null
	case text != "":
		return Val(text)
	case kind == Int || kind == Float:
		return Val("0")
	case kind == Datetime || kind == Date:
		return Null
	}
	return Val("")
}
