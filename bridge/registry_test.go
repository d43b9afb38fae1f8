package bridge

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func newTestRegistry(t *testing.T, most int) *registry {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	return newRegistry(Options{MaxDevices: most, StaleAfter: time.Hour, Changed: func(string) {}}, m)
}

// said are messages of one device, a second apart: the topic below its own, and the payload. A leading "kept "
// makes it a retained one.
type said [][2]string

const keptMark = "kept "

func (s said) tell(t *testing.T, r *registry) []Event {
	t.Helper()
	var events []Event
	for i, line := range s {
		topic, retained := line[0], false
		if topic[:len(keptMark)] == keptMark {
			topic, retained = topic[len(keptMark):], true
		}
		m, err := parseMessage(own+topic, []byte(line[1]), retained, noon.Add(time.Duration(i)*time.Second), 1024)
		if err == errIgnored {
			continue
		}
		if err != nil {
			t.Fatalf("%s %s: %v", topic, line[1], err)
		}
		happened, err := r.apply(m)
		if err != nil {
			t.Fatalf("%s %s: %v", topic, line[1], err)
		}
		events = append(events, happened...)
	}
	return events
}

// in brief what happened
func outline(events []Event) []string {
	var lines []string
	for _, e := range events {
		line := string(e.Kind)
		switch {
		case e.Presence != nil:
			line = string(e.Presence.State)
		case e.Kind == CommandAnswered:
			line = fmt.Sprintf("%s answered in %s", e.Command.Name, e.RoundTrip)
		case e.Command != nil:
			line = e.Command.Name + " sent"
		case e.Task != nil:
			line = fmt.Sprintf("task %d %s", e.Task.TaskID, e.Task.Status)
		}
		lines = append(lines, line)
	}
	return lines
}

const (
	on  = `{"online":true}`
	off = `{ "online": false }`
)

func TestPresenceFollowsWhatIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		said    said
		happens []string
		is      Heard
	}{
		"online": {said{{"Status/Online", on}}, []string{"ONLINE"},
			Heard{Online, after(0), after(0), false}},
		"online twice is one event": {said{{"Status/Online", on}, {"Status/Online", on}}, []string{"ONLINE"},
			Heard{Online, after(0), after(1), false}},
		"any sign of life": {said{{"Status/Task/1", `{"status":"done"}`}}, []string{"ONLINE", "task 1 done"},
			Heard{Online, after(0), after(0), false}},
		"will": {said{{"Status/Online", on}, {"Status/Online", off}}, []string{"ONLINE", "OFFLINE"},
			Heard{Offline, after(1), after(0), false}},
		"back by a ping": {said{{"Status/Online", off}, {"Status/Ping", "!"}}, []string{"OFFLINE", "ONLINE"},
			Heard{Online, after(1), after(1), false}},
		"a command is no sign of life": {said{{"Command/Lock", `{"lock":"now"}`}}, []string{"Lock sent"},
			Heard{State: Unknown}},
		"kept offline of a stranger": {said{{"kept Status/Online", off}}, nil,
			Heard{State: Offline, Retained: true}},
		"kept offline, again after a reconnect": {said{{"kept Status/Online", off}, {"kept Status/Online", off}},
			nil, Heard{State: Offline, Retained: true}},
		"kept offline, then alive": {said{{"kept Status/Online", off}, {"Status/Ping", "!"}},
			[]string{"ONLINE"}, Heard{Online, after(1), after(1), false}},
		"the old kept offline does not overrule a live phone": {
			said{{"kept Status/Online", off}, {"Status/Online", on}, {"kept Status/Online", off}},
			[]string{"ONLINE"}, Heard{Online, after(1), after(1), false}},
		"nor does that of a will heard live": {
			said{{"Status/Online", off}, {"Status/Online", on}, {"kept Status/Online", off}},
			[]string{"OFFLINE", "ONLINE"}, Heard{Online, after(1), after(1), false}},
		"a kept offline never heard before is news": {said{{"Status/Online", on}, {"kept Status/Online", off}},
			[]string{"ONLINE", "OFFLINE"}, Heard{Offline, time.Time{}, after(0), true}},
		"kept words that differ are news": {said{{"kept Status/Online", off}, {"kept Status/Online", on}, {"kept Status/Online", off}},
			[]string{"STALE", "OFFLINE"}, Heard{State: Offline, Retained: true}},
		"a live word confirms a kept one without an event": {said{{"kept Status/Online", off}, {"Status/Online", off}},
			nil, Heard{Offline, after(1), time.Time{}, false}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestRegistry(t, 10)
			if got := outline(c.said.tell(t, r)); !slices.Equal(got, c.happens) {
				t.Errorf("happened: %q, want %q", got, c.happens)
			}
			if device, known := r.device(someone); !known || device.Heard != c.is {
				t.Errorf("heard is %+v (%v), want %+v", device.Heard, known, c.is)
			}
		})
	}
}

