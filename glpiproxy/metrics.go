package glpiproxy

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what is said to GLPI. Its labels are bounded: operations are
// named in this package, codes are HTTP statuses and the codes of kindOfCode.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	cache    *prometheus.CounterVec
	flying   prometheus.Gauge
	queued   *prometheus.GaugeVec
	waits    *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	circuit  prometheus.Gauge
}

// durations are the bounds of the histograms, in seconds.
var durations = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_glpi_requests_total",
			Help: "Calls to GLPI, by operation and by the HTTP status or GLPI error code they ended with.",
		}, []string{"operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fleetgate_glpi_request_seconds",
			Help:    "Time of calls to GLPI, without the wait for their turn.",
			Buckets: durations,
		}, []string{"operation"}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_glpi_cache_total",
			Help: "Reads by how they were answered: hit, miss, shared (with an equal read under way) fresh (asked for) or stale (GLPI was away).",
		}, []string{"result"}),
		flying: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_glpi_in_flight",
			Help: "Calls to GLPI under way.",
		}),
		queued: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fleetgate_glpi_queue",
			Help: "Calls that wait for their turn, by pool: calls, or slow (for devices and files).",
		}, []string{"pool"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fleetgate_glpi_wait_seconds",
			Help:    "Time that calls waited for their turn, by pool.",
			Buckets: durations,
		}, []string{"pool"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_glpi_retries_total",
			Help: "Reads that failed and were worth repeating: repeated, or denied since the budget for that was spent.",
		}, []string{"result"}),
		circuit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_glpi_circuit_open",
			Help: "1 while calls are refused because GLPI failed too often just before, else 0.",
		}),
	}
	m.circuitIs(false)
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.cache, m.flying, m.queued, m.waits, m.retries, m.circuit} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) inFlight(change float64)     { m.flying.Add(change) }
func (m *metrics) cached(result string, n int) { m.cache.WithLabelValues(result).Add(float64(n)) }

func (m *metrics) queueLength(pool string) func(change float64) {
	return m.queued.WithLabelValues(pool).Add
}

func (m *metrics) waited(pool string, d time.Duration) {
	m.waits.WithLabelValues(pool).Observe(d.Seconds())
}

func (m *metrics) retried(granted bool) {
	result := "denied"
	if granted {
		result = "repeated"
	}
	m.retries.WithLabelValues(result).Inc()
}

func (m *metrics) circuitIs(open bool) {
	value := 0.0
	if open {
		value = 1
	}
	m.circuit.Set(value)
}

func (m *metrics) observe(operation string, a *answer, err error, took time.Duration) {
	m.requests.WithLabelValues(operation, codeLabel(a, err)).Inc()
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}

func codeLabel(a *answer, err error) string {
	var e *Error
	switch {
	case err == nil:
		return strconv.Itoa(a.status)
	case !errors.As(err, &e):
		return "error"
	case e.Code != "":
		if _, known := kindOfCode[e.Code]; known {
			return e.Code
		}
	}
	if e.Status >= 100 && e.Status < 600 {
		return strconv.Itoa(e.Status)
	}
	return e.Kind.String()
}
