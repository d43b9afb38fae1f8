package delivery

import "github.com/prometheus/client_golang/prometheus"

type metrics struct{ dropped prometheus.Counter }

func newMetrics() metrics {
	return metrics{dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fleetgate_delivery_dropped_total",
		Help: "Results that slow readers missed and were told to ask for again.",
	})}
}

func (m metrics) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	return registerer.Register(m.dropped)
}