func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestCommandsMeetTheirAnswers(t *testing.T) {
	position := `{"latitude":1,"longitude":2}`
	for name, c := range map[string]struct {
		said    said
		happens []string
	}{
		"ping": {said{{"Command/Ping", `{"query":"Ping"}`}, {"Status/Ping", "!"}},
			[]string{"Ping sent", "ONLINE", "Ping answered in 1s"}},
		"locate": {said{{"Status/Online", on}, {"Command/Geolocate", `{}`}, {"Status/Geolocation", position}},
			[]string{"ONLINE", "Geolocate sent", "POSITION_REPORTED", "Geolocate answered in 1s"}},
		"inventory": {said{{"Status/Online", on}, {"Command/Inventory", `{}`}, {"Status/Inventory", "<REQUEST/>"}},
			[]string{"ONLINE", "Inventory sent", "INVENTORY_RECEIVED", "Inventory answered in 1s"}},
		"nobody asked": {said{{"Status/Online", on}, {"Status/Ping", "!"}}, []string{"ONLINE"}},
		"another answer": {said{{"Status/Online", on}, {"Command/Ping", `{}`}, {"Status/Geolocation", position}},
			[]string{"ONLINE", "Ping sent", "POSITION_REPORTED"}},
		"answered once": {said{{"Status/Online", on}, {"Command/Ping", `{}`}, {"Status/Ping", "!"}, {"Status/Ping", "!"}},
			[]string{"ONLINE", "Ping sent", "Ping answered in 1s"}},
		"the latest counts": {said{{"Status/Online", on}, {"Command/Ping", `{}`}, {"Command/Ping", `{}`}, {"Status/Ping", "!"}},
			[]string{"ONLINE", "Ping sent", "Ping sent", "Ping answered in 1s"}},
		"cleared and kept commands are none": {said{{"Command/Wipe", ""}, {"kept Command/Wipe", `{"wipe":"now"}`}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outline(c.said.tell(t, newTestRegistry(t, 10))); !slices.Equal(got, c.happens) {
				t.Errorf("happened: %q, want %q", got, c.happens)
			}
		})
	}
}

func TestAnAnswerThatComesTooLateIsNone(t *testing.T) {
	r := newTestRegistry(t, 10)
	for _, m := range []message{
		{device: someone, kind: kindCommand, command: "Ping", at: noon},
		{device: someone, kind: kindPing, at: noon.Add(answerTime + time.Second)},
	} {
		events, err := r.apply(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == CommandAnswered {
				t.Errorf("answered after %s", e.RoundTrip)
			}
		}
	}
}

func TestUnenrolledDevicesAreForgotten(t *testing.T) {
	r := newTestRegistry(t, 10)
	got := outline(said{{"Status/Online", on}, {"Status/Unenroll", `{"unenroll":"unenrolled"}`}}.tell(t, r))
	if want := []string{"ONLINE", "AGENT_UNENROLLED"}; !slices.Equal(got, want) {
		t.Errorf("happened: %q, want %q", got, want)
	}
	if _, known := r.device(someone); known || r.count() != 0 {
		t.Errorf("still known: %v, of %d", known, r.count())
	}
}

func TestTheNumberOfDevicesIsBounded(t *testing.T) {
	r := newTestRegistry(t, 3)
	for i := range 5 {
		_, err := r.apply(message{device: DeviceKey{1, fmt.Sprint(i)}, kind: kindPing, at: noon})
		if full := i >= 3; (err == refusedDevices) != full {
			t.Errorf("device %d: %v", i, err)
		}
	}
	if _, err := r.apply(message{device: DeviceKey{1, "0"}, kind: kindPing, at: noon}); err != nil || r.count() != 3 {
		t.Errorf("a known device is refused: %v, of %d", err, r.count())
	}
}

func TestPositionIsKept(t *testing.T) {
	r := newTestRegistry(t, 10)
	said{{"Status/Geolocation", `{"latitude":48.85,"longitude":2.35}`}}.tell(t, r)
	device, _ := r.device(someone)
	if p := device.Position; p == nil || *p != (Position{48.85, 2.35, noon, true}) {
		t.Fatalf("position is %+v", p)
	}
	device.Position.Latitude = 0 // the caller's copy is the caller's
	said{{"Status/Ping", "!"}}.tell(t, r)
	if device, _ := r.device(someone); device.Position == nil || device.Position.Latitude != 48.85 {
		t.Errorf("position is %+v", device.Position)
	}
}
