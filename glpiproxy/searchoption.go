package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// SearchOption is one of the numbered columns by which GLPI's search of a type works.
type SearchOption struct {
	ID          int
	Name        string // in the viewer's language
	Table       string
	Field       string
	DataType    string // "itemlink", "datetime", "bool", …; "": plain text
	NoSearch    bool   // criteria can't use it
	NoDisplay   bool   // it can't be a column
	SearchTypes []SearchType
}

// SearchOptions lists the search options of a type by their numbers. They are the
// same for all viewers of a language, and kept as long as catalogues are.
func SearchOptions[T Item](ctx context.Context, s *Session) ([]SearchOption, error) {
	const operation = "listSearchOptions"
	var kind T
	if !traitsOf(kind.itemtype()).searchable {
		return nil, &Error{Kind: Invalid, Operation: operation, Message: kind.itemtype() + " can't be searched"}
	}
	path := "/" + operation + "/" + kind.itemtype()
	r := reading{operation: operation, itemtype: "SearchOption", key: path, tag: listTag("SearchOption")}
	options, err := cachedRead(ctx, s, r, func(ctx context.Context, _ *Scope) ([]SearchOption, error) {
		a, raw, err := s.callJSON(ctx, call{operation: operation, path: path})
		if err != nil {
			return nil, err
		}
		options, err := decodeSearchOptions(raw)
		if err != nil {
			return nil, unexpected(operation, a.status, err)
		}
		return options, nil
	})
	return slices.Clone(options), err
}

// decodeSearchOptions leaves out what is only a heading between options.
func decodeSearchOptions(raw json.RawMessage) ([]SearchOption, error) {
	list, ok := members(raw)
	if !ok || len(list) == 0 {
		return nil, errors.New("no search options in the answer")
	}
	var options []SearchOption
	for _, m := range list {
		id, err := strconv.Atoi(m.key)
		if err != nil {
			continue
		}
		r, err := parseRow(m.value)
		if err != nil {
			return nil, err
		}
		options = append(options, SearchOption{
			ID: id, Name: r.text("name"), Table: r.text("table"), Field: r.text("field"), DataType: r.text("datatype"),
			NoSearch: r.bool("nosearch"), NoDisplay: r.bool("nodisplay"), SearchTypes: searchTypes(r["available_searchtypes"]),
		})
	}
	return options, nil
}

func searchTypes(raw json.RawMessage) (types []SearchType) {
	list, _ := members(raw)
	for _, m := range list {
		types = append(types, SearchType(textOf(m.value)))
	}
	return types
}
