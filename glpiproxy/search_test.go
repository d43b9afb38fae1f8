package glpiproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSearchPlaysTranscripts(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	s := g.client().Resume(alice)
	g.on("/search/PluginFlyvemdmAgent", recorded(t, "414-search-agent-all"))
	page := must(Search[Agent](ctx, s, Query{Columns: []int{1, 3, 8, 10, 11}, Range: Range{Count: 5}}))(t)
	row := page.Rows[0]
	if page.Total != 39 || len(page.Rows) != 5 || row.ID() != 3 || row.Text(3) != "Paris fleet" || row.Text(10) != "2.1.0" || row.Bool(11) ||
		!row.Time(8).Equal(time.Date(2026, 11, 21, 9, 13, 28, 0, time.UTC)) || !page.Rows[1].Time(8).IsZero() || row.Text(99) != "" {
		t.Errorf("%+v", page)
	}
	g.on("/search/User", recorded(t, "628-user-search-by-mail"))
	users := must(Search[User](ctx, s, Query{Columns: []int{5}, Criteria: []Criterion{{Field: 5, Type: Exactly, Value: "alice@acme.test"}}}))(t)
	if users.Total != 1 || users.Rows[0].ID() != 7 || users.Rows[0].Text(5) != "alice@acme.test" || fmt.Sprint(users.Rows[0].Texts(80)) != "[Root entity > ACME Root entity > ACME]" {
		t.Errorf("%+v", users)
	}
	g.on("/search/PluginFlyvemdmFleet", recorded(t, "246-search-empty"))
	if none := must(Search[Fleet](ctx, s, Query{}))(t); none.Total != 0 || len(none.Rows) != 0 {
		t.Errorf("%+v", none)
	}
	g.on("/search/PluginFlyvemdmAgent", recorded(t, "632-count-only"))
	if n := must(Count[Agent](ctx, s))(t); n != 37 {
		t.Errorf("%d", n)
	}
	if q := g.requests("/search/PluginFlyvemdmAgent")[1].URL.Query(); fmt.Sprint(q) != "map[forcedisplay[0]:[2] order:[ASC] range:[0-0] sort:[2]]" {
		t.Error(q)
	}
}

