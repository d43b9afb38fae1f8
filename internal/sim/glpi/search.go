package glpi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// search answers GET /search/:itemtype.
func (r *request) search() (*reply, error) {
	tab, err := r.searched()
	if err != nil {
		return nil, err
	}
	if !r.tx.canType(tab.typ, Read) {
		return nil, errRight
	}
	q, err := r.query(tab)
	if err != nil {
		return nil, err
	}
	if q.broken {
		return q.brokenReply()
	}
	var rows []*Row
	for _, row := range r.tx.all(tab) {
		if q.match(r.tx, row) {
			rows = append(rows, row)
		}
	}
	q.order(r.tx, rows)
	return q.reply(r, rows)
}

// query is a search as it was asked for.
type query struct {
	tab        *table
	page       page
	rows       int  // at most so many are shown
	trash      bool // what was deleted is searched, and only that
	criteria   []criterion
	columns    []*SearchOption
	sort       int
	descending bool
	broken     bool // the SQL that GLPI would make of it fails
}

type criterion struct {
	link   string
	kind   string // of the search: contains, equals...
	option *SearchOption
	meta   *table // the other class that the option is of; nil: the class searched
	test   func([]Value) bool
}

func (r *request) query(tab *table) (*query, error) {
	q := &query{tab: tab, sort: 1, trash: r.flag("is_deleted", false)}
	var err error
	if q.page, err = r.page(); err != nil {
		return nil, err
	}
	q.rows = q.page.end - q.page.start + 1
	if !q.page.given {
		q.rows = q.page.end
	}
	if err := q.readCriteria(r, "criteria"); err != nil {
		return nil, err
	}
	if err := q.readCriteria(r, "metacriteria"); err != nil {
		return nil, err
	}
	if err := q.readOrder(r); err != nil {
		return nil, err
	}
	return q, q.readColumns(r)
}

// readCriteria reads criteria, or metacriteria, which are about another class whose rows belong to those searched.
func (q *query) readCriteria(r *request, param string) error {
	for _, c := range elements(r.params[param]) {
		fields, _ := c.(map[string]any)
		field, hasField := fields["field"]
		value, hasValue := fields["value"]
		kind, hasKind := fields["searchtype"]
		if !hasField || !hasValue || !hasKind {
			return documented(http.StatusBadRequest, "ERROR", "Malformed search criteria")
		}
		tab, meta := q.tab, (*table)(nil)
		if param == "metacriteria" {
			meta = r.server.schema.byName[asText(fields["itemtype"])]
			if tab = meta; meta == nil {
				return documented(http.StatusBadRequest, "ERROR", "Malformed search criteria")
			}
			q.broken = q.broken || !related(q.tab, meta)
		}
		option := tab.typ.option(phpInt(asText(field)))
		if option == nil || !isDigits(asText(field)) {
			return documented(http.StatusBadRequest, "ERROR", "Bad field ID in search criteria")
		}
		if option.NoSearch {
			return documented(http.StatusBadRequest, "ERROR", "Forbidden field ID in search criteria")
		}
		if asText(value) == "" {
			continue
		}
		text, whole := sqlString(asText(value))
		q.broken = q.broken || !whole || !q.sound(r, option) && meta == nil
		q.criteria = append(q.criteria, criterion{asText(fields["link"]), asText(kind), option, meta, option.test(r.tx, tab, asText(kind), text)})
	}
	return nil
}

