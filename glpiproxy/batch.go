package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// gatherTime is how long a batch waits for other reads of the same viewer.
	gatherTime = time.Millisecond
	// batchSize is how many items are asked for at once: the URL stays under 8 KB,
	// the limit of nginx.
	batchSize = 50
	// fewItems are read one by one when one of them spoils their batch.
	fewItems = 4
	// fewUnseen items that a search did not show are asked for one by one.
	fewUnseen = 3
)

// want names an item to be read.
type want struct {
	itemtype string
	id       int
}

// fetched is a wanted item as GLPI gave it, or why it can't be had.
type fetched struct {
	row  row
	size int // bytes of JSON
	err  error
}

// batches gather the items that one viewer wants at about the same time, whatever
// their types: a page's people, models and makers are one call.
type batches struct {
	mu    sync.Mutex
	open  map[string]*batch // by viewer
	count int
}

// batch is open for some time, then it is read.
type batch struct {
	name  string // unique
	wants map[want]bool
}

// add puts the wants into the viewer's open batch, a new one if there is none.
func (b *batches) add(viewer string, wants []want) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	current, ok := b.open[viewer]
	if !ok {
		b.count++
		current = &batch{name: fmt.Sprint("batch ", b.count), wants: map[want]bool{}}
		b.open[viewer] = current
	}
	for _, w := range wants {
		current.wants[w] = true
	}
	return current
}

// shut closes a batch and tells what is in it, in a settled order.
func (b *batches) shut(viewer string, closed *batch) []want {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[viewer] == closed {
		delete(b.open, viewer)
	}
	return slices.SortedFunc(maps.Keys(closed.wants), func(x, y want) int {
		if byType := strings.Compare(x.itemtype, y.itemtype); byType != 0 {
			return byType
		}
		return x.id - y.id
	})
}

// fetchItems reads items in one batch with what else this viewer wants now. The
// error is for all of them: the session has ended or GLPI is away.
func (s *Session) fetchItems(ctx context.Context, scope *Scope, wants []want) (map[want]fetched, error) {
	c := s.client
	viewer := s.tag + scope.fingerprint + expansion(wants)
	current := c.batches.add(viewer, wants)
	found, _, err := c.flights.do(ctx, current.name, "getMultipleItems", func(ctx context.Context) (any, error) {
		waited := sleep(ctx, gatherTime)
		all := c.batches.shut(viewer, current)
		if !waited {
			return nil, c.contextError("getMultipleItems", ctx)
		}
		return batchReader{s, scope}.readParts(ctx, slices.Collect(slices.Chunk(all, batchSize)))
	})
	if err != nil {
		return nil, err
	}
	return found.(map[want]fetched), nil
}

// expansion asks for names instead of keys, where the wanted types are read so. A
// batch holds types that are, or types that are not.
func expansion(wants []want) string {
	if len(wants) > 0 && traitsOf(wants[0].itemtype).named {
		return "&expand_dropdowns=true"
	}
	return ""
}

// batchReader reads a batch for a viewer. GLPI refuses a whole call for one item
// out of the viewer's reach: then it finds out which, in as few calls as it can.
type batchReader struct {
	s     *Session
	scope *Scope
}

