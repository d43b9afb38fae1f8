package glpiproxy

import "context"

// EntityConfigOf reads the settings that are in force in an entity. NotFound: the
// viewer can't see it, or Flyve MDM has not yet made any for it.
func EntityConfigOf(ctx context.Context, s *Session, entityID int) (EntityConfig, error) {
	if entityID != 0 {
		return Get[EntityConfig](ctx, s, entityID)
	}
	itemtype := EntityConfig{}.itemtype()
	r := reading{operation: "get", itemtype: itemtype, key: itemKey(itemtype, 0), tag: itemTag(itemtype, 0)}
	result, err := cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) (Result[EntityConfig], error) {
		return rootConfig(ctx, s, scope)
	})
	if err != nil {
		return EntityConfig{}, err
	}
	return result.Item, result.Err
}

// rootConfig reads the root entity's settings. The id 0 in a path would be a list,
// whose values are not those in force.
func rootConfig(ctx context.Context, s *Session, scope *Scope) (Result[EntityConfig], error) {
	w := want{EntityConfig{}.itemtype(), 0}
	items, err := batchReader{s, scope}.readTogether(ctx, []want{w})
	return resultOf[EntityConfig](w, items, err, scope)
}
