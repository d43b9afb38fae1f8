package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"golang.org/x/time/rate"
)

// filters are the topics listened to: an MQTT wildcard matches a leading slash as an empty level, so the two
// forms need one each, and no topic matches two. Policies are left out: brokers keep several for each device.
var filters = []string{"+/agent/+/Status/#", "/+/agent/+/Status/#", "+/agent/+/Command/#", "/+/agent/+/Command/#"}

const (
	queueLength     = 8192             // messages that wait to be taken in
	queuePatience   = time.Second      // how long a full queue may hold the broker up
	receiveMaximum  = 1024             // QoS 1 messages on their way at once
	packetOverhead  = 64 << 10         // room for topic and properties beside the largest payload
	subscribeWithin = 10 * time.Second // for the broker to answer a subscription
	goodbyeWithin   = 2 * time.Second  // for the DISCONNECT to leave
	steadyAfter     = 10 * time.Second // a connection that lasted as long is no failed attempt
	// sessionKept is how long the broker is asked to keep messages of QoS 1 for a bridge whose connection was lost.
	sessionKept = 5 * time.Minute
)

// link is the connection to the broker. It hands messages on from one goroutine, in the order of arrival.
type link struct {
	options  Options
	metrics  *metrics
	log      *slog.Logger
	messages chan message
	up       chan struct{} // a connection was made: subscribe
	quiet    *rate.Limiter // for the log of refused messages
	backoff  autopaho.Backoff

	mu         sync.Mutex
	now        Status
	generation int // counts connections made and lost
	connection *autopaho.ConnectionManager
	qos        byte      // at which to publish
	distrusted time.Time // until then nothing is published

	redelivery  *redelivery
	collections *collections
	// Only for autopaho's loop: when the connection was made, and how many in a row were lost at once.
	upAt  time.Time
	flaps int
}

func newLink(options Options, metrics *metrics) *link {
	return &link{
		options: options, metrics: metrics, log: options.Logger,
		messages: make(chan message, queueLength),
		up:       make(chan struct{}, 1),
		quiet:    rate.NewLimiter(1, 10),
		backoff:  autopaho.NewExponentialBackoff(options.ReconnectMin, options.ReconnectMax, 2*options.ReconnectMin, 1.5),
		now:      Status{Since: options.Now()}, redelivery: newRedelivery(), collections: &collections{},
	}
}

// run keeps the connection until ctx is done, and calls handle for each message, from this goroutine.
func (l *link) run(ctx context.Context, handle func(message)) error {
	broker, err := url.Parse(l.options.URL)
	if err != nil {
		return fmt.Errorf("reading the broker's address: %w", err)
	}
	connecting, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	connection, err := autopaho.NewConnection(connecting, l.config(ctx, broker))
	if err != nil {
		return fmt.Errorf("starting the connection to the broker: %w", err)
	}
	var subscribing sync.WaitGroup
	subscribing.Go(func() { l.keepSubscribed(ctx, connection) })
	l.drain(ctx, handle)
	subscribing.Wait()
	goodbye, cancel := context.WithTimeout(connecting, goodbyeWithin)
	defer cancel()
	if err := connection.Disconnect(goodbye); err != nil {
		l.log.Debug("the broker did not take the goodbye", "error", err)
	}
	l.lost("the bridge was stopped")
	l.drainRest(handle)
	return nil
}

