package graphqlws

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	connections prometheus.Gauge
	closed      *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_ws_connections",
			Help: "WebSockets open now.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_ws_closed_total",
			Help: "WebSockets that ended, by close code; 1006 is a connection that broke.",
		}, []string{"code"}),
	}
}

func (m metrics) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	for _, collector := range []prometheus.Collector{m.connections, m.closed} {
		if err := registerer.Register(collector); err != nil {
			return err
		}
	}
	return nil
}
