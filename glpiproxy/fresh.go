package glpiproxy

import (
	"context"
	"slices"
)

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

// freshReader reads items with the viewer's own eyes.
type freshReader func(ctx context.Context, s *Session, ids []int) (map[int]Result[Item], error)

func cachedItems[T Item](ctx context.Context, s *Session, ids []int) (map[int]Result[Item], error) {
	results, err := GetMany[T](ctx, s, ids)
	found := make(map[int]Result[Item], len(ids))
	for n, result := range results {
		found[ids[n]] = Result[Item]{result.Item, result.Err}
	}
	return found, err
}

// freshItems reads items from GLPI whatever the cache knows, those included that
// others may read only through their parents.
func freshItems[T Item](ctx context.Context, s *Session, ids []int) (map[int]Result[Item], error) {
	found := make(map[int]Result[Item], len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var kind T
	if ids[0] == 0 && kind.itemtype() == (EntityConfig{}).itemtype() {
		scope, err := s.Scope(ctx)
		if err != nil {
			return nil, err
		}
		config, err := rootConfig(ctx, s, scope)
		if err != nil {
			return nil, err
		}
		found[0] = Result[Item]{config.Item, config.Err}
		ids = ids[1:]
	}
	if len(ids) == 0 {
		return found, nil
	}
	spoil(ctx)
	entries, err := fetchAndKeep[T](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	for id, entry := range entries {
		result := entry.value.(Result[T])
		found[id] = Result[Item]{result.Item, result.Err}
	}
	return found, nil
}
