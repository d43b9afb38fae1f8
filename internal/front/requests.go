package front

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"fleetgate/internal/delivery"
	"fleetgate/internal/signin"
)

const requestIDHeader = "X-Request-Id"

// requests is what happens around every request: an id, the headers that keep browsers strict, who is
// calling, a log line, a count, and an answer even when something of ours panics.
type requests struct {
	next    http.Handler
	proxies proxies
	logger  *slog.Logger
	total   *prometheus.CounterVec
}

func newRequests(next http.Handler, trusted proxies, logger *slog.Logger, registerer prometheus.Registerer) (*requests, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fleetgate_http_requests_total",
		Help: "HTTP requests, by route and status; 101 is a WebSocket that was opened.",
	}, []string{"route", "code"})
	if registerer != nil {
		if err := registerer.Register(total); err != nil {
			return nil, fmt.Errorf("registering the metrics of requests: %w", err)
		}
	}
	return &requests{next: next, proxies: trusted, logger: logger, total: total}, nil
}

func (q *requests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, id := time.Now(), rand.Text()
	r = q.proxies.unwrap(r)
	client := delivery.ClientAddress(r)
	r = r.WithContext(signin.WithOrigin(signin.WithClientAddress(r.Context(), client), originOf(r)))
	recorder := &statusRecorder{ResponseWriter: w}
	header := recorder.Header()
	header.Set(requestIDHeader, id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", bareCSP)

	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			q.logger.Error("answering a request panicked", "request", id, "panic", p, "stack", string(debug.Stack()))
			if recorder.status == 0 {
				refuse(http.StatusInternalServerError, "internal error").write(recorder, r)
			}
		}
		status := max(recorder.status, http.StatusOK)
		if recorder.hijacked && websocket.IsWebSocketUpgrade(r) { // else for events
			status = http.StatusSwitchingProtocols
		}
		q.total.WithLabelValues(r.Pattern, strconv.Itoa(status)).Inc()
		q.logger.DebugContext(r.Context(), "request", "request", id, "method", r.Method, "path", loggedPath(r),
			"status", status, "duration", time.Since(start), "client", client)
	}()
	q.next.ServeHTTP(recorder, r)
}

// statusRecorder remembers what was answered.
type statusRecorder struct {
	http.ResponseWriter
	status   int // 0: nothing yet
	hijacked bool
}

// WriteHeader remembers the status.
func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write remembers that a status was sent.
func (s *statusRecorder) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Hijack hands the connection over to a WebSocket, or to a response that goes on.
func (s *statusRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(s.ResponseWriter).Hijack()
	s.hijacked = err == nil
	return conn, buffer, err
}

// Unwrap lets http.ResponseController reach what is below.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// originOf is the address that a request came to.
func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// loggedPath is the path as logs may show it: that of an invitation is as good as a password.
func loggedPath(r *http.Request) string {
	if strings.Contains(strings.ToLower(r.URL.Path), enrollPrefix) { // also as somebody may misspell it
		return enrollPrefix + "..."
	}
	return r.URL.Path
}
