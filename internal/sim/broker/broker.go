// Package broker is the demonstration's MQTT broker: mochi-mqtt over TCP, with an account and an access list
// for each device, as Flyve MDM keeps them for Mosquitto. Everything not granted is refused. It runs at QoS 0,
// as Flyve MDM publishes: mochi-mqtt deadlocks under concurrent QoS 1. It is not meant for real fleets.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// largestPacket bounds what a client may send, in bytes: an inventory is some hundred kilobytes.
	largestPacket = 8 << 20
	// mostClients bounds who is connected at once.
	mostClients = 50_000
	// writesPending is how many messages may wait for each client, in a queue that mochi-mqtt allocates whole:
	// eight bytes a message and client. What does not fit is dropped.
	writesPending = 4096
)

// Options configure a Broker.
type Options struct {
	Address string       // to listen on; "" means 127.0.0.1:0
	Logger  *slog.Logger // nil means silent
}

// Broker is a running broker. It is safe for concurrent use.
type Broker struct {
	server   *mqtt.Server
	listener listeners.Listener
	accounts *accounts
	close    func() error
}

// Start runs a broker without accounts: nobody can connect yet.
func Start(o Options) (*Broker, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumQos = 0
	capabilities.MaximumPacketSize = largestPacket
	capabilities.MaximumClients = mostClients
	capabilities.MaximumClientWritesPending = writesPending
	b := &Broker{
		server:   mqtt.New(&mqtt.Options{Capabilities: capabilities, InlineClient: true, Logger: quiet(o.Logger)}),
		listener: listeners.NewTCP(listeners.Config{ID: "tcp", Address: o.Address}),
		accounts: newAccounts(),
	}
	b.close = sync.OnceValue(b.server.Close)
	if err := errors.Join(b.server.AddHook(b.accounts, nil), b.server.AddHook(newRetained(b.accounts), nil)); err != nil {
		return nil, fmt.Errorf("guarding the broker: %w", err)
	}
	if err := b.server.AddListener(patientListener{b.listener, b.server}); err != nil {
		return nil, fmt.Errorf("listening on %s: %w", o.Address, err)
	}
	if err := b.server.Serve(); err != nil {
		return nil, fmt.Errorf("starting the broker: %w", err)
	}
	return b, nil
}

// Address is the host and port it listens on.
func (b *Broker) Address() string { return b.listener.Address() }

// Port is the port it listens on.
func (b *Broker) Port() string {
	_, port, _ := net.SplitHostPort(b.Address())
	return port
}

// URL is what MQTT clients connect to.
func (b *Broker) URL() string { return "mqtt://" + b.Address() }

// Publish sends a message as the backend does: past all access lists, at QoS 0.
func (b *Broker) Publish(topic string, payload []byte, retain bool) error {
	return b.server.Publish(topic, payload, retain, 0)
}

// SetAccount creates an account or replaces its password and access list. Who is connected stays so, with the
// new access.
func (b *Broker) SetAccount(username, password string, access ...Access) {
	b.accounts.set(username, password, access)
}

// RemoveAccount takes an account away. Who is connected with it hears and says nothing any more.
func (b *Broker) RemoveAccount(username string) { b.accounts.remove(username) }

// Close disconnects everybody and frees the port. It may be called again.
func (b *Broker) Close() error { return b.close() }

// patientListener closes the broker's clients itself: mochi-mqtt's own way takes a read lock twice, and hangs when
// a client leaves in between.
type patientListener struct {
	listeners.Listener
	server *mqtt.Server
}

// Close stops listening and disconnects everybody.
func (l patientListener) Close(listeners.CloseFn) {
	l.Listener.Close(func(string) {
		for _, client := range l.server.Clients.GetAll() {
			client.Stop(packets.ErrServerShuttingDown)
		}
	})
}

// quiet keeps mochi-mqtt's chatter about clients that come and go out of the log.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(atLeast{log.Handler(), slog.LevelError})
}

// atLeast is a handler that drops what is less serious than its level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
