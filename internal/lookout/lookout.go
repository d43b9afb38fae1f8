// Package lookout notices what happens to invitations in GLPI past the gateway: those that others make, end or delete,
// that expire, that devices enrol with or fail to, and whose mails leave. It looks with the gateway's own account, from
// time to time, and tells the desk of invitations, which tells those who watch.
package lookout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
)

const (
	// Every is how often it looks unless told; it waits longer where a look takes long.
	every = 10 * time.Second
	// idle is how often a replica that is not the one to look asks whether it has become that.
	idle = time.Second
	// patience is how many times as long as a look took it waits at least.
	patience = 20
	// newestLogs is how many failures are told of at one look at most.
	newestLogs = 200
	// mailLooks is every how many looks GLPI's mail queue is read: its rows are large.
	mailLooks = 3
	// window is how many invitations one call reads.
	window = 1000
)

// Options configure a Lookout. Session and Desk are required.
type Options struct {
	// Session is that of the gateway's own account in GLPI.
	Session func(context.Context) (*glpiproxy.Session, error)
	Desk    *invitation.Desk
	// Leads says whether this replica is the one to look; nil: always.
	Leads  func() bool
	Every  time.Duration    // between two looks; 0: ten seconds
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil: silent
}

// Lookout looks at GLPI's invitations.
type Lookout struct {
	o     Options
	looks int
}

// New makes a Lookout; it makes no call.
func New(o Options) (*Lookout, error) {
	if o.Session == nil || o.Desk == nil {
		return nil, errors.New("a lookout needs a session and a desk")
	}
	if o.Every == 0 {
		o.Every = every
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Lookout{o: o}, nil
}

// Run looks until ctx is done.
func (l *Lookout) Run(ctx context.Context) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		pause := min(l.o.Every, idle)
		if l.o.Leads == nil || l.o.Leads() {
			from := time.Now()
			if err := l.look(ctx); err != nil && ctx.Err() == nil {
				l.o.Logger.WarnContext(ctx, "looking at GLPI's invitations failed", "error", err)
			}
			pause = max(l.o.Every, patience*time.Since(from))
		}
		wait.Reset(pause)
	}
}

// look compares what GLPI has with what was seen before. The first look of all is silent: nothing of it is news.
func (l *Lookout) look(ctx context.Context) error {
	s, err := l.o.Session(ctx)
	if err != nil {
		return err
	}
	// In this order: an invitation that is made meanwhile is not taken for one that is gone.
	before, all, err := l.o.Desk.Seen(ctx)
	if err != nil {
		return err
	}
	now, err := l.invitations(ctx, s)
	if err != nil {
		return fmt.Errorf("reading invitations: %w", err)
	}
	sightings, err := l.sight(ctx, s, now, before)
	if err != nil {
		return err
	}
	if err := l.tell(ctx, sightings, before, all); err != nil {
		return err
	}
	for id, seen := range before {
		if _, there := now[id]; !there {
			if err := l.o.Desk.Gone(ctx, id, seen.EntityID); err != nil {
				return err
			}
		}
	}
	if l.looks++; all {
		return nil
	}
	if err := l.o.Desk.SawAll(ctx); err != nil {
		return err
	}
	l.o.Logger.InfoContext(ctx, "what happens to GLPI's invitations is news from now on", "invitations", len(now))
	return nil
}

// tell tells the desk what differs from before, but for the invitations with which devices enrol through the gateway now:
// who enrols them tells more.
func (l *Lookout) tell(ctx context.Context, sightings []invitation.Sighting, before map[int]invitation.Sighting, all bool) error {
	sightings = slices.DeleteFunc(sightings, func(s invitation.Sighting) bool { return s.Same(before[s.InvitationID]) })
	ids := make([]int, len(sightings))
	for i, s := range sightings {
		ids[i] = s.InvitationID
	}
	held, err := l.o.Desk.Held(ctx, ids...) // asked after all that was read in GLPI
	if err != nil {
		return err
	}
	for _, seen := range sightings {
		known := before[seen.InvitationID]
		if seen.Quiet, seen.Since = !all, &known; held[seen.InvitationID] {
			continue
		}
		if err := l.o.Desk.See(ctx, seen); err != nil {
			return err
		}
	}
	return nil
}

// invitations reads those that there are, by id.
func (l *Lookout) invitations(ctx context.Context, s *glpiproxy.Session) (map[int]glpiproxy.Invitation, error) {
	found := map[int]glpiproxy.Invitation{}
	for start := 0; ; start += window {
		page, err := glpiproxy.List[glpiproxy.Invitation](ctx, s, glpiproxy.ListOptions{
			Range: glpiproxy.Range{Start: start, Count: window}, Fresh: true,
		})
		if err != nil {
			return nil, err
		}
		for _, i := range page.Items {
			found[i.ID] = i
		}
		if start+len(page.Items) >= page.Total || len(page.Items) == 0 {
			return found, nil
		}
	}
}

// sight makes sightings of what GLPI has.
func (l *Lookout) sight(ctx context.Context, s *glpiproxy.Session, now map[int]glpiproxy.Invitation, before map[int]invitation.Sighting) ([]invitation.Sighting, error) {
	failures, err := latestFailures(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("reading failed tries: %w", err)
	}
	mails, err := l.mails(ctx, s, now, before)
	if err != nil {
		return nil, fmt.Errorf("reading the mail queue: %w", err)
	}
	sightings := make([]invitation.Sighting, 0, len(now))
	for id, i := range now {
		old := before[id]
		seen := invitation.Sighting{
			InvitationID: id, EntityID: i.EntityID, State: l.stateOf(i), LogID: max(old.LogID, failures[id]),
			SentAt: old.SentAt, MailDue: old.MailDue,
		}
		if sent := mails[id].SentAt; sent.After(old.SentAt) {
			seen.SentAt, seen.MailDue = sent, false
		}
		sightings = append(sightings, seen)
	}
	return sightings, nil
}

// latestFailures are the newest entries of the invitations' logs, by the invitation's id.
func latestFailures(ctx context.Context, s *glpiproxy.Session) (map[int]int, error) {
	logs, err := glpiproxy.LatestLogs(ctx, s, newestLogs)
	latest := map[int]int{}
	for _, entry := range logs {
		latest[entry.InvitationID] = max(latest[entry.InvitationID], entry.ID)
	}
	return latest, unlessForbidden(err)
}

// mails reads the queue from time to time, while there are invitations whose mail has not left.
func (l *Lookout) mails(ctx context.Context, s *glpiproxy.Session, now map[int]glpiproxy.Invitation, before map[int]invitation.Sighting) (map[int]glpiproxy.QueuedMail, error) {
	if l.looks%mailLooks != 0 {
		return nil, nil
	}
	var unsent []int
	for id, i := range now {
		if l.stateOf(i) == invitation.StatePending && (before[id].SentAt.IsZero() || before[id].MailDue) {
			unsent = append(unsent, id)
		}
	}
	found, err := glpiproxy.MailsOf(ctx, s, unsent)
	return found, unlessForbidden(err)
}

// unlessForbidden leaves out what the gateway's own account may not read.
func unlessForbidden(err error) error {
	if glpiproxy.KindOf(err) == glpiproxy.Forbidden {
		return nil
	}
	return err
}

func (l *Lookout) stateOf(i glpiproxy.Invitation) invitation.State {
	return invitation.StateOf(i.Status, i.ExpiresAt, l.o.Now())
}
