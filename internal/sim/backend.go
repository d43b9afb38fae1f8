package sim

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
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

// realBroker is a real broker, to which GLPI's plugin publishes. Its accounts are its operator's.
type realBroker struct{ connection *autopaho.ConnectionManager }

const (
	// introduction is how long GLPI waits for a real broker at first: what it publishes earlier is lost.
	introduction = 2 * time.Second
	// publishing is how long it waits for a message to leave.
	publishing = time.Second
)

// connectBackend connects, and keeps trying until ctx is done: GLPI works while its broker is away, and what it
// publishes then is lost.
func connectBackend(ctx context.Context, o Options) (realBroker, error) {
	address, err := url.Parse(o.MQTTURL)
	if err != nil || !slices.Contains(phone.Schemes(), address.Scheme) {
		return realBroker{}, fmt.Errorf("the simulated phones speak %v only, not what the broker's URL says", phone.Schemes())
	}
	connection, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{address}, KeepAlive: 30, CleanStartOnInitialConnection: true,
		ConnectUsername: o.MQTTUsername, ConnectPassword: []byte(o.MQTTPassword),
		ReconnectBackoff: autopaho.NewConstantBackoff(time.Second),
		ClientConfig:     paho.ClientConfig{OnClientError: func(error) {}, OnServerDisconnect: func(*paho.Disconnect) {}},
	})
	if err != nil {
		return realBroker{}, fmt.Errorf("connecting GLPI to its broker: %w", err)
	}
	inTime, stop := context.WithTimeout(ctx, introduction)
	defer stop()
	_ = connection.AwaitConnection(inTime)
	return realBroker{connection}, nil
}

// Publish sends a message at QoS 0.
func (b realBroker) Publish(topic string, payload []byte, retain bool) error {
	inTime, stop := context.WithTimeout(context.Background(), publishing)
	defer stop()
	_, err := b.connection.Publish(inTime, &paho.Publish{Topic: topic, Payload: payload, Retain: retain})
	return err
}

// SetAccount does nothing: a real broker's accounts are made by its operator.
func (realBroker) SetAccount(string, string, []glpi.ACL) {}

// RemoveAccount does nothing: a real broker's accounts are made by its operator.
func (realBroker) RemoveAccount(string) {}

// close waits until the connection has ended, which it does with its context.
func (b realBroker) close() error {
	<-b.connection.Done()
	return nil
}
