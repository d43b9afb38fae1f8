package front

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limits bound what one request may cost. Every zero value means the default named.
type Limits struct {
	Body    int64 // bytes of a request's body; 0: 1 MiB
	Upload  int64 // bytes of a file that comes along with a mutation; 0: 512 MiB
	Tokens  int   // of a query's text; 0: 1,000
	Depth   int   // of nested fields; 0: 15
	Cost    int   // objects that a query may ask for; 0: 60,000
	Aliases int   // in an operation; 0: 30
	// Subscription is how many bytes a subscription's text, variables and extensions may have together: they are held for
	// as long as it goes on; 0: 32 KiB.
	Subscription int
}

func (l *Limits) setDefaults() {
	if l.Body <= 0 {
		l.Body = 1 << 20
	}
	if l.Upload <= 0 {
		l.Upload = 512 << 20
	}
	for limit, standard := range map[*int]int{&l.Tokens: 1000, &l.Depth: 15, &l.Cost: 60_000, &l.Aliases: 30, &l.Subscription: 32 << 10} {
		if *limit <= 0 {
			*limit = standard
		}
	}
}

// queryLimits refuse a query before it is executed. Depth, cost and aliases are found in one pass that looks
// at each fragment once, however often it is spread: gqlgen's own complexity limit follows every spread and
// can be kept busy for minutes by a query of a kilobyte.
type queryLimits struct{ Limits }

var _ graphql.OperationContextMutator = queryLimits{}

// ExtensionName names the limits to gqlgen.
func (queryLimits) ExtensionName() string { return "QueryLimits" }

// Validate accepts any schema.
func (queryLimits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext changes nothing: it refuses what is over a limit.
func (l queryLimits) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Operation.Operation == ast.Subscription && heldOf(operation) > l.Subscription {
		return tooComplex("the subscription has more than %d bytes with its variables", l.Subscription)
	}
	s := newScale(operation.Variables)
	s.batch = batchOf(operation)
	w := s.selections(operation.Operation.SelectionSet)
	for _, limit := range []struct {
		have, most int
		text       string
	}{
		{w.depth, l.Depth, "is nested %s levels deep; %d are allowed"},
		{w.cost, l.Cost, "may ask for %s objects; %d are allowed: ask for less with first, or for fewer fields"},
		{w.aliases, l.Aliases, "has %s aliases; %d are allowed"},
	} {
		if limit.have > limit.most {
			return tooComplex("the query "+limit.text, count(limit.have), limit.most)
		}
	}
	return nil
}

// heldOf is how many bytes an operation holds of what its client sent.
func heldOf(operation *graphql.OperationContext) int {
	text, err := json.Marshal([]any{operation.Variables, operation.Extensions})
	if err != nil { // JSON came in
		return heaviest
	}
	return len(operation.RawQuery) + len(text)
}

// withTokenLimit gives the parser's refusal of a query that is too long the code of the other limits: to the
// parser it is one more query that does not parse.
func withTokenLimit(next graphql.ErrorPresenterFunc) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var refused *gqlerror.Error
		if errors.As(err, &refused) && refused.Extensions["code"] == errcode.ParseFailed &&
			strings.Contains(refused.Message, "exceeded token limit") {
			refused.Extensions["code"] = codeTooComplex
		}
		return next(ctx, err)
	}
}

const codeTooComplex = "QUERY_TOO_COMPLEX"

func tooComplex(format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{
		Message:    fmt.Sprintf(format, args...),
		Extensions: map[string]any{"code": codeTooComplex},
	}
}

// weight is what a set of selections amounts to.
type weight struct{ depth, cost, aliases int }

const (
	heaviest    = 1 << 30 // weights stop growing there, so that they can't overflow
	defaultPage = 50      // items of a connection without first and last
	plainList   = 10      // items taken for a list that tells no length
)

func count(n int) string {
	if n >= heaviest {
		return "over a billion"
	}
	return strconv.Itoa(n)
}

func plus(a, b int) int { return min(a+b, heaviest) }

func times(a, b int) int { return int(min(int64(a)*int64(b), heaviest)) }

