package signin

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"fleetgate/glpiproxy"
)

// mostVisitors bounds the sessions that are remembered; those unused for longest are forgotten first.
const mostVisitors = 10_000

// visitors are the sessions that came to the desk, over HTTP or a socket.
type visitors struct {
	mu        sync.Mutex
	bySession *lru.Cache[string, visitor]
}

type visitor struct {
	session *glpiproxy.Session
	usedAt  time.Time
	userID  int // 0: not asked yet
}

func newVisitors() *visitors {
	bySession, _ := lru.New[string, visitor](mostVisitors) // fails only for a size below one
	return &visitors{bySession: bySession}
}

// note remembers that a session was used.
func (v *visitors) note(session *glpiproxy.Session, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, _ := v.bySession.Get(session.Token())
	v.bySession.Add(session.Token(), visitor{session, now, known.userID})
}

// identify remembers whose a session is.
func (v *visitors) identify(token string, userID int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known, ok := v.bySession.Peek(token); ok {
		known.userID = userID
		v.bySession.Add(token, known)
	}
}

func (v *visitors) forget(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bySession.Remove(token)
}

// since are those that were used at a time or later.
func (v *visitors) since(when time.Time) []visitor {
	v.mu.Lock()
	defer v.mu.Unlock()
	var used []visitor
	for _, known := range v.bySession.Values() {
		if !known.usedAt.Before(when) {
			used = append(used, known)
		}
	}
	return used
}
