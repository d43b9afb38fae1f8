package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/phone"
)

// whereabouts is where a device is when its leftovers are cleared.
type whereabouts string

const (
	listening whereabouts = "listening"
	silent    whereabouts = "silent for long" // and listens all the same
	away      whereabouts = "away"
)

// clearings is the table as phones and brokers see it: what the broker still keeps after each occasion, of everything
// that it can keep for a device. It is the same for both generations.
var clearings = []struct {
	occasion   Occasion
	where      whereabouts
	kept, left string // on the broker; and told to be left though it should go
}{
	{Deleted, away, "", ""},
	{Deleted, listening, "Geolocate Inventory Lock Ping Policy Unenroll", "Geolocate Inventory Lock Ping Policy Unenroll"},
	{Deleted, silent, "Geolocate Inventory Lock Ping Policy Unenroll", "Geolocate Inventory Lock Ping Policy Unenroll"},
	{Unenrolled, away, "", ""},
	{Unenrolled, listening, "Geolocate Inventory Lock Ping Policy Unenroll", "Geolocate Inventory Lock Ping Policy Unenroll"},
	{Unenrolled, silent, "Geolocate Inventory Lock Ping Policy Unenroll", "Geolocate Inventory Lock Ping Policy Unenroll"},
	{WipeCanceled, away, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
	{WipeCanceled, listening, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
	{WipeCanceled, silent, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
	{Enrolling, away, "Geolocate Inventory Ping Policy Subscribe Unenroll", ""},
	{Enrolling, listening, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", "Lock"},
	{Enrolling, silent, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", "Lock"},
	{Succeeded, away, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
	{Succeeded, listening, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
	{Succeeded, silent, "Geolocate Inventory Lock Ping Policy Subscribe Unenroll", ""},
}

// clearsLeftovers goes through the table with a phone of each generation: what should go is gone, and no phone that
// listens is harmed. A phone that comes under the same serial afterwards is neither wiped nor locked.
func clearsLeftovers(t *testing.T, at broker) {
	b, _ := listen(t, at)
	glpi := server(t, at)
	entity := 0
	for _, c := range clearings {
		for _, generation := range []phone.Generation{phone.A, phone.B} {
			entity++ // a name on the broker for each
			t.Run(fmt.Sprintf("%s/%s/%s", c.occasion, c.where, generation), func(t *testing.T) {
				d := play(t, at, glpi, entity, generation)
				record := d.goes(t, b, c.where)
				d.leave(t, c.where == away, c.occasion == Deleted || c.occasion == Unenrolled)
				cleared, err := b.Clear(t.Context(), Clearing{d.key, record, c.occasion})
				if err != nil {
					t.Fatal(err)
				}
				if kept := retainedOf(t, d.eavesdropper, d.root); strings.Join(kept, " ") != c.kept {
					t.Errorf("the broker keeps %q, wanted %q", kept, c.kept)
				}
				d.checkTold(t, cleared, c.kept, c.left)
				if c.where != away {
					d.unharmed(t)
				} else {
					d.again(t, c.occasion)
				}
			})
		}
	}
}

// simulated is a simulated phone at its topic.
type simulated struct {
	*phone.Phone
	options      phone.Options
	glpi         *client
	eavesdropper *client
	key          DeviceKey
	root         string
}

func play(t *testing.T, at broker, glpi *client, entity int, generation phone.Generation) *simulated {
	t.Helper()
	d := &simulated{glpi: glpi, key: DeviceKey{entity, "SN-1"}, root: fmt.Sprintf("%d/agent/SN-1", entity)}
	d.options = phone.Options{MQTTURL: "mqtt://" + at.address(), GLPIURL: "http://127.0.0.1:1/apirest.php"}
	d.Phone = phone.New(phone.Account{
		AgentID: entity, Serial: "SN-1", Topic: d.root, Generation: generation,
		MQTTUsername: "SN-1", MQTTPassword: devicePassword,
	}, d.options)
	d.eavesdropper = dial(t, at.address(), glpiUser, glpiPassword, nil)
	t.Cleanup(d.clean)
	d.on(t)
	return d
}

func (d *simulated) on(t *testing.T) {
	t.Helper()
	if err := d.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.SwitchOff)
}

// clean leaves nothing on the broker for the next.
func (d *simulated) clean() {
	for name := range d.words(false, false) {
		d.glpi.Publish(d.root+"/"+name, 0, true, "").WaitTimeout(patience)
	}
}

// goes brings a phone where it should be, waits until the bridge knows, and gives what GLPI would have on record.
func (d *simulated) goes(t *testing.T, b *Bridge, where whereabouts) Record {
	t.Helper()
	if d.Account().Generation == phone.A {
		eventually(t, "it is heard", func() bool { return b.Presence(d.key, Record{}).State == Online })
	}
	record := Record{Online: true, LastContact: time.Now().Add(time.Second)}
	switch where {
	case away:
		d.SwitchOff()
		record.Online = false
		eventually(t, "its last will is heard", func() bool { return b.Presence(d.key, Record{}).State == Offline })
	case silent:
		patience := func(d time.Duration) {
			b.registry.mu.Lock()
			defer b.registry.mu.Unlock()
			b.registry.staleAfter = d
		}
		patience(time.Nanosecond)
		t.Cleanup(func() { patience(15 * time.Minute) })
		record.LastContact = time.Now().Add(-time.Millisecond)
		if d.Account().Generation == phone.A {
			eventually(t, "it is stale", func() bool { return b.Presence(d.key, record).State == Stale })
		}
	}
	return record
}

// words are everything that a broker can keep for a device. A phone that listens must not obey what it hears before
// it is cleared: the word "default" keeps both generations from that.
func (d *simulated) words(real, leaves bool) map[string]string {
	words := map[string]string{
		"Command/Wipe":                  `{"wipe":"default"}`,
		"Command/Unenroll":              `{"unenroll":"default"}`,
		"Command/Lock":                  `{"lock":"now"}`,
		"Command/Subscribe":             `{"subscribe":[{"topic":"1/fleet/2"}]}`,
		"Command/Ping":                  `{"query":"default"}`,
		"Command/Geolocate":             `{"query":"default"}`,
		"Command/Inventory":             `{"query":"default"}`,
		"Policy/disableCamera/Task/12":  `{"disableCamera":"true","taskId":12}`,
		"Policy/maximumTimeToDo/Task/4": `{"maximumTimeToDo":60,"taskId":4}`,
	}
	if real {
		words["Command/Wipe"] = `{"wipe":"now"}`
	}
	if real && leaves {
		words["Command/Unenroll"] = `{"unenroll":"now"}`
	}
	return words
}

func (d *simulated) leave(t *testing.T, real, leaves bool) {
	t.Helper()
	for name, payload := range d.words(real, leaves) {
		d.glpi.say(t, d.root+"/"+name, payload, true)
	}
	d.glpi.kept(t)
	if d.On() {
		eventually(t, "it is locked", d.Locked)
		eventually(t, "its policies are applied", func() bool { return len(d.Policies()) == 2 })
	}
}

// fence waits until a phone has taken in what was said to it.
func (d *simulated) fence(t *testing.T) {
	t.Helper()
	d.glpi.say(t, d.root+"/Policy/fence/Task/99", `{"fence":"1","taskId":99}`, false)
	eventually(t, "it has heard everything", func() bool { return d.Gone() || slices.Contains(d.Policies(), "fence") })
}

func (d *simulated) unharmed(t *testing.T) {
	t.Helper()
	d.fence(t)
	if policies := d.Policies(); d.Gone() || !d.Locked() || len(policies) != 3 {
		t.Errorf("the phone was harmed: gone %v, locked %v, policies %q", d.Gone(), d.Locked(), policies)
	}
}

// again lets a phone come that was enrolled under the same serial.
func (d *simulated) again(t *testing.T, after Occasion) {
	t.Helper()
	d.Phone = phone.New(d.Account(), d.options)
	d.on(t)
	d.fence(t)
	if d.Gone() {
		t.Error("it obeys a wipe of its earlier life")
	}
	if after == WipeCanceled || after == Succeeded {
		eventually(t, "it is locked as before", d.Locked)
	} else if d.Locked() {
		t.Error("it obeys a lock of its earlier life")
	}
	if left := after == Deleted || after == Unenrolled; left && len(d.Policies()) != 1 {
		t.Errorf("it has the policies %q of its earlier life", d.Policies())
	}
}

// checkTold compares what was told with what is the case.
func (d *simulated) checkTold(t *testing.T, told Cleared, kept, left string) {
	t.Helper()
	var names []string
	for _, l := range told.Left {
		if !strings.HasPrefix(l.Topic, d.root+"/") || !strings.Contains(l.Why, "listening") {
			t.Errorf("left %+v", l)
		}
		names = append(names, shortName(d.root, l.Topic))
	}
	slices.Sort(names)
	if told := strings.Join(slices.Compact(names), " "); told != left {
		t.Errorf("told to be left are %q, wanted %q", told, left)
	}
	for _, topic := range told.Topics {
		if slices.Contains(strings.Fields(kept), shortName(d.root, topic)) {
			t.Errorf("%s is told to be cleared", topic)
		}
	}
	if gone := len(d.words(false, false)) - len(told.Topics); kept == "" && gone != 0 {
		t.Errorf("%d that are cleared were not told", gone)
	}
}

// shortName is a topic's command, or Policy.
func shortName(root, topic string) string {
	levels := strings.Split(strings.TrimPrefix(topic, root+"/"), "/")
	if levels[0] == policySection {
		return policySection
	}
	return levels[1]
}

// retainedOf are the short names of what a broker keeps below a device's root, sorted, each once.
func retainedOf(t *testing.T, reader *client, root string) (kept []string) {
	t.Helper()
	messages := make(chan mqtt.Message, 64)
	await(t, "listening", reader.Subscribe(root+"/#", 0, func(_ mqtt.Client, m mqtt.Message) { messages <- m }))
	for {
		select {
		case m := <-messages:
			if m.Retained() && !strings.Contains(m.Topic(), "/Status/") {
				kept = append(kept, shortName(root, m.Topic()))
			}
		case <-time.After(2 * retainedQuiet):
			await(t, "listening no more", reader.Unsubscribe(root+"/#"))
			slices.Sort(kept)
			return slices.Compact(kept)
		}
	}
}

// kept waits until the broker has taken in what a client said.
func (c *client) kept(t *testing.T) {
	t.Helper()
	await(t, "the broker's answer", c.Unsubscribe("none"))
}

// TestWhatAnEmptyMessageDoes shows why the table is as it is: the column of what disturbs, on phones.
func TestWhatAnEmptyMessageDoes(t *testing.T) {
	at := &embedded{at: freeAddress(t)}
	t.Cleanup(func() { at.kill(t) })
	at.start(t)
	glpi := server(t, at)
	entity := 0
	for _, row := range leftovers {
		entity++
		topics := map[phone.Generation]string{phone.A: "", phone.B: row.disturbs}
		for generation, disturbs := range topics {
			entity++
			d := play(t, at, glpi, entity, generation)
			d.leave(t, false, false)
			answers := make(chan struct{}, 8)
			await(t, "listening", d.eavesdropper.Subscribe(d.root+"/Status/#", 0, func(mqtt.Client, mqtt.Message) { answers <- struct{}{} }))
			topic := d.root + "/Command/" + row.name
			if row.name == policySection {
				topic = d.root + "/Policy/disableCamera/Task/12"
			}
			glpi.say(t, topic, "", true)
			d.fence(t)
			harmed := d.Gone() || !d.Locked() || len(d.Policies()) != 3
			question := strings.Contains(disturbs, "answer") // answered to GLPI, which harms nobody here
			if harmed != (disturbs != "" && !question) {
				t.Errorf("an empty %s to generation %s: harmed is %v, the table says %q", row.name, generation, harmed, disturbs)
			}
			d.SwitchOff()
		}
	}
}

// clearsOldForms: topics of old servers, and a serial that GLPI writes in another way than the phone.
func clearsOldForms(t *testing.T, at broker) {
	b, _ := listen(t, at)
	glpi := server(t, at)
	for _, topic := range []string{"/7/agent/SN-3/Command/Wipe", "/7/agent/SN-3/Policy/a/b/Task/1", "7/agent/SN-3/Command/Lock"} {
		glpi.say(t, topic, "default", true)
	}
	for _, topic := range []string{"8/agent/SN-3/Command/Wipe", "7/agent/SN-33/Command/Wipe"} { // another's
		glpi.say(t, topic, "default", true)
		t.Cleanup(func() { glpi.Publish(topic, 0, true, "").WaitTimeout(patience) })
	}
	glpi.kept(t)
	cleared, err := b.Clear(t.Context(), Clearing{Device: DeviceKey{7, "SN-3"}, Occasion: Deleted})
	want := []string{"/7/agent/SN-3/Command/Wipe", "/7/agent/SN-3/Policy/a/b/Task/1", "7/agent/SN-3/Command/Lock"}
	if err != nil || !slices.Equal(cleared.Topics, want) || len(cleared.Left) > 0 {
		t.Fatalf("cleared %+v, %v", cleared, err)
	}
	reader := dial(t, at.address(), readerUser, readerPassword, nil)
	for root, kept := range map[string]int{"7/agent/SN-3": 0, "/7/agent/SN-3": 0, "8/agent/SN-3": 1, "7/agent/SN-33": 1} {
		if got := retainedOf(t, reader, root); len(got) != kept {
			t.Errorf("%s: the broker keeps %q", root, got)
		}
	}
}

// tellsWhatItMayNotClear: an account that may not write is told so; one that may not read clears a wipe all the same.
func tellsWhatItMayNotClear(t *testing.T, at broker) {
	at.start(t)
	glpi := server(t, at)
	reader := dial(t, at.address(), readerUser, readerPassword, nil)
	glpi.say(t, "9/agent/SN-3/Command/Wipe", "default", true)
	glpi.say(t, "9/agent/SN-3/Command/Lock", "default", true)
	glpi.kept(t)
	clearing := Clearing{Device: DeviceKey{9, "SN-3"}, Occasion: Deleted}

	options := account(at.address())
	options.Username, options.Password = readerUser, readerPassword
	mute := start(t, options)
	connected(t, mute)
	cleared, err := mute.Clear(t.Context(), clearing)
	if err != nil && !errors.Is(err, ErrNotSent) || len(cleared.Topics) > 0 || len(cleared.Left) != 2 {
		t.Errorf("without the right to write: %+v, %v", cleared, err)
	}

	options.Username, options.Password = writerUser, writerPassword
	blind := start(t, options)
	connected(t, blind)
	if cleared, _ := blind.Clear(t.Context(), clearing); len(cleared.Topics) > 0 {
		t.Errorf("without the right to read it says it cleared %q", cleared.Topics)
	}
	if kept := retainedOf(t, reader, "9/agent/SN-3"); !slices.Equal(kept, []string{"Lock"}) {
		t.Errorf("the broker keeps %q", kept)
	}
	glpi.say(t, "9/agent/SN-3/Command/Lock", "", true)
}

func TestNothingIsClearedWithoutABroker(t *testing.T) {
	b, err := New(account("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, serial := range []string{"SN-1", "a/#", ""} {
		cleared, err := b.Clear(t.Context(), Clearing{Device: DeviceKey{1, serial}, Occasion: Deleted})
		if !errors.Is(err, ErrNotSent) || len(cleared.Topics) > 0 {
			t.Errorf("%q: got %+v, %v", serial, cleared, err)
		}
	}
}
