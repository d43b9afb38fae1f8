package glpiproxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// results writes outcomes as "12:ok 13:invalid(message)".
func results(outcomes []Outcome) string {
	var texts []string
	for _, o := range outcomes {
		text := fmt.Sprint(o.ID, ":ok")
		if o.Err != nil {
			text = fmt.Sprintf("%d:%v(%s)", o.ID, KindOf(o.Err), o.Message)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestAnswersToWrites(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // outcomes, else the error's kind
	}{
		{"105", 201, `{"id": 8, "message": "Item successfully added: Invitation"}`, "8:ok"},
		{"108", 207, `["ERROR_GLPI_PARTIAL_ADD", [{"id": 10, "message": "x"}, {"id": false, "message": "Email address is invalid"}]]`, "10:ok 0:invalid(Email address is invalid)"},
		{"full 508", 201, `[{"id": 21, "message": "b1"}, {"id": 22, "message": "b2"}]`, "21:ok 22:ok"},
		{"full 510", 400, `["ERROR_GLPI_ADD", [{"id": false, "message": "no"}, {"id": false, "message": "no"}]]`, "0:invalid(no) 0:invalid(no)"},
		{"full 511", 400, `["ERROR_GLPI_ADD", []]`, "invalid"},
		{"full 514", 207, `["ERROR_GLPI_PARTIAL_UPDATE", [{"21": true, "message": ""}, {"9": false, "message": "no"}]]`, "21:ok 9:invalid(no)"},
		{"full 515", 200, `[[]]`, ""},
		{"full 520", 200, `[{"21": true, "message": ""}, {"22": true, "message": ""}]`, "21:ok 22:ok"},
		{"full 127", 400, `["ERROR_GLPI_UPDATE", null]`, "not found"},
		{"full 128", 400, `["ERROR_GLPI_DELETE", "Item not found"]`, "invalid"},
		{"full 239", 400, `["ERROR_GLPI_ADD", ""]`, "invalid"},
		{"608", 500, ``, "upstream"},
		{"texts for ids", 200, `[{"12":"1","message":null}]`, "12:ok"},
		{"a text for a new id", 201, `{"id":"12","message":"&lt;b&gt;"}`, "12:ok"},
		{"an object for a list", 200, `{"0":{"12":true},"1":{"13":false,"message":"no"}}`, "12:ok 13:invalid(no)"},
		{"two ids at once", 200, `[{"12":true,"13":true}]`, ""},
		{"a warning before", 201, "<br />\n<b>Warning</b>: x in <b>/user.class.php</b>\n{\"id\":5,\"message\":\"\"}", "5:ok"},
		{"a warning before a list", 200, `Notice: [a]{"b"} [{"7":true,"message":""}]`, "7:ok"},
		{"a warning alone", 200, `<b>Fatal error</b>`, "upstream"},
		{"nothing", 200, ``, "upstream"},
		{"cut short", 200, `[{"7":tr`, "upstream"},
		{"a text", 200, `"true"`, "upstream"},
		{"a partial result without results", 207, `["ERROR_GLPI_PARTIAL_UPDATE"]`, "upstream"},
		{"a right missing in later versions", 403, `["ERROR_RIGHT_MISSING","no"]`, "forbidden"},
	} {
		a, err := &answer{status: c.status, body: []byte(c.body)}, error(nil)
		if c.status >= 300 {
			a, err = nil, classify("update", c.status, []byte(c.body))
		}
		outcomes, ok, err := resultsOf("update", a, err)
		got := results(outcomes)
		if !ok {
			got = KindOf(err).String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}

// GLPI leaves out what it didn't find, so that places say nothing.
func TestResultsAreMatchedByTheirKeys(t *testing.T) {
	g := newGLPI(t)
	g.fleets()
	g.on("/PluginFlyvemdmFleet", says(207, `["ERROR_GLPI_PARTIAL_UPDATE",[{"12":true,"message":""},{"10":false,"message":"no"},{"77":true,"message":""}]]`))
	s := g.client().Resume(alice)
	name := "fleet 10"
	edits := []Edit[FleetChange]{{10, FleetChange{Name: &name}}, {11, FleetChange{Name: &name}}, {12, FleetChange{}}}
	recursive := false
	edits[2].Change.Recursive = &recursive
	outcomes := must(UpdateMany(context.Background(), s, edits))(t)
	if got := results(outcomes); got != "10:invalid(no) 11:not found() 12:ok" {
		t.Error(got)
	}
}

func TestOutcomesAsOneError(t *testing.T) {
	refused := &Error{Kind: Invalid}
	for name, c := range map[string]struct {
		outcomes Outcomes
		want     string
	}{
		"all done":      {Outcomes{{ID: 1}, {ID: 2}}, "<nil>"},
		"nothing to do": {nil, "<nil>"},
		"one refused":   {Outcomes{{Err: refused}}, "glpi : invalid"},
		"one of two":    {Outcomes{{ID: 1}, {Err: refused}}, "glpi write: partial"},
	} {
		if got := fmt.Sprint(c.outcomes.Err()); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A body that ends before its announced end is no answer, whatever its text says.
func TestBodiesThatBreakOff(t *testing.T) {
	g := newGLPI(t)
	g.on("/PluginFlyvemdmFleet/6", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		_, _ = fmt.Fprint(w, fleetBody(6))
	})
	_, err := Get[Fleet](context.Background(), g.client().Resume(alice), 6)
	wantKind(t, err, Unavailable)
}

func TestFieldsEncodeForPHP(t *testing.T) {
	paris := time.FixedZone("", 3600)
	yes, no, n, text := true, false, 7, "O'Brien"
	at := time.Date(2026, 11, 21, 8, 6, 49, 5, time.UTC)
	f := newFields(paris)
	f.flag("yes", &yes)
	f.flag("no", &no)
	f.flag("left", nil)
	f.number("n", &n, 0, 10)
	f.text("text", &text)
	f.moment("at", &at)
	f.moment("never", &time.Time{})
	f.link("fleet", Fleet{}, 6)
	if got := fmt.Sprint(f.input, f.err); got != "map[at:2026-11-21 09:06:49 fleet:6 n:7 never: no:0 text:O'Brien yes:1] <nil>" {
		t.Error(got)
	}
	for name, wrong := range map[string]func(*fields){
		"an id of none": func(f *fields) { f.link("fleet", Fleet{}, 0) },
		"out of bounds": func(f *fields) { f.number("n", &n, 8, 10) },
		"no password":   func(f *fields) { f.password(new(string)) },
		"long lines":    func(f *fields) { long := strings.Repeat("<", maxLines/3); f.lines("c", &long) },
	} {
		f := newFields(paris)
		if wrong(f); KindOf(f.err) != Invalid || f.err == nil || len(f.input) != 0 {
			t.Errorf("%s: %v, %v", name, f.err, f.input)
		}
	}
}

// parameters are all that a search or a list may ever send.
var parameters = regexp.MustCompile(`^(range|sort|order|get_hateoas|forcedisplay\[\d+\]|criteria\[\d+\]\[(link|field|searchtype|value)\]|searchText\[[a-z0-9_]+\])$`)

// openQuote is a quote that would end GLPI's SQL string, or a backslash that would
// keep it from ending.
var openQuote = regexp.MustCompile(`(^|[^\\])['"]|\\([^'"]|$)`)

// FuzzCriteria: whatever somebody types, it stays one value of one criterion.
func FuzzCriteria(f *testing.F) {
	for _, seed := range []string{
		"O'Brien", `"`, `\`, `\'`, `'\`, "^x$", "NULL", "", "%", "a&criteria[1][field]=2", "x' OR '1'='1", "&range=0-9999", "]", "\x00", "\xff", "é漢字", "`id`; DROP TABLE x",
	} {
		f.Add(seed, seed, 1)
	}
	columns := []column{{name: "name"}, {name: "serial"}}
	f.Fuzz(func(t *testing.T, text, name string, field int) {
		for _, kind := range []SearchType{Contains, BeginsWith, Exactly, Equals, NotEquals, LessThan, MoreThan, Under, NotUnder, SearchType(name)} {
			q := Query{Criteria: []Criterion{{Field: 1, Type: Exactly, Value: "first"}, {Link: Or, Field: field, Type: kind, Value: text}}}
			if query, err := q.encode(); err == nil {
				checkQuery(t, query, 12)
			}
			q.Criteria[1].Link = Link(text)
			if query, err := q.encode(); err == nil {
				checkQuery(t, query, 12)
			}
		}
		for _, o := range []ListOptions{
			{Filter: map[string]string{"name": text}}, {Filter: map[string]string{name: text}}, {Sort: text}, {Sort: name, Descending: true},
		} {
			if query, err := o.query("list", columns); err == nil {
				checkQuery(t, query, 5)
			}
		}
	})
}

// checkQuery looks for a parameter that should not be there, and for a value that
// would leave its SQL string.
func checkQuery(t *testing.T, query string, most int) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > most {
		t.Fatalf("%q: %d parameters, %v", query, len(values), err)
	}
	for name, list := range values {
		if !parameters.MatchString(name) || len(list) != 1 {
			t.Fatalf("%q sends %s %d times", query, name, len(list))
		}
		if openQuote.MatchString(list[0]) || strings.ContainsAny(list[0], "\x00\n\r") {
			t.Fatalf("%q: the value %q would leave its string", query, list[0])
		}
	}
}

// FuzzOutcomes: whatever comes back from a write, nothing panics, and only an item
// with a result counts as written.
func FuzzOutcomes(f *testing.F) {
	for _, seed := range []string{
		`{"id":8,"message":"x"}`, `[{"21":true,"message":""}]`, `["ERROR_GLPI_PARTIAL_ADD",[{"id":false}]]`, `[[]]`, `<b>x</b>{"id":1}`, `[{"id":1e9}]`, ``, `null`,
		`{"id":1,"upload_result":{"file":[{"error":"no"}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = fileRefusal(body)
		_ = classify("update", 400, body)
		for _, status := range []int{200, 207} {
			outcomes, ok, err := resultsOf("update", &answer{status: status, body: body}, nil)
			if ok == (err != nil) {
				t.Fatalf("%v and %v", ok, err)
			}
			for _, o := range outcomes {
				if o.ID == 0 && o.Err == nil && !strings.Contains(string(body), `"0"`) {
					t.Fatalf("%q: no item, and yet written", body)
				}
			}
		}
	})
}
