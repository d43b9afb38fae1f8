package broker

import (
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// writesPending is how many messages may wait for each client, in a queue that mochi-mqtt allocates whole:
	// eight bytes a message and client. What does not fit is dropped.
	writesPending = 4096
	// retainedAhead is how many retained messages may be on their way to a client.
	retainedAhead = writesPending / 4
	// patience is how long a client may take none of them.
	patience = 10 * time.Second
)

// pacing is the hook that hands out retained messages no faster than their reader takes them: a gateway that
// subscribes to a fleet is sent one and more for every device at once, far more than fit its queue, and would
// never know which devices are away. Only the reader waits, since mochi-mqtt hands them out in its goroutine.
type pacing struct {
	mqtt.HookBase

	mu    sync.Mutex
	ahead map[*mqtt.Client]chan struct{} // holds what is on its way
}

func newPacing() *pacing { return &pacing{ahead: map[*mqtt.Client]chan struct{}{}} }

// ID names the hook in mochi-mqtt's log.
func (p *pacing) ID() string { return "pacing" }

// Provides tells mochi-mqtt what the hook wants to know.
func (p *pacing) Provides(what byte) bool {
	return what == mqtt.OnRetainPublished || what == mqtt.OnPacketSent || what == mqtt.OnDisconnect
}

// OnRetainPublished waits until there is room for another message.
func (p *pacing) OnRetainPublished(client *mqtt.Client, _ packets.Packet) {
	p.mu.Lock()
	slots, known := p.ahead[client]
	if !known {
		slots = make(chan struct{}, retainedAhead)
		p.ahead[client] = slots
	}
	p.mu.Unlock()
	select {
	case slots <- struct{}{}:
		return
	default:
	}
	select {
	case slots <- struct{}{}:
	case <-time.After(patience):
		client.Stop(packets.ErrPendingClientWritesExceeded)
	}
}

// OnPacketSent makes room.
func (p *pacing) OnPacketSent(client *mqtt.Client, packet packets.Packet, _ []byte) {
	if packet.FixedHeader.Type != packets.Publish || !packet.FixedHeader.Retain {
		return
	}
	p.mu.Lock()
	slots := p.ahead[client]
	p.mu.Unlock()
	select {
	case <-slots:
	default:
	}
}

// OnDisconnect forgets a client.
func (p *pacing) OnDisconnect(client *mqtt.Client, _ error, _ bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ahead, client)
}
