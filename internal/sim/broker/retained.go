package broker

import (
	"errors"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// patience is how long a reader may keep everybody waiting who publishes something retained.
const patience = 2 * time.Second

// retained is the hook that keeps retained messages and hands them out, in place of mochi-mqtt, which reads its own
// while it changes them, and drops what does not fit a reader's queue: a gateway that subscribes to a fleet is sent
// one or more for every device at once, and would never know which devices are away.
type retained struct {
	mqtt.HookBase
	mayRead func(client *mqtt.Client, topic string) bool

	mu     sync.RWMutex
	topics *mqtt.TopicsIndex
}

func newRetained(guard *accounts) *retained {
	return &retained{
		mayRead: func(client *mqtt.Client, topic string) bool { return guard.OnACLCheck(client, topic, false) },
		topics:  mqtt.NewTopicsIndex(),
	}
}

// ID names the hook in mochi-mqtt's log.
func (r *retained) ID() string { return "retained" }

// Provides tells mochi-mqtt what the hook wants to know.
func (r *retained) Provides(what byte) bool {
	return what == mqtt.OnPublish || what == mqtt.OnWill || what == mqtt.OnPacketProcessed
}

// OnPublish keeps what is to be retained, and lets it go on as an ordinary message.
func (r *retained) OnPublish(_ *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if packet.FixedHeader.Retain {
		r.keep(packet)
		packet.FixedHeader.Retain = false
	}
	return packet, nil
}

// OnWill does the same for a last will.
func (r *retained) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if will.Retain {
		r.keep(packets.Packet{TopicName: will.TopicName, Payload: will.Payload})
		will.Retain = false
	}
	return will, nil
}

// keep replaces what is retained on a topic. An empty payload clears it.
func (r *retained) keep(packet packets.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics.RetainMessage(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true},
		TopicName:   packet.TopicName, Payload: packet.Payload,
	})
}

// OnPacketProcessed hands a new subscriber what is retained, in the goroutine that reads from it, and no faster than
// it takes it.
func (r *retained) OnPacketProcessed(client *mqtt.Client, packet packets.Packet, err error) {
	if packet.FixedHeader.Type != packets.Subscribe || err != nil {
		return
	}
	for _, subscription := range packet.Filters {
		const never = 2 // in MQTT 5
		if subscription.RetainHandling == never || mqtt.IsSharedFilter(subscription.Filter) || !mqtt.IsValidFilter(subscription.Filter, false) {
			continue
		}
		for _, topic := range r.matching(subscription.Filter) {
			if !client.Closed() && !r.handOut(client, topic) {
				client.Stop(packets.ErrPendingClientWritesExceeded)
			}
		}
	}
}

func (r *retained) matching(filter string) (topics []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, packet := range r.topics.Messages(filter) {
		topics = append(topics, packet.TopicName)
	}
	return topics
}

// handOut sends what is retained on a topic by now, if the client may read it; false when the client does not take
// it in time. Nothing newer can be retained, and so be on its way, before it is sent: what comes last is the latest.
func (r *retained) handOut(client *mqtt.Client, topic string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	packet, kept := r.topics.Retained.Get(topic)
	if !kept || !r.mayRead(client, topic) {
		return true
	}
	_ = client.Net.Conn.SetWriteDeadline(time.Now().Add(patience)) // mochi-mqtt sets its own when this is over
	err := client.WritePacket(packet)
	return err == nil || errors.Is(err, packets.ErrPacketTooLarge) // which its reader said it does not want
}
