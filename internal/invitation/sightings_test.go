package invitation_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

func TestWhatIsNewAboutAnInvitation(t *testing.T) {
	kept, err := store.OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	desk, err := invitation.NewDesk(invitation.Options{Store: kept, Secret: []byte("sixteen characters")})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := desk.Announce(ctx, invitation.Event{Kind: invitation.Opened, InvitationID: 99}); err != nil {
		t.Fatal(err)
	}
	watch, err := desk.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	sent := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(state invitation.State) invitation.Sighting {
		return invitation.Sighting{InvitationID: 7, EntityID: 3, State: state}
	}
	mailed, failed, quiet, late, first := at("PENDING"), at("PENDING"), at("PENDING"), at("EXPIRED"), at("PENDING")
	mailed.SentAt, failed.LogID, quiet.Quiet = sent, 5, true
	late.Since, first.Since = &invitation.Sighting{}, &invitation.Sighting{}
	for _, c := range []struct {
		name string
		seen invitation.Sighting
		want []invitation.Kind
	}{
		{"new", first, []invitation.Kind{invitation.Created}},
		{"as it was", at("PENDING"), nil},
		{"its mail is sent", mailed, []invitation.Kind{invitation.Sent}},
		{"seen without the mail", at("PENDING"), nil},
		{"a device failed", failed, []invitation.Kind{invitation.Failed}},
		{"looked at before all that", late, nil},
		{"its time is over", at("EXPIRED"), []invitation.Kind{invitation.Expired}},
		{"renewed by who told already", quiet, nil},
		{"ended", at("DEACTIVATED"), []invitation.Kind{invitation.Deactivated}},
		{"used", at("ENROLLED"), []invitation.Kind{invitation.Enrolled}},
	} {
		if err := desk.See(ctx, c.seen); err != nil {
			t.Fatal(err)
		}
		if got := news(t, watch); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for range 2 {
		if err := desk.Gone(ctx, 7, 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := desk.See(ctx, at("PENDING")); err != nil {
		t.Fatal(err)
	}
	if got := news(t, watch); !slices.Equal(got, []invitation.Kind{invitation.Deleted}) {
		t.Errorf("deleted twice, and seen once more: %v", got)
	}
}

// news are the kinds of the events that have come.
func news(t *testing.T, watch *invitation.Watch) (kinds []invitation.Kind) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for {
		events, err := watch.Next(ctx)
		if ctx.Err() != nil {
			return kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
	}
}

func TestSightingsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	seen := invitation.Sighting{InvitationID: 7, EntityID: 3, State: invitation.StatePending}
	var cursor string
	for life := range 2 {
		kept, err := store.OpenFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		desk, err := invitation.NewDesk(invitation.Options{Store: kept, Secret: []byte("sixteen characters")})
		if err != nil {
			t.Fatal(err)
		}
		watch, err := desk.Watch(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		if err := desk.See(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
		if life == 1 {
			if got := news(t, watch); len(got) > 0 {
				t.Errorf("told again: %v", got)
			}
		} else if events, err := watch.Next(t.Context()); err != nil || len(events) != 1 {
			t.Fatal(events, err)
		} else {
			cursor = events[0].Cursor
		}
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
