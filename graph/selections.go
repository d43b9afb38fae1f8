package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
)

// besideAny tells whether the client asked for any of these fields of the object whose field is being resolved.
func besideAny(ctx context.Context, names ...string) bool {
	field := graphql.GetFieldContext(ctx)
	if field == nil || field.Parent == nil {
		return false
	}
	return selectsAny(ctx, field.Parent, field.Object, names)
}

// belowAny tells whether the client asked for any of these fields of the object, of the type named, that is being
// resolved.
func belowAny(ctx context.Context, typename string, names ...string) bool {
	field := graphql.GetFieldContext(ctx)
	return field != nil && selectsAny(ctx, field, typename, names)
}

func selectsAny(ctx context.Context, field *graphql.FieldContext, typename string, names []string) bool {
	if !graphql.HasOperationContext(ctx) || field.Field.Field == nil {
		return false
	}
	selected := graphql.CollectFields(graphql.GetOperationContext(ctx), field.Field.Selections, []string{typename})
	return slices.ContainsFunc(selected, func(f graphql.CollectedField) bool { return slices.Contains(names, f.Name) })
}
