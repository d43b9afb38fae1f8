package audit_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/audit"
	"fleetgate/internal/store"
)

// linesOf are the entries of a file.
func linesOf(t *testing.T, path string) (entries []audit.Entry) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e audit.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		entries = append(entries, e)
	}
	return entries
}

// The copy is one line an entry, whoever writes at once, and goes on in a new file when the old one was moved away.
func TestTheCopyIsLines(t *testing.T) {
	s, err := store.OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"what":"before"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	copied, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trail := audit.NewTrail(s, copied)
	const writers, each = 8, 10
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				entry := audit.Entry{At: time.Now(), Who: "x", What: fmt.Sprint(w, "/", i), Outcome: audit.Done, Note: "two\nlines"}
				if err := trail.Append(t.Context(), entry); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	lines := linesOf(t, path)
	if len(lines) != 1+writers*each || lines[0].What != "before" || lines[1].Note != "two\nlines" {
		t.Fatalf("%d lines", len(lines))
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	after := audit.Entry{At: time.Now(), Who: "x", What: "after", Outcome: audit.Done}
	if err := trail.Append(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	if lines := linesOf(t, path); len(lines) != 1 || lines[0].What != "after" {
		t.Errorf("after the move: %+v", lines)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	if err := trail.Append(t.Context(), after); err == nil {
		t.Error("a copy that is closed took an entry")
	}
	if newest, err := trail.Newest(t.Context(), 1000); err != nil || len(newest) < writers*each+1 || newest[0].ID >= newest[1].ID {
		t.Errorf("the store has %d, %v", len(newest), err)
	}
	if _, err := audit.OpenFile(filepath.Join(t.TempDir(), "none", "audit.jsonl")); err == nil {
		t.Error("a file in no folder was opened")
	}
}
