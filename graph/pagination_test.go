package graph

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// numbers is a list in memory that can change between pages.
type numbers struct{ ids []int }

func (n *numbers) listing() listing[int] {
	return listing[int]{
		rows: func(_ context.Context, start, count int) ([]int, int, error) {
			from := min(start, len(n.ids))
			return slices.Clone(n.ids[from:min(from+count, len(n.ids))]), len(n.ids), nil
		},
		ids: func(context.Context) ([]int, error) { return n.ids, nil },
		id:  func(id int) int { return id },
	}
}

func upTo(n int) *numbers {
	list := &numbers{}
	for i := range n {
		list.ids = append(list.ids, i+1)
	}
	return list
}

func ptr[T any](v T) *T { return &v }

func TestPagesFollowOneAnother(t *testing.T) {
	list := upTo(23).listing()
	for _, size := range []int{1, 5, 22, 23, 50} {
		var forward, backward []int
		a := pageArguments{first: &size}
		for {
			p, err := list.read(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			forward = append(forward, p.items...)
			if p.total != 23 {
				t.Fatalf("total %d, want 23", p.total)
			}
			if !p.info().HasNextPage {
				break
			}
			a.after = p.info().EndCursor
		}
		a = pageArguments{last: &size}
		for {
			p, err := list.read(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			backward = append(slices.Clone(p.items), backward...)
			if !p.info().HasPreviousPage {
				break
			}
			a.before = p.info().StartCursor
		}
		if want := upTo(23).ids; !slices.Equal(forward, want) || !slices.Equal(backward, want) {
			t.Errorf("pages of %d: forward %v, backward %v", size, forward, backward)
		}
	}
}

func TestAPageBetweenTwoCursors(t *testing.T) {
	list := upTo(10).listing()
	whole, err := list.read(t.Context(), pageArguments{})
	if err != nil {
		t.Fatal(err)
	}
	third, eighth := whole.cursor(2), whole.cursor(7)
	for name, c := range map[string]struct {
		a    pageArguments
		want []int
	}{
		"first":                    {pageArguments{first: ptr(50), after: &third, before: &eighth}, []int{4, 5, 6, 7}},
		"first two":                {pageArguments{first: ptr(2), after: &third, before: &eighth}, []int{4, 5}},
		"last two":                 {pageArguments{last: ptr(2), after: &third, before: &eighth}, []int{6, 7}},
		"nothing between":          {pageArguments{first: ptr(2), after: &eighth, before: &third}, nil},
		"only the count":           {pageArguments{first: ptr(0)}, nil},
		"before without a size":    {pageArguments{before: &third}, []int{1, 2}},
		"last, before the second":  {pageArguments{last: ptr(5), before: ptr(whole.cursor(1))}, []int{1}},
		"first, beyond what is it": {pageArguments{first: ptr(5), after: ptr(whole.cursor(9))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := list.read(t.Context(), c.a)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.items, c.want) || p.total != 10 {
				t.Fatalf("got %v of %d, want %v of 10", p.items, p.total, c.want)
			}
		})
	}
}

// A list that grows and shrinks between two pages must not make the second one repeat or skip what was there
// all the time.
func TestAListThatChangesBetweenPagesRepeatsAndSkipsNothing(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		list := upTo(5 + random.IntN(30))
		size := 1 + random.IntN(6)
		first, err := list.listing().read(t.Context(), pageArguments{first: &size})
		if err != nil {
			t.Fatal(err)
		}
		held := slices.Clone(list.ids)
		last := first.items[len(first.items)-1]
		for range random.IntN(5) { // insert anywhere, remove anything but the cursor's own item
			list.ids = slices.Insert(list.ids, random.IntN(len(list.ids)+1), 1000+random.IntN(1_000_000))
			if i := random.IntN(len(list.ids)); list.ids[i] != last {
				list.ids = slices.Delete(list.ids, i, i+1)
			}
		}
		second, err := list.listing().read(t.Context(), pageArguments{first: ptr(largestPage), after: first.info().EndCursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range held {
			was := slices.Contains(first.items, id)
			is := slices.Contains(second.items, id)
			there := slices.Contains(list.ids, id)
			if was && is || !was && there && !is {
				t.Fatalf("seed %d: %d on the first page %v, on the second %v, in the list %v", seed, id, was, is, there)
			}
		}
	}
}

func TestACursorWhoseItemIsGoneGoesOnWhereItStood(t *testing.T) {
	list := upTo(10)
	first, err := list.listing().read(t.Context(), pageArguments{first: ptr(3)})
	if err != nil {
		t.Fatal(err)
	}
	list.ids = slices.Delete(list.ids, 2, 3)
	second, err := list.listing().read(t.Context(), pageArguments{first: ptr(2), after: first.info().EndCursor})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(second.items, []int{4, 5}) {
		t.Fatalf("got %v, want 4 and 5", second.items)
	}
}

func TestWhatMakesNoPageIsRefused(t *testing.T) {
	list := upTo(3).listing()
	for name, a := range map[string]pageArguments{
		"negative":            {first: ptr(-1)},
		"too many":            {first: ptr(largestPage + 1)},
		"too many, backward":  {last: ptr(largestPage + 1)},
		"both ends":           {first: ptr(1), last: ptr(1)},
		"cursor of no list":   {after: ptr("not a cursor")},
		"empty cursor":        {after: ptr("")},
		"number as a cursor":  {before: ptr("17")},
		"cursor far away":     {after: ptr(cursor{1 << 40, 1}.String())},
		"cursor before all":   {after: ptr(cursor{-1, 1}.String())},
		"cursor without item": {before: ptr(cursor{1, 0}.String())},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := list.read(t.Context(), a)
			var refused *coded
			if !errors.As(err, &refused) || refused.code != CodeBadUserInput {
				t.Fatalf("got %v, want %s", err, CodeBadUserInput)
			}
		})
	}
}
