package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// SlowReader says what becomes of a client that reads more slowly than results of shared subscriptions come.
type SlowReader string

const (
	// KeepLatest drops what waits but the latest result of each key, and says so in the next one that goes out; a
	// client that stays behind for MaxBehind, or has no room even so, is closed.
	KeepLatest SlowReader = "latest"
	// CloseAtOnce closes the connection as soon as there is no room.
	CloseAtOnce SlowReader = "close"
)

// Options configure Connections. Every zero value means the default named.
type Options struct {
	MaxConnections          int           // in all; 0: 25,000
	MaxConnectionsPerClient int           // from one IP address; 0: 1,000
	QueueFrames             int           // waiting for a slow reader, a connection; 0: 1,024
	QueueBytes              int           // the same in bytes; 0: 4 MiB
	WriteTimeout            time.Duration // how long a connection may take nothing of what waits; 0: 10 s
	PingInterval            time.Duration // between signs of life to the client; 0: 25 s
	PongTimeout             time.Duration // how long after a ping a silent peer is gone; 0: 10 s
	SlowReader              SlowReader    // what becomes of readers that are too slow; "": KeepLatest
	MaxBehind               time.Duration // how long a reader may go on missing results; 0: 30 s

	Registerer prometheus.Registerer // nil: no metrics
}

func (o *Options) setDefaults() {
	orDefault(&o.MaxConnections, 25_000)
	orDefault(&o.MaxConnectionsPerClient, 1_000)
	orDefault(&o.QueueFrames, 1_024)
	orDefault(&o.QueueBytes, 4<<20)
	orDefault(&o.WriteTimeout, 10*time.Second)
	orDefault(&o.PingInterval, 25*time.Second)
	orDefault(&o.PongTimeout, 10*time.Second)
	orDefault(&o.MaxBehind, 30*time.Second)
}

func orDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}
