package glpiproxy

import "context"

// Get reads one item. The id must be positive (0 is the root entity only).
func Get[T Item](ctx context.Context, s *Session, id int) (T, error) {
	var none T
	return none, errNotYet
}

// Result is one item of a batch, or why it could not be read.
type Result[T any] struct {
	Item T
	Err  error
}

// GetMany reads many items in few calls, one result for each id in the order
// asked. The error is for the whole batch (session ended, GLPI away); an item
// that is missing or forbidden has its own.
func GetMany[T Item](ctx context.Context, s *Session, ids []int) ([]Result[T], error) {
	return nil, errNotYet
}
