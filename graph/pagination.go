package graph

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"fleetgate/graph/model"
)

const (
	defaultPage = 50
	largestPage = 500
)

// pageArguments are a Relay connection's own.
type pageArguments struct {
	first, last   *int
	after, before *string
}

// listing is a list in GLPI that can be read from any row on.
type listing[T any] struct {
	rows func(ctx context.Context, start, count int) (items []T, total int, err error)
	// ids lists every item's id in the listing's order. It is asked only when rows were added or removed
	// before a cursor, to find the cursor's place again.
	ids func(ctx context.Context) ([]int, error)
	id  func(T) int
}

// page is what a connection shows: items that stand at start, start+1, ... in a list of total.
type page[T any] struct {
	items []T
	start int
	total int
	id    func(T) int
}

// read answers a page of a listing. A cursor names an item and its place; the item is read again with its
// neighbours, so that a list which changed meanwhile is noticed and the page neither skips nor repeats.
func (l listing[T]) read(ctx context.Context, a pageArguments) (page[T], error) {
	if err := a.check(); err != nil {
		return page[T]{}, err
	}
	if a.last != nil {
		return l.readBackward(ctx, *a.last, a.before, a.after)
	}
	return l.readForward(ctx, a.size(), a.after, a.before)
}

func (l listing[T]) readForward(ctx context.Context, size int, after, before *string) (page[T], error) {
	start := 0
	if after != nil {
		c, err := parseCursor("after", *after)
		if err != nil {
			return page[T]{}, err
		}
		items, total, err := l.rows(ctx, c.place, size+1)
		if err != nil {
			return page[T]{}, err
		}
		if before == nil && len(items) > 0 && l.id(items[0]) == c.id {
			return page[T]{items: items[1:], start: c.place + 1, total: total, id: l.id}, nil
		}
		if start, err = l.find(ctx, c, 1); err != nil {
			return page[T]{}, err
		}
	}
	if before != nil {
		c, err := parseCursor("before", *before)
		if err != nil {
			return page[T]{}, err
		}
		end, err := l.find(ctx, c, 0)
		if err != nil {
			return page[T]{}, err
		}
		size = max(0, min(size, end-start))
	}
	return l.slice(ctx, start, size)
}

func (l listing[T]) readBackward(ctx context.Context, size int, before, after *string) (page[T], error) {
	var end int
	if before == nil {
		_, total, err := l.rows(ctx, 0, 1)
		if err != nil {
			return page[T]{}, err
		}
		end = total
	} else {
		c, err := parseCursor("before", *before)
		if err != nil {
			return page[T]{}, err
		}
		if end, err = l.find(ctx, c, 0); err != nil {
			return page[T]{}, err
		}
	}
	start := max(0, end-size)
	if after != nil {
		c, err := parseCursor("after", *after)
		if err != nil {
			return page[T]{}, err
		}
		least, err := l.find(ctx, c, 1)
		if err != nil {
			return page[T]{}, err
		}
		start = max(start, least)
	}
	return l.slice(ctx, start, max(0, end-start))
}

func (l listing[T]) slice(ctx context.Context, start, size int) (page[T], error) {
	// GLPI has no empty range, and the total is wanted all the same.
	items, total, err := l.rows(ctx, start, max(size, 1))
	if err != nil {
		return page[T]{}, err
	}
	return page[T]{items: items[:min(size, len(items))], start: start, total: total, id: l.id}, nil
}

// find answers the place of a cursor's item plus offset, or, where the item is gone, the place where it stood.
func (l listing[T]) find(ctx context.Context, c cursor, offset int) (int, error) {
	items, _, err := l.rows(ctx, c.place, 1)
	if err != nil {
		return 0, err
	}
	if len(items) > 0 && l.id(items[0]) == c.id {
		return c.place + offset, nil
	}
	ids, err := l.ids(ctx)
	if err != nil {
		return 0, err
	}
	if place := slices.Index(ids, c.id); place >= 0 {
		return place + offset, nil
	}
	return min(c.place, len(ids)), nil
}

// info describes the page the way Relay wants it.
func (p page[T]) info() *model.PageInfo {
	info := &model.PageInfo{
		HasNextPage:     p.start+len(p.items) < p.total,
		HasPreviousPage: p.start > 0 && p.total > 0,
	}
	if len(p.items) > 0 {
		first, last := p.cursor(0), p.cursor(len(p.items)-1)
		info.StartCursor, info.EndCursor = &first, &last
	}
	return info
}

// cursor is the opaque place of the i-th item of the page.
func (p page[T]) cursor(i int) string {
	return cursor{place: p.start + i, id: p.id(p.items[i])}.String()
}

// check refuses what makes no page.
func (a pageArguments) check() error {
	for name, size := range map[string]*int{"first": a.first, "last": a.last} {
		if size != nil && (*size < 0 || *size > largestPage) {
			return badInput("%s: %d is not between 0 and %d", name, *size, largestPage)
		}
	}
	if a.first != nil && a.last != nil {
		return badInput("give first or last, not both")
	}
	return nil
}

func (a pageArguments) size() int {
	if a.first == nil {
		return defaultPage
	}
	return *a.first
}

// cursor is an item and the place where it stood when it was read.
type cursor struct {
	place, id int
}

func (c cursor) String() string {
	text := append(strconv.AppendInt(make([]byte, 0, 40), int64(c.place), 10), ':')
	text = strconv.AppendInt(text, int64(c.id), 10)
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 64), text))
}

func parseCursor(argument, text string) (cursor, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, badInput("%s: not a cursor of this list", argument)
	}
	place, id, _ := strings.Cut(string(decoded), ":")
	c := cursor{}
	if c.place, err = strconv.Atoi(place); err == nil {
		c.id, err = strconv.Atoi(id)
	}
	const furthest = 1 << 30 // beyond any table of GLPI's, and within PHP's numbers
	if err != nil || c.place < 0 || c.place > furthest || c.id <= 0 {
		return cursor{}, badInput("%s: not a cursor of this list", argument)
	}
	return c, nil
}
