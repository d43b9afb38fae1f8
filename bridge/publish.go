package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	// publishTime bounds how long the broker may take to take a message.
	publishTime = 5 * time.Second
	// distrustTime is how long nothing is published after the broker kept something back.
	distrustTime = time.Minute
)

// errRefused says that the broker does not let the account write there.
var errRefused = fmt.Errorf("%w: the broker refuses it", ErrNotSent)

// publish sends a question, which the broker doesn't keep. The error is an ErrNotSent.
func (l *link) publish(ctx context.Context, topic string, payload []byte) error {
	err := l.send(ctx, &paho.Publish{Topic: topic, Payload: payload})
	if errors.Is(err, errRefused) {
		l.distrust()
	}
	return err
}

// send sends a message at QoS 1 where the broker has that: then it says at once what the account may not write. The
// error is an ErrNotSent.
func (l *link) send(ctx context.Context, message *paho.Publish) error {
	connection, qos, err := l.outlet()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	message.QoS = qos
	answer, err := connection.Publish(ctx, message)
	switch {
	case answer != nil && answer.ReasonCode >= 0x80:
		return fmt.Errorf("%w: %s", errRefused, reason(answer.ReasonCode))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: the broker does not answer", ErrNotSent)
	case err != nil:
		return fmt.Errorf("%w: %s", ErrNotSent, describe(err))
	}
	return nil
}

// outlet is the connection, while there is one that the account may write to.
func (l *link) outlet() (*autopaho.ConnectionManager, byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.connection == nil || !l.now.Connected:
		return nil, 0, fmt.Errorf("%w: the broker is not connected", ErrNotSent)
	case l.options.Now().Before(l.distrusted):
		return nil, 0, fmt.Errorf("%w: the account may not write", ErrNotSent)
	}
	return l.connection, l.qos, nil
}

// distrust keeps from publishing for a while: the broker does not pass on what the account writes.
func (l *link) distrust() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.options.Now(); !now.Before(l.distrusted) {
		l.distrusted = now.Add(distrustTime)
		l.log.Warn("the broker does not let the account write: devices are asked through GLPI", "for", distrustTime)
	}
}

// grant notes what a new connection lets us do.
func (l *link) grant(connection *autopaho.ConnectionManager, connack *paho.Connack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connection, l.qos, l.distrusted = connection, 1, time.Time{}
	if p := connack.Properties; p != nil && p.MaximumQoS != nil {
		l.qos = min(l.qos, *p.MaximumQoS)
	}
}
