package glpiproxy

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SearchType is how a criterion compares.
type SearchType string

// GLPI's search types. Contains, BeginsWith and Exactly take any text a person may type;
// letters in either case are equal, and in GLPI 9.3 "_" stands for any letter and
// "%" for any text. The others compare ids, words of enums, numbers and dates.
const (
	Contains   SearchType = "contains"
	BeginsWith SearchType = "beginswith" // sent as contains ^text
	Exactly    SearchType = "exactly"    // sent as contains ^text$
	Equals     SearchType = "equals"
	NotEquals  SearchType = "notequals"
	LessThan   SearchType = "lessthan"
	MoreThan   SearchType = "morethan"
	Under      SearchType = "under"
	NotUnder   SearchType = "notunder"
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

const (
	// maxCriteria bounds the criteria and the columns of a search.
	maxCriteria = 50
	// maxText bounds a value in characters: GLPI's columns are no longer.
	maxText = 255
)

// addTo writes the criterion as number i of a query.
func (c Criterion) addTo(values url.Values, i int) error {
	searchType, value, err := c.compare()
	if err != nil {
		return err
	}
	link := c.Link
	switch link {
	case "":
		link = And
	case And, Or, AndNot, OrNot:
	default:
		return invalidCriterion("unknown link " + strconv.Quote(string(link)))
	}
	if c.Field <= 0 {
		return invalidCriterion("a search option is a positive number")
	}
	name := fmt.Sprintf("criteria[%d]", i)
	if i > 0 || link == AndNot || link == OrNot {
		values.Set(name+"[link]", string(link))
	}
	values.Set(name+"[field]", strconv.Itoa(c.Field))
	values.Set(name+"[searchtype]", string(searchType))
	values.Set(name+"[value]", value)
	return nil
}

// word is a value that needs no quoting: an id, an enum's word, a number, a date.
var word = regexp.MustCompile(`^[A-Za-z0-9 :._+-]{1,64}$`)

// compare gives the search type and the value as they are sent.
func (c Criterion) compare() (SearchType, string, error) {
	switch c.Type {
	case Contains, BeginsWith:
		if c.Value == "" {
			return "", "", invalidCriterion("nothing to search for")
		}
		text, err := quote("search", c.Value)
		if c.Type == BeginsWith {
			return Contains, "^" + openEnd(text), err
		}
		return Contains, openStart(openEnd(text)), err
	case Exactly:
		text, err := quote("search", c.Value)
		return Contains, "^" + text + "$", err
	case Equals, NotEquals, LessThan, MoreThan, Under, NotUnder:
		if !word.MatchString(c.Value) {
			return "", "", invalidCriterion("only ids, words, numbers and dates can be compared so")
		}
		return c.Type, c.Value, nil
	}
	return "", "", invalidCriterion("unknown search type " + strconv.Quote(string(c.Type)))
}

func invalidCriterion(why string) error {
	return &Error{Kind: Invalid, Operation: "search", Message: why}
}

// quote makes a text safe inside the SQL string into which GLPI 9.3 puts it as it
// is: O'Brien would end that string. The backslash before a quote is right whether
// or not GLPI escapes by itself, since in a pattern it means the quote either way.
// A backslash in the text has no such form and is refused, like control characters.
func quote(operation, text string) (string, error) {
	odd := func(r rune) bool { return r == '\\' || unicode.IsControl(r) }
	switch {
	case !utf8.ValidString(text), strings.ContainsFunc(text, odd):
		return "", &Error{Kind: Invalid, Operation: operation, Message: "backslashes and control characters can't be searched for"}
	case utf8.RuneCountInString(text) > maxText:
		return "", &Error{Kind: Invalid, Operation: operation, Message: fmt.Sprintf("a text of more than %d characters can't be searched for", maxText)}
	}
	return strings.NewReplacer(`'`, `\'`, `"`, `\"`).Replace(text), nil
}

// openStart keeps GLPI from taking the text's own ^ for an anchor, and the text NULL
// for no text at all.
func openStart(text string) string {
	if strings.HasPrefix(text, "^") || strings.EqualFold(text, "NULL") {
		return "%" + text
	}
	return text
}

// openEnd keeps GLPI from taking the text's own $ for an anchor.
func openEnd(text string) string {
	if strings.HasSuffix(text, "$") {
		return text + "%"
	}
	return text
}
