package signin

import "sync"

// watchers are told when what a session sees is changed through this gateway.
type watchers struct {
	mu        sync.Mutex
	bySession map[string]map[*func()]struct{}
}

func newWatchers() *watchers { return &watchers{bySession: map[string]map[*func()]struct{}{}} }

func (w *watchers) add(token string, refresh func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bySession[token] == nil {
		w.bySession[token] = map[*func()]struct{}{}
	}
	w.bySession[token][&refresh] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.bySession[token], &refresh)
		if len(w.bySession[token]) == 0 {
			delete(w.bySession, token)
		}
	}
}

// tell calls every watcher of a session, side by side, and returns when all have come to an end.
func (w *watchers) tell(token string) {
	w.mu.Lock()
	refreshes := make([]func(), 0, len(w.bySession[token]))
	for refresh := range w.bySession[token] {
		refreshes = append(refreshes, *refresh)
	}
	w.mu.Unlock()
	var wg sync.WaitGroup
	for _, refresh := range refreshes {
		wg.Go(refresh)
	}
	wg.Wait()
}
