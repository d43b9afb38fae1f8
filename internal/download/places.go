package download

import "sync"

// Each download under way holds some megabytes of what it reads ahead from GLPI, for as long as a slow client takes.
const (
	mostAtOnce = 64
	mostOfOne  = 8 // user; browsers open six connections
)

// places are taken by the downloads under way. The zero value has all of them free.
type places struct {
	mu    sync.Mutex
	all   int
	users map[int]int // those that each user has taken
}

// take takes a place for a user, until leave is called; false when there is none.
func (p *places) take(userID int) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= mostAtOnce || p.users[userID] >= mostOfOne {
		return nil, false
	}
	if p.users == nil {
		p.users = map[int]int{}
	}
	p.all++
	p.users[userID]++
	return func() { p.free(userID) }, true
}

func (p *places) free(userID int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.users[userID]--; p.users[userID] == 0 {
		delete(p.users, userID)
	}
}
