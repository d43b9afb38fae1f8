package broker_test

import (
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/broker"
)

func start(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	b.SetAccount("backend", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	return b
}

// client is a real MQTT 3.1.1 client.
type client struct {
	mqtt.Client
	wire     net.Conn
	messages chan mqtt.Message
}

func connect(t *testing.T, b *broker.Broker, username, password string, will string) (*client, error) {
	t.Helper()
	c := &client{messages: make(chan mqtt.Message, 10_000)}
	options := mqtt.NewClientOptions().AddBroker("tcp://" + b.Address()).SetProtocolVersion(4).
		SetUsername(username).SetPassword(password).SetAutoReconnect(false).SetConnectTimeout(5 * time.Second).SetWriteTimeout(time.Second)
	options.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.messages <- m })
	options.SetCustomOpenConnectionFn(func(address *url.URL, _ mqtt.ClientOptions) (wire net.Conn, err error) {
		c.wire, err = net.Dial("tcp", address.Host)
		return c.wire, err
	})
	if will != "" {
		options.SetWill(will, "gone", 0, true)
	}
	c.Client = mqtt.NewClient(options)
	token := c.Connect()
	if !token.WaitTimeout(5 * time.Second) {
		t.Fatal("the broker does not answer")
	}
	t.Cleanup(func() { c.Disconnect(10) })
	return c, token.Error()
}

func (c *client) mustSubscribe(t *testing.T, filter string) {
	t.Helper()
	token := c.Subscribe(filter, 0, nil)
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatalf("subscribing to %s: %v", filter, token.Error())
	}
}

// next waits for a message and answers "topic payload".
func (c *client) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-c.messages:
		return m.Topic() + " " + string(m.Payload())
	case <-time.After(5 * time.Second):
		t.Fatal("no message")
		return ""
	}
}

func TestOnlyAccountsMayConnect(t *testing.T) {
	b := start(t)
	b.SetAccount("SER-1", "right")
	for name, c := range map[string]struct {
		username, password string
		allowed            bool
	}{
		"right password": {"SER-1", "right", true}, "wrong password": {"SER-1", "wrong", false},
		"no password": {"SER-1", "", false}, "unknown": {"SER-2", "right", false}, "anonymous": {"", "", false},
	} {
		if _, err := connect(t, b, c.username, c.password, ""); (err == nil) != c.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.SetAccount("SER-1", "rotated")
	if _, err := connect(t, b, "SER-1", "right", ""); err == nil {
		t.Error("the old password still works")
	}
	b.RemoveAccount("SER-1")
	if _, err := connect(t, b, "SER-1", "rotated", ""); err == nil {
		t.Error("an account that was taken away still works")
	}
}

// A device writes its own Status, reads its own Command and Policy, and nothing else, whatever it subscribes to.
func TestADeviceIsKeptToItsOwnTopics(t *testing.T) {
	b := start(t)
	access := []broker.Access{{Filter: "1/agent/SER-1/Status/#", Write: true}, {Filter: "1/agent/SER-1/Command/#", Read: true}}
	b.SetAccount("SER-1", "x", access...)
	device, err := connect(t, b, "SER-1", "x", "")
	if err != nil {
		t.Fatal(err)
	}
	backend, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	backend.mustSubscribe(t, "#")
	device.mustSubscribe(t, "#")
	if token := device.Subscribe("1/agent/SER-2/Command/#", 0, nil); token.WaitTimeout(5*time.Second) && token.Error() == nil {
		if granted := token.(*mqtt.SubscribeToken).Result()["1/agent/SER-2/Command/#"]; granted < 0x80 {
			t.Errorf("may listen to another device: granted %d", granted)
		}
	}
	for _, topic := range []string{"1/agent/SER-2/Status/Online", "1/agent/SER-1/Command/Wipe", "2/agent/SER-1/Status/Online", "x"} {
		device.Publish(topic, 0, false, "forged").Wait()
	}
	device.Publish("1/agent/SER-1/Status/Online", 0, false, "mine").Wait()
	if got := backend.next(t); got != "1/agent/SER-1/Status/Online mine" {
		t.Errorf("the backend got %q first", got)
	}
	for _, topic := range []string{"1/agent/SER-2/Command/Wipe", "1/agent/SER-1/Status/Ping", "1/agent/SER-1/Command/Ping"} {
		if err := b.Publish(topic, []byte("x"), false); err != nil {
			t.Fatal(err)
		}
	}
	if got := device.next(t); got != "1/agent/SER-1/Command/Ping x" {
		t.Errorf("the device got %q first", got)
	}
	b.SetAccount("SER-1", "x") // moved to another fleet: what it may read is taken away while it listens
	b.SetAccount("backend", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	_ = b.Publish("1/agent/SER-1/Command/Ping", []byte("no longer"), false)
	select {
	case m := <-device.messages:
		t.Errorf("the device still hears %s", m.Topic())
	case <-time.After(200 * time.Millisecond):
	}
}

func TestRetainedMessagesAndWills(t *testing.T) {
	b := start(t)
	b.SetAccount("SER-1", "x", broker.Access{Filter: "1/agent/SER-1/Status/#", Write: true})
	if err := b.Publish("1/agent/SER-1/Command/Lock", []byte("kept"), true); err != nil {
		t.Fatal(err)
	}
	device, err := connect(t, b, "SER-1", "x", "1/agent/SER-1/Status/Online")
	if err != nil {
		t.Fatal(err)
	}
	backend, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	backend.mustSubscribe(t, "#")
	if got := backend.next(t); got != "1/agent/SER-1/Command/Lock kept" {
		t.Errorf("got %q, want what was retained", got)
	}
	device.wire.Close()
	if got := backend.next(t); got != "1/agent/SER-1/Status/Online gone" {
		t.Errorf("got %q, want the last will", got)
	}
	late, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	late.mustSubscribe(t, "1/agent/SER-1/Status/#")
	if got := late.next(t); !strings.HasSuffix(got, " gone") {
		t.Errorf("the will was not retained: %q", got)
	}
	_ = b.Publish("1/agent/SER-1/Command/Lock", nil, true)
	clean, err := connect(t, b, "backend", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	clean.mustSubscribe(t, "1/agent/SER-1/Command/#")
	select {
	case m := <-clean.messages:
		t.Errorf("an empty message did not clear what was retained: %s", m.Payload())
	case <-time.After(200 * time.Millisecond):
	}
}
