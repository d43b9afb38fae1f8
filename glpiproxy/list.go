package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
)

// Range is a window on a list.
type Range struct {
	Start int // of the first row, from 0
	Count int // rows at most; 0: 50, above 1,000: refused
}

const (
	defaultCount = 50
	maxCount     = 1000
)

// ListOptions choose the rows of a list. The zero value is the first 50 by id.
type ListOptions struct {
	Range      Range
	Sort       string // a column of the type's struct; "": id
	Descending bool
	// Filter keeps the rows whose column has exactly this value, in the
	// database's eyes: letters in either case are equal, and in GLPI 9.3 "_"
	// stands for any letter and "%" for any text.
	Filter map[string]string
	Fresh  bool // ask GLPI even when the cache knows
	Trash  bool // what was deleted and not purged, instead of the rest
}

// Page is a window on a list.
type Page[T any] struct {
	Items []T
	Total int // rows in all, whatever the window
	Start int // of the first item
}

// List reads a window of the items of a type that the viewer may see. A window
// past the end is an empty page with the true total. Items of an ancestor entity
// are not in GLPI's lists, even recursive ones; a list of entities has those whose
// parent is an active entity.
func List[T Item](ctx context.Context, s *Session, o ListOptions) (Page[T], error) {
	var kind T
	if t := traitsOf(kind.itemtype()); t.throughParent || t.itemsOnly {
		return Page[T]{}, &Error{Kind: Invalid, Operation: "list", Message: kind.itemtype() + " can't be listed"}
	}
	return readList[T](ctx, s, "list", "/"+kind.itemtype(), o, nil)
}

// Children reads a window of the T that belong to one P, for the pairs where GLPI
// really filters by the parent: Invalid for any other pair, since GLPI would
// answer with everybody's.
func Children[P, T Item](ctx context.Context, s *Session, parentID int, o ListOptions) (Page[T], error) {
	var parent P
	var kind T
	parentOf, ok := families[[2]string{parent.itemtype(), kind.itemtype()}]
	if !ok {
		return Page[T]{}, &Error{Kind: Invalid, Operation: "children", Message: "GLPI can't list " + kind.itemtype() + " by " + parent.itemtype()}
	}
	if err := checkID("children", traits{}, parentID); err != nil {
		return Page[T]{}, err
	}
	path := fmt.Sprintf("/%s/%d/%s", parent.itemtype(), parentID, kind.itemtype())
	return readList(ctx, s, "children", path, o, func(items []T) error {
		for _, item := range items {
			if parentOf(item) != parentID {
				return errors.New("GLPI answered with the rows of another parent")
			}
		}
		return nil
	})
}

// readList reads a list at a path. check, when there is one, sees the items before
// anybody else does.
func readList[T Item](ctx context.Context, s *Session, operation, path string, o ListOptions, check func([]T) error) (Page[T], error) {
	var kind T
	query, err := o.query(operation, columnsOf(reflect.TypeFor[T]()))
	if err != nil {
		return Page[T]{}, err
	}
	r := reading{
		operation: operation, itemtype: kind.itemtype(), tag: listTag(kind.itemtype()),
		key: path + "?" + query, fresh: o.Fresh,
	}
	page, err := cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) (Page[T], error) {
		return fetchList(ctx, s, scope, call{operation: operation, path: path, query: query}, o.Range, check)
	})
	page.Items = slices.Clone(page.Items) // the cached ones stay untouched
	return page, err
}

func fetchList[T Item](ctx context.Context, s *Session, scope *Scope, k call, window Range, check func([]T) error) (Page[T], error) {
	a, err := s.call(ctx, k)
	if exceeds(err) {
		if window.Start == 0 {
			return Page[T]{}, brokenQuery(err)
		}
		return pastTheEnd[T](ctx, s, k, window)
	}
	if err != nil {
		return Page[T]{}, err
	}
	raw, err := a.json(k.operation)
	if err != nil {
		return Page[T]{}, err
	}
	items, err := decodeItems[T](raw, scope.location)
	if err == nil && check != nil {
		err = check(items)
	}
	var total int
	if err == nil {
		total, err = totalOf(a.header, window, len(items))
	}
	if err != nil {
		return Page[T]{}, unexpected(k.operation, a.status, err)
	}
	return Page[T]{Items: items, Total: total, Start: window.Start}, nil
}

