package signin

import (
	"context"
	"sync"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/delivery"
)

// sockets are the contexts handed out for WebSockets, by the session that they belong to.
type sockets struct {
	mu        sync.Mutex
	bySession map[string]*session
}

// session is one session's open sockets.
type session struct {
	glpi    *glpiproxy.Session
	cancels map[*context.CancelCauseFunc]struct{}
}

func newSockets() *sockets { return &sockets{bySession: map[string]*session{}} }

// add gives a socket's context. It is cancelled when the viewer's sign-in expires or the session ends, with
// what the client is to be told as its cause; and it is forgotten when the connection, which ctx is of, is over.
func (s *sockets) add(ctx context.Context, viewer *Viewer, now time.Time) context.Context {
	ctx, cancel := delivery.Endable(ctx)
	token := viewer.Session.Token()

	s.mu.Lock()
	defer s.mu.Unlock()
	open, known := s.bySession[token]
	if !known {
		open = &session{glpi: viewer.Session, cancels: map[*context.CancelCauseFunc]struct{}{}}
		s.bySession[token] = open
	}
	open.cancels[&cancel] = struct{}{}

	expiry := func() bool { return false }
	if !viewer.ExpiresAt.IsZero() {
		expiry = time.AfterFunc(viewer.ExpiresAt.Sub(now), func() { cancel(closing(ErrExpired)) }).Stop
	}
	delivery.Afterwards(ctx, func() {
		expiry()
		s.remove(token, &cancel)
	})
	return ctx
}

func (s *sockets) remove(token string, cancel *context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open, known := s.bySession[token]
	if !known {
		return
	}
	delete(open.cancels, cancel)
	if len(open.cancels) == 0 {
		delete(s.bySession, token)
	}
}

// end closes a session's sockets.
func (s *sockets) end(token string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open, known := s.bySession[token]
	if !known {
		return
	}
	for cancel := range open.cancels {
		(*cancel)(closing(why))
	}
}

// sessions are those with open sockets.
func (s *sockets) sessions() []*glpiproxy.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*glpiproxy.Session, 0, len(s.bySession))
	for _, open := range s.bySession {
		all = append(all, open.glpi)
	}
	return all
}
