package fanout

import (
	"context"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// enter registers a member with the watch of its session.
func (x *Exchange) enter(m *member, session *glpiproxy.Session) *watch {
	x.mu.Lock()
	defer x.mu.Unlock()
	w, known := x.watches[session.String()]
	if !known {
		w = newWatch(x, session)
		x.watches[session.String()] = w
	}
	w.members[m] = struct{}{}
	m.watch = w
	return w
}

// share has a member hold the operation and the view of the group that it is for, where there is one already: equal ones
// are kept once.
func (x *Exchange) share(m *member) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if g, known := x.groups[groupKey(m.operation, m.view)]; known {
		m.operation, m.view = g.operation, g.view
	}
}

func groupKey(o Operation, v View) string { return o.Key() + "\x00" + v.Key }

// attach makes a member that has had everything up to a level one of its group, which it makes where there is none.
// false: the group is ahead, and the member has to catch up first.
func (x *Exchange) attach(m *member, operation Operation, view View, level uint64) (arrived bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.gone.Load() {
		return true, nil
	}
	key := groupKey(operation, view)
	g, known := x.groups[key]
	switch {
	case known && g.position > level:
		return false, nil
	case !known:
		events, err := x.o.Bridge.SubscribeAfter(view.Filter, level)
		if err != nil {
			return false, err
		}
		g = x.open(key, operation, view, events, level)
	}
	m.position = max(m.position, level)
	g.members[m], g.listed = struct{}{}, nil
	m.home.Store(g)
	return true, nil
}

// open makes a group. The lock is held.
func (x *Exchange) open(key string, operation Operation, view View, events *bridge.Subscription, position uint64) *group {
	ctx, stop := context.WithCancel(context.Background())
	g := &group{
		exchange: x, key: key, operation: operation, view: view, events: events, ctx: ctx, stop: stop,
		members: map[*member]struct{}{}, position: position,
	}
	x.groups[key] = g
	x.running.Go(g.run)
	return g
}

// detach takes a member out of its group, if it is in one, and tells up to which event the group had nothing more for it
// when it last looked; 0: no group.
func (x *Exchange) detach(m *member) (level uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	g := m.home.Swap(nil)
	if g == nil {
		return 0
	}
	delete(g.members, m)
	if g.listed = nil; len(g.members) == 0 {
		delete(x.groups, g.key)
		g.stop()
	}
	return g.level
}

// rest notes that a group's members have had all up to the event of a number.
func (x *Exchange) rest(g *group, level uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	g.level = level
}

// advance notes that a group has come to the event of a number, and lists who is to hear of it.
func (x *Exchange) advance(g *group, number uint64) []*member {
	x.mu.Lock()
	defer x.mu.Unlock()
	g.position = max(g.position, number)
	if g.listed == nil {
		g.listed = make([]*member, 0, len(g.members))
		for m := range g.members {
			g.listed = append(g.listed, m)
		}
	}
	return g.listed
}

// present is a member of a group whose viewer is still there: the same as before, if possible. nil: there is none.
func (x *Exchange) present(g *group) *member {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, there := g.members[g.lead]; there && g.lead.ctx.Err() == nil {
		return g.lead
	}
	for m := range g.members {
		if m.ctx.Err() == nil {
			return m
		}
	}
	return nil
}

// leave ends a subscription. It waits for nobody.
func (x *Exchange) leave(m *member) {
	if m.gone.Swap(true) {
		return
	}
	if alone := m.alone.Load(); alone != nil {
		alone.stop()
	}
	x.detach(m)
	if w := x.exit(m); w != nil {
		w.end()
	}
	if m.left != nil {
		m.left()
	}
}

// exit takes a member from its session's watch, and answers the watch if that was the last one.
func (x *Exchange) exit(m *member) *watch {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(m.watch.members, m)
	if len(m.watch.members) > 0 {
		return nil
	}
	delete(x.watches, m.watch.session.String())
	return m.watch
}

// end tells a client, unless its viewer has gone, why its subscription is over, and ends it.
func (x *Exchange) end(m *member, operation Operation, err error) {
	if m.ctx.Err() == nil {
		m.to.End(operation.Present(m.ctx, err))
	}
	x.leave(m)
}
