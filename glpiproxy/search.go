package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Query is a search by GLPI's numbered search options.
type Query struct {
	Criteria   []Criterion
	Columns    []int // search options to answer with; 2 (the id) is always there
	Sort       int   // search option; 0: 2, the id
	Descending bool
	Range      Range
	Fresh      bool // ask GLPI even when the cache knows
	Trash      bool // what was deleted and not purged, instead of the rest
}

// SearchPage is a window on the rows found.
type SearchPage struct {
	Rows  []Row
	Total int
	Start int
}

// Row is a found row: its cells by search option. It can't be changed.
type Row struct {
	cells  map[int]json.RawMessage
	server *time.Location
}

// idOption is the search option of the id, in every searchable type.
const idOption = 2

// ID is the row's item id.
func (r Row) ID() int { return r.Int(idOption) }

// Int is a cell as a number, 0 when it is none.
func (r Row) Int(field int) int {
	n, _ := intOf(r.first(field))
	return n
}

// Text is a cell as text; of several values, the first.
func (r Row) Text(field int) string { return textOf(r.first(field)) }

// Bool is a cell as a truth value.
func (r Row) Bool(field int) bool { return boolOf(r.first(field)) }

// Time is a cell as a time in UTC, zero when it is none.
func (r Row) Time(field int) time.Time { return timeOf(r.first(field), r.server) }

// Texts is a cell with several values.
func (r Row) Texts(field int) []string {
	list, several := members(r.cells[field])
	if !several {
		list = []member{{value: r.cells[field]}}
	}
	var texts []string
	for _, m := range list {
		if text := textOf(m.value); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// first is the cell, or the first of its several values.
func (r Row) first(field int) json.RawMessage {
	if list, several := members(r.cells[field]); several {
		if len(list) == 0 {
			return nil
		}
		return list[0].value
	}
	return r.cells[field]
}

// Search finds items of a type. Types on which GLPI's search is broken
// (Geolocation) or shows everybody's rows (Task) are Invalid.
func Search[T Item](ctx context.Context, s *Session, q Query) (SearchPage, error) {
	var kind T
	itemtype := kind.itemtype()
	if t := traitsOf(itemtype); !t.searchable || t.throughParent || t.itemsOnly {
		return SearchPage{}, &Error{Kind: Invalid, Operation: "search", Message: itemtype + " can't be searched"}
	}
	return search(ctx, s, itemtype, q)
}

// search is Search for whoever checks the rows' owners.
func search(ctx context.Context, s *Session, itemtype string, q Query) (SearchPage, error) {
	query, err := q.encode()
	if err != nil {
		return SearchPage{}, err
	}
	path := "/search/" + itemtype
	r := reading{operation: "search", itemtype: itemtype, tag: listTag(itemtype), key: path + "?" + query, fresh: q.Fresh}
	page, err := cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) (SearchPage, error) {
		return fetchSearch(ctx, s, scope, call{operation: "search", path: path, query: query}, q.Range)
	})
	page.Rows = slices.Clone(page.Rows)
	return page, err
}

func fetchSearch(ctx context.Context, s *Session, scope *Scope, k call, window Range) (SearchPage, error) {
	a, err := s.call(ctx, k)
	if exceeds(err) {
		if window.Start == 0 {
			return SearchPage{}, brokenQuery(err)
		}
		values, parseErr := url.ParseQuery(k.query)
		if parseErr != nil {
			return SearchPage{}, unexpected(k.operation, 0, parseErr)
		}
		values.Set("range", "0-0")
		k.query = values.Encode()
		first, err := fetchSearch(ctx, s, scope, k, Range{Count: 1})
		return SearchPage{Total: first.Total, Start: window.Start}, err
	}
	if err != nil {
		return SearchPage{}, err
	}
	raw, err := a.json(k.operation)
	if err != nil {
		return SearchPage{}, err
	}
	page, err := decodeSearch(raw, window, scope.location)
	if err != nil {
		return SearchPage{}, unexpected(k.operation, a.status, err)
	}
	return page, nil
}

// decodeSearch reads the answer to a search. A failed SQL query answers with a
// null total and no rows: that is an error, never "none found".
func decodeSearch(raw json.RawMessage, window Range, server *time.Location) (SearchPage, error) {
	r, err := parseRow(raw)
	if err != nil {
		return SearchPage{}, err
	}
	total, ok := intOf(r["totalcount"])
	if !ok || total < 0 {
		return SearchPage{}, errors.New("GLPI could not carry out the search")
	}
	list, ok := members(r["data"])
	switch {
	case !ok && len(r["data"]) > 0 && leading(r["data"]) != 'n':
		return SearchPage{}, errors.New("the rows are not a list")
	case len(list) > window.count():
		return SearchPage{}, errors.New("GLPI answered with more rows than asked")
	case len(list) == 0 && total > window.Start:
		return SearchPage{}, errors.New("GLPI announced rows and gave none")
	}
	page := SearchPage{Total: total, Start: window.Start, Rows: make([]Row, 0, len(list))}
	for _, m := range list {
		cells, err := parseCells(m.value)
		if err != nil {
			return SearchPage{}, err
		}
		page.Rows = append(page.Rows, Row{cells: cells, server: server})
	}
	return page, nil
}

func parseCells(raw json.RawMessage) (map[int]json.RawMessage, error) {
	r, err := parseRow(raw)
	if err != nil {
		return nil, err
	}
	cells := make(map[int]json.RawMessage, len(r))
	for name, value := range r {
		if option, err := strconv.Atoi(name); err == nil {
			cells[option] = value
		}
	}
	if _, ok := intOf(cells[idOption]); !ok {
		return nil, errors.New("a row without its id")
	}
	return cells, nil
}

// Count tells how many items of a type the viewer may see that meet the criteria.
// It reads none of them.
func Count[T Item](ctx context.Context, s *Session, criteria ...Criterion) (int, error) {
	page, err := Search[T](ctx, s, Query{Criteria: criteria, Range: Range{Count: 1}})
	return page.Total, err
}

// encode writes the query, or tells what can't be asked.
func (q Query) encode() (string, error) {
	if err := q.Range.check("search"); err != nil {
		return "", err
	}
	if len(q.Criteria) > maxCriteria || len(q.Columns) > maxCriteria {
		return "", &Error{Kind: Invalid, Operation: "search", Message: fmt.Sprintf("at most %d criteria and columns", maxCriteria)}
	}
	values := url.Values{"range": {q.Range.text()}, "sort": {strconv.Itoa(idOption)}, "order": {"ASC"}}
	if q.Sort != 0 {
		values.Set("sort", strconv.Itoa(q.Sort))
	}
	if q.Descending {
		values.Set("order", "DESC")
	}
	if q.Trash {
		values.Set("is_deleted", "1")
	}
	for i, option := range append([]int{idOption}, q.Columns...) {
		values.Set(fmt.Sprintf("forcedisplay[%d]", i), strconv.Itoa(option))
	}
	for i, c := range q.Criteria {
		if err := c.addTo(values, i); err != nil {
			return "", err
		}
	}
	return values.Encode(), nil
}
