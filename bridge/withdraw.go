package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// withdrawable are the commands that Flyve MDM leaves on the broker for good, and what the empty message that clears
// one is to a phone that hears it:
//
//	Wipe       nothing: every agent looks for the word "now"
//	Lock       an unlock, to generation B
//	Unenroll   the command itself, to generation B. Flyve MDM clears it when a phone enrols, so nobody else has to.
//	Subscribe  nothing; it is said anew to each phone that enrols, and must stay
//
// Policies stay too: those of tasks that GLPI still has are meant, and the empty message undoes one.
var withdrawable = []struct {
	command  string
	harmless bool // to a phone that listens
}{{"Wipe", true}, {"Lock", false}}

// Withdraw clears the commands that the broker still holds for a device from an earlier life, so that the phone that
// enrols under its name doesn't obey them. What could harm a phone that listens under that name already is left alone
// while one is ONLINE. The error is an ErrNotSent, and says that the account may not write there or that there is no
// connection.
func (b *Bridge) Withdraw(ctx context.Context, key DeviceKey) error {
	listening := b.Presence(key, Record{}).State == Online
	key, slash := b.registry.address(key)
	if !validSerial(key.Serial) {
		return fmt.Errorf("%w: its serial can't stand in a topic", ErrNotSent)
	}
	var errs []error
	for _, w := range withdrawable {
		if listening && !w.harmless {
			continue
		}
		topic := fmt.Sprintf("%s%d/agent/%s/%s/%s", slash, key.EntityID, key.Serial, commandSection, w.command)
		errs = append(errs, b.link.send(ctx, &paho.Publish{Topic: topic, Retain: true}))
	}
	return errors.Join(append(errs, b.link.flush(ctx))...)
}

// flush waits until the broker has taken in what was sent. It answers no message of QoS 0, but it takes the packets of
// a connection in their order, and answers the end of a subscription, also of one that there never was.
func (l *link) flush(ctx context.Context) error {
	connection, qos, err := l.outlet()
	if err != nil || qos > 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if _, err = connection.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{"fleetgate/none"}}); err != nil {
		return fmt.Errorf("%w: the broker does not answer", ErrNotSent)
	}
	return nil
}
