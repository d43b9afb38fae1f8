// Package bridge is everything said over MQTT: the connection to the broker, what is known of each device now,
// and the stream of what happens to devices. It knows neither GraphQL nor GLPI's REST API, imports nothing of
// this project and can be used alone.
//
// A Bridge listens to the topics of Flyve MDM in both of their forms, with and without a leading slash:
//
//	{entity}/agent/{serial}/Status/Online|Ping|Geolocation|Inventory|Unenroll|Task/{id}    from the device
//	{entity}/agent/{serial}/Command/Ping|Geolocate|Inventory|Lock|Wipe|Unenroll|Subscribe  from GLPI
//	{entity}/agent/{serial}/Policy/...                                                     ignored
//
// It listens, and asks devices where it is told to. In Mosquitto's acl_file:
//
//	user fleetgate
//	topic read +/agent/+/Status/#     without it: no presence, position, answer, inventory, task status
//	topic read /+/agent/+/Status/#    without it: the same for devices of old servers (leading slash)
//	topic read +/agent/+/Command/#    without it: no COMMAND_SENT, no COMMAND_ANSWERED, no round trips
//	topic read /+/agent/+/Command/#   without it: the same for old servers
//	topic write +/agent/+/Command/Ping, .../Geolocate, .../Inventory
//	                                  without it: no Ask
//	topic read +/agent/+/Policy/#     without it: Clear finds no policies of devices that are gone
//	topic read /+/agent/+/Policy/#    without it: the same for old servers
//	topic write +/agent/+/Command/#, +/agent/+/Policy/#
//	topic write /+/agent/+/Command/#, /+/agent/+/Policy/#
//	                                  without it: no Clear, so that a phone that is enrolled again may obey what was
//	                                  said to it in an earlier life; this includes the three questions above
//
// Mosquitto accepts a subscription that its ACL empties: what the account may not read stays silent. Brokers
// that refuse the subscription itself are reported in [Status].
//
// # What presence means
//
// A device is ONLINE from its own word or any other sign of life, and OFFLINE from its own word or its last
// will. A retained message has no age: phones leave {"online": false} behind and never overwrite it, so such a
// word is marked as retained, and after a reconnect it does not overrule what was heard live from a device that
// had said that word before. How old a contact may be until it counts for nothing is the reader's to judge.
//
// # What may be lost
//
// While the connection is lost, a broker keeps messages of QoS 1 for the bridge, for five minutes and within its own
// limits, and hands them over in their order. Those of QoS 0 are lost, except the retained ones: agents publish at QoS
// 1 what they say, but their last wills, which are retained, and Flyve's commands are QoS 0. Nothing is kept for a
// bridge that was ended. Mosquitto's limit is 1,000 messages, and it drops what is more without a word: its
// max_queued_messages should be above what a fleet says in five minutes.
package bridge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Bridge listens to a broker. Make one with New, start it with Run; every method may be called from any
// goroutine, before, while and after it runs.
type Bridge struct {
	link      *link
	registry  *registry
	hub       *hub
	journal   *journal
	strangers *strangers
	inquiries *inquiries
	order     sync.Mutex // held from a change of what is known until its events are in the journal: they keep the order
	now       func() time.Time
	started   atomic.Bool
}

// Status is how the bridge is connected.
type Status struct {
	// Connected says that the broker took the account and at least one subscription.
	Connected bool
	// Since is when Connected took its value.
	Since time.Time
	// LastError says in one line, without secrets, what is wrong: why the bridge is not connected, or does not
	// hear everything. Empty while all is well.
	LastError string
	// Refused are the topic filters that the broker does not let the account subscribe to.
	Refused []string
	// Devices is the number of devices heard of.
	Devices int
}

