package sim

import (
	"context"
	"fmt"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
)

// embeddedBroker is the embedded broker as GLPI's plugin uses one.
type embeddedBroker struct{ *broker.Broker }

// SetAccount translates GLPI's access lists.
func (b embeddedBroker) SetAccount(username, password string, acl []glpi.ACL) {
	access := make([]broker.Access, 0, len(acl))
	for _, a := range acl {
		const read, write = 1, 2
		access = append(access, broker.Access{Filter: a.Topic, Read: a.Access&read != 0, Write: a.Access&write != 0})
	}
	b.Broker.SetAccount(username, password, access...)
}

// realBroker is a real broker, to which GLPI's plugin publishes over MQTT 3.1.1. Its accounts are its operator's.
type realBroker struct{ client mqtt.Client }

// connectBackend connects in the background and for as long as it takes: GLPI works while its broker is away, and
// what it publishes then is lost.
func connectBackend(_ context.Context, o Options) (realBroker, error) {
	address, err := url.Parse(o.MQTTURL)
	if err != nil {
		return realBroker{}, fmt.Errorf("the broker's address: %w", err)
	}
	scheme := map[string]string{"mqtt": "tcp", "mqtts": "ssl"}[address.Scheme]
	if scheme != "" {
		address.Scheme = scheme
	}
	options := mqtt.NewClientOptions().AddBroker(address.String()).SetProtocolVersion(4).
		SetUsername(o.MQTTUsername).SetPassword(o.MQTTPassword).
		SetConnectRetry(true).SetConnectRetryInterval(time.Second).SetMaxReconnectInterval(2 * time.Second)
	client := mqtt.NewClient(options)
	client.Connect()
	return realBroker{client}, nil
}

// Publish sends a message at QoS 0.
func (b realBroker) Publish(topic string, payload []byte, retain bool) error {
	if !b.client.IsConnectionOpen() {
		return mqtt.ErrNotConnected
	}
	token := b.client.Publish(topic, 0, retain, payload)
	token.Wait()
	return token.Error()
}

// SetAccount does nothing: a real broker's accounts are made by its operator.
func (realBroker) SetAccount(string, string, []glpi.ACL) {}

// RemoveAccount does nothing: a real broker's accounts are made by its operator.
func (realBroker) RemoveAccount(string) {}

func (b realBroker) close() error {
	const milliseconds = 250
	b.client.Disconnect(milliseconds)
	return nil
}
