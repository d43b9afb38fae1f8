package bridge

import (
	"slices"
	"time"
)

// answerTime is how long a command waits for its answer.
const answerTime = time.Minute

// answers says which command a device's message answers.
var answers = map[messageKind]string{kindPing: "Ping", kindGeolocation: "Geolocate", kindInventory: "Inventory"}

// record is what is known of one device: what was heard from it, what GLPI has of it, and what was told of it last.
// It is small, since there is one for each device of the fleet.
type record struct {
	key      DeviceKey // as on the broker where it was heard, else as GLPI writes it
	slash    bool      // whether its topics begin with one
	heard    Heard
	glpi     Record
	shown    Presence // what the last event, or the first look, made of both
	settled  bool     // shown holds
	position *Position
	agents   []int // GLPI's ids
	// saidOnline and saidOffline are the words on its presence that were heard from it. A retained message with
	// one of them may be an old one.
	saidOnline, saidOffline bool
	// pending are the commands that wait for an answer, the latest of each name: three at most.
	pending []Command
}

// apply takes a message in and says what happened. What it means for the presence is told by settle.
func (d *record) apply(m message) []Event {
	switch m.kind {
	case kindCommand:
		return []Event{d.sent(m)}
	case kindUnenroll:
		return []Event{{Kind: AgentUnenrolled}}
	case kindOnline:
		d.hear(m)
		return nil
	}
	d.alive(m.at)
	var events []Event
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

// hear takes in a device's word on its presence, or that of its last will.
func (d *record) hear(m message) {
	said, word := &d.saidOffline, Offline
	if m.online {
		said, word = &d.saidOnline, Online
	}
	repeated := *said
	*said = true
	switch {
	case m.retained:
		d.find(word, repeated)
	case m.online:
		d.alive(m.at)
	default:
		d.heard = Heard{State: Offline, Since: m.at, LastContact: d.heard.LastContact}
	}
}

// find takes in a word that the broker kept. It fills a gap in what is known, and it is news when the device never
// said so before or nothing but another retained word is known. Else it may be left over from before what was
// heard live, and says nothing.
func (d *record) find(word PresenceState, repeated bool) {
	heardLive := d.heard.State == Online || d.heard.State == Offline
	if heardLive && !d.heard.Retained && repeated || d.heard.State == word {
		return
	}
	d.heard = Heard{State: word, LastContact: d.heard.LastContact, Retained: true}
}

// alive notes a sign of life.
func (d *record) alive(at time.Time) {
	d.saidOnline = true
	if d.heard.State == Online && !d.heard.Retained {
		d.heard.LastContact = at
		return
	}
	d.heard = Heard{State: Online, Since: at, LastContact: at}
}

// remember takes up what was told of the device before the bridge was started again: it was heard then, unless
// something newer is known by now.
func (d *record) remember(told Presence) {
	if d.settled && d.shown.LastContact.After(told.LastContact) {
		return
	}
	word := told.State
	if word == Stale {
		word = Online
	}
	switch told.Source {
	case MQTT:
		d.heard = Heard{State: word, Since: told.Since, LastContact: told.LastContact}
	case GLPI:
		d.glpi = Record{Online: word == Online, LastContact: told.LastContact}
	}
	d.shown, d.settled = told, true
}

// weigh judges by what was heard and by a record of GLPI's. same says that the state is the one told last, which has
// lasted since it was taken.
func (d *record) weigh(glpi Record, now time.Time, staleAfter time.Duration) (verdict Presence, same bool) {
	verdict = Weigh(d.heard, glpi, now, staleAfter)
	verdict.Ambiguous = len(d.agents) > 1
	if same = d.settled && verdict.State == d.shown.State; same {
		verdict.Since = d.shown.Since
	}
	return verdict, same
}

// settle weighs what is known and tells of a change. What GLPI's records and the broker's retained messages say of
// a device at the first look is no change: at the start that would be an event for each device.
func (d *record) settle(now time.Time, staleAfter time.Duration, firstIsNews bool) []Event {
	verdict, same := d.weigh(d.glpi, now, staleAfter)
	if same {
		d.shown = verdict
		return nil
	}
	news := d.settled || firstIsNews && verdict.State != Unknown
	if news && verdict.Since.IsZero() && verdict.Source == GLPI {
		verdict.Since = verdict.LastContact // GLPI stamps whatever changes its flag
	}
	d.shown, d.settled = verdict, true
	if !news {
		return nil
	}
	return []Event{{Kind: PresenceChanged, At: now, Presence: &verdict}}
}

// sent notes a command. When one is repeated, the answer counts for the latest.
func (d *record) sent(m message) Event {
	command := Command{Name: m.command, SentAt: m.at}
	for _, name := range answers {
		if name == m.command {
			d.withdraw(name)
			d.pending = append(d.pending, command)
		}
	}
	return Event{Kind: CommandSent, Command: &command}
}

// withdraw takes a command off those that wait.
func (d *record) withdraw(name string) (command Command, waited bool) {
	at := slices.IndexFunc(d.pending, func(c Command) bool { return c.Name == name })
	if at < 0 {
		return Command{}, false
	}
	command = d.pending[at]
	if d.pending = slices.Delete(d.pending, at, at+1); len(d.pending) == 0 {
		d.pending = nil
	}
	return command, true
}

// answered says whether a message answers a command that is waiting.
func (d *record) answered(m message) []Event {
	command, waited := d.withdraw(answers[m.kind])
	took := m.at.Sub(command.SentAt)
	if !waited || took > answerTime || took < 0 {
		return nil
	}
	return []Event{{Kind: CommandAnswered, Command: &command, RoundTrip: took}}
}

func (d *record) describe() Device {
	device := Device{Key: d.key, Presence: d.shown, Heard: d.heard, AgentIDs: slices.Clone(d.agents)}
	if device.Presence.State == "" {
		device.Presence.State = Unknown
	}
	if device.Heard.State == "" {
		device.Heard.State = Unknown
	}
	if d.position != nil {
		position := *d.position
		device.Position = &position
	}
	return device
}