// New makes a Bridge and connects to nothing. Errors name the option that is wrong.
func New(options Options) (*Bridge, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	metrics, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, err
	}
	hub := newHub(newEventLog(options.LogSize, options.LogAge, options.CursorSecret, options.Now), options.Buffer, metrics)
	registry := newRegistry(options, metrics)
	return &Bridge{
		link:      newLink(options, metrics),
		registry:  registry,
		hub:       hub,
		journal:   newJournal(options, hub, registry, metrics),
		strangers: newStrangers(options, metrics),
		inquiries: &inquiries{open: map[DeviceKey][]*inquiry{}},
		now:       options.Now,
	}, nil
}

// Run connects to the broker, and again whenever the connection is lost, until ctx is done. It says goodbye to
// the broker, ends every subscription with ErrClosed and returns nil. A Bridge runs once.
func (b *Bridge) Run(ctx context.Context) error {
	if b.started.Swap(true) {
		return errors.New("the bridge runs already, or did")
	}
	defer b.hub.close()
	var running sync.WaitGroup
	defer running.Wait()
	background, stop := context.WithCancel(context.WithoutCancel(ctx)) // the link's last messages are still told
	defer stop()
	running.Go(func() { b.journal.follow(background) })
	running.Go(func() { b.journal.write(background) })
	running.Go(func() { b.meetStrangers(background) })
	running.Go(func() { b.watchTheSilent(background) })
	return b.link.run(ctx, b.handle)
}

// Status says how the bridge is connected now.
func (b *Bridge) Status() Status {
	status := b.link.status()
	status.Devices = b.registry.count()
	return status
}

// Device is what is known of a device; false when nothing is.
func (b *Bridge) Device(key DeviceKey) (Device, bool) { return b.registry.device(key) }

// Presence weighs what is known of a device with GLPI's record as the caller has just read it.
func (b *Bridge) Presence(key DeviceKey, record Record) Presence {
	return b.registry.presence(key, record, b.now())
}

// PresenceHolds is until when a presence stays as it is while nothing is heard: a device that is online grows STALE.
// Zero: for ever.
func (b *Bridge) PresenceHolds(p Presence) time.Time {
	if p.State != Online {
		return time.Time{}
	}
	return p.LastContact.Add(b.registry.staleAfter)
}

// Subscribe hands out the events that the filter lets through. With a cursor, that of an event seen before,
// those after it come first, in order, without a gap or a repetition; without one the stream starts now. The
// error is ErrResync when the cursor is of another log or too old, ErrClosed when the bridge has ended.
// The subscription must be closed.
func (b *Bridge) Subscribe(filter Filter, after string) (*Subscription, error) {
	return b.hub.subscribe(filter, after)
}

// SubscribeAfter is Subscribe for who knows the number of the event to go on after, of this bridge. The error is ErrLagged
// when events after it are gone.
func (b *Bridge) SubscribeAfter(filter Filter, number uint64) (*Subscription, error) {
	return b.hub.subscribeAfter(filter, number)
}

// Latest is the number of the latest event; 0 before the first.
func (b *Bridge) Latest() uint64 {
	number, _ := b.hub.latest(LogID{})
	return number
}

// handle takes in one message. The link calls it from one goroutine, in the order of arrival.
func (b *Bridge) handle(m message) {
	b.order.Lock()
	defer b.order.Unlock()
	b.takeIn(m)
}

func (b *Bridge) takeIn(m message) {
	events, err := b.registry.apply(m)
	if err == refusedStranger {
		if err = b.strangers.hold(m); err == nil {
			return
		}
	}
	if err != nil {
		b.link.refuse(err, m.device.Serial)
		return
	}
	b.inquiries.hear(m)
	b.journal.add(events)
}

// note changes what is known and tells of it, with nothing in between.
func (b *Bridge) note(change func() []Event) {
	b.order.Lock()
	defer b.order.Unlock()
	b.journal.add(change())
}

// silenceCheck is how late a device may be found to be STALE.
const silenceCheck = 2 * time.Second

// watchTheSilent tells of devices that said nothing for too long, until ctx is done.
func (b *Bridge) watchTheSilent(ctx context.Context) {
	tick := time.NewTicker(silenceCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.note(func() []Event { return b.registry.grow(b.now()) })
		}
	}
}
