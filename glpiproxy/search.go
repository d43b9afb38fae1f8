package glpiproxy

import (
	"context"
	"time"
)

// SearchType is how a criterion compares.
type SearchType string

// GLPI's search types. Contains takes plain text; Exactly matches the whole text.
const (
	Contains  SearchType = "contains"
	Exactly   SearchType = "exactly" // sent as contains ^text$
	Equals    SearchType = "equals"  // of ids and enums, not of texts
	NotEquals SearchType = "notequals"
	LessThan  SearchType = "lessthan"
	MoreThan  SearchType = "morethan"
	Under     SearchType = "under"
	NotUnder  SearchType = "notunder"
)

// Link is how a criterion joins those before it.
type Link string

// The links between criteria; "" is And.
const (
	And    Link = "AND"
	Or     Link = "OR"
	AndNot Link = "AND NOT"
	OrNot  Link = "OR NOT"
)

// Criterion is one condition of a search.
type Criterion struct {
	Link  Link
	Field int // GLPI's search option
	Type  SearchType
	Value string
}

// Query is a search by GLPI's numbered search options.
type Query struct {
	Criteria   []Criterion
	Columns    []int // search options to answer with; 2 (the id) is always there
	Sort       int   // search option; 0: 2, the id
	Descending bool
	Range      Range
	Fresh      bool // ask GLPI even when the cache knows
}

// SearchPage is a window on the rows found.
type SearchPage struct {
	Rows  []Row
	Total int
	Start int
}

// Row is a found row: its cells by search option. It can't be changed.
type Row struct{}

// ID is the row's item id.
func (r Row) ID() int { return r.Int(2) }

// Int is a cell as a number, 0 when it is none.
func (r Row) Int(field int) int { return 0 }

// Text is a cell as text; of several values, the first.
func (r Row) Text(field int) string { return "" }

// Texts is a cell with several values.
func (r Row) Texts(field int) []string { return nil }

// Bool is a cell as a truth value.
func (r Row) Bool(field int) bool { return false }

// Time is a cell as a time in UTC, zero when it is none.
func (r Row) Time(field int) time.Time { return time.Time{} }

// Search finds items of a type. Types on which GLPI's search is broken
// (Geolocation) are Invalid.
func Search[T Item](ctx context.Context, s *Session, q Query) (SearchPage, error) {
	return SearchPage{}, errNotYet
}

// Count tells how many items of a type the viewer may see that meet the criteria.
func Count[T Item](ctx context.Context, s *Session, criteria ...Criterion) (int, error) {
	return 0, errNotYet
}

// AgentsBySerial finds the agents of an entity on computers with exactly this
// serial: normally one, none when nobody the viewer may see has it.
func AgentsBySerial(ctx context.Context, s *Session, entityID int, serial string) ([]Agent, error) {
	return nil, errNotYet
}