// pastTheEnd asks for the total that the refusal tells only in words.
func pastTheEnd[T Item](ctx context.Context, s *Session, k call, window Range) (Page[T], error) {
	values, err := url.ParseQuery(k.query)
	if err != nil {
		return Page[T]{}, unexpected(k.operation, 0, err)
	}
	values.Set("range", "0-0")
	values.Set("only_id", "true")
	k.query = values.Encode()
	a, err := s.call(ctx, k)
	if exceeds(err) {
		return Page[T]{}, brokenQuery(err)
	}
	if err != nil {
		return Page[T]{}, err
	}
	_, total, _ := contentRange(a.header.Get("Content-Range"))
	return Page[T]{Total: total, Start: window.Start}, nil
}

func exceeds(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "ERROR_RANGE_EXCEED_TOTAL"
}

// brokenQuery is what a window that is past the end from its very first row really
// is: a failed SQL query, whose total is nothing at all.
func brokenQuery(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Kind: Upstream, Operation: e.Operation, Status: e.Status, Code: e.Code, Message: "GLPI could not carry out the query"}
}

// totalOf tells how many rows there are in all, and refuses a page that can't be:
// a failed SQL query is an empty list with a total.
func totalOf(header http.Header, window Range, rows int) (int, error) {
	if rows > window.count() {
		return 0, errors.New("GLPI answered with more rows than asked")
	}
	text := header.Get("Content-Range")
	_, total, ok := contentRange(text)
	switch {
	case text == "" && rows == 0:
		return 0, nil
	case !ok:
		return 0, errors.New("GLPI did not say how many rows there are")
	case rows == 0 && total > window.Start:
		return 0, errors.New("GLPI announced rows and gave none")
	}
	return max(total, window.Start+rows), nil
}

func (r Range) count() int {
	if r.Count == 0 {
		return defaultCount
	}
	return r.Count
}

// text is the window as GLPI writes it, both ends included.
func (r Range) text() string {
	return strconv.Itoa(r.Start) + "-" + strconv.Itoa(r.Start+r.count()-1)
}

func (r Range) check(operation string) error {
	if r.Start < 0 || r.Start > 1<<31 || r.Count < 0 || r.Count > maxCount {
		return &Error{Kind: Invalid, Operation: operation, Message: fmt.Sprintf("a window has 1 to %d rows", maxCount)}
	}
	return nil
}

// query writes the options, after checking that each column may be named.
func (o ListOptions) query(operation string, columns []column) (string, error) {
	if err := o.Range.check(operation); err != nil {
		return "", err
	}
	values := url.Values{"range": {o.Range.text()}, "get_hateoas": {"false"}, "sort": {"id"}, "order": {"ASC"}}
	if o.Sort != "" {
		values.Set("sort", o.Sort)
	}
	if o.Descending {
		values.Set("order", "DESC")
	}
	if o.Trash {
		values.Set("is_deleted", "1")
	}
	named := append(slices.Sorted(maps.Keys(o.Filter)), values.Get("sort"))
	for _, name := range named {
		if !sortable(columns, name) {
			return "", &Error{Kind: Invalid, Operation: operation, Message: "lists can't be sorted or filtered by " + strconv.Quote(name)}
		}
	}
	for name, value := range o.Filter {
		text, err := quote(operation, value)
		if err != nil {
			return "", err
		}
		values.Set("searchText["+name+"]", "^"+text+"$")
	}
	return values.Encode(), nil
}
