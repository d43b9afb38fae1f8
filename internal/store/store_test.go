package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fleetgate/internal/store/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everyStore runs a test on both stores. open may be called again, for a second replica or after a restart.
func everyStore(t *testing.T, test func(t *testing.T, open func() Store)) {
	t.Run("file", func(t *testing.T) {
		dir := t.TempDir()
		var current *File
		test(t, func() Store {
			if current != nil {
				_ = current.Close() // one process at a time has the file
			}
			f, err := OpenFile(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			current = f
			return f
		})
	})
	t.Run("redis", func(t *testing.T) {
		address := "redis://" + redistest.Start(t)
		test(t, func() Store {
			r, err := OpenRedis(address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			return r
		})
	})
}

func TestValues(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		wantValue := func(key, want string, exists bool) {
			t.Helper()
			got, err := s.Get(ctx, "b", key)
			if err != nil || (got != nil) != exists || string(got) != want {
				t.Errorf("Get(%q) = %q, %v; want %q, there: %v", key, got, err, want, exists)
			}
		}
		must(t, s.Check(ctx))
		wantValue("a", "", false)
		must(t, s.Put(ctx, "b", "a", []byte("one"), 0))
		must(t, s.Put(ctx, "other", "a", []byte("elsewhere"), 0))
		must(t, s.Put(ctx, "b", "empty", nil, 0))
		wantValue("a", "one", true)
		wantValue("empty", "", true)
		many, err := s.GetMany(ctx, "b", []string{"a", "none", "empty", "a"})
		if err != nil || fmt.Sprintf("%q", many) != `["one" "" "" "one"]` || many[1] != nil || many[2] == nil {
			t.Errorf("GetMany told %q, %v", many, err)
		}
		if none, err := s.GetMany(ctx, "b", nil); err != nil || len(none) != 0 {
			t.Errorf("GetMany told %q, %v", none, err)
		}
		must(t, s.Put(ctx, "b", "brief", []byte("x"), 30*time.Millisecond))
		eventually(t, func() bool { v, err := s.Get(ctx, "b", "brief"); return err == nil && v == nil })

		found := map[string]string{}
		must(t, s.Each(ctx, "b", func(key string, value []byte) bool { found[key] = string(value); return true }))
		if want := map[string]string{"a": "one", "empty": ""}; !maps.Equal(found, want) {
			t.Errorf("Each told %v, want %v", found, want)
		}
		must(t, s.Delete(ctx, "b", "a"))
		must(t, s.Delete(ctx, "b", "never was"))
		wantValue("a", "", false)

		must(t, s.Put(ctx, "b", "kept", []byte("still here"), time.Hour))
		s = open() // another replica, or the same after a restart
		wantValue("kept", "still here", true)
	})
}

func TestSwap(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		for i, step := range []struct {
			old, new []byte
			want     bool
			after    string
		}{
			{[]byte("a"), []byte("b"), false, ""},
			{nil, []byte("a"), true, "a"},
			{nil, []byte("b"), false, "a"},
			{[]byte("x"), []byte("b"), false, "a"},
			{[]byte("a"), []byte("b"), true, "b"},
			{[]byte("b"), nil, true, ""},
			{nil, []byte{}, true, ""},
			{nil, []byte("c"), false, ""},
			{[]byte{}, []byte("c"), true, "c"},
		} {
			done, err := s.Swap(ctx, "b", "k", step.old, step.new, time.Minute)
			if got, _ := s.Get(ctx, "b", "k"); err != nil || done != step.want || string(got) != step.after {
				t.Errorf("step %d: %v, %v, now %q; want %v and %q", i, done, err, got, step.want, step.after)
			}
		}
	})
}

// Of many that take the same lease at once, one gets it.
func TestSwapIsTakenOnce(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s := open()
		var winners atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if done, err := s.Swap(t.Context(), "lease", "leader", nil, fmt.Append(nil, i), time.Minute); err == nil && done {
					winners.Add(1)
				}
			})
		}
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%d won", n)
		}
	})
}

func TestCount(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		for _, step := range []struct{ by, want int64 }{{1, 1}, {4, 5}, {-2, 3}} {
			if got, err := s.Count(ctx, "b", "n", step.by, time.Hour); err != nil || got != step.want {
				t.Errorf("counting %d gave %d, %v; want %d", step.by, got, err, step.want)
			}
		}
		if n, err := s.Count(ctx, "looked at", "n", 0, time.Hour); err != nil || n != 0 {
			t.Errorf("a counter that never was has %d, %v", n, err)
		}
		must(t, s.Each(ctx, "looked at", func(key string, _ []byte) bool { t.Errorf("to look wrote %q", key); return true }))
		if _, err := s.Count(ctx, "b", "brief", 5, 30*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { n, err := s.Count(ctx, "b", "brief", 0, 30*time.Millisecond); return err == nil && n == 0 })
	})
}

