package delivery

import "context"

type lastCursorKey struct{}

// WithLastCursor gives a context that brings the cursor of the last result that its client has had, over a connection
// before this one; "": of none.
func WithLastCursor(ctx context.Context, cursor string) context.Context {
	if cursor == "" {
		return ctx
	}
	return context.WithValue(ctx, lastCursorKey{}, cursor)
}

// LastCursor is the cursor of the last result that the client says it has had; "": it has had none, or does not say.
func LastCursor(ctx context.Context) string {
	cursor, _ := ctx.Value(lastCursorKey{}).(string)
	return cursor
}
