package glpiproxy

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// send carries out what nothing speaks against so far, in batches, and settles the
// outcomes; settle, when there is one, looks at the items again.
func (w *writer) send(ctx context.Context, settle func(context.Context)) {
	var pending []int
	for i, outcome := range w.outcomes {
		if outcome.Err == nil && (w.operation != "update" || len(w.fields[i].input) > 0) {
			pending = append(pending, i)
		}
	}
	for batch := range slices.Chunk(pending, writeBatch) {
		w.sendBatch(ctx, batch)
	}
	if settle != nil && ctx.Err() == nil {
		settle(ctx)
	}
	for _, i := range w.doubts {
		w.outcomes[i].Err = inDoubt(w.operation, w.outcomes[i].Err)
	}
}

// sendBatch makes one call. What it may have touched is forgotten whatever became of
// it.
func (w *writer) sendBatch(ctx context.Context, batch []int) {
	a, err := w.s.call(ctx, w.call(batch))
	results, ok, err := resultsOf(w.operation, a, err)
	if ok && w.operation == "create" && len(results) != len(batch) {
		ok, err = false, unexpected(w.operation, 0, errors.New("GLPI gave results for other items"))
	}
	switch {
	case !ok:
		for _, i := range batch {
			w.outcomes[i].Err = err
			if uncertain(err) {
				w.doubts = append(w.doubts, i)
			}
		}
	case w.operation == "create":
		for n, i := range batch { // new items have no key but their place
			w.outcomes[i] = results[n]
		}
	default:
		w.match(batch, results)
	}
	w.s.client.Invalidate(w.touched(batch)...)
}

// match gives each item its result by its id: GLPI leaves out those it didn't find.
func (w *writer) match(batch []int, results []Outcome) {
	byID := map[int]Outcome{}
	for _, result := range results {
		byID[result.ID] = result
	}
	for _, i := range batch {
		result, found := byID[w.outcomes[i].ID]
		switch {
		case !found:
			w.outcomes[i].Err = w.outOfSight(w.itemtype)
		case result.Err == nil && w.fields[i].secret && result.Message != "":
			result.Err = &Error{Kind: Invalid, Operation: w.operation, Message: result.Message}
			fallthrough
		default:
			w.outcomes[i] = result
		}
	}
}

// touched are the tags of the items and of those they belong to.
func (w *writer) touched(batch []int) (tags []string) {
	for _, i := range batch {
		if id := w.outcomes[i].ID; id > 0 || w.operation != "create" {
			tags = append(tags, itemTag(w.itemtype, id))
		}
		for _, link := range w.fields[i].links {
			if !traitsOf(link.itemtype).catalogue { // naming a policy doesn't change it
				tags = append(tags, itemTag(link.itemtype, link.id))
			}
		}
	}
	return append(tags, listTag(w.itemtype))
}

// settled takes an item out of doubt.
func (w *writer) settled(i int) {
	w.outcomes[i].Err = nil
	w.doubts = slices.DeleteFunc(w.doubts, func(d int) bool { return d == i })
}

// concludeDeletion looks which of the items in doubt are gone. GLPI dies after
// deleting a task that leaves its file on the devices: then the rest of the batch,
// which it never came to, is asked for one by one.
func concludeDeletion[T Item](ctx context.Context, w *writer) {
	doubts := slices.Clone(w.doubts)
	if len(doubts) == 0 {
		return
	}
	w.settleGone(ctx, doubts, freshItems[T])
	if rest := len(w.doubts); rest == 0 || rest == len(doubts) || !w.died() {
		return
	}
	rest := w.doubts
	w.doubts = nil
	for _, i := range rest {
		w.outcomes[i].Err = nil
		w.sendBatch(ctx, []int{i})
	}
	w.settleGone(ctx, slices.Clone(w.doubts), freshItems[T])
}

// died tells whether GLPI itself failed, and not the way to it.
func (w *writer) died() bool {
	var e *Error
	return errors.As(w.outcomes[w.doubts[0]].Err, &e) && e.Status == http.StatusInternalServerError
}

// settleGone settles those of the doubts whose items are no more.
func (w *writer) settleGone(ctx context.Context, doubts []int, read freshReader) {
	if len(doubts) == 0 {
		return
	}
	results, err := read(ctx, w.s, w.ids(doubts))
	if err != nil {
		return
	}
	for _, i := range doubts {
		result := results[w.outcomes[i].ID]
		if w.operation == "delete" && trashed(result.Item) || result.Err != nil && KindOf(result.Err) == NotFound {
			w.settled(i)
		}
	}
}

// trashed says whether an item lies in the trash, of the types that have one.
func trashed(item Item) bool {
	switch item := item.(type) {
	case User:
		return item.Deleted
	case Computer:
		return item.Deleted
	}
	return false
}

func (w *writer) ids(indexes []int) []int {
	ids := make([]int, len(indexes))
	for n, i := range indexes {
		ids[n] = w.outcomes[i].ID
	}
	return ids
}
