package glpi

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const defaultListLimit = 15

// page is the range of rows that a call asks for, both ends inclusive.
type page struct {
	start, end int
	given      bool
}

var rangeFormat = regexp.MustCompile(`^(\d+)-(\d+)$`)

// page reads the range parameter. Without one a list holds list_limit + 1 rows and a search list_limit.
func (r *request) page() (page, error) {
	if !r.given("range") {
		limit := defaultListLimit
		if own := r.tx.User().Int("list_limit"); own > 0 {
			limit = own
		}
		return page{end: limit}, nil
	}
	m := rangeFormat.FindStringSubmatch(r.text("range"))
	if m == nil {
		return page{}, documented(http.StatusBadRequest, "ERROR", "range must be in format : [start-end] with integers")
	}
	return page{phpInt(m[1]), phpInt(m[2]), true}, nil
}

func exceeds(total any) *fault {
	return documented(http.StatusBadRequest, "ERROR_RANGE_EXCEED_TOTAL", fmt.Sprintf("Provided range exceed total count of data: %v", total))
}

// subItems answers GET /:itemtype/:id/:sub_itemtype with the rows that belong to one row.
func (r *request) subItems(parent *table, id int, name string) (*reply, error) {
	child := r.server.schema.byName[name]
	if child == nil {
		code := "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"
		return nil, documented(http.StatusBadRequest, code, notDBClass(code))
	}
	row := r.tx.load(parent, id)
	if row == nil {
		return nil, errNotFound
	}
	if !r.tx.canItem(row, Read) {
		return nil, errRight
	}
	if parent.typ.Name == "Computer" {
		r.tx.furnish(id)
		return r.list(child, r.belonging(row, child))
	}
	r.tx.furnishAll(child)
	return r.list(child, r.belonging(row, child))
}

// belonging guesses how a child table belongs to a parent as GLPI does, first match wins. Where nothing matches the whole
// table does.
func (r *request) belonging(parent *Row, child *table) func(*Row) bool {
	id, t := strconv.Itoa(parent.ID()), parent.Type()
	has := func(tab *table, col string) bool { _, ok := tab.column[col]; return ok }
	childKey := child.typ.foreignKey()
	switch {
	case has(child, t.foreignKey()):
		return func(row *Row) bool { return row.Str(t.foreignKey()) == id }
	case has(child, "itemtype") && has(child, "items_id"):
		return func(row *Row) bool { return row.Str("itemtype") == t.Name && row.Str("items_id") == id }
	case has(parent.tab, childKey):
		return func(row *Row) bool { return row.ID() == parent.Int(childKey) }
	case has(parent.tab, "itemtype") && has(parent.tab, "items_id"):
		return func(row *Row) bool {
			return parent.Str("itemtype") == child.typ.Name && row.ID() == parent.Int("items_id")
		}
	}
	return nil
}

// list answers a list of one table, of the rows that only lets through when it is given.
func (r *request) list(tab *table, only func(*Row) bool) (*reply, error) {
	if !r.tx.canType(tab.typ, Read) {
		return nil, errRight
	}
	p, err := r.page()
	if err != nil {
		return nil, err
	}
	sortBy, descending, err := r.listOrder(tab)
	if err != nil {
		return nil, err
	}
	match, sqlError := r.searchText(tab)
	var rows []*Row
	total := 1 // what counting a failed query gives
	if !sqlError && !reserved[sortBy] && p.end >= p.start {
		rows = r.filtered(tab, only, match)
		total = len(rows)
		sortRows(rows, sortBy, descending)
	}
	if p.start > total {
		return nil, exceeds(total)
	}
	p.given = p.given || r.server.since(10, 0)
	if p.given {
		p.end = min(p.end, total-1)
	}
	body := List{}
	for i := p.start; i <= p.end && i < len(rows); i++ {
		body = append(body, r.listed(rows[i]))
	}
	answer := ok(body)
	if p.given && p.end-p.start+1 < total {
		answer.status = http.StatusPartialContent
	}
	answer.set("Accept-Range", fmt.Sprintf("%s %d", tab.typ.Name, maxInputVars))
	if total > 0 {
		answer.set("Content-Range", fmt.Sprintf("%d-%d/%d", p.start, p.end, total))
	}
	return answer, nil
}

// reserved are words of SQL that GLPI forgets to quote when it sorts.
var reserved = map[string]bool{"lock": true, "group": true}

