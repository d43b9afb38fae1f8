package dangerzone

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

const (
	// recentTime is how long events are remembered for operations that are heard of after them, and mostRecent how
	// many of them.
	recentTime, mostRecent = 5 * time.Minute, 20_000
	// slowest is how seldom GLPI is looked at for an operation that has waited for long.
	slowest = 10 * time.Minute
	// retry is the pause after the store or the bridge could not be read.
	retry = time.Second
)

// follower follows the operations that are not done with. Only its own goroutine uses it.
type follower struct {
	*Desk
	open   map[int]*Operation // as they were read last
	lookAt map[int]time.Time  // when GLPI is to be looked at for each
	recent []bridge.Event     // those that an operation may be waiting for, oldest first
	place  string             // the cursor of the last event
	kept   string             // the cursor that is in the store
	leads  bool               // when that was last looked at
	// listening is since when the gateway has been connected to the broker, as it was last looked at.
	listening time.Time
}

// Run follows operations until ctx is done; then it waits for what GLPI is being asked at that moment.
func (d *Desk) Run(ctx context.Context) error {
	events, changed := make(chan bridge.Event), make(chan int)
	var running sync.WaitGroup
	running.Go(func() { d.readChanges(ctx, changed) })
	running.Go(func() { d.readEvents(ctx, events) })
	f := &follower{Desk: d, open: map[int]*Operation{}, lookAt: map[int]time.Time{}}
	tick := time.NewTicker(d.o.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case id := <-changed:
			f.reload(ctx, id)
		case e := <-events:
			f.hear(ctx, e)
		case <-tick.C:
			f.tick(ctx)
		}
	}
	running.Wait()
	d.end()
	return nil
}

