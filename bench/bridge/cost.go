package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/bridge"
)

// costOfMessages measures the CPU time that a message costs the gateway at 2,000 messages a second, and mosquitto_sub,
// which only writes what it hears into the void.
func costOfMessages(ctx context.Context, w *world, o options) error {
	const rate = 2000
	if err := w.startGateway(ctx, "--glpi-service-token", w.demo.ServiceToken); err != nil {
		return err
	}
	token, err := w.signIn(ctx)
	if err != nil {
		return err
	}
	devices, err := w.devices(ctx, token, o.devices)
	if err != nil {
		return err
	}
	peer := exec.CommandContext(ctx, "mosquitto_sub", "-p", w.broker[strings.LastIndex(w.broker, ":")+1:], "-q", "1", "-t", "+/agent/+/Status/#")
	if err := peer.Start(); err != nil {
		return fmt.Errorf("starting mosquitto_sub: %w", err)
	}
	defer end(peer)
	phones := make([]mqtt.Client, 20)
	for i := range phones {
		if phones[i], err = w.connect(fmt.Sprint("phone-", i), nil); err != nil {
			return err
		}
	}
	for _, subscribers := range []int{0, 10} {
		leave, heard, err := w.listeners(ctx, token, subscribers)
		if err != nil {
			return err
		}
		taken, cost, peers := w.metric("fleetgate_mqtt_messages_total"), cpuOf(w.gateway), cpuOf(peer)
		began := time.Now()
		sent := flood(ctx, phones, devices, rate, o.seconds)
		_ = await(ctx, "everything is taken in", func() bool { return w.metric("fleetgate_mqtt_messages_total")-taken >= float64(sent) })
		lasted := time.Since(began)
		cost, peers = cpuOf(w.gateway)-cost, cpuOf(peer)-peers
		fmt.Printf("%d messages at %.0f a second, %d subscribers to all of it:\n", sent, float64(sent)/lasted.Seconds(), subscribers)
		fmt.Printf("  gateway       %s a message, %.0f%% of a core; %.0f taken in, %.0f too many, %d events at the sockets\n", cost/time.Duration(sent),
			100*cost.Seconds()/lasted.Seconds(), w.metric("fleetgate_mqtt_messages_total")-taken, w.metric("fleetgate_mqtt_refused_total"), heard())
		fmt.Printf("  mosquitto_sub %s a message\n", peers/time.Duration(sent))
		fmt.Printf("  %.0f subscribers fell behind the log, %.0f sockets were closed\n", w.metric("fleetgate_bridge_lagged_total"), w.metric("fleetgate_ws_closed_total"))
		leave()
	}
	return nil
}

// listeners open GraphQL sockets that follow all devices; heard counts what came.
func (w *world) listeners(ctx context.Context, token string, number int) (leave func(), heard func() int64, err error) {
	var closers []func()
	leave = func() {
		for _, c := range closers {
			c()
		}
	}
	var count atomic.Int64
	for i := range number {
		socket, err := w.openSocket(ctx, i, token, nil)
		if err != nil {
			leave()
			return nil, nil, err
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, _, err := socket.ReadMessage(); err != nil {
					return
				}
				count.Add(1)
			}
		}()
		closers = append(closers, func() { socket.Close(); <-ended })
	}
	time.Sleep(time.Second)
	return leave, count.Load, nil
}

// flood publishes positions of all devices in turn, and answers how many.
func flood(ctx context.Context, phones []mqtt.Client, devices []device, rate int, lasts time.Duration) (sent int) {
	clock := newClock()
	began := time.Now()
	for ; time.Since(began) < lasts && ctx.Err() == nil; sent++ {
		if ahead := time.Until(began.Add(time.Duration(sent) * time.Second / time.Duration(rate))); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		phones[sent%len(phones)].Publish(devices[sent%len(devices)].topic+"/Status/Geolocation", 1, false, clock.stamp())
	}
	return sent
}

// memory measures what devices take that the broker has a retained word of and GLPI knows: in a bridge by itself, after
// a garbage collection, and as the growth of the gateway's resident memory.
func memory(ctx context.Context, w *world, o options) error {
	var agents []bridge.Enrolled
	for i := range o.known {
		serial := fmt.Sprintf("R58M%08d", i)
		w.publisher.Publish("1/agent/"+serial+"/Status/Online", 0, true, `{ "online": false }`).Wait()
		agents = append(agents, bridge.Enrolled{AgentID: i + 1, Device: bridge.DeviceKey{EntityID: 1, Serial: serial}, Record: bridge.Record{Online: true, LastContact: time.Now()}})
	}
	before := heap()
	b, err := bridge.New(bridge.Options{URL: "mqtt://" + w.broker})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running) }()
	err = await(ctx, "all devices are heard of", func() bool { return b.Status().Devices == o.known })
	b.Learn(agents, false)
	b.LearnedAll()
	took := heap() - before
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	fmt.Printf("%d devices: %d bytes a device, %.0f MB in all\n", o.known, took/int64(o.known), float64(took)/(1<<20))
	runtime.KeepAlive(agents)

	if err := w.startGateway(ctx); err != nil {
		return err
	}
	if err := await(ctx, "the gateway has heard of all devices", func() bool { return w.metric("fleetgate_bridge_devices") == float64(o.known) }); err != nil {
		return err
	}
	fmt.Printf("  the gateway's resident memory with them: %.0f MB\n", w.metric("process_resident_memory_bytes")/(1<<20))
	return nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpuOf is the CPU time that a process has taken, to 10 ms.
func cpuOf(process *exec.Cmd) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	const userTime, systemTime, ticksPerSecond = 11, 12, 100 // after the name; see proc(5)
	user, _ := strconv.Atoi(fields[userTime])
	system, _ := strconv.Atoi(fields[systemTime])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// metric is the sum of one of the gateway's metrics over its labels; 0 where it has none of that name.
func (w *world) metric(name string) (sum float64) {
	answer, err := http.Get(w.url + "/metrics")
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		sample, value, _ := strings.Cut(lines.Text(), " ")
		if family, _, _ := strings.Cut(sample, "{"); family == name {
			number, _ := strconv.ParseFloat(value, 64)
			sum += number
		}
	}
	return sum
}