func TestLog(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		if entries, err := s.Tail(ctx, "l", 10); err != nil || len(entries) != 0 {
			t.Fatalf("a log that never was has %v, %v", entries, err)
		}
		must(t, s.Append(ctx, "l", Bounds{}, []byte("1"), []byte("2"), nil))
		must(t, s.Append(ctx, "l", Bounds{}, []byte("4")))
		must(t, s.Append(ctx, "another", Bounds{}, []byte("x")))
		all, err := s.Read(ctx, "l", ID{}, 10, false)
		must(t, err)
		wantEntries(t, all, "1", "2", "", "4")
		part, err := s.Read(ctx, "l", all[0].ID, 2, false)
		must(t, err)
		wantEntries(t, part, "2", "")
		tail, err := s.Tail(ctx, "l", 2)
		must(t, err)
		wantEntries(t, tail, "", "4")
		none, err := s.Read(ctx, "l", all[3].ID, 2, false)
		must(t, err)
		wantEntries(t, none)

		s = open()
		must(t, s.Append(ctx, "l", Bounds{}, []byte("5")))
		after, err := s.Read(ctx, "l", all[3].ID, 10, false)
		must(t, err)
		wantEntries(t, after, "5")
	})
}

func wantEntries(t *testing.T, entries []Entry, want ...string) {
	t.Helper()
	var got []string
	for i, e := range entries {
		got = append(got, string(e.Value))
		if i > 0 && e.ID.Compare(entries[i-1].ID) <= 0 {
			t.Errorf("the ID %v does not come after %v", e.ID, entries[i-1].ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the entries are %q, want %q", got, want)
	}
}

func TestReadWaits(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s := open()
		must(t, s.Append(t.Context(), "l", Bounds{}, []byte("first")))
		first, err := s.Tail(t.Context(), "l", 1)
		must(t, err)
		got := make(chan []Entry, 1)
		go func() {
			entries, err := s.Read(t.Context(), "l", first[0].ID, 10, true)
			if err != nil {
				t.Error(err)
			}
			got <- entries
		}()
		must(t, s.Append(t.Context(), "l", Bounds{}, []byte("second")))
		wantEntries(t, <-got, "second")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		second, _ := s.Tail(t.Context(), "l", 1)
		if _, err := s.Read(ctx, "l", second[0].ID, 10, true); !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Errorf("waiting in vain ended with %v", err)
		}
		ended := make(chan error, 1)
		go func() { _, err := s.Read(context.Background(), "l", second[0].ID, 10, true); ended <- err }()
		time.Sleep(20 * time.Millisecond) // so that it waits; if it doesn't yet, Close ends it as well
		must(t, s.Close())
		if err := <-ended; err == nil {
			t.Error("a read outlived the store")
		}
	})
}

func TestLogIsBounded(t *testing.T) {
	everyStore(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		for range 50 {
			batch := make([][]byte, 100)
			for i := range batch {
				batch[i] = bytes.Repeat([]byte("e"), 50)
			}
			must(t, s.Append(ctx, "l", Bounds{Entries: 1000}, batch...))
		}
		kept, err := s.Tail(ctx, "l", 100_000)
		must(t, err)
		if n := len(kept); n < 1000 || n > 1500 { // Redis drops whole blocks of entries
			t.Errorf("%d entries were kept", n)
		}
		must(t, s.Append(ctx, "old", Bounds{}, []byte("old")))
		time.Sleep(5 * time.Millisecond)
		for range 300 { // Redis drops only whole blocks
			must(t, s.Append(ctx, "old", Bounds{Age: time.Millisecond}, []byte("new")))
		}
		kept, err = s.Tail(ctx, "old", 1000)
		must(t, err)
		if len(kept) == 0 || len(kept) > 250 || string(kept[0].Value) == "old" {
			t.Errorf("of entries too old, %d were kept", len(kept))
		}
	})
}

// A log goes on after the clock was set back: IDs still grow.
func TestTheClockMayBeSetBack(t *testing.T) {
	f, err := OpenFile("")
	must(t, err)
	defer f.Close()
	must(t, f.Append(t.Context(), "l", Bounds{}, []byte("1")))
	f.now = func() time.Time { return time.Now().Add(-time.Hour) }
	must(t, f.Append(t.Context(), "l", Bounds{}, []byte("2")))
	entries, err := f.Tail(t.Context(), "l", 10)
	must(t, err)
	wantEntries(t, entries, "1", "2")
}

func TestFilesThatCantBeOpened(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenFile(dir)
	must(t, err)
	defer first.Close()
	if second, err := OpenFile(dir); err == nil {
		second.Close()
		t.Error("two gateways share one file")
	}
	blocked := filepath.Join(dir, "file")
	must(t, os.WriteFile(blocked, nil, 0o600))
	if _, err := OpenFile(blocked); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// Without a data folder nothing is left behind.
func TestATemporaryFileIsRemoved(t *testing.T) {
	f, err := OpenFile("")
	must(t, err)
	must(t, f.Put(t.Context(), "b", "k", []byte("v"), 0))
	must(t, f.Close())
	if _, err := os.Stat(f.temporary); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
}

func TestRedisAddressesNeverShow(t *testing.T) {
	for _, address := range []string{"redis://u:hunter2@host:port", "http://u:hunter2@host", ":hunter2"} {
		_, err := OpenRedis(address)
		if err == nil || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
			t.Errorf("the error for %q: %v", address, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came true")
		}
	}
}
