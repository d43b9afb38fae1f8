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
		if got := news(t, desk, watch); !slices.Equal(got, c.want) {
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
	if got := news(t, desk, watch); !slices.Equal(got, []invitation.Kind{invitation.Deleted}) {
		t.Errorf("deleted twice, and seen once more: %v", got)
	}
}

// A failed try by which it shows that an invitation has ended tells both, each once; one that used the invitation up itself
// does not look like an enrolment.
func TestWhatAFailedTryShowsIsTold(t *testing.T) {
	desk, _ := newWorld(t)
	ctx := t.Context()
	watch, err := desk.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		state invitation.State
		log   int
		quiet bool
		want  []invitation.Kind
	}{
		{invitation.StatePending, 4, false, []invitation.Kind{invitation.Created, invitation.Failed}},
		{invitation.StateExpired, 5, false, []invitation.Kind{invitation.Expired, invitation.Failed}},
		{invitation.StateExpired, 6, false, []invitation.Kind{invitation.Failed}},
		{invitation.StatePending, 6, false, []invitation.Kind{invitation.Renewed, invitation.Failed}},
		{invitation.StateEnrolled, 7, true, []invitation.Kind{invitation.Failed}},
	} {
		now := invitation.Sighting{InvitationID: 7, EntityID: 3, State: step.state, LogID: step.log, Quiet: step.quiet}
		if err := desk.Failed(ctx, now); err != nil {
			t.Fatal(err)
		}
		now.Quiet = false
		if err := desk.See(ctx, now); err != nil { // the lookout has nothing to add
			t.Fatal(err)
		}
		if got := news(t, desk, watch); !slices.Equal(got, step.want) {
			t.Errorf("%s, log %d: %v, want %v", step.state, step.log, got, step.want)
		}
	}
}

// news are the kinds of the events that have come: up to one that is announced for it.
func news(t *testing.T, desk *invitation.Desk, watch *invitation.Watch) (kinds []invitation.Kind) {
	t.Helper()
	const last = "LAST"
	if err := desk.Announce(t.Context(), invitation.Event{Kind: last}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		events, err := watch.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == last {
				return kinds
			}
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
			if got := news(t, desk, watch); len(got) > 0 {
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