func (r *request) listOrder(tab *table) (column string, descending bool, err error) {
	column = "id"
	if r.given("sort") {
		column = r.text("sort")
		if _, known := tab.column[column]; !known {
			return "", false, documented(http.StatusBadRequest, "ERROR", "sort param is not a field of "+tab.typ.Table)
		}
	}
	order := strings.ToUpper(r.text("order"))
	if r.given("order") && order != "ASC" && order != "DESC" {
		return "", false, documented(http.StatusBadRequest, "ERROR", "order must be DESC or ASC")
	}
	return column, order == "DESC", nil
}

// filtered is the rows of a table that a list may show.
func (r *request) filtered(tab *table, only, match func(*Row) bool) []*Row {
	_, trashable := tab.column["is_deleted"]
	deleted := "0"
	if r.flag("is_deleted", false) {
		deleted = "1"
	}
	var rows []*Row
	for _, row := range tab.all() {
		if trashable && row.Str("is_deleted") != deleted || only != nil && !only(row) || !match(row) || !r.tx.listed(row) {
			continue
		}
		if tab.typ.Has("is_template") && row.Int("is_template") == 1 {
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// Has tells whether the itemtype's table has a column.
func (t *Itemtype) Has(column string) bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == column })
}

func (r *request) listed(row *Row) Object {
	if r.flag("only_id", false) {
		return Object{{"id", row.ID()}}
	}
	object := r.columns(row)
	r.addLinks(row, &object)
	return object
}

// searchText makes the filter of searchText[column]=value: LIKE, with ^ and $ as anchors, and NULL. An empty value or "0"
// is ignored. An unknown column or an apostrophe breaks the query, which GLPI answers with an empty list.
func (r *request) searchText(tab *table) (match func(*Row) bool, sqlError bool) {
	var tests []func(*Row) bool
	wanted, _ := r.params["searchText"].(map[string]any)
	for column, v := range wanted {
		text := asText(v)
		if text == "" || text == "0" {
			continue
		}
		_, known := tab.column[column]
		text, whole := sqlString(text)
		if !known && column != "all" || !whole {
			return nil, true
		}
		like := likeText(text)
		tests = append(tests, func(row *Row) bool {
			if column == "all" {
				return like(row.Get("name")) || like(row.Get("comment"))
			}
			return like(row.Get(column))
		})
	}
	return func(row *Row) bool {
		for _, test := range tests {
			if !test(row) {
				return false
			}
		}
		return true
	}, false
}

// likeText is GLPI's reading of a search text: %text% unless it is anchored, case ignored, % and _ as SQL has them.
func likeText(text string) func(Value) bool {
	if strings.EqualFold(text, "NULL") || text == "^$" {
		return func(v Value) bool { return v.IsNull() || text == "^$" && v.text == "" }
	}
	start, end := "^.*", ".*$"
	if rest, anchored := strings.CutPrefix(text, "^"); anchored {
		text, start = rest, "^"
	}
	if rest, anchored := strings.CutSuffix(text, "$"); anchored {
		text, end = rest, "$"
	}
	pattern := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(text))
	re, err := regexp.Compile("(?is)" + start + pattern + end)
	if err != nil {
		return func(Value) bool { return false }
	}
	return func(v Value) bool { return !v.IsNull() && re.MatchString(v.text) }
}

// sortRows orders rows by a column, by id where they are equal.
func sortRows(rows []*Row, column string, descending bool) {
	if column == "id" && !descending {
		return // as the table keeps them
	}
	kind := Text
	if len(rows) > 0 {
		kind = rows[0].Type().Columns[rows[0].tab.column[column]].Kind
	}
	slices.SortStableFunc(rows, func(a, b *Row) int {
		n := compare(kind, a.Get(column), b.Get(column))
		if descending {
			return -n
		}
		return n
	})
}

// compare orders two values as SQL does: NULL first, numbers by size, text without regard to case.
func compare(kind Kind, a, b Value) int {
	switch {
	case a.IsNull() || b.IsNull():
		return boolOrder(!a.IsNull(), !b.IsNull())
	case kind == Int:
		return a.Int() - b.Int()
	case kind == Float:
		x, _ := strconv.ParseFloat(a.text, 64)
		y, _ := strconv.ParseFloat(b.text, 64)
		return boolOrder(x > y, y > x)
	}
	return strings.Compare(strings.ToLower(a.text), strings.ToLower(b.text))
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
