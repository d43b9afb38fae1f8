package bridge

import (
	"context"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// RepeatUnenroll tells a device again to leave Flyve MDM, as GLPI did before, which says it only once. It is retained: a
// device that is away hears it when it returns. The error is an ErrNotSent.
func (b *Bridge) RepeatUnenroll(ctx context.Context, key DeviceKey) error {
	key, slash := b.registry.address(key)
	if !validSerial(key.Serial) {
		return fmt.Errorf("%w: its serial can't stand in a topic", ErrNotSent)
	}
	topic := fmt.Sprintf("%s%d/agent/%s/%s/Unenroll", slash, key.EntityID, key.Serial, commandSection)
	if err := b.link.send(ctx, &paho.Publish{Topic: topic, Payload: []byte(`{"unenroll":"now"}`), Retain: true}); err != nil {
		return err
	}
	return b.link.flush(ctx)
}

// Kept are the names of the commands that the broker keeps for a device. What the account may not read is not seen. The
// error is an ErrNotSent.
func (b *Bridge) Kept(ctx context.Context, key DeviceKey) (commands []string, err error) {
	if !validSerial(key.Serial) {
		return nil, nil
	}
	topics, err := b.link.retained(ctx, b.roots(key))
	for _, topic := range topics {
		if a, err := parseTopic(topic); err == nil && a.section == commandSection {
			commands = append(commands, a.name)
		}
	}
	return commands, err
}