// holds tells whether a row fulfils a criterion, or one of the rows that belong to it does.
func (c criterion) holds(tx *Tx, row *Row) bool {
	if c.meta == nil {
		return c.test(c.option.searched(tx, row, c.kind))
	}
	return slices.ContainsFunc(tx.relatives(row, c.meta), func(other *Row) bool { return c.test(c.option.searched(tx, other, c.kind)) })
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func (q *query) readOrder(r *request) error {
	if r.given("sort") {
		q.sort = phpInt(r.text("sort"))
		if q.tab.typ.option(q.sort) == nil || !isDigits(r.text("sort")) {
			return documented(http.StatusBadRequest, "ERROR", "sort param is not a valid field ID")
		}
	}
	order := strings.ToUpper(r.text("order"))
	if r.given("order") && order != "ASC" && order != "DESC" {
		return documented(http.StatusBadRequest, "ERROR", "order must be DESC or ASC")
	}
	q.descending = order == "DESC"
	return nil
}

// readColumns finds the columns to show: the name, the entity where the class has an option for it, those asked for or the
// class's usual ones, those searched and the one sorted by.
func (q *query) readColumns(r *request) error {
	q.show(r, 1)
	q.show(r, 80)
	if asked := elements(r.params["forcedisplay"]); len(asked) > 0 || r.given("forcedisplay") {
		if scalar := r.text("forcedisplay"); scalar != "" {
			asked = []any{scalar}
		}
		for _, id := range asked {
			option := q.tab.typ.option(phpInt(asText(id)))
			if option != nil && option.NoDisplay {
				return documented(http.StatusBadRequest, "ERROR", "ID is forbidden along with 'forcedisplay' parameter.")
			}
			q.show(r, phpInt(asText(id)))
		}
	} else {
		for _, id := range q.tab.typ.Display {
			q.show(r, id)
		}
	}
	for _, c := range q.criteria {
		if c.meta == nil {
			q.show(r, c.option.ID)
		}
	}
	q.show(r, q.sort)
	return nil
}

func (q *query) show(r *request, id int) {
	option := q.tab.typ.option(id)
	if option == nil || slices.Contains(q.columns, option) {
		return
	}
	q.broken = q.broken || !q.sound(r, option)
	q.columns = append(q.columns, option)
}

// sound tells whether the SQL that an option makes is valid: some point at columns that do not exist.
func (q *query) sound(r *request, o *SearchOption) bool {
	if o.Values != nil {
		return true
	}
	target := r.server.schema.byTable[o.Table]
	if target == nil {
		return true
	}
	isPlugin := strings.HasPrefix(q.tab.typ.Table, "glpi_plugin_")
	return target.typ.Has(o.Field) && (!isPlugin || target == q.tab || q.tab.typ.Has(o.linkField(o.Table)))
}

// match tells whether a row is found: visible, in the trash or not, and fulfilling the criteria read from left to right with
// AND before OR.
func (q *query) match(tx *Tx, row *Row) bool {
	if row.Int("is_deleted") == 1 != q.trash || row.Int("is_template") == 1 || !tx.found(row) {
		return false
	}
	if len(q.criteria) == 0 {
		return true
	}
	anyGroup, group := false, true
	for i, c := range q.criteria {
		holds := c.holds(tx, row)
		if strings.HasSuffix(c.link, "NOT") {
			holds = !holds
		}
		if i > 0 && strings.HasPrefix(c.link, "OR") {
			anyGroup, group = anyGroup || group, true
		}
		group = group && holds
	}
	return anyGroup || group
}

func (q *query) order(tx *Tx, rows []*Row) {
	option := q.tab.typ.option(q.sort)
	if option == nil {
		return
	}
	keyed := make([]sortable, len(rows))
	for i, row := range rows {
		keyed[i] = sortKey(option.values(tx, row))
		keyed[i].row = row
	}
	slices.SortStableFunc(keyed, func(a, b sortable) int {
		if q.descending {
			return b.compare(a)
		}
		return a.compare(b)
	})
	for i := range keyed {
		rows[i] = keyed[i].row
	}
}

// sortable is a row with what it is sorted by: nothing, a number or a text without regard to case.
type sortable struct {
	row    *Row
	rank   int // 0 nothing, 1 a number, 2 a text
	number float64
	text   string
}

func sortKey(values []Value) sortable {
	if len(values) == 0 || values[0].IsNull() {
		return sortable{}
	}
	if number, err := strconv.ParseFloat(values[0].text, 64); err == nil {
		return sortable{rank: 1, number: number}
	}
	return sortable{rank: 2, text: strings.ToLower(values[0].text)}
}

func (a sortable) compare(b sortable) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.number, b.number), cmp.Compare(a.text, b.text))
}

