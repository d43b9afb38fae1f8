package audit_test

import (
	"reflect"
	"testing"
	"time"

	"fleetgate/internal/audit"
	"fleetgate/internal/store"
)

func TestTheTrailOutlivesTheProcess(t *testing.T) {
	dir, noon := t.TempDir(), time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	want := []audit.Entry{
		{At: noon, Who: "admin (7)", From: "192.0.2.7", What: "issueInvitationCredentials", Targets: []string{"a", "b"}, Outcome: "done"},
		{At: noon.Add(time.Minute), Who: "anonymous", What: "redeemPin", Outcome: "RATE_LIMITED", Note: "five tries"},
	}
	for _, entry := range want { // each by another process
		s, err := store.OpenFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.NewTrail(s).Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	trail := audit.NewTrail(s)
	newest := func(limit int) ([]audit.Entry, error) {
		entries, err := trail.Newest(t.Context(), limit)
		for i := range entries {
			if entries[i].ID == 0 {
				t.Errorf("entry %d has no id", i)
			}
			entries[i].ID = 0 // as it was written
		}
		return entries, err
	}
	if got, err := newest(10); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := newest(1); err != nil || !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("the newest: got %+v, %v", got, err)
	}
	if err := trail.Append(t.Context(), audit.Entry{Who: "somebody"}); err == nil {
		t.Error("an entry that says nothing was taken")
	}
}
