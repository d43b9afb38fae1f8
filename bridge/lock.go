package bridge

import (
	"context"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// RepeatLock says a lock, or an unlock, to a device once more that GLPI has on record already: as GLPI does it, retained,
// so that a device that is away hears of it too. GLPI says it only once. The error is an ErrNotSent.
func (b *Bridge) RepeatLock(ctx context.Context, key DeviceKey, locked bool) error {
	key, slash := b.registry.address(key)
	if !validSerial(key.Serial) {
		return fmt.Errorf("%w: its serial can't stand in a topic", ErrNotSent)
	}
	word := "unlock"
	if locked {
		word = "now"
	}
	topic := fmt.Sprintf("%s%d/agent/%s/%s/Lock", slash, key.EntityID, key.Serial, commandSection)
	return b.link.send(ctx, &paho.Publish{Topic: topic, Retain: true, Payload: []byte(`{"lock":"` + word + `"}`)})
}
