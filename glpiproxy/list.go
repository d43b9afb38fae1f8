package glpiproxy

import "context"

// Range is a window on a list.
type Range struct {
	Start int // of the first row, from 0
	Count int // rows at most; 0: 50, above 1,000: refused
}

// ListOptions choose the rows of a list. The zero value is the first 50 by id.
type ListOptions struct {
	Range      Range
	Sort       string // a column of the type's struct; "": id
	Descending bool
	Filter     map[string]string // column to its exact value
	Fresh      bool              // ask GLPI even when the cache knows
}

// Page is a window on a list.
type Page[T any] struct {
	Items []T
	Total int // rows in all, whatever the window
	Start int // of the first item
}

// List reads a window of the items of a type that the viewer may see. A window
// past the end is an empty page with the true total. Items of an ancestor entity
// are not in GLPI's lists, even recursive ones.
func List[T Item](ctx context.Context, s *Session, o ListOptions) (Page[T], error) {
	return Page[T]{}, errNotYet
}

// Children reads a window of the T that belong to one P, for the pairs where GLPI
// really filters by the parent: Invalid for any other pair, since GLPI would
// answer with everybody's.
func Children[P, T Item](ctx context.Context, s *Session, parentID int, o ListOptions) (Page[T], error) {
	return Page[T]{}, errNotYet
}
