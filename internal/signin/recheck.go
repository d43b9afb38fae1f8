package signin

import (
	"context"
	"slices"
	"time"

	"fleetgate/glpiproxy"
)

// Run asks GLPI from time to time about the sessions that are in use, and ends those that should not be: GLPI tells
// nobody when it ends one, and ends none of a person whose account was switched off or has run out. It returns nil
// when ctx is done.
func (d *Desk) Run(ctx context.Context) error {
	ticker := time.NewTicker(d.o.Recheck)
	defer ticker.Stop()
	for last := d.o.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			began := d.o.Now()
			d.recheck(ctx, last)
			last = began
		}
	}
}

// EndUsers ends the sessions of people that came to this desk, but for the one with the token keep: their passwords have
// changed, or they may not sign in any more.
func (d *Desk) EndUsers(ctx context.Context, keep string, userIDs ...int) {
	if len(userIDs) == 0 {
		return
	}
	for _, v := range d.visitors.since(time.Time{}) {
		if v.userID == 0 {
			if scope, err := v.session.Scope(ctx); err == nil {
				v.userID = scope.UserID
			}
		}
		if slices.Contains(userIDs, v.userID) && v.session.Token() != keep {
			d.turnAway(ctx, v.session)
		}
	}
}

// recheck looks at every session that was used since the last time or has an open socket, one after the other: GLPI
// has better to do.
func (d *Desk) recheck(ctx context.Context, last time.Time) {
	sessions := map[string]*glpiproxy.Session{}
	for _, v := range d.visitors.since(last) {
		sessions[v.session.Token()] = v.session
	}
	for _, session := range d.sockets.sessions() {
		sessions[session.Token()] = session
	}
	scopes := map[string]*glpiproxy.Scope{}
	for token, session := range sessions {
		scope, err := session.Scope(ctx)
		switch {
		case err == nil:
			scopes[token] = scope
			d.visitors.identify(token, scope.UserID)
		case glpiproxy.KindOf(err) == glpiproxy.Unauthenticated:
			d.o.Logger.InfoContext(ctx, "a session has ended in GLPI: closing its sockets")
			d.visitors.forget(token)
			d.sockets.end(token, ErrEnded)
		}
	}
	shut := d.shutOut(ctx, sessions, scopes)
	for token, scope := range scopes {
		if shut[scope.UserID] {
			d.o.Logger.InfoContext(ctx, "an account is no longer good: ending its session", "user", scope.UserID)
			d.turnAway(ctx, sessions[token])
		}
	}
}

// turnAway ends a session here and in GLPI.
func (d *Desk) turnAway(ctx context.Context, session *glpiproxy.Session) {
	if err := session.End(ctx); err != nil {
		d.o.Logger.WarnContext(ctx, "a session could not be ended in GLPI", "error", err)
	}
	d.visitors.forget(session.Token())
	d.sockets.end(session.Token(), ErrEnded)
}

// shutOut are the users who could not sign in now. They are read by the service account, or with each viewer's own
// rights, which may not be enough: then nothing is known against them.
func (d *Desk) shutOut(ctx context.Context, sessions map[string]*glpiproxy.Session, scopes map[string]*glpiproxy.Scope) map[int]bool {
	shut := map[int]bool{}
	judge := func(reader *glpiproxy.Session, ids ...int) {
		results, err := glpiproxy.GetMany[glpiproxy.User](ctx, reader, ids)
		for i := range results {
			if err == nil && results[i].Err == nil && !maySignIn(results[i].Item, d.o.Now()) {
				shut[ids[i]] = true
			}
		}
	}
	var everybody []int
	for token, scope := range scopes {
		everybody = append(everybody, scope.UserID)
		if d.o.Service == nil && glpiproxy.Can[glpiproxy.User](scope, glpiproxy.Read) {
			judge(sessions[token], scope.UserID)
		}
	}
	if d.o.Service == nil || len(everybody) == 0 {
		return shut
	}
	service, err := d.o.Service(ctx)
	if err != nil {
		d.o.Logger.WarnContext(ctx, "the service account can't look at the viewers' accounts", "error", err)
		return shut
	}
	judge(service, everybody...)
	return shut
}

// maySignIn says whether GLPI would let somebody in.
func maySignIn(u glpiproxy.User, now time.Time) bool {
	early, late := !u.BeginDate.IsZero() && now.Before(u.BeginDate), !u.EndDate.IsZero() && now.After(u.EndDate)
	return u.Active && !u.Deleted && !early && !late
}