func TestFailedSearchIsNeverNoneFound(t *testing.T) {
	g := newGLPI(t)
	for name, handler := range map[string]func(responseWriter, *request){
		"null total":             recorded(t, "618-apostrophe-search"),
		"text before the JSON":   says(200, `SQL Error "1064" {"totalcount":0,"count":0}`),
		"no total":               says(200, `{"count":0}`),
		"announced, not given":   says(200, `{"totalcount":3,"count":3}`),
		"rows without ids":       says(200, `{"totalcount":1,"data":[{"1":"x"}]}`),
		"empty rows":             says(200, `{"totalcount":2,"data":[[],[]]}`),
		"a list":                 says(200, `[]`),
		"ERROR_SQL":              says(500, `["ERROR_SQL","x"]`),
		"past the first row":     recorded(t, "full-504-globex-search-geolocation"),
		"more rows than allowed": says(200, `{"totalcount":2,"data":[{"2":1},{"2":2}]}`),
	} {
		g.on("/search/PluginFlyvemdmAgent", handler)
		page, err := Search[Agent](context.Background(), g.client().Resume(alice), Query{Range: Range{Count: 1}})
		if err == nil || KindOf(err) != Upstream {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
}

func TestSearchPastTheEnd(t *testing.T) {
	g := newGLPI(t)
	g.on("/search/PluginFlyvemdmAgent", func(w responseWriter, r *request) {
		if r.URL.Query().Get("range") == "0-0" {
			says(206, `{"totalcount":39,"count":1,"data":{"7":{"2":"7"}}}`)(w, r)
			return
		}
		says(400, `["ERROR_RANGE_EXCEED_TOTAL","x"]`)(w, r)
	})
	page := must(Search[Agent](context.Background(), g.client().Resume(alice), Query{Range: Range{Start: 100}}))(t)
	if page.Total != 39 || len(page.Rows) != 0 || page.Start != 100 {
		t.Errorf("%+v", page)
	}
}

func TestCriteria(t *testing.T) {
	for _, c := range []struct {
		criterion  Criterion
		searchType string
		value      string // "": refused
	}{
		{Criterion{Field: 1, Type: Contains, Value: "erin"}, "contains", "erin"},
		{Criterion{Field: 1, Type: Contains, Value: "O'Brien"}, "contains", `O\'Brien`},
		{Criterion{Field: 1, Type: Contains, Value: `the "big" one`}, "contains", `the \"big\" one`},
		{Criterion{Field: 1, Type: Contains, Value: "^a$"}, "contains", "%^a$%"},
		{Criterion{Field: 1, Type: Contains, Value: "null"}, "contains", "%null"},
		{Criterion{Field: 1, Type: Contains, Value: "漢字 & co"}, "contains", "漢字 & co"},
		{Criterion{Field: 5, Type: Exactly, Value: "o'brien@acme.test"}, "contains", `^o\'brien@acme.test$`},
		{Criterion{Field: 5, Type: Exactly, Value: ""}, "contains", "^$"},
		{Criterion{Field: 1, Type: BeginsWith, Value: "flyvemdm-"}, "contains", "^flyvemdm-"},
		{Criterion{Field: 1, Type: BeginsWith, Value: "^O'$"}, "contains", `^^O\'$%`},
		{Criterion{Field: 1, Type: BeginsWith, Value: ""}, "", ""},
		{Criterion{Field: 7, Type: Equals, Value: "12"}, "equals", "12"},
		{Criterion{Field: 8, Type: LessThan, Value: "2026-11-21 09:00:00"}, "lessthan", "2026-11-21 09:00:00"},
		{Criterion{Field: 1, Type: Contains, Value: `\' OR 1=1 -- `}, "", ""},
		{Criterion{Field: 1, Type: Contains, Value: "a\nb"}, "", ""},
		{Criterion{Field: 1, Type: Contains, Value: ""}, "", ""},
		{Criterion{Field: 1, Type: Contains, Value: strings.Repeat("é", 256)}, "", ""},
		{Criterion{Field: 7, Type: Equals, Value: "1' OR '1'='1"}, "", ""},
		{Criterion{Field: 7, Type: Equals, Value: ""}, "", ""},
		{Criterion{Field: 0, Type: Equals, Value: "1"}, "", ""},
		{Criterion{Field: 1, Type: "regexp", Value: "1"}, "", ""},
		{Criterion{Field: 1, Type: Equals, Value: "1", Link: "XOR"}, "", ""},
	} {
		g := newGLPI(t)
		g.on("/search/PluginFlyvemdmAgent", recorded(t, "246-search-empty"))
		_, err := Search[Agent](context.Background(), g.client().Resume(alice), Query{Criteria: []Criterion{c.criterion}})
		if c.value == "" {
			wantKind(t, err, Invalid)
			if len(g.requests("")) != 0 {
				t.Errorf("%+v was asked", c.criterion)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.criterion, err)
			continue
		}
		q := g.requests("")[0].URL.Query()
		if q.Get("criteria[0][value]") != c.value || q.Get("criteria[0][searchtype]") != c.searchType || q.Get("criteria[0][field]") != fmt.Sprint(c.criterion.Field) {
			t.Errorf("%+v: %v", c.criterion, q)
		}
	}
}

func TestQueriesThatCannotBeAsked(t *testing.T) {
	g := newGLPI(t)
	s := g.client().Resume(alice)
	for _, q := range []Query{
		{Range: Range{Start: -1}}, {Range: Range{Count: 1001}}, {Criteria: make([]Criterion, 51)}, {Columns: make([]int, 51)},
	} {
		wantKind(t, second(Search[Agent](context.Background(), s, q)), Invalid)
	}
	wantKind(t, second(Search[Geolocation](context.Background(), s, Query{})), Invalid)
	wantKind(t, second(Count[UserEmail](context.Background(), s)), Invalid)
	g.on("/search/PluginFlyvemdmAgent", recorded(t, "246-search-empty"))
	must(Search[Agent](context.Background(), s, Query{Sort: 8, Descending: true, Columns: []int{1, 8}, Criteria: []Criterion{
		{Field: 7, Type: Equals, Value: "1"}, {Link: Or, Field: 7, Type: Equals, Value: "2"},
	}}))(t)
	q := g.requests("")[0].URL.Query()
	if q.Get("sort") != "8" || q.Get("order") != "DESC" || q.Get("forcedisplay[2]") != "8" || q.Get("criteria[1][link]") != "OR" || q.Has("criteria[0][link]") {
		t.Error(q)
	}
}