// readChanges hands on which operations have changed, on whatever replica. 0 says that it may be any.
func (d *Desk) readChanges(ctx context.Context, changed chan<- int) {
	tell := func(id int) {
		select {
		case changed <- id:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		watch, err := d.Watch(ctx)
		if err == nil {
			tell(0)
		}
		for err == nil {
			var ids []int
			if ids, err = watch.Next(ctx); err == nil {
				for _, id := range slices.Compact(ids) {
					tell(id)
				}
			}
		}
		if ctx.Err() == nil {
			d.log.Warn("the progress of operations can't be read", "error", err)
			rest(ctx, retry)
		}
	}
}

// followed are the events that say something about an operation.
var followed = bridge.Filter{AllEntities: true, Kinds: map[bridge.Kind]struct{}{
	bridge.CommandSent: {}, bridge.PresenceChanged: {}, bridge.AgentUnenrolled: {}, bridge.AgentDeleted: {}, bridge.AgentEnrolled: {},
}}

// readEvents hands on what happens to devices, from where it was left off before the gateway was started.
func (d *Desk) readEvents(ctx context.Context, events chan<- bridge.Event) {
	place, err := d.o.Store.Get(ctx, placeBucket, "cursor")
	if err != nil {
		d.log.Warn("where the events were left off can't be read", "error", err)
	}
	cursor := string(place)
	for ctx.Err() == nil {
		subscription, err := d.o.Bridge.Subscribe(followed, cursor)
		if errors.Is(err, bridge.ErrResync) { // it is too long ago: what GLPI and the broker have tells the rest
			cursor = ""
			continue
		}
		for err == nil {
			var e bridge.Event
			if e, err = subscription.Next(ctx); err == nil {
				cursor = e.Cursor
				select {
				case events <- e:
				case <-ctx.Done():
				}
			}
		}
		if subscription != nil {
			subscription.Close()
		}
		rest(ctx, retry)
	}
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reload reads an operation that has changed; 0: all that are open. One that was not followed so far is told of the events
// that came before.
func (f *follower) reload(ctx context.Context, id int) {
	ids, all := []int{id}, id == 0
	if all {
		var err error
		if ids, err = f.opened(ctx); err != nil {
			f.log.WarnContext(ctx, "the open operations can't be read", "error", err)
			return
		}
	}
	for _, id := range ids {
		op, err := f.load(ctx, id)
		if err != nil {
			f.log.WarnContext(ctx, "an operation can't be read", "error", err)
			continue
		}
		_, followed := f.open[id]
		f.keep(id, op)
		if op != nil && op.Done() {
			f.lookAtOthers(op)
		}
		if op != nil && (all || !followed) && f.o.Leads() {
			f.alter(ctx, id, func(op *Operation) {
				for _, e := range f.recent {
					hearAll(op, e)
				}
			})
		}
	}
}

// lookAtOthers has the other operations on the same devices looked at: what has become of these may end those.
func (f *follower) lookAtOthers(done *Operation) {
	for id, op := range f.open {
		shares := func(t Target) bool { return !t.State.final() && done.find(t.AgentID) != nil }
		if id != done.ID && slices.ContainsFunc(op.Targets, shares) {
			delete(f.lookAt, id)
		}
	}
}

// keep takes up an operation as it is now, and lets go of one that is done with.
func (f *follower) keep(id int, op *Operation) {
	if op == nil || !op.open() {
		delete(f.open, id)
		delete(f.lookAt, id)
		f.takeBack(id)
		return
	}
	f.open[id] = op
}

// alter changes an operation that is followed. A store that can't be reached is tried again at the next occasion.
func (f *follower) alter(ctx context.Context, id int, do func(*Operation)) {
	before := f.open[id]
	op, err := f.change(ctx, id, do)
	if err != nil {
		f.log.WarnContext(ctx, "an operation can't be changed", "operation", id, "error", err)
		return
	}
	f.keep(id, op)
	if before != nil && op.leftovers() > before.leftovers() { // the broker is to be cleared at once
		f.lookAt[id] = f.now()
	}
}

// hear takes in what happened to a device.
func (f *follower) hear(ctx context.Context, e bridge.Event) {
	f.place = e.Cursor
	f.recent = append(f.recent, e)
	old := 0
	for old < len(f.recent) && (len(f.recent)-old > mostRecent || e.At.Sub(f.recent[old].At) > recentTime) {
		old++
	}
	f.recent = slices.Delete(f.recent, 0, old)
	for id, op := range f.open {
		if !concerns(op, e) {
			continue
		}
		if e.Kind == bridge.AgentDeleted || e.Kind == bridge.AgentEnrolled {
			f.lookAt[id] = f.now()
		}
		if f.o.Leads() {
			f.alter(ctx, id, func(op *Operation) { hearAll(op, e) })
		}
	}
}

func concerns(op *Operation, e bridge.Event) bool {
	return slices.ContainsFunc(op.Targets, func(t Target) bool { return !t.State.final() && t.device().Same(e.Device) })
}

func hearAll(op *Operation, e bridge.Event) {
	op.each(func(t *Target) {
		if t.device().Same(e.Device) {
			hear(op.Action, t, e)
		}
	})
}

// tick does what is due.
func (f *follower) tick(ctx context.Context) {
	leads := f.o.Leads()
	if leads && !f.leads { // another replica may have died in the middle of something
		f.reload(ctx, 0)
	}
	f.leads = leads
	f.lookAfterSilence()
	for id, op := range f.open {
		eyes := f.eyes(ctx, id)
		if !leads && (f.o.Service != nil || eyes == nil) {
			continue
		}
		f.advance(ctx, id, op, eyes)
	}
	f.notePlace(ctx, leads)
}

// lookAfterSilence has every operation looked at when the broker is back: what passed meanwhile was not heard.
func (f *follower) lookAfterSilence() {
	broker := f.o.Bridge.Status()
	if !broker.Connected || !broker.Since.After(f.listening) {
		return
	}
	f.listening = broker.Since
	clear(f.lookAt)
}

// advance brings one operation as far as it can be brought now.
func (f *follower) advance(ctx context.Context, id int, op *Operation, eyes *glpiproxy.Session) {
	now := f.now()
	if op.unasked() && f.deserted(ctx, id) {
		f.alter(ctx, id, func(op *Operation) { abandon(op, now) })
	}
	if f.ripe(op) {
		f.alter(ctx, id, f.ripen)
	}
	if !now.Before(f.lookAt[id]) {
		f.lookAt[id] = now.Add(min(max(now.Sub(op.RequestedAt)/10, f.o.Every), slowest))
		f.lookFor(ctx, id, eyes)
	}
	f.finish(ctx, id)
}

// lookFor looks in GLPI and on the broker.
func (f *follower) lookFor(ctx context.Context, id int, eyes *glpiproxy.Session) {
	op := f.open[id]
	if op == nil {
		return
	}
	inspected := eyes != nil
	var errs []error
	if inspected {
		_, err := f.inspect(ctx, eyes, op)
		if err != nil && glpiproxy.KindOf(err) == glpiproxy.Unauthenticated {
			f.takeBack(id)
		}
		inspected, errs = err == nil, append(errs, err)
		if op.halfway() && f.deserted(ctx, id) {
			errs = append(errs, f.inspectComputers(ctx, eyes, op))
		}
	}
	errs = append(errs, f.seek(ctx, id, inspected), f.tidy(ctx, eyes, id, nil))
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		f.log.DebugContext(ctx, "an operation can't be looked at now", "operation", id, "error", err)
	}
	if op, err := f.load(ctx, id); err == nil {
		f.keep(id, op)
	}
}

// finish writes to the audit trail what became of an operation, and lets go of it when nothing is left to do.
func (f *follower) finish(ctx context.Context, id int) {
	op := f.open[id]
	if op == nil || !op.Done() {
		return
	}
	if !op.Recorded {
		if err := f.record(ctx, op, op.summary()); err != nil {
			f.log.ErrorContext(ctx, "what became of an operation can't be recorded", "error", err)
			return
		}
		f.alter(ctx, id, func(op *Operation) { op.Recorded = true })
	}
	if op = f.open[id]; op == nil || !op.open() {
		if err := f.close(ctx, id); err != nil {
			f.log.WarnContext(ctx, "an operation can't be let go of", "error", err)
		}
	}
}

// notePlace keeps up to where events were followed, so that nothing is missed over a restart.
func (f *follower) notePlace(ctx context.Context, leads bool) {
	if !leads || f.place == f.kept || len(f.open) == 0 {
		return
	}
	if err := f.o.Store.Put(ctx, placeBucket, "cursor", []byte(f.place), recentTime+24*time.Hour); err == nil {
		f.kept = f.place
	}
}
