package signin

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"fleetgate/glpiproxy"
)

// mostVisitors bounds the sessions that are remembered; those unused for longest are forgotten first.
const mostVisitors = 10_000

// mostStrangers bounds those of which GLPI has said nothing yet: anybody can bring a text that looks like a session's,
// and each is asked about. They take no place from the others.
const mostStrangers = 100

// visitors are the sessions that came to the desk, over HTTP or a socket.
type visitors struct {
	mu        sync.Mutex
	bySession *lru.Cache[string, visitor]
	strangers *lru.Cache[string, visitor]
}

type visitor struct {
	session *glpiproxy.Session
	usedAt  time.Time
	userID  int // 0: not asked yet
}

func newVisitors() *visitors {
	bySession, _ := lru.New[string, visitor](mostVisitors) // fails only for a size below one
	strangers, _ := lru.New[string, visitor](mostStrangers)
	return &visitors{bySession: bySession, strangers: strangers}
}

// note remembers that a session was used.
func (v *visitors) note(session *glpiproxy.Session, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.bySession.Get(session.Token())
	if !ok && !session.Known() {
		v.strangers.Add(session.Token(), visitor{session: session, usedAt: now})
		return
	}
	v.strangers.Remove(session.Token())
	v.bySession.Add(session.Token(), visitor{session, now, known.userID})
}

// identify remembers whose a session is.
func (v *visitors) identify(token string, userID int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.bySession.Peek(token)
	if !ok {
		known, ok = v.strangers.Peek(token)
		v.strangers.Remove(token)
	}
	if ok {
		known.userID = userID
		v.bySession.Add(token, known)
	}
}

func (v *visitors) forget(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bySession.Remove(token)
	v.strangers.Remove(token)
}

// since are those that were used at a time or later.
func (v *visitors) since(when time.Time) []visitor {
	v.mu.Lock()
	defer v.mu.Unlock()
	var used []visitor
	for _, come := range [][]visitor{v.bySession.Values(), v.strangers.Values()} {
		for _, known := range come {
			if !known.usedAt.Before(when) {
				used = append(used, known)
			}
		}
	}
	return used
}
