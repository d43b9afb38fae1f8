package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/goleak"

	"fleetgate/internal/sim/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A gateway that connects to a large fleet is told about each device, though mochi-mqtt drops what does not fit its
// queue.
func TestNothingRetainedIsLost(t *testing.T) {
	b := start(t)
	const devices = 20_000
	for i := range devices {
		if err := b.Publish(fmt.Sprintf("%d/agent/SER-%d/Status/Online", i%50, i), []byte(`{ "online": false }`), true); err != nil {
			t.Fatal(err)
		}
	}
	var heard atomic.Int64
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + b.Address()).SetUsername("backend").SetPassword("demo").
		SetAutoReconnect(false).SetDefaultPublishHandler(func(mqtt.Client, mqtt.Message) { heard.Add(1) }))
	if token := c.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer c.Disconnect(10)
	if token := c.Subscribe("+/agent/+/Status/#", 0, nil); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	for deadline := time.Now().Add(20 * time.Second); heard.Load() < devices; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("heard %d of %d", heard.Load(), devices)
		}
	}
}

// What a subscriber hears last on a topic is the latest, however its subscription and the news cross.
func TestTheLatestComesLast(t *testing.T) {
	b := start(t)
	for range 6 {
		topics, last := 50, 40
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		var publishing sync.WaitGroup
		for i := range topics {
			publishing.Go(func() {
				for n := range last + 1 {
					_ = b.Publish(fmt.Sprint("news/", i), []byte(fmt.Sprint(n)), true)
				}
			})
		}
		reader, err := connect(t, b, "backend", "demo", "")
		if err != nil {
			t.Fatal(err)
		}
		reader.mustSubscribe(t, "news/#")
		latest := map[string]string{}
		publishing.Wait()
		wrong := func() (n int) {
			for i := range topics {
				if latest[fmt.Sprint("news/", i)] != fmt.Sprint(last) {
					n++
				}
			}
			return n
		}
		for wrong() > 0 {
			select {
			case m := <-reader.messages:
				latest[m.Topic()] = string(m.Payload())
			case <-ctx.Done():
				t.Fatalf("on %d topics it heard something else last: %v", wrong(), latest)
			}
		}
		stop()
		reader.Disconnect(10)
	}
}

// A subscriber that takes nothing is cut off, and keeps nobody from publishing for long.
func TestASubscriberThatTakesNothing(t *testing.T) {
	b := start(t)
	for i := range 200 {
		if err := b.Publish(fmt.Sprint("large/", i), make([]byte, 100_000), true); err != nil {
			t.Fatal(err)
		}
	}
	wire, err := net.Dial("tcp", b.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	connecting := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connecting.ProtocolName, connecting.ProtocolVersion, connecting.CleanSession, connecting.ClientIdentifier = "MQTT", 4, true, "deaf"
	connecting.Username, connecting.Password, connecting.UsernameFlag, connecting.PasswordFlag = "backend", []byte("demo"), true, true
	subscribing := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribing.MessageID, subscribing.Topics, subscribing.Qoss = 1, []string{"#"}, []byte{0}
	if err := errors.Join(connecting.Write(wire), subscribing.Write(wire)); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(10 * time.Millisecond) {
		before := time.Now()
		if err := b.Publish("1/agent/SER-1/Command/Lock", []byte("x"), true); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took > 5*time.Second {
			t.Fatalf("publishing took %s", took)
		}
	}
	if err := wire.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, wire); errors.Is(err, os.ErrDeadlineExceeded) || n >= 200*100_000 {
		t.Errorf("it was not cut off: %d bytes, %v", n, err)
	}
}

