package glpiproxy

import "context"

// GetFresh reads items as GLPI has them now, whatever the cache knows: one result for
// each id. Errors are those of GetMany.
func GetFresh[T Item](ctx context.Context, s *Session, ids []int) (map[int]Result[T], error) {
	found, err := freshItems[T](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	results := make(map[int]Result[T], len(found))
	for id, result := range found {
		item, _ := result.Item.(T)
		results[id] = Result[T]{Item: item, Err: result.Err}
	}
	return results, nil
}
