package glpiproxy

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Get reads one item. The id must be positive (0 is the root entity only).
func Get[T Item](ctx context.Context, s *Session, id int) (T, error) {
	var kind T
	itemtype := kind.itemtype()
	if err := checkReadable("get", itemtype, id); err != nil {
		return kind, err
	}
	r := reading{operation: "get", itemtype: itemtype, key: itemKey(itemtype, id), tag: itemTag(itemtype, id)}
	result, err := cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) (Result[T], error) {
		return fetchItem[T](ctx, s, scope, id)
	})
	if err != nil {
		return kind, err
	}
	return result.Item, result.Err
}

func itemKey(itemtype string, id int) string { return itemtype + "/" + strconv.Itoa(id) }
func itemTag(itemtype string, id int) string { return itemtype + ":" + strconv.Itoa(id) }

func checkReadable(operation, itemtype string, id int) error {
	t := traitsOf(itemtype)
	if t.throughParent {
		return &Error{Kind: Invalid, Operation: operation, Message: itemtype + " is read through its parent"}
	}
	return checkID(operation, t, id)
}

// fetchItem reads one item; that it is missing or forbidden is a result too.
func fetchItem[T Item](ctx context.Context, s *Session, scope *Scope, id int) (Result[T], error) {
	var kind T
	w := want{kind.itemtype(), id}
	items, err := batchReader{s, scope}.readOne(ctx, w)
	return resultOf[T](w, items, err, scope)
}

// resultOf picks the only item out of an answer.
func resultOf[T Item](w want, items map[want]fetched, err error, scope *Scope) (Result[T], error) {
	if err != nil {
		items = failed([]want{w}, err)
	}
	results, err := decodeFetched[T](items, []want{w}, scope)
	return results[w.id], err
}

// outOfReach tells of an item that this viewer can't have.
func outOfReach(err error) bool {
	if err == nil {
		return false
	}
	kind := KindOf(err)
	return kind == NotFound || kind == Forbidden
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
	const operation = "getMultipleItems"
	var kind T
	itemtype := kind.itemtype()
	scope, err := s.Scope(ctx)
	if err == nil {
		err = checkViewer(operation, itemtype, scope)
	}
	if err != nil {
		return nil, err
	}
	known, missing := lookUp[T](s, scope, ids)
	if len(missing) > 0 {
		tags := []string{everything, itemtype, s.tag}
		for _, id := range missing {
			tags = append(tags, itemTag(itemtype, id))
		}
		flightKey := fmt.Sprint(s.tag, "|", scopeKey(scope, itemtype), "|", itemtype, missing, s.client.rows.lastVoided(tags))
		found, shared, err := s.client.flights.do(ctx, flightKey, operation, func(ctx context.Context) (any, error) {
			found, missing := lookUp[T](s, scope, missing) // an equal read may have ended just now
			if len(missing) == 0 {
				return found, nil
			}
			fetched, err := fetchAndKeep[T](ctx, s, missing)
			maps.Copy(found, fetched)
			return found, err
		})
		if old, ok := staleItems[T](ctx, s, scope, missing, err); ok {
			found, err = old, nil
		}
		if err != nil {
			return nil, err
		}
		if shared {
			s.client.metrics.cached("shared", len(missing))
		} else {
			s.client.metrics.cached("miss", len(missing))
		}
		maps.Copy(known, found.(map[int]*cacheEntry))
	}
	results := make([]Result[T], len(ids))
	for i, id := range ids {
		observe(ctx, known[id])
		results[i] = known[id].value.(Result[T])
	}
	return results, nil
}

// Kept gives those items that are in memory and true, or can't be read, by their ids: without a call to GLPI, and so
// perhaps none of them. What there is of a type that the viewer may not read is nothing.
func Kept[T Item](ctx context.Context, s *Session, ids []int) iter.Seq2[int, Result[T]] {
	return func(yield func(int, Result[T]) bool) {
		var kind T
		if _, known := s.client.scopes.get(s.tag); !known {
			return
		}
		scope, err := s.Scope(ctx)
		if err != nil || checkViewer("getMultipleItems", kind.itemtype(), scope) != nil {
			return
		}
		known, _ := lookUp[T](s, scope, ids)
		for id, entry := range known {
			observe(ctx, entry)
			if !yield(id, entry.value.(Result[T])) {
				return
			}
		}
	}
}