// scale weighs the selections of one operation.
type scale struct {
	variables map[string]any
	batch     int               // items that a mutation is given, each of which has its result
	fragments map[string]weight // those already weighed
	looks     int               // at selections: the work done
}

func newScale(variables map[string]any) *scale {
	return &scale{variables: variables, fragments: map[string]weight{}}
}

func (s *scale) selections(set ast.SelectionSet) weight {
	var sum weight
	for _, selection := range set {
		s.looks++
		var w weight
		switch selection := selection.(type) {
		case *ast.Field:
			w = s.field(selection)
		case *ast.InlineFragment:
			w = s.selections(selection.SelectionSet)
		case *ast.FragmentSpread:
			w = s.fragment(selection)
		}
		sum.depth = max(sum.depth, w.depth)
		sum.cost = plus(sum.cost, w.cost)
		sum.aliases = plus(sum.aliases, w.aliases)
	}
	return sum
}

func (s *scale) fragment(spread *ast.FragmentSpread) weight {
	if known, weighed := s.fragments[spread.Name]; weighed {
		return known
	}
	s.fragments[spread.Name] = weight{} // against cycles, which validation has refused already
	w := s.selections(spread.Definition.SelectionSet)
	s.fragments[spread.Name] = w
	return w
}

// field weighs a field with all below it. Introspection has a limit of its own in gqlparser and reads
// nothing from GLPI: only its aliases count.
func (s *scale) field(field *ast.Field) weight {
	below := s.selections(field.SelectionSet)
	w := weight{aliases: below.aliases}
	if field.Alias != field.Name {
		w.aliases = plus(w.aliases, 1)
	}
	if strings.HasPrefix(field.Name, "__") {
		return w
	}
	w.depth = plus(below.depth, 1)
	if len(field.SelectionSet) > 0 {
		w.cost = s.cost(field, below.cost)
	}
	return w
}

// cost is the number of objects that a field asks for: itself and, for each of its items, those below.
func (s *scale) cost(field *ast.Field, below int) int {
	definition := field.Definition
	switch {
	case definition.Arguments.ForName("first") != nil || definition.Arguments.ForName("last") != nil:
		return plus(1, times(s.page(field), below))
	case definition.Type.Elem == nil || isConnection(field.ObjectDefinition):
		return plus(1, below) // a connection's items were counted at the connection
	}
	items := plainList
	if ids, given := field.ArgumentMap(s.variables)["ids"].([]any); given {
		items = len(ids)
	} else if field.Name == "results" || field.Name == "targets" {
		items = max(items, s.batch)
	}
	return times(items, plus(1, below))
}

// batchOf is the length of the longest list that the mutations of an operation are given.
func batchOf(operation *graphql.OperationContext) (longest int) {
	if operation.Operation.Operation != ast.Mutation {
		return 0
	}
	sets := []ast.SelectionSet{operation.Operation.SelectionSet}
	for _, fragment := range operation.Doc.Fragments { // which may have the mutations
		sets = append(sets, fragment.SelectionSet)
	}
	for len(sets) > 0 {
		set := sets[0]
		sets = sets[1:]
		for _, selection := range set {
			switch selection := selection.(type) {
			case *ast.Field:
				longest = max(longest, longestList(selection.ArgumentMap(operation.Variables)))
			case *ast.InlineFragment:
				sets = append(sets, selection.SelectionSet)
			}
		}
	}
	return longest
}

func longestList(value any) (longest int) {
	switch value := value.(type) {
	case []any:
		longest = len(value)
		for _, item := range value {
			longest = max(longest, longestList(item))
		}
	case map[string]any:
		for _, item := range value {
			longest = max(longest, longestList(item))
		}
	}
	return longest
}

// page is how many items a connection is asked for.
func (s *scale) page(field *ast.Field) int {
	arguments := field.ArgumentMap(s.variables)
	items, given := 0, false
	for _, name := range []string{"first", "last"} {
		if n, err := strconv.Atoi(fmt.Sprint(arguments[name])); err == nil {
			items, given = max(items, min(n, heaviest)), true
		}
	}
	if !given {
		return defaultPage
	}
	return items
}

// isConnection goes by Relay's naming.
func isConnection(object *ast.Definition) bool {
	return object != nil && strings.HasSuffix(object.Name, "Connection")
}
