package glpi

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Object is a PHP array with text keys, in order. An empty one is written as [], as PHP does.
type Object []Member

// Member is one key of an Object with its value: nil, bool, int, string, Value, Object, List or raw JSON.
type Member struct {
	Key string
	Val any
}

// List is a PHP array with the keys 0, 1, 2...
type List []any

// Set replaces a key's value in place or appends it.
func (o *Object) Set(key string, v any) {
	for i := range *o {
		if (*o)[i].Key == key {
			(*o)[i].Val = v
			return
		}
	}
	*o = append(*o, Member{key, v})
}

// Del removes a key.
func (o *Object) Del(key string) {
	for i := range *o {
		if (*o)[i].Key == key {
			*o = append((*o)[:i], (*o)[i+1:]...)
			return
		}
	}
}

// Get is a key's value; nil when there is none.
func (o Object) Get(key string) any {
	for _, m := range o {
		if m.Key == key {
			return m.Val
		}
	}
	return nil
}

// encode writes a value as GLPI does: with JSON_NUMERIC_CHECK, which turns every text that looks like a number into one,
// and with neither slashes nor non-ASCII escaped.
func encode(v any) []byte {
	b := jsonWriter{numeric: true}
	b.write(v)
	return b.Bytes()
}

// encodeTexts writes a value as later versions of GLPI do: what is text stays text, even where it looks like a number.
func encodeTexts(v any) []byte {
	var b jsonWriter
	b.write(v)
	return b.Bytes()
}

type jsonWriter struct {
	bytes.Buffer
	numeric bool // JSON_NUMERIC_CHECK
}

func (b *jsonWriter) write(v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(phpFloat(v))
	case string:
		b.text(v)
	case Value:
		if v.IsNull() {
			b.WriteString("null")
			return
		}
		b.text(v.text)
	case json.RawMessage:
		if json.Compact(&b.Buffer, v) != nil {
			b.WriteString("null")
		}
	case Object:
		b.object(v)
	case List:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.write(e)
		}
		b.WriteByte(']')
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			raw = []byte("null")
		}
		b.Write(raw)
	}
}

func (b *jsonWriter) object(o Object) {
	if len(o) == 0 {
		b.WriteString("[]")
		return
	}
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.quoted(m.Key)
		b.WriteByte(':')
		b.write(m.Val)
	}
	b.WriteByte('}')
}

func (b *jsonWriter) text(s string) {
	if number, ok := phpNumber(s); ok && b.numeric {
		b.WriteString(number)
		return
	}
	b.quoted(s)
}

func (b *jsonWriter) quoted(s string) {
	e := json.NewEncoder(&b.Buffer)
	e.SetEscapeHTML(false)
	if e.Encode(s) == nil {
		b.Truncate(b.Len() - 1) // the encoder ends with a newline
	}
}

var numeric = regexp.MustCompile(`^[ \t\n\r\v\f]*([+-]?)(\d+|\d+\.\d*|\.\d+)([eE][+-]?\d+)?$`)

// isNumeric is PHP's is_numeric for text.
func isNumeric(s string) bool { return numeric.MatchString(s) }

// phpNumber is the JSON number that a numeric text becomes: "007" is 7, "1e3" 1000, "+336" 336.
func phpNumber(s string) (string, bool) {
	if s == "" || s[0] > '9' {
		return "", false
	}
	m := numeric.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	trimmed := strings.TrimSpace(s)
	if m[3] == "" && !strings.Contains(m[2], ".") {
		if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			if n == 0 && m[1] == "-" {
				return "-0", true
			}
			return strconv.FormatInt(n, 10), true
		}
	}
	f, err := strconv.ParseFloat(trimmed, 64)
	if err != nil || math.IsInf(f, 0) {
		return "", false
	}
	return phpFloat(f), true
}

// phpFloat writes a float as PHP's json_encode with serialize_precision -1.
func phpFloat(f float64) string {
	if f == 0 {
		return "0"
	}
	exponent := int(math.Floor(math.Log10(math.Abs(f)))) + 1
	if exponent > 17 || exponent < -3 {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		mantissa, exp, _ := strings.Cut(s, "e")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exp)
		if n < 0 {
			return mantissa + "e" + strconv.Itoa(n)
		}
		return mantissa + "e+" + strconv.Itoa(n)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
