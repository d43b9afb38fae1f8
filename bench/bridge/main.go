// Command bridge measures Fleetgate's MQTT bridge from outside: the built gateway in front of a simulated GLPI and a real
// Mosquitto, with plain MQTT clients on the same broker, in the same run, to compare with. It runs on Linux, and needs
// mosquitto and mosquitto_sub:
//
//	go run ./bench/bridge
//
// Everything runs on one machine, so what the phones, the subscribers and the broker cost is part of each latency, for
// both sides alike. What is printed goes into docs/benchmarks.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// options are how much is measured.
type options struct {
	devices, subscribers, known int
	seconds                     time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.devices, "devices", 1000, "phones that speak")
	flag.IntVar(&o.subscribers, "subscribers", 1000, "subscribers at the GraphQL socket, and as many plain MQTT ones")
	flag.IntVar(&o.known, "known", 100_000, "devices that are known, to measure memory")
	flag.DurationVar(&o.seconds, "time", 20*time.Second, "how long each load lasts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// noDelay has Mosquitto send at once what it has to say, which it doesn't as shipped.
const noDelay = "set_tcp_nodelay true\n"

// measure runs all measurements, each in a world of its own.
func measure(ctx context.Context, o options) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context, *world, options) error
		broker  string // lines of mosquitto.conf
	}{
		{"latency", latencies, noDelay}, {"cpu", costOfMessages, noDelay}, {"memory", memory, noDelay},
		{"ping", pings, noDelay}, {"ping, with Mosquitto as it is shipped", pings, ""},
	} {
		w, err := newWorld(ctx, o.devices, part.broker)
		if err != nil {
			return err
		}
		fmt.Printf("== %s\n", part.name)
		err = part.measure(ctx, w, o)
		w.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// spread describes durations by their median and 99th percentile.
type spread []time.Duration

func (s spread) at(fraction float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, int(fraction*float64(len(s))))]
}

func (s spread) String() string {
	slices.Sort(s)
	return fmt.Sprintf("median %s, p99 %s, longest %s, of %d", round(s.at(0.5)), round(s.at(0.99)), round(s.at(1)), len(s))
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