// lookUp finds the ids that need no call, those that can't be read included, and
// gives the others once each.
func lookUp[T Item](s *Session, scope *Scope, ids []int) (known map[int]*cacheEntry, missing []int) {
	var kind T
	known = make(map[int]*cacheEntry, len(ids))
	prefix := scopeKey(scope, kind.itemtype()) + "|"
	for _, id := range ids {
		if _, seen := known[id]; seen {
			continue
		}
		if err := checkReadable("getMultipleItems", kind.itemtype(), id); err != nil {
			known[id] = &cacheEntry{value: Result[T]{Err: err}}
		} else if found, ok := s.client.rows.fresh(prefix + itemKey(kind.itemtype(), id)); ok {
			known[id] = found
			s.client.metrics.cached("hit", 1)
		} else {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return known, slices.Compact(missing)
}

// staleItems are what the cache still has of items that could not be read because
// GLPI was away: all of them, or none.
func staleItems[T Item](ctx context.Context, s *Session, scope *Scope, ids []int, err error) (map[int]*cacheEntry, bool) {
	if !s.client.away(ctx, err) {
		return nil, false
	}
	var kind T
	items := make(map[int]*cacheEntry, len(ids))
	var oldest time.Time
	for i, id := range ids {
		old, at, ok := s.client.rows.stale(scopeKey(scope, kind.itemtype()) + "|" + itemKey(kind.itemtype(), id))
		if !ok {
			return nil, false
		}
		if i == 0 || at.Before(oldest) {
			oldest = at
		}
		items[id] = &cacheEntry{value: old}
	}
	s.client.reportStale(ctx, oldest, len(ids))
	return items, true
}

// fetchAndKeep reads the ids in a batch and caches each result by itself.
func fetchAndKeep[T Item](ctx context.Context, s *Session, ids []int) (map[int]*cacheEntry, error) {
	var kind T
	c := s.client
	since := c.rows.begin()
	scope, err := s.Scope(ctx) // after the moment: the session may have changed
	if err != nil {
		return nil, err
	}
	itemtype := kind.itemtype()
	wants := make([]want, len(ids))
	for i, id := range ids {
		wants[i] = want{itemtype, id}
	}
	items, err := s.fetchItems(ctx, scope, wants)
	if err != nil {
		return nil, err
	}
	results, err := decodeFetched[T](items, wants, scope)
	if err != nil {
		return nil, err
	}
	entries := make(map[int]*cacheEntry, len(results))
	for id, result := range results {
		entries[id] = c.rows.put(scopeKey(scope, itemtype)+"|"+itemKey(itemtype, id), result, items[want{itemtype, id}].size,
			c.ttlOf(traitsOf(itemtype)), since, everything, itemtype, itemTag(itemtype, id), s.tag)
	}
	return entries, nil
}

// decodeFetched picks its own items out of a batch. The error is that of any item
// for another reason than that this viewer can't have it.
func decodeFetched[T Item](items map[want]fetched, wants []want, scope *Scope) (map[int]Result[T], error) {
	columns := columnsOf(reflect.TypeFor[T]())
	results := make(map[int]Result[T], len(wants))
	for _, w := range wants {
		f := items[w]
		switch {
		case outOfReach(f.err):
			results[w.id] = Result[T]{Err: f.err}
		case f.err != nil:
			return nil, f.err
		default:
			item, err := decodeRow[T](f.row, scope.location, columns)
			if err != nil {
				return nil, unexpected("getMultipleItems", 0, err)
			}
			results[w.id] = Result[T]{Item: item}
		}
	}
	return results, nil
}
