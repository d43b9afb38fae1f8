package front

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Check is something that the gateway needs to be ready.
type Check struct {
	// Name is its key in the answer of /readyz: "glpi", "broker".
	Name string
	// Probe returns nil when it is there. Its error is shown to anybody who asks: no secrets in it.
	Probe func(ctx context.Context) error
}

const (
	probeTimeout = 5 * time.Second
	probeMemory  = time.Second // the same answer is given that long: anybody may ask
)

// healthz says that the process serves, whatever else is down: for those who would restart it.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readiness answers /readyz: whether the gateway can do its work, and if not what is missing.
type readiness struct {
	checks []Check

	mu     sync.Mutex // held while probing: one at a time
	asked  time.Time
	ready  bool
	answer map[string]any
}

type checkResult struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ready, answer := h.probe(r.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, plainJSON, status, answer)
}

func (h *readiness) probe(ctx context.Context) (bool, map[string]any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.answer != nil && time.Since(h.asked) < probeMemory {
		return h.ready, h.answer
	}
	// Others get this answer too: one who hangs up must not spoil it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	results := make([]checkResult, len(h.checks))
	var group sync.WaitGroup
	for i, check := range h.checks {
		group.Go(func() {
			if err := check.Probe(ctx); err != nil {
				results[i].Error = err.Error()
				return
			}
			results[i].OK = true
		})
	}
	group.Wait()

	h.ready = true
	h.answer = map[string]any{}
	for i, check := range h.checks {
		h.answer[check.Name] = results[i]
		h.ready = h.ready && results[i].OK
	}
	h.answer["ready"] = h.ready
	h.asked = time.Now()
	return h.ready, h.answer
}
