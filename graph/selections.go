package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// besideAny tells whether the client asked for any of these fields of the object whose field is being resolved.
func besideAny(ctx context.Context, names ...string) bool {
	return slices.ContainsFunc(selectedBeside(ctx), func(name string) bool { return slices.Contains(names, name) })
}

// selectedBeside are the fields asked for of the object whose field is being resolved.
func selectedBeside(ctx context.Context) []string {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return nil
	}
	parent := field.Parent
	for parent != nil && parent.Field.Field == nil { // an element of a list
		parent = parent.Parent
	}
	return selected(ctx, parent, field.Object)
}

// selectedBelow are the fields asked for of the object, of the type named, that is being resolved.
func selectedBelow(ctx context.Context, typename string) []string {
	return selected(ctx, graphql.GetFieldContext(ctx), typename)
}

func selected(ctx context.Context, field *graphql.FieldContext, typename string) []string {
	if field == nil || field.Field.Field == nil || !graphql.HasOperationContext(ctx) {
		return nil
	}
	var names []string
	for _, f := range graphql.CollectFields(graphql.GetOperationContext(ctx), field.Field.Selections, []string{typename}) {
		names = append(names, f.Name)
	}
	return names
}

// asksFor tells whether the client asks, anywhere below the field being resolved, for a field of objects of a type: then
// it can be read ahead. A field that @skip or @include leaves out counts too.
func asksFor(ctx context.Context, typename, name string) bool {
	field := graphql.GetFieldContext(ctx)
	return field != nil && field.Field.Field != nil && holds(field.Field.Selections, typename, name)
}

func holds(selections ast.SelectionSet, typename, name string) bool {
	return slices.ContainsFunc(selections, func(selection ast.Selection) bool {
		switch s := selection.(type) {
		case *ast.Field:
			of := s.ObjectDefinition
			return s.Name == name && of != nil && of.Name == typename || holds(s.SelectionSet, typename, name)
		case *ast.InlineFragment:
			return holds(s.SelectionSet, typename, name)
		case *ast.FragmentSpread:
			return s.Definition != nil && holds(s.Definition.SelectionSet, typename, name)
		}
		return false
	})
}
