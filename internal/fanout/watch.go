package fanout

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"fleetgate/glpiproxy"
)

// watch looks from time to time what a session may see, for all its members.
type watch struct {
	exchange *Exchange
	session  *glpiproxy.Session
	members  map[*member]struct{} // guarded by the exchange's lock
	ctx      context.Context
	cancel   context.CancelFunc
	// looking keeps two looks apart: the one that began first must not have the last word. Whoever holds it may wait for
	// GLPI, and for members to come to rest.
	looking sync.Mutex

	timer *time.Timer
	stop  func() // of the watch over switches

	mu    sync.Mutex // guards what follows, and the timer
	ended bool
}

// newWatch has a session looked at. The first look is at a time of its own, so that those of many sessions that came at
// once are spread.
func newWatch(x *Exchange, session *glpiproxy.Session) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{exchange: x, session: session, members: map[*member]struct{}{}, ctx: ctx, cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = x.o.WatchScope(session.Token(), func() { x.look(w, false) })
	w.timer = time.AfterFunc(rand.N(x.o.LookEvery), w.lookAgain)
	return w
}

func (w *watch) lookAgain() {
	w.exchange.look(w, true)
	w.lookIn(w.exchange.o.LookEvery)
}

// lookSoon has the session looked at at once, by somebody else.
func (w *watch) lookSoon() { w.lookIn(0) }

func (w *watch) lookIn(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.timer.Reset(d)
	}
}

func (w *watch) end() {
	w.cancel()
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}

// look asks what a session may see now, and has its members follow. A patient look leaves everything as it is where GLPI
// is merely away: what was allowed stays allowed until GLPI says otherwise. After a switch nothing stays allowed by
// default.
func (x *Exchange) look(w *watch, patient bool) {
	w.looking.Lock()
	defer w.looking.Unlock()
	_, err := w.session.Scope(w.ctx)
	switch {
	case w.ctx.Err() != nil, patient && glpiproxy.IsAway(err):
		return
	case err != nil && glpiproxy.KindOf(err) == glpiproxy.Unauthenticated:
		x.o.End(w.session.Token())
	}
	for _, m := range x.membersOf(w) {
		if !m.gone.Load() {
			x.lookAt(m, patient)
		}
	}
}

// lookAt has a member follow what its viewer may see now.
func (x *Exchange) lookAt(m *member, patient bool) {
	view, err := m.operation.View(m.watch.ctx, m.watch.session)
	switch {
	case err == nil && view.Key == m.view.Key, patient && glpiproxy.IsAway(err), m.watch.ctx.Err() != nil:
		return
	case err == nil:
		err = m.move(view)
	}
	if err != nil {
		x.end(m, m.operation, err)
	}
}

func (x *Exchange) membersOf(w *watch) []*member {
	x.mu.Lock()
	defer x.mu.Unlock()
	members := make([]*member, 0, len(w.members))
	for m := range w.members {
		members = append(members, m)
	}
	return members
}
