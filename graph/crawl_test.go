package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/graph/schema"
)

// crawler asks for every field that can be reached from the queries that need no argument, so that a field which is
// added later is tried too.
type crawler struct {
	schema *ast.Schema
	visit  func(query string)
}

func loadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	loaded, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// deepest is how many types a way goes through: from fleets over their devices to those devices' tasks.
const deepest = 6

// crawl visits a query for the plain fields at every place, from the top down, going through no type twice on one way,
// and to nodes by `nodes` alone, not by `edges` too.
func (c *crawler) crawl(definition *ast.Definition, around string, above []string) {
	var plain []string
	for _, field := range definition.Fields {
		call, callable := calling(field, len(above) == 0)
		if !callable {
			continue
		}
		of := c.schema.Types[field.Type.Name()]
		if of.Kind == ast.Scalar || of.Kind == ast.Enum {
			plain = append(plain, call)
		}
		for _, possible := range c.possible(of) {
			if !slices.Contains(above, possible.Name) && len(above) < deepest && !strings.HasSuffix(definition.Name, "Edge") {
				c.crawl(possible, strings.Replace(around, "%", call+" { ... on "+possible.Name+" { % } }", 1), append(above[:len(above):len(above)], possible.Name))
			}
		}
	}
	if len(plain) > 0 && len(above) > 0 {
		c.visit(strings.Replace(around, "%", strings.Join(plain, " "), 1))
	}
}

func (c *crawler) possible(of *ast.Definition) []*ast.Definition {
	switch of.Kind {
	case ast.Object:
		return []*ast.Definition{of}
	case ast.Interface, ast.Union:
		return c.schema.GetPossibleTypes(of)
	}
	return nil
}

// calling is a field with what keeps its list short; false where it needs an argument.
func calling(field *ast.FieldDefinition, atTop bool) (call string, callable bool) {
	if strings.HasPrefix(field.Name, "__") {
		return "", false
	}
	call = field.Name
	for _, argument := range field.Arguments {
		switch {
		case argument.Name == "first" && atTop:
			call += "(first: 20)"
		case argument.Name == "first":
			call += "(first: 5)"
		case argument.Type.NonNull && argument.DefaultValue == nil:
			return "", false
		}
	}
	return call, true
}
