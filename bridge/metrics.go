package bridge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the bridge does. Labels have few values and never name a device.
type metrics struct {
	connected   prometheus.Gauge
	messages    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	devices     prometheus.Gauge
	subscribers prometheus.Gauge
	events      *prometheus.CounterVec
	lagged      prometheus.Counter
	logErrors   prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_mqtt_connected", Help: "1 while the broker is connected and takes a subscription, else 0."}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_mqtt_messages_total", Help: "Messages taken in from the broker."}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_mqtt_refused_total", Help: "Messages from the broker that were not taken in."}, []string{"reason"}),
		devices: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_bridge_devices", Help: "Devices heard of over MQTT."}),
		subscribers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fleetgate_bridge_subscribers", Help: "Open subscriptions to events."}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fleetgate_bridge_events_total", Help: "Events made from messages."}, []string{"kind"}),
		lagged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fleetgate_bridge_lagged_total", Help: "Subscriptions that fell behind and were ended."}),
		logErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fleetgate_bridge_log_errors_total", Help: "Failed reads and writes of the event log."}),
	}
	for _, kind := range statusKinds {
		m.messages.WithLabelValues(string(kind))
	}
	m.messages.WithLabelValues(string(kindCommand))
	for _, reason := range refusals {
		m.refused.WithLabelValues(string(reason))
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.connected, m.messages, m.refused, m.devices, m.subscribers, m.events, m.lagged, m.logErrors} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering the bridge's metrics: %w", err)
		}
	}
	return m, nil
}
