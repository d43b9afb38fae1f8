package graph

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// windowsOf is a list of so many rows that is read in windows.
func windowsOf(total int) func(ctx context.Context, start, count int) ([]int, int, error) {
	return func(_ context.Context, start, count int) ([]int, int, error) {
		rows := []int{}
		for i := start; i < min(start+count, total); i++ {
			rows = append(rows, i)
		}
		return rows, total, nil
	}
}

func TestAWholeListIsReadInOrder(t *testing.T) {
	for _, total := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 7, mostRows} {
		rows, err := readWhole(t.Context(), windowsOf(total))
		if err != nil || len(rows) != total || !slices.IsSorted(rows) {
			t.Errorf("%d rows: got %d, sorted %t, %v", total, len(rows), slices.IsSorted(rows), err)
		}
	}
}

func TestAListThatIsTooLongIsRefused(t *testing.T) {
	reads := 0
	_, err := readWhole(t.Context(), func(ctx context.Context, start, count int) ([]int, int, error) {
		reads++
		return windowsOf(mostRows+1)(ctx, start, count)
	})
	var refused *coded
	if !errors.As(err, &refused) || refused.code != CodeQueryTooComplex || reads != 1 {
		t.Errorf("after %d reads: %v", reads, err)
	}
}

func TestAFailedWindowFailsTheWholeList(t *testing.T) {
	away := errors.New("away")
	for _, failing := range []int{0, 2 * chunk} {
		_, err := readWhole(t.Context(), func(ctx context.Context, start, count int) ([]int, int, error) {
			if start == failing {
				return nil, 0, away
			}
			return windowsOf(3*chunk)(ctx, start, count)
		})
		if !errors.Is(err, away) {
			t.Errorf("the window at %d: %v", failing, err)
		}
	}
}
