package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Get reads one item. The id must be positive (0 is the root entity only).
func Get[T Item](ctx context.Context, s *Session, id int) (T, error) {
	var kind T
	itemtype := kind.itemtype()
	if err := checkReadable("get", itemtype, id); err != nil {
		return kind, err
	}
	r := reading{operation: "get", itemtype: itemtype, key: itemKey(itemtype, id), tag: itemTag(itemtype, id)}
	weigh := func(Result[T]) int { return 1 }
	result, err := cachedRead(ctx, s, r, weigh, func(ctx context.Context, scope *Scope) (Result[T], error) {
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
	k := call{operation: "get", path: fmt.Sprintf("/%s/%d", kind.itemtype(), id), query: "get_hateoas=false"}
	a, err := s.call(ctx, k)
	if outOfReach(err) {
		return Result[T]{Err: err}, nil
	}
	if err != nil {
		return Result[T]{}, err
	}
	raw, err := a.json(k.operation)
	if err != nil {
		return Result[T]{}, err
	}
	item, err := decodeItem[T](raw, scope.location, columnsOf(reflect.TypeFor[T]()))
	if err == nil && item.id() != id {
		err = errors.New("GLPI answered with another item")
	}
	if err != nil {
		return Result[T]{}, unexpected(k.operation, a.status, err)
	}
	return Result[T]{Item: item}, nil
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

// batchSize is how many items are asked for at once: the URL stays under 8 KB, the
// limit of nginx.
const batchSize = 50

// fewItems is the size at which a batch with a spoiled item is read one by one.
const fewItems = 4

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
		tags := []string{itemtype, s.tag}
		for _, id := range missing {
			tags = append(tags, itemTag(itemtype, id))
		}
		flightKey := fmt.Sprint(s.tag, "|", scopeKey(scope, itemtype), "|", itemtype, missing, s.client.rows.lastVoided(tags))
		found, shared, err := s.client.flights.do(ctx, flightKey, operation, func(ctx context.Context) (any, error) {
			return fetchAndKeep[T](ctx, s, missing)
		})
		if err != nil {
			return nil, err
		}
		if shared {
			s.client.metrics.cached("shared", len(missing))
		} else {
			s.client.metrics.cached("miss", len(missing))
		}
		maps.Copy(known, found.(map[int]Result[T]))
	}
	results := make([]Result[T], len(ids))
	for i, id := range ids {
		results[i] = known[id]
	}
	return results, nil
}

// lookUp finds the ids that need no call, those that can't be read included, and
// gives the others once each.
func lookUp[T Item](s *Session, scope *Scope, ids []int) (known map[int]Result[T], missing []int) {
	var kind T
	known = make(map[int]Result[T], len(ids))
	prefix := scopeKey(scope, kind.itemtype()) + "|"
	for _, id := range ids {
		if _, seen := known[id]; seen {
			continue
		}
		if err := checkReadable("getMultipleItems", kind.itemtype(), id); err != nil {
			known[id] = Result[T]{Err: err}
		} else if found, ok := s.client.rows.get(prefix + itemKey(kind.itemtype(), id)); ok {
			known[id] = found.(Result[T])
			s.client.metrics.cached("hit", 1)
		} else {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return known, slices.Compact(missing)
}

// fetchAndKeep reads the ids in batches and caches each result by itself.
func fetchAndKeep[T Item](ctx context.Context, s *Session, ids []int) (map[int]Result[T], error) {
	var kind T
	c := s.client
	since := c.rows.begin()
	scope, err := s.Scope(ctx) // after the moment: the session may have changed
	if err != nil {
		return nil, err
	}
	results, err := fetchParts[T](ctx, s, scope, slices.Collect(slices.Chunk(ids, batchSize)))
	if err != nil {
		return nil, err
	}
	itemtype := kind.itemtype()
	for id, result := range results {
		c.rows.put(scopeKey(scope, itemtype)+"|"+itemKey(itemtype, id), result, 1,
			c.ttlOf(traitsOf(itemtype)), since, itemtype, itemTag(itemtype, id), s.tag)
	}
	return results, nil
}

// fetchBatch reads items in one call. GLPI refuses the whole call for one item out
// of reach, so a refused batch is halved until the culprits stand alone.
func fetchBatch[T Item](ctx context.Context, s *Session, scope *Scope, ids []int) (map[int]Result[T], error) {
	if len(ids) == 1 {
		result, err := fetchItem[T](ctx, s, scope, ids[0])
		return map[int]Result[T]{ids[0]: result}, err
	}
	results, err := fetchTogether[T](ctx, s, scope, ids)
	if !outOfReach(err) {
		return results, err
	}
	results = make(map[int]Result[T], len(ids))
	var kind T
	if right := traitsOf(kind.itemtype()).right; right != "" && scope.Rights[right] == 0 && KindOf(err) == Forbidden {
		for _, id := range ids { // the profile has no right at all: none will be had
			results[id] = Result[T]{Err: err}
		}
		return results, nil
	}
	size := (len(ids) + 1) / 2
	if len(ids) <= fewItems {
		size = 1
	}
	return fetchParts[T](ctx, s, scope, slices.Collect(slices.Chunk(ids, size)))
}

// fetchParts reads several batches side by side.
func fetchParts[T Item](ctx context.Context, s *Session, scope *Scope, parts [][]int) (map[int]Result[T], error) {
	found := make([]map[int]Result[T], len(parts))
	group, ctx := errgroup.WithContext(ctx)
	for i, part := range parts {
		group.Go(func() (err error) {
			found[i], err = fetchBatch[T](ctx, s, scope, part)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := map[int]Result[T]{}
	for _, results := range found {
		maps.Copy(all, results)
	}
	return all, nil
}

// fetchTogether makes the one call. The items are told apart by their ids, not by
// their order.
func fetchTogether[T Item](ctx context.Context, s *Session, scope *Scope, ids []int) (map[int]Result[T], error) {
	var kind T
	var query strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&query, "items[%d][itemtype]=%s&items[%d][items_id]=%d&", i, kind.itemtype(), i, id)
	}
	query.WriteString("get_hateoas=false")
	k := call{operation: "getMultipleItems", path: "/getMultipleItems", query: query.String()}
	a, err := s.call(ctx, k)
	if err != nil {
		return nil, err
	}
	raw, err := a.json(k.operation)
	if err != nil {
		return nil, err
	}
	items, err := decodeItems[T](raw, scope.location)
	if err != nil {
		return nil, unexpected(k.operation, a.status, err)
	}
	results := make(map[int]Result[T], len(items))
	for _, item := range items {
		results[item.id()] = Result[T]{Item: item}
	}
	for _, id := range ids {
		if _, ok := results[id]; !ok || len(results) != len(ids) {
			return nil, unexpected(k.operation, a.status, errors.New("GLPI answered with other items"))
		}
	}
	return results, nil
}
