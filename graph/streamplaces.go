package graph

import "sync"

// How many subscriptions one person may have open here at a time. Sockets are bounded by address and subscriptions by
// socket, which together still is more than the memory of a gateway.
const (
	mostEventStreams   = 5_000
	mostRolloutStreams = 100 // each holds all statuses of its fleet's tasks, and looks at them every few seconds
	// Each reads every event of all invitations for itself.
	mostInvitationStreams = 100
)

// streamPlaces are the streams that are open, by the user that reads them. The zero value has none.
type streamPlaces struct {
	mu    sync.Mutex
	taken map[int]int
}

// take counts one more stream of a user until leave is called; RATE_LIMITED where there are most already.
func (p *streamPlaces) take(userID, most int) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[userID] >= most {
		return nil, &coded{CodeRateLimited, "you have too many subscriptions of this kind open: end some first"}
	}
	if p.taken == nil {
		p.taken = map[int]int{}
	}
	p.taken[userID]++
	return func() { p.free(userID) }, nil
}

func (p *streamPlaces) free(userID int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[userID]--; p.taken[userID] == 0 {
		delete(p.taken, userID)
	}
}