func (l *link) config(ctx context.Context, broker *url.URL) autopaho.ClientConfig {
	return autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{broker},
		TlsCfg:                        l.options.TLS,
		KeepAlive:                     uint16(l.options.KeepAlive / time.Second),
		CleanStartOnInitialConnection: true, // the client identifier is a new one, unless an operator chose it
		SessionExpiryInterval:         uint32(sessionKept / time.Second),
		ReconnectBackoff:              l.pause,
		ConnectUsername:               l.options.Username,
		ConnectPassword:               []byte(l.options.Password),
		ConnectPacketBuilder:          l.limits,
		OnConnectionUp:                func(c *autopaho.ConnectionManager, connack *paho.Connack) { l.grant(c, connack); l.connected() },
		OnConnectionDown:              func() bool { l.lost(""); return true },
		OnConnectError:                func(err error) { l.failed(describe(err)) },
		ClientConfig: paho.ClientConfig{
			ClientID: l.options.ClientID,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(received paho.PublishReceived) (bool, error) {
					l.receive(ctx, received.Packet)
					return true, nil
				},
			},
			OnClientError:      func(err error) { l.failed(describe(err)) },
			OnServerDisconnect: func(d *paho.Disconnect) { l.failed("the broker ended the connection: " + reason(d.ReasonCode)) },
		},
	}
}

// limits tells the broker how much the bridge takes at once.
func (l *link) limits(connect *paho.Connect, _ *url.URL) (*paho.Connect, error) {
	if connect.Properties == nil {
		connect.Properties = &paho.ConnectProperties{}
	}
	most := uint16(receiveMaximum)
	largest := uint32(max(l.options.MaxPayload, maxInventory) + packetOverhead)
	connect.Properties.ReceiveMaximum, connect.Properties.MaximumPacketSize = &most, &largest
	return connect, nil
}

// pause is how long to wait before an attempt to connect. The library takes none after a lost connection;
// but when a broker drops connections as soon as they are made, that would be a storm.
func (l *link) pause(attempt int) time.Duration {
	if attempt > 0 || l.upAt.IsZero() {
		return l.backoff(attempt + l.flaps)
	}
	if time.Since(l.upAt) < steadyAfter {
		l.flaps++
	} else {
		l.flaps = 0
	}
	return l.backoff(1 + l.flaps)
}

// receive takes a message off the network. It runs on the library's goroutine, which must not be kept: while
// it waits nothing is read, and at last the broker drops the connection. Messages are read here, where they
// shrink to what matters, and handed over.
func (l *link) receive(ctx context.Context, p *paho.Publish) {
	if l.redelivery.again(p) {
		return
	}
	if p.Retain {
		l.collections.take(p.Topic)
	}
	m, err := parseMessage(p.Topic, p.Payload, p.Retain, l.options.Now(), l.options.MaxPayload)
	switch {
	case err == errIgnored:
	case err != nil:
		l.refuse(err, p.Topic)
	default:
		l.metrics.messages.WithLabelValues(string(m.kind)).Inc()
		if !l.handOver(ctx, m) {
			l.refuse(refusedOverflow, p.Topic)
		}
	}
}

// handOver puts a message into the queue. When the queue is full the broker is held up for a moment (it keeps
// what we don't read) before a message is given up: a lost "offline" is worse than a late one. The queue's
// reader never waits for anything, so that only happens to a machine without a moment of CPU.
func (l *link) handOver(ctx context.Context, m message) bool {
	select {
	case l.messages <- m:
		return true
	default:
	}
	patience := time.NewTimer(queuePatience)
	defer patience.Stop()
	select {
	case l.messages <- m:
		return true
	case <-patience.C:
		return false
	case <-ctx.Done():
		return true // nobody takes messages in any more
	}
}

// drain hands messages on until ctx is done.
func (l *link) drain(ctx context.Context, handle func(message)) {
	for {
		select {
		case m := <-l.messages:
			handle(m)
		case <-ctx.Done():
			return
		}
	}
}

// drainRest hands on what was delivered before the end: the broker doesn't send it again.
func (l *link) drainRest(handle func(message)) {
	for {
		select {
		case m := <-l.messages:
			handle(m)
		default:
			return
		}
	}
}

// refuse counts a message that is not taken in, and logs some of them.
func (l *link) refuse(err error, about string) {
	l.metrics.refused.WithLabelValues(err.Error()).Inc()
	if l.quiet.Allow() {
		l.log.Debug("a message from the broker was refused", "reason", err.Error(), "about", fmt.Sprintf("%.100q", about))
	}
}