func (q *query) direction() string {
	if q.descending {
		return "DESC"
	}
	return "ASC"
}

// brokenReply is GLPI's answer to a search whose SQL failed: nothing found, with a total of null, and no sign of an error.
// With a range it takes the null for a total that was exceeded.
func (q *query) brokenReply() (*reply, error) {
	if q.page.given {
		return nil, exceeds("")
	}
	answer := ok(Object{
		{"totalcount", nil}, {"count", 0}, {"sort", q.sort}, {"order", q.direction()}, {"content-range", "0--1/"},
	})
	answer.set("Accept-Range", fmt.Sprintf("%s %d", q.tab.typ.Name, maxInputVars))
	return answer, nil
}

func (q *query) reply(r *request, rows []*Row) (*reply, error) {
	total := len(rows)
	if q.page.start > total {
		return nil, exceeds(total)
	}
	shown := rows[q.page.start:min(q.page.start+max(q.rows, 0), total)]
	end := min(q.page.end, total-1)
	content := fmt.Sprintf("%d-%d/%d", q.page.start, end, total)
	body := Object{{"totalcount", total}, {"count", len(shown)}, {"sort", q.sort}, {"order", q.direction()}}
	if len(shown) > 0 {
		body.Set("data", q.data(r, shown, false))
		if r.given("giveItems") {
			body.Set("data_html", q.data(r, shown, true))
		}
		if r.flag("rawdata", false) {
			body.Set("rawdata", Object{{"search", Object{{"sort", q.sort}, {"order", q.direction()}, {"start", q.page.start}}}})
		}
	}
	body.Set("content-range", content)
	answer := ok(body)
	if len(shown) < total {
		answer.status = http.StatusPartialContent
	}
	answer.set("Accept-Range", fmt.Sprintf("%s %d", q.tab.typ.Name, maxInputVars))
	if total > 0 {
		answer.set("Content-Range", content)
	}
	return answer, nil
}

func (q *query) data(r *request, rows []*Row, html bool) any {
	if r.given("withindexes") {
		byID := Object{}
		for _, row := range rows {
			byID.Set(strconv.Itoa(row.ID()), q.cells(r, row, html))
		}
		return byID
	}
	list := List{}
	for _, row := range rows {
		list = append(list, q.cells(r, row, html))
	}
	return list
}

// cells is a row of a result: one value, a list where there are several, and null for none.
func (q *query) cells(r *request, row *Row, html bool) Object {
	cells := Object{}
	for _, option := range q.columns {
		key := strconv.Itoa(option.ID)
		if r.given("uid_cols") {
			key = option.UID
		}
		var cell any
		switch values := option.values(r.tx, row); len(values) {
		case 0:
		case 1:
			cell = values[0]
		default:
			list := List{}
			for _, v := range values {
				list = append(list, v)
			}
			cell = list
		}
		if html && option.DataType == "itemlink" {
			cell = itemLink(row, option.ID)
		}
		cells.Set(key, cell)
	}
	return cells
}

func itemLink(row *Row, option int) string {
	name, form := row.Type().Name, ""
	if plugin, isPlugin := strings.CutPrefix(name, "PluginFlyvemdm"); isPlugin {
		form = "plugins/flyvemdm/front/" + strings.ToLower(plugin)
	} else {
		form = "front/" + strings.ToLower(name)
	}
	return fmt.Sprintf("<a id='%s_%d_%d' href='/glpi/%s.form.php?id=%d'>%s</a>", name, row.ID(), option, form, row.ID(), row.Name())
}
