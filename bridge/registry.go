package bridge

import (
	"sync"
	"time"
)

// answerTime is how long a command waits for its answer.
const answerTime = time.Minute

// answers says which command a device's message answers.
var answers = map[messageKind]string{kindPing: "Ping", kindGeolocation: "Geolocate", kindInventory: "Inventory"}

// registry knows what is known of each device, and turns messages into events.
type registry struct {
	metrics *metrics
	most    int

	mu      sync.RWMutex
	devices map[DeviceKey]*record
}

// record is what is known of one device.
type record struct {
	presence Presence
	position *Position
	// said are the words on its presence that were heard from it. A retained message with one of them may be
	// an old one.
	said map[PresenceState]bool
	// pending are the commands that wait for an answer, by name, with the time of the latest: three at most.
	pending map[string]time.Time
}

func newRegistry(most int, metrics *metrics) *registry {
	return &registry{metrics: metrics, most: most, devices: map[DeviceKey]*record{}}
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.devices)
}

func (r *registry) device(key DeviceKey) (Device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known, ok := r.devices[key]
	if !ok {
		return Device{Key: key, Presence: Presence{State: Unknown}}, false
	}
	device := Device{Key: key, Presence: known.presence}
	if known.position != nil {
		position := *known.position
		device.Position = &position
	}
	return device, true
}

// apply takes a message in and says what happened; refused when there is no room for another device.
func (r *registry) apply(m message) ([]Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.devices[m.device]
	if !ok {
		if len(r.devices) >= r.most {
			return nil, refusedDevices
		}
		known = &record{presence: Presence{State: Unknown}}
		r.devices[m.device] = known
	}
	if m.kind == kindUnenroll {
		delete(r.devices, m.device)
	}
	r.metrics.devices.Set(float64(len(r.devices)))
	events := known.apply(m)
	for i := range events {
		events[i].At, events[i].Device = m.at, m.device
	}
	return events, nil
}

func (d *record) apply(m message) []Event {
	switch m.kind {
	case kindCommand:
		return []Event{d.sent(m)}
	case kindUnenroll:
		return []Event{{Kind: AgentUnenrolled}}
	case kindOnline:
		return d.heard(m)
	}
	events := d.alive(m.at)
	switch m.kind {
	case kindGeolocation:
		position := m.position
		d.position = &position
		events = append(events, Event{Kind: PositionReported, Position: &position})
	case kindInventory:
		events = append(events, Event{Kind: InventoryReceived})
	case kindTask:
		task := m.task
		events = append(events, Event{Kind: TaskStatusChanged, Task: &task})
	}
	return append(events, d.answered(m)...)
}

// heard takes in a device's word on its presence, or that of its last will.
func (d *record) heard(m message) []Event {
	word := Offline
	if m.online {
		word = Online
	}
	repeated := d.said[word]
	d.remember(word)
	switch {
	case m.retained:
		return d.found(word, repeated)
	case m.online:
		return d.alive(m.at)
	default:
		return d.become(Presence{State: Offline, Since: m.at, LastContact: d.presence.LastContact})
	}
}

// found takes in a word that the broker kept. It fills a gap in what is known, and it is news when the device
// never said so before or nothing but another retained word is known. Else it may be left over from before
// what was heard live, and says nothing.
func (d *record) found(word PresenceState, repeated bool) []Event {
	if d.presence.State != Unknown && !d.presence.Retained && repeated {
		return nil
	}
	if d.presence.State == word {
		return nil
	}
	return d.become(Presence{State: word, LastContact: d.presence.LastContact, Retained: true})
}

// alive notes a sign of life.
func (d *record) alive(at time.Time) []Event {
	if d.presence.State == Online && !d.presence.Retained {
		d.presence.LastContact = at
		return nil
	}
	d.remember(Online)
	return d.become(Presence{State: Online, Since: at, LastContact: at})
}

// become takes a new presence on; it is an event when the state is another one.
func (d *record) become(next Presence) []Event {
	same := d.presence.State == next.State
	if same && !d.presence.Since.IsZero() {
		next.Since = d.presence.Since
	}
	d.presence = next
	if same {
		return nil
	}
	return []Event{{Kind: PresenceChanged, Presence: &next}}
}

func (d *record) remember(word PresenceState) {
	if d.said == nil {
		d.said = map[PresenceState]bool{}
	}
	d.said[word] = true
}

// sent notes a command. When one is repeated, the answer counts for the latest.
func (d *record) sent(m message) Event {
	for _, name := range answers {
		if name == m.command {
			if d.pending == nil {
				d.pending = map[string]time.Time{}
			}
			d.pending[name] = m.at
		}
	}
	return Event{Kind: CommandSent, Command: &Command{Name: m.command, SentAt: m.at}}
}

// answered says whether a message answers a command that is waiting.
func (d *record) answered(m message) []Event {
	name := answers[m.kind]
	sent, waiting := d.pending[name]
	if !waiting {
		return nil
	}
	delete(d.pending, name)
	took := m.at.Sub(sent)
	if took > answerTime || took < 0 {
		return nil
	}
	return []Event{{Kind: CommandAnswered, Command: &Command{Name: name, SentAt: sent}, RoundTrip: took}}
}
