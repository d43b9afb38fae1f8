package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
)

// clock notes when messages were published and how long each took to a subscriber. A message's number travels as a
// latitude, in millionths of a degree.
type clock struct {
	began time.Time
	sent  []atomic.Int64 // nanoseconds since began, by number
	next  atomic.Int64
	mu    sync.Mutex
	took  map[string]spread // by subscriber's side
}

const mostMessages = 1_000_000

func newClock() *clock {
	return &clock{began: time.Now(), sent: make([]atomic.Int64, mostMessages), took: map[string]spread{}}
}

// stamp gives the payload of the next message.
func (c *clock) stamp() []byte {
	number := c.next.Add(1)
	payload := fmt.Appendf(nil, `{"latitude": %.6f, "longitude": 2.35}`, float64(number)/1e6)
	c.sent[number].Store(int64(time.Since(c.began)))
	return payload
}

var latitudeMark = []byte(`"latitude":`)

// arrived reads the number in a message, and notes how long it was on its way to one side.
func (c *clock) arrived(side string, message []byte) {
	now := time.Since(c.began)
	_, rest, found := bytes.Cut(message, latitudeMark)
	if !found {
		return
	}
	text := strings.TrimSpace(string(rest[:bytes.IndexAny(rest, ",}")]))
	latitude, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return
	}
	took := now - time.Duration(c.sent[int(math.Round(latitude*1e6))].Load())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took[side] = append(c.took[side], took)
}

func (c *clock) count(side string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.took[side])
}

const (
	gatewaySide = "GraphQL socket"
	plainSide   = "plain MQTT"
)

// latencies measures from a phone's publish to the subscribers, while each of them follows a device of its own, and
// while all follow all devices.
func latencies(ctx context.Context, w *world, o options) error {
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
	phones := make([]mqtt.Client, len(devices))
	for i, d := range devices {
		if phones[i], err = w.connect(d.serial, nil); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name    string
		rate    int // messages a second
		reaches int // subscribers of each message
		follow  func(i int) []device
	}{
		{"each follows one device", 500, o.subscribers / len(devices), func(i int) []device { return devices[i%len(devices) : i%len(devices)+1] }},
		{"all follow all devices", 2, o.subscribers, func(int) []device { return nil }},
	} {
		clock := newClock()
		leave, err := w.subscribeAll(ctx, token, o.subscribers, c.follow, clock)
		if err != nil {
			return err
		}
		speak(ctx, phones, devices, c.rate, o.seconds, clock)
		due := int(clock.next.Load()) * c.reaches
		_ = await(ctx, "everything arrives", func() bool { return clock.count(gatewaySide) >= due && clock.count(plainSide) >= due })
		leave()
		fmt.Printf("%d devices, %d subscribers, %s, %d messages/s:\n", len(devices), o.subscribers, c.name, c.rate)
		for _, side := range []string{gatewaySide, plainSide} {
			fmt.Printf("  %-15s %s (due: %d)\n", side, clock.took[side], due)
		}
		fmt.Printf("  ratio of medians %.1f\n", float64(clock.took[gatewaySide].at(0.5))/float64(clock.took[plainSide].at(0.5)))
	}
	return nil
}

// speak has the phones publish in turn, at a rate, as many messages a second as that.
func speak(ctx context.Context, phones []mqtt.Client, devices []device, rate int, lasts time.Duration, clock *clock) {
	began := time.Now()
	for n := 0; time.Since(began) < lasts && ctx.Err() == nil; n++ {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		i := n % len(devices)
		phones[i].Publish(devices[i].topic+"/Status/Geolocation", 1, false, clock.stamp())
	}
}

// subscribeAll opens the subscribers of both sides; follow says which devices one of them follows, none being all.
func (w *world) subscribeAll(ctx context.Context, token string, subscribers int, follow func(i int) []device, clock *clock) (leave func(), err error) {
	var closers []func()
	var reading sync.WaitGroup
	leave = func() {
		for _, c := range closers {
			c()
		}
		reading.Wait()
	}
	for i := range subscribers {
		followed := follow(i)
		socket, err := w.openSocket(ctx, i, token, followed)
		if err != nil {
			leave()
			return nil, fmt.Errorf("subscriber %d: %w", i, err)
		}
		closers = append(closers, func() { socket.Close() })
		reading.Go(func() {
			for {
				_, message, err := socket.ReadMessage()
				if err != nil {
					return
				}
				clock.arrived(gatewaySide, message)
			}
		})
		plain, err := w.connect(fmt.Sprintf("plain-%d-%d", i, time.Now().UnixNano()), nil)
		if err != nil {
			leave()
			return nil, err
		}
		closers = append(closers, func() { plain.Disconnect(0) })
		topic := "+/agent/+/Status/Geolocation"
		if len(followed) > 0 {
			topic = followed[0].topic + "/Status/Geolocation"
		}
		if subscribing := plain.Subscribe(topic, 1, func(_ mqtt.Client, m mqtt.Message) { clock.arrived(plainSide, m.Payload()) }); !subscribing.WaitTimeout(patience) || subscribing.Error() != nil {
			leave()
			return nil, fmt.Errorf("a plain subscriber: %w", subscribing.Error())
		}
	}
	time.Sleep(2 * time.Second) // nothing tells when the last GraphQL subscription has begun
	return leave, nil
}

// openSocket opens a GraphQL socket and subscribes to the positions of devices.
func (w *world) openSocket(ctx context.Context, number int, token string, followed []device) (*websocket.Conn, error) {
	// A few addresses share the sockets: the gateway takes no more than 1,000 from one.
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+number%4))}}
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: patience, NetDialContext: from.DialContext}
	socket, _, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(w.url, "http")+"/graphql", nil)
	if err != nil {
		return nil, err
	}
	filter := map[string]any{"kinds": []string{"POSITION_REPORTED"}}
	if len(followed) > 0 {
		filter["agentIds"] = []string{followed[0].id}
	}
	query := `subscription ($f: DeviceEventFilter) { deviceEvents(filter: $f) { cursor at serial ... on PositionReported { position { latitude longitude } } } }`
	for _, message := range []map[string]any{
		{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + token}},
		{"type": "subscribe", "id": "1", "payload": map[string]any{"query": query, "variables": map[string]any{"f": filter}}},
	} {
		if err := socket.WriteJSON(message); err != nil {
			socket.Close()
			return nil, err
		}
		if message["type"] == "connection_init" {
			if _, ack, err := socket.ReadMessage(); err != nil || !bytes.Contains(ack, []byte("connection_ack")) {
				socket.Close()
				return nil, fmt.Errorf("no connection_ack: %s: %w", ack, err)
			}
		}
	}
	return socket, nil
}
