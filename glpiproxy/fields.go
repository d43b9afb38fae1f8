package glpiproxy

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// fields is what one write sends: the columns that its input names, encoded as PHP
// understands them, no others. A nil value is not sent.
type fields struct {
	input map[string]any
	sent  []sentField // what the item must hold afterwards
	links []reference // what the viewer must be able to see
	homes []int       // entities that must be active ones
	zone  *time.Location
	// secret: a message that comes with a success is a refusal.
	secret  bool
	secrets []string // what no message may repeat
	slow    bool     // GLPI waits for the device
	err     error
}

// sentField is a column and the value that was asked for: string, int, bool or
// time.Time.
type sentField struct {
	column string
	want   any
}

// reference names an item.
type reference struct {
	itemtype string
	id       int
}

const (
	// maxLine is the size of GLPI's columns for short texts, in bytes as stored;
	// what is longer is cut without a word.
	maxLine = 255
	// maxLines bounds the longer texts, such as comments, in bytes.
	maxLines = 16 << 10
)

func newFields(zone *time.Location) *fields { return &fields{input: map[string]any{}, zone: zone} }

// text sends one line.
func (f *fields) text(column string, value *string) {
	if value == nil {
		return
	}
	switch {
	case strings.ContainsFunc(*value, unicode.IsControl) || !utf8.ValidString(*value):
		f.fail(column + ": control characters can't be stored")
	case stored(*value) > maxLine:
		f.fail(fmt.Sprintf("%s: longer than the %d bytes that GLPI keeps", column, maxLine))
	default:
		f.put(column, *value)
	}
}

// lines sends a text of several lines.
func (f *fields) lines(column string, value *string) {
	if value == nil {
		return
	}
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
	switch {
	case strings.ContainsFunc(*value, odd) || !utf8.ValidString(*value):
		f.fail(column + ": control characters can't be stored")
	case stored(*value) > maxLines:
		f.fail(fmt.Sprintf("%s: longer than %d bytes", column, maxLines))
	default:
		f.put(column, *value)
	}
}

// stored is a text's size while GLPI handles it: it escapes quotes, and writes angle
// brackets as entities.
func stored(text string) int {
	n := len(text)
	for _, r := range text {
		switch r {
		case '<', '>':
			n += 3
		case '\'', '"', '\\':
			n++
		}
	}
	return n
}

func (f *fields) put(column, value string) {
	switch {
	case value == "NULL":
		f.fail(column + ": GLPI takes the text NULL for no text")
	case strings.ContainsFunc(value, func(r rune) bool { return r > '\uffff' }):
		// MySQL's older utf8, that of GLPI 9, ends the text there without a word.
		f.fail(column + ": emoji and other characters beyond U+FFFF can't be stored")
	default:
		f.input[column] = value
		f.sent = append(f.sent, sentField{column, value})
	}
}

// required is text that must not be empty.
func (f *fields) required(column, value string) {
	if strings.TrimSpace(value) == "" {
		f.fail(column + ": must not be empty")
		return
	}
	f.text(column, &value)
}

// renamed is required for a change: nil is not sent.
func (f *fields) renamed(column string, value *string) {
	if value != nil {
		f.required(column, *value)
	}
}

// flag sends a truth value as "0" or "1": PHP takes JSON's false for a text that is
// not 0, so that {"wipe":false} wipes.
func (f *fields) flag(column string, value *bool) {
	if value == nil {
		return
	}
	f.input[column] = "0"
	if *value {
		f.input[column] = "1"
	}
	f.sent = append(f.sent, sentField{column, *value})
}

// number sends a number within bounds.
func (f *fields) number(column string, value *int, lowest, highest int) {
	if value == nil {
		return
	}
	if *value < lowest || *value > highest {
		f.fail(fmt.Sprintf("%s: must be between %d and %d", column, lowest, highest))
		return
	}
	f.input[column] = *value
	f.sent = append(f.sent, sentField{column, *value})
}

// link sends the id of an item, which the viewer must be able to see.
func (f *fields) link(column string, kind Item, id int) {
	if id <= 0 {
		f.fail(column + ": an id is a positive number")
		return
	}
	f.input[column] = id
	f.links = append(f.links, reference{kind.itemtype(), id})
	f.sent = append(f.sent, sentField{column, id})
}

// choice sends a link or 0 for none.
func (f *fields) choice(column string, kind Item, id *int) {
	switch {
	case id == nil:
	case *id == 0:
		f.number(column, id, 0, 0)
	default:
		f.link(column, kind, *id)
	}
}

// home sends the id of an entity, which must be an active one.
func (f *fields) home(column string, entityID int) {
	f.input[column] = entityID
	f.homes = append(f.homes, entityID)
	f.sent = append(f.sent, sentField{column, entityID})
}

// moment sends a time in the server's own; the zero time is none.
func (f *fields) moment(column string, value *time.Time) {
	if value == nil {
		return
	}
	f.input[column] = ""
	if !value.IsZero() {
		f.input[column] = value.In(f.zone).Format(time.DateTime)
	}
	f.sent = append(f.sent, sentField{column, value.Truncate(time.Second)})
}

// order sends an input that is no column.
func (f *fields) order(name string, value any) { f.input[name] = value }

// password sends a password in the two equal forms that GLPI wants.
func (f *fields) password(value *string) {
	if value == nil {
		return
	}
	if *value == "" || len(*value) > maxLine || strings.ContainsFunc(*value, unicode.IsControl) {
		f.fail(fmt.Sprintf("password: must have 1 to %d bytes without control characters", maxLine))
		return
	}
	f.input["password"], f.input["password2"] = *value, *value
	f.secret, f.secrets = true, append(f.secrets, *value)
}

// fail keeps the first thing that is wrong.
func (f *fields) fail(why string) {
	if f.err == nil {
		f.err = &Error{Kind: Invalid, Operation: "write", Message: why}
	}
}