// Accounts change while devices talk, and the broker closes in the midst of it.
func TestItEndsInTheMidstOfEverything(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.SetAccount("backend", "demo", broker.Access{Filter: "#", Read: true})
	backend, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int64
	if token := backend.Subscribe("#", 0, func(mqtt.Client, mqtt.Message) { heard.Add(1) }); !token.WaitTimeout(5 * time.Second) {
		t.Fatal("the broker does not answer")
	}
	ctx, stop := context.WithCancel(t.Context())
	var devices sync.WaitGroup
	defer devices.Wait()
	defer stop()
	for i := range 20 {
		topic := fmt.Sprintf("1/agent/SER-%d", i)
		b.SetAccount(topic, "x", broker.Access{Filter: topic + "/Status/#", Write: true}, broker.Access{Filter: topic + "/Command/#", Read: true})
		device, err := connect(t, b, topic, "x", topic+"/Status/Online")
		if err != nil {
			t.Fatal(err)
		}
		device.mustSubscribe(t, topic+"/#")
		devices.Go(func() {
			for ctx.Err() == nil && device.Publish(topic+"/Status/Ping", 0, false, "!").Error() == nil && device.IsConnectionOpen() {
				_ = b.Publish(topic+"/Command/Ping", []byte("x"), true)
				b.SetAccount(topic, "x", broker.Access{Filter: topic + "/Status/#", Write: true})
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); heard.Load() < 2000; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backend heard %d messages", heard.Load())
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not close")
	}
}

// The gateway speaks MQTT 5.
func TestMQTT5(t *testing.T) {
	b := start(t)
	if err := b.Publish("1/agent/SER-1/Status/Online", []byte("kept"), true); err != nil {
		t.Fatal(err)
	}
	wire, err := net.Dial("tcp", b.Address())
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan *paho.Publish, 10)
	c := paho.NewClient(paho.ClientConfig{Conn: wire, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) { heard <- p.Packet; return true, nil },
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ack, err := c.Connect(ctx, &paho.Connect{
		ClientID: "five", CleanStart: true, KeepAlive: 30, Username: "backend", UsernameFlag: true, Password: []byte("demo"), PasswordFlag: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(&paho.Disconnect{}) }()
	if ack.Properties.MaximumQoS == nil || *ack.Properties.MaximumQoS != 0 {
		t.Errorf("the broker claims QoS %v", ack.Properties.MaximumQoS)
	}
	granted, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "+/agent/+/Status/#", QoS: 1}}})
	if err != nil || granted.Reasons[0] != 0 {
		t.Fatalf("subscribing: %v, granted %v", err, granted)
	}
	for _, want := range []struct {
		payload  string
		retained bool
	}{{"kept", true}, {"live", false}} {
		select {
		case got := <-heard:
			if string(got.Payload) != want.payload || got.Retain != want.retained {
				t.Errorf("got %q, retained %v; want %+v", got.Payload, got.Retain, want)
			}
		case <-ctx.Done():
			t.Fatalf("never heard %+v", want)
		}
		if err := b.Publish("1/agent/SER-1/Status/Online", []byte("live"), true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAForgedWillIsNotSpoken(t *testing.T) {
	b := start(t)
	b.SetAccount("SER-1", "x", broker.Access{Filter: "1/agent/SER-1/Status/#", Write: true})
	backend, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	backend.mustSubscribe(t, "#")
	for _, will := range []string{"1/agent/SER-2/Status/Online", "1/agent/SER-1/Status/Online"} {
		device, err := connect(t, b, "SER-1", "x", will)
		if err != nil {
			t.Fatal(err)
		}
		device.wire.Close()
	}
	if got := backend.next(t); got != "1/agent/SER-1/Status/Online gone" {
		t.Errorf("heard %q", got)
	}
	device, err := connect(t, b, "SER-1", "x", "1/agent/SER-1/Status/Online")
	if err != nil {
		t.Fatal(err)
	}
	b.RemoveAccount("SER-1") // GLPI has forgotten the device: it leaves nothing behind
	device.wire.Close()
	select {
	case m := <-backend.messages:
		t.Errorf("heard %s %s", m.Topic(), m.Payload())
	case <-time.After(200 * time.Millisecond):
	}
}

// A client that sends more than any phone would is cut off.
func TestALargePacketEndsTheConnection(t *testing.T) {
	b := start(t)
	backend, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	backend.Publish("x", 0, false, make([]byte, 9<<20))
	for deadline := time.Now().Add(5 * time.Second); backend.IsConnectionOpen(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still connected")
		}
	}
}