// readParts reads several batches side by side.
func (r batchReader) readParts(ctx context.Context, parts [][]want) (map[want]fetched, error) {
	found := make([]map[want]fetched, len(parts))
	group, ctx := errgroup.WithContext(ctx)
	for i, part := range parts {
		group.Go(func() (err error) {
			found[i], err = r.read(ctx, part)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := map[want]fetched{}
	for _, part := range found {
		maps.Copy(all, part)
	}
	return all, nil
}

// read reads one batch, sorted by type. A failure of one type is not the others'.
func (r batchReader) read(ctx context.Context, wants []want) (map[want]fetched, error) {
	var all map[want]fetched
	var err error
	if len(wants) == 1 {
		all, err = r.readOne(ctx, wants[0])
	} else {
		all, err = r.readTogether(ctx, wants)
	}
	switch {
	case err == nil:
		return all, nil
	case concernsAll(err):
		return nil, err
	case wants[0].itemtype != wants[len(wants)-1].itemtype:
		return r.readParts(ctx, byType(wants))
	case outOfReach(err):
		return r.sortOut(ctx, wants, err)
	}
	return failed(wants, err), nil
}

// concernsAll tells of an error that has nothing to do with the items asked for.
func concernsAll(err error) bool {
	switch KindOf(err) {
	case Unauthenticated, Unavailable, Timeout, Canceled:
		return true
	}
	return false
}

func byType(wants []want) (parts [][]want) {
	for i, w := range wants {
		if i == 0 || wants[i-1].itemtype != w.itemtype {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], w)
	}
	return parts
}

func failed(wants []want, err error) map[want]fetched {
	all := make(map[want]fetched, len(wants))
	for _, w := range wants {
		all[w] = fetched{err: err}
	}
	return all
}

// sortOut finds which items of one type spoiled their batch: a single search tells
// which ones the viewer may see.
func (r batchReader) sortOut(ctx context.Context, wants []want, err error) (map[want]fetched, error) {
	t := traitsOf(wants[0].itemtype)
	noRight := t.right != "" && r.scope.Rights[t.right] == 0 && KindOf(err) == Forbidden
	switch {
	case len(wants) == 1, noRight: // without the right none will be had
		return failed(wants, err), nil
	case len(wants) <= fewItems:
		return r.readParts(ctx, slices.Collect(slices.Chunk(wants, 1)))
	case !t.searchable || t.itemsOnly:
		return r.halve(ctx, wants)
	}
	seen, unseen, err := r.inSight(ctx, wants)
	switch {
	case err != nil && concernsAll(err):
		return nil, err
	case err != nil || len(unseen) == 0:
		return r.halve(ctx, wants)
	}
	return r.readSeen(ctx, seen, unseen)
}

// readSeen reads what a search showed. A search leaves out what is in the trash, and
// viewers themselves where they have no right in their own entity, so a few that it
// did not show are asked for by themselves; more are taken for out of reach.
func (r batchReader) readSeen(ctx context.Context, seen, unseen []want) (map[want]fetched, error) {
	var parts [][]want
	if len(seen) > 0 {
		parts = append(parts, seen)
	}
	outOfSight := &Error{Kind: NotFound, Operation: "getMultipleItems", Message: "not among the items that this viewer may see"}
	all := map[want]fetched{}
	for _, w := range unseen {
		if len(unseen) <= fewUnseen || w == (want{"User", r.scope.UserID}) {
			parts = append(parts, []want{w})
		} else {
			all[w] = fetched{err: outOfSight}
		}
	}
	found, err := r.readParts(ctx, parts)
	maps.Copy(all, found)
	return all, err
}

// halve is the last resort.
func (r batchReader) halve(ctx context.Context, wants []want) (map[want]fetched, error) {
	return r.readParts(ctx, slices.Collect(slices.Chunk(wants, (len(wants)+1)/2)))
}

// inSight searches for items of one type and tells those found from the others.
func (r batchReader) inSight(ctx context.Context, wants []want) (seen, unseen []want, err error) {
	var query strings.Builder // with its brackets as they are: escaped it would be too long
	for i, w := range wants {
		if i > 0 {
			fmt.Fprintf(&query, "criteria[%d][link]=OR&", i)
		}
		fmt.Fprintf(&query, "criteria[%d][field]=%d&criteria[%[1]d][searchtype]=equals&criteria[%[1]d][value]=%[3]d&", i, idOption, w.id)
	}
	fmt.Fprintf(&query, "forcedisplay[0]=%d&sort=%[1]d&order=ASC&range=0-%d", idOption, len(wants)-1)
	k := call{operation: "search", path: "/search/" + wants[0].itemtype, query: query.String()}
	page, err := fetchSearch(ctx, r.s, r.scope, k, Range{Count: len(wants)})
	if err != nil {
		return nil, nil, err
	}
	found := map[int]bool{}
	for _, row := range page.Rows {
		found[row.ID()] = true
	}
	for _, w := range wants {
		if found[w.id] {
			seen = append(seen, w)
		} else {
			unseen = append(unseen, w)
		}
	}
	return seen, unseen, nil
}

func (r batchReader) readOne(ctx context.Context, w want) (map[want]fetched, error) {
	k := call{operation: "get", path: fmt.Sprintf("/%s/%d", w.itemtype, w.id), query: "get_hateoas=false" + expansion([]want{w})}
	a, raw, err := r.s.callJSON(ctx, k)
	if err != nil {
		return nil, err
	}
	item, err := parseRow(raw)
	if err == nil && item.int("id") != w.id {
		err = errors.New("GLPI answered with another item")
	}
	if err != nil {
		return nil, unexpected(k.operation, a.status, err)
	}
	return map[want]fetched{w: {row: item, size: len(raw)}}, nil
}

// readTogether makes one call for several items.
func (r batchReader) readTogether(ctx context.Context, wants []want) (map[want]fetched, error) {
	var query strings.Builder
	for i, w := range wants {
		fmt.Fprintf(&query, "items[%d][itemtype]=%s&items[%[1]d][items_id]=%[3]d&", i, w.itemtype, w.id)
	}
	query.WriteString("get_hateoas=false" + expansion(wants))
	k := call{operation: "getMultipleItems", path: "/getMultipleItems", query: query.String()}
	a, raw, err := r.s.callJSON(ctx, k)
	if err != nil {
		return nil, err
	}
	all, err := matchItems(raw, wants)
	if err != nil {
		return nil, unexpected(k.operation, a.status, err)
	}
	return all, nil
}

// matchItems gives each want its item: by its id, and where types are mixed by its
// place too, since an answered item doesn't tell its type.
func matchItems(raw json.RawMessage, wants []want) (map[want]fetched, error) {
	list, ok := members(raw)
	if !ok || len(list) != len(wants) {
		return nil, errors.New("GLPI answered with fewer or more items")
	}
	all := make(map[want]fetched, len(wants))
	for i, m := range list {
		item, err := parseRow(m.value)
		if err != nil {
			return nil, err
		}
		id, _ := intOf(item["id"])
		all[want{wants[i].itemtype, id}] = fetched{row: item, size: len(m.value)}
	}
	for _, w := range wants {
		if _, ok := all[w]; !ok {
			return nil, errors.New("GLPI answered with other items")
		}
	}
	return all, nil
}
