package fanout

import "github.com/prometheus/client_golang/prometheus"

var (
	groupsDesc = prometheus.NewDesc("fleetgate_event_groups",
		"Groups of subscriptions to device events: each event is executed once for each group that it concerns.", nil, nil)
	subscriptionsDesc = prometheus.NewDesc("fleetgate_event_subscriptions",
		"Subscriptions to device events, by whether they are in a group or still catching up with one.", []string{"state"}, nil)
	sessionsDesc = prometheus.NewDesc("fleetgate_event_sessions",
		"Sessions of GLPI whose subscriptions these are: GLPI is asked about each from time to time.", nil, nil)
)

// Describe and Collect make an Exchange a prometheus.Collector.
func (x *Exchange) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(x, descriptions)
}

// Collect tells of the subscriptions that there are.
func (x *Exchange) Collect(metrics chan<- prometheus.Metric) {
	census := x.Census()
	tell := func(d *prometheus.Desc, value int, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	tell(groupsDesc, census.Groups)
	tell(subscriptionsDesc, census.Members-census.CatchingUp, "in a group")
	tell(subscriptionsDesc, census.CatchingUp, "catching up")
	tell(sessionsDesc, census.Sessions)
}
