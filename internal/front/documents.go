package front

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
)

const (
	// mostSelections is how many selections a document may have once each fragment stands wherever it is spread.
	mostSelections = 10_000
	// longestName is how many bytes a name in a document may have: an unknown one is compared with all that the schema has.
	longestName = 128
)

// documentLimits refuse a document before gqlparser validates it: some of its rules follow every path through the
// fragments, of which a kilobyte of text can have billions.
type documentLimits struct {
	tokens int                               // of a document: what has more is left to gqlgen to refuse
	known  graphql.Cache[*ast.QueryDocument] // those that are valid
}

var _ graphql.OperationParameterMutator = documentLimits{}

// ExtensionName names the limits to gqlgen.
func (documentLimits) ExtensionName() string { return "DocumentLimits" }

// Validate accepts any schema.
func (documentLimits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters changes nothing: it refuses what is over a limit. What does not parse is left to gqlgen.
func (l documentLimits) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	if _, known := l.known.Get(ctx, request.Query); known {
		return nil
	}
	if l.hasLongName(request.Query) {
		return tooComplex("a name in the query has more than %d bytes", longestName)
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, l.tokens)
	if err != nil {
		return nil
	}
	if written := writtenOut(document); written > mostSelections {
		return tooComplex("the query has %s selections with its fragments written out; %d are allowed", count(written), mostSelections)
	}
	return nil
}

func (l documentLimits) hasLongName(query string) bool {
	words := lexer.New(&ast.Source{Input: query})
	for range l.tokens {
		word, err := words.ReadToken()
		if err != nil || word.Kind == lexer.EOF {
			return false
		}
		if word.Kind == lexer.Name && len(word.Value) > longestName {
			return true
		}
	}
	return false
}

// writtenOut is how many selections a document's operations and fragments have with all fragments written out. It looks
// at each selection once.
func writtenOut(document *ast.QueryDocument) (sum int) {
	sizes := map[string]int{}
	var size func(ast.SelectionSet) int
	sizeOf := func(fragment string) int {
		if known, seen := sizes[fragment]; seen {
			return known
		}
		sizes[fragment] = 0 // in a circle, which validation refuses
		if definition := document.Fragments.ForName(fragment); definition != nil {
			sizes[fragment] = size(definition.SelectionSet)
		}
		return sizes[fragment]
	}
	size = func(set ast.SelectionSet) (sum int) {
		for _, selection := range set {
			sum = plus(sum, 1)
			switch selection := selection.(type) {
			case *ast.Field:
				sum = plus(sum, size(selection.SelectionSet))
			case *ast.InlineFragment:
				sum = plus(sum, size(selection.SelectionSet))
			case *ast.FragmentSpread:
				sum = plus(sum, sizeOf(selection.Name))
			}
		}
		return sum
	}
	for _, operation := range document.Operations {
		sum = plus(sum, size(operation.SelectionSet))
	}
	for _, fragment := range document.Fragments {
		sum = plus(sum, sizeOf(fragment.Name))
	}
	return sum
}
