package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// staffed is a bridge without a broker whose clock the test sets; GLPI is what lookup says.
type staffed struct {
	*Bridge
	mu    sync.Mutex
	clock time.Time
	known map[DeviceKey][]Enrolled // what GLPI says when it is asked for a serial
	fails error
	asked []DeviceKey
}

func newStaffed(t *testing.T) *staffed {
	t.Helper()
	s := &staffed{clock: noon, known: map[DeviceKey][]Enrolled{}}
	b, err := New(Options{URL: "mqtt://nowhere.invalid", StaleAfter: 10 * time.Minute, Now: s.time, Lookup: s.lookup, ReconnectMin: time.Hour, ReconnectMax: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.Bridge = b
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, part := range []func(context.Context){b.journal.follow, b.journal.write, b.meetStrangers} {
		running.Go(func() { part(ctx) })
	}
	t.Cleanup(func() { stop(); running.Wait(); b.hub.close() })
	return s
}

func (s *staffed) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *staffed) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

func (s *staffed) lookup(_ context.Context, key DeviceKey) ([]Enrolled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, key)
	return s.known[DeviceKey{Serial: key.Serial}], s.fails
}

// hear takes a message in as if the broker had sent it.
func (s *staffed) hear(t *testing.T, topic, payload string, retained bool) {
	t.Helper()
	m, err := parseMessage(topic, []byte(payload), retained, s.time(), 1024)
	if err != nil {
		t.Fatal(err)
	}
	s.handle(m)
}

func (s *staffed) refused(why refusal) float64 {
	return testutil.ToFloat64(s.link.metrics.refused.WithLabelValues(string(why)))
}

func wantPresence(t *testing.T, e Event, state PresenceState, source Source) {
	t.Helper()
	if e.Kind != PresenceChanged || e.Presence.State != state || e.Presence.Source != source {
		t.Fatalf("got %s %+v, want %s from %s", e.Kind, e.Presence, state, source)
	}
}

func wantNothing(t *testing.T, s *Subscription) {
	t.Helper()
	if events, err := waiting(s); err != nil || len(events) > 0 {
		t.Fatalf("got %+v, %v", events, err)
	}
}

// Generation B answers over HTTP and leaves an "offline" behind on the broker: GLPI's record is what tells that it
// is back, and that is an event like any other.
func TestGLPIsRecordsChangePresence(t *testing.T) {
	s := newStaffed(t)
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, own+"Status/Online", off, true) // left behind, of unknown age
	s.Learn([]Enrolled{{7, someone, Record{Online: true, LastContact: noon.Add(-time.Minute)}}}, false)
	wantPresence(t, next(t, events), Online, GLPI)
	if d, _ := s.Device(someone); d.Presence.State != Online || !slices.Equal(d.AgentIDs, []int{7}) {
		t.Errorf("known is %+v", d)
	}
	s.pass(time.Second)
	s.hear(t, own+"Status/Online", off, false) // its will
	wantPresence(t, next(t, events), Offline, MQTT)
	s.pass(5 * time.Second)
	s.Learn([]Enrolled{{7, someone, Record{Online: true, LastContact: s.time()}}}, false)
	e := next(t, events)
	wantPresence(t, e, Online, GLPI)
	if !e.Presence.LastContact.Equal(s.time()) || !e.Presence.Since.Equal(s.time()) {
		t.Errorf("since %v, last contact %v", e.Presence.Since, e.Presence.LastContact)
	}
	s.Learn([]Enrolled{{7, someone, Record{Online: true, LastContact: s.time()}}}, false) // nothing new
	wantNothing(t, events)
	s.pass(time.Second)
	s.hear(t, own+"Status/Online", off, false) // its will once more, which is newer than GLPI's record now
	wantPresence(t, next(t, events), Offline, MQTT)
}

// The roster speaks of a device while a message of it is taken in: what is known changes only once the message's events
// are in the journal, so that events keep the order of what they tell.
func TestEventsKeepTheOrderOfWhatIsKnown(t *testing.T) {
	s := newStaffed(t)
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, own+"Status/Online", on, false)
	wantPresence(t, next(t, events), Online, MQTT)
	s.pass(time.Second)
	for name, tell := range map[string]func(){
		"the roster learns":  func() { s.Learn([]Enrolled{{7, someone, Record{LastContact: s.time()}}}, false) },
		"the roster forgets": func() { s.Forget([]int{7}) },
		"a message is heard": func() { s.handle(message{device: someone, kind: kindOnline, at: s.time()}) },
	} {
		before, _ := s.Device(someone)
		s.order.Lock() // as while a message is taken in
		var telling sync.WaitGroup
		telling.Go(tell)
		time.Sleep(20 * time.Millisecond)
		if now, _ := s.Device(someone); !reflect.DeepEqual(now, before) {
			t.Errorf("%s: it is %+v already", name, now)
		}
		s.order.Unlock()
		telling.Wait()
	}
}

func TestWhatIsReadAtTheStartIsNoEvent(t *testing.T) {
	s := newStaffed(t)
	events := subscribe(t, s.Bridge, everything, "")
	for i := range 20 {
		s.Learn([]Enrolled{{i + 1, DeviceKey{1, fmt.Sprint("S", i)}, Record{Online: i%2 == 0, LastContact: noon}}}, false)
	}
	s.hear(t, own+"Status/Online", off, true)
	wantNothing(t, events)
}

func TestSilenceMakesADeviceStale(t *testing.T) {
	s := newStaffed(t)
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, own+"Status/Online", on, false)
	wantPresence(t, next(t, events), Online, MQTT)
	s.pass(10 * time.Minute)
	s.journal.add(s.registry.grow(s.time()))
	wantNothing(t, events)
	s.pass(time.Second)
	s.journal.add(s.registry.grow(s.time()))
	e := next(t, events)
	wantPresence(t, e, Stale, MQTT)
	if want := noon.Add(10 * time.Minute); !e.Presence.Since.Equal(want) {
		t.Errorf("stale since %v, want %v", e.Presence.Since, want)
	}
	s.journal.add(s.registry.grow(s.time()))
	wantNothing(t, events)
	s.hear(t, own+"Status/Ping", "!", false)
	wantPresence(t, next(t, events), Online, MQTT)
}

func TestAgentsComeAndGo(t *testing.T) {
	s := newStaffed(t)
	events := subscribe(t, s.Bridge, everything, "")
	s.Learn([]Enrolled{{7, someone, Record{}}}, true)
	if e := next(t, events); e.Kind != AgentEnrolled || e.AgentID != 7 || e.Device != someone {
		t.Fatalf("got %+v", e)
	}
	s.Forget([]int{7, 99})
	if e := next(t, events); e.Kind != AgentDeleted || e.AgentID != 7 || e.Device != someone {
		t.Fatalf("got %+v", e)
	}
	wantNothing(t, events)
	if _, known := s.Device(someone); known || len(s.AgentIDs()) != 0 {
		t.Error("it is still known")
	}
}

// A phone that was unenrolled says goodbye on the broker after that, and GLPI keeps its row for a while: neither is an
// enrolment, and the end of the row is told.
func TestAnUnenrolledAgentIsNotEnrolledAgain(t *testing.T) {
	s := newStaffed(t)
	s.Learn([]Enrolled{{7, someone, Record{}}}, false)
	s.LearnedAll()
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, own+"Status/Online", on, false)
	s.hear(t, own+"Status/Unenroll", `{"unenroll":"unenrolled"}`, false)
	s.hear(t, own+"Status/Online", off, false)
	s.Learn([]Enrolled{{7, someone, Record{}}}, true)
	s.Forget([]int{7})
	var kinds []Kind
	for len(kinds) == 0 || kinds[len(kinds)-1] != AgentDeleted {
		kinds = append(kinds, next(t, events).Kind)
	}
	if want := []Kind{PresenceChanged, AgentUnenrolled, PresenceChanged, AgentDeleted}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// An agent that moved to another entity is heard there, and no longer where it was.
func TestAnAgentThatMovedIsKnownInOnePlace(t *testing.T) {
	s := newStaffed(t)
	s.Learn([]Enrolled{{7, someone, Record{}}}, false)
	elsewhere := DeviceKey{2, someone.Serial}
	s.Learn([]Enrolled{{7, elsewhere, Record{}}}, false)
	if _, known := s.Device(someone); known {
		t.Error("it is still known where it was")
	}
	if d, known := s.Device(elsewhere); !known || !slices.Equal(d.AgentIDs, []int{7}) {
		t.Errorf("known is %+v", d)
	}
}

// A phone that nobody knows, or that speaks for another company, is heard by nobody.
func TestStrangersAreRefused(t *testing.T) {
	s := newStaffed(t)
	s.Learn([]Enrolled{{7, someone, Record{}}}, false)
	s.LearnedAll()
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, "1/agent/NOBODY/Status/Online", on, false)
	eventually(t, "refused", func() bool { return s.refused(refusedStranger) == 1 })

	s.mu.Lock()
	s.known[DeviceKey{Serial: someone.Serial}] = []Enrolled{{7, someone, Record{}}}
	s.mu.Unlock()
	s.hear(t, "2/agent/"+someone.Serial+"/Status/Online", on, false)
	eventually(t, "refused", func() bool { return s.refused(refusedWrongEntity) == 1 })
	for range 20 { // GLPI is not asked again for a while
		s.hear(t, "1/agent/NOBODY/Status/Online", on, false)
	}
	eventually(t, "refused", func() bool { return s.refused(refusedStranger) == 21 })
	wantNothing(t, events)
	if len(s.asked) != 2 {
		t.Errorf("GLPI was asked for %v", s.asked)
	}
	s.hear(t, own+"Status/Online", on, false) // the one whose name was used
	wantPresence(t, next(t, events), Online, MQTT)
}

// A phone speaks a moment after its enrolment, before GLPI's list was read again: nothing of it is lost.
func TestAPhoneEnrolledAMomentAgoIsHeard(t *testing.T) {
	s := newStaffed(t)
	s.LearnedAll()
	events := subscribe(t, s.Bridge, everything, "")
	s.mu.Lock()
	s.known[DeviceKey{Serial: someone.Serial}] = []Enrolled{{7, someone, Record{}}}
	s.mu.Unlock()
	s.hear(t, own+"Status/Online", on, false)
	s.hear(t, own+"Status/Task/3", `{"status":"done"}`, false)
	var kinds []Kind
	for range 3 {
		kinds = append(kinds, next(t, events).Kind)
	}
	if want := []Kind{AgentEnrolled, PresenceChanged, TaskStatusChanged}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// While GLPI is away it can't vouch for a stranger; it is asked again at the next message.
func TestAStrangerIsAskedForAgainWhenGLPIFailed(t *testing.T) {
	s := newStaffed(t)
	s.LearnedAll()
	s.fails = errors.New("away")
	s.hear(t, own+"Status/Online", on, false)
	eventually(t, "refused", func() bool { return s.refused(refusedStranger) == 1 })
	s.mu.Lock()
	s.fails, s.known[DeviceKey{Serial: someone.Serial}] = nil, []Enrolled{{7, someone, Record{}}}
	s.mu.Unlock()
	s.hear(t, own+"Status/Online", on, false)
	eventually(t, "known", func() bool { _, known := s.Device(someone); return known })
}

func TestAFloodOfStrangersIsBounded(t *testing.T) {
	s := newStaffed(t)
	s.LearnedAll()
	for i := range 20 * mostStrangers {
		s.hear(t, fmt.Sprintf("1/agent/X%d/Status/Online", i), on, false)
	}
	s.strangers.mu.Lock()
	defer s.strangers.mu.Unlock()
	if n := len(s.strangers.waiting); n > mostStrangers {
		t.Errorf("%d strangers wait", n)
	}
	if n := s.registry.count(); n != 0 {
		t.Errorf("%d strangers are known", n)
	}
}

func TestASharedSerialIsAmbiguous(t *testing.T) {
	s := newStaffed(t)
	unknown := DeviceKey{1, "unknown"}
	s.Learn([]Enrolled{{7, unknown, Record{}}, {8, unknown, Record{}}, {9, DeviceKey{2, "unknown"}, Record{}}}, false)
	s.hear(t, "1/agent/unknown/Status/Online", on, false)
	if p := s.Presence(unknown, Record{}); !p.Ambiguous || p.State != Online {
		t.Errorf("presence is %+v", p)
	}
	if p := s.Presence(DeviceKey{2, "unknown"}, Record{}); p.Ambiguous || p.State != Unknown {
		t.Errorf("the other company's is %+v", p)
	}
	s.Forget([]int{7})
	if p := s.Presence(unknown, Record{}); p.Ambiguous {
		t.Error("it is still ambiguous")
	}
}

// GLPI makes a number of a serial that looks like one.
func TestSerialsThatGLPIMangles(t *testing.T) {
	for said, stored := range map[string]string{"0042": "42", "1e5": "100000", "12345678901234567890": "1.2345678901235e+19", "R58M-42": "R58M-42"} {
		s := newStaffed(t)
		s.Learn([]Enrolled{{7, DeviceKey{1, stored}, Record{}}}, false)
		s.LearnedAll()
		narrow := subscribe(t, s.Bridge, Filter{AllEntities: true, Devices: set(DeviceKey{1, stored})}, "")
		s.hear(t, "1/agent/"+said+"/Status/Online", on, false)
		if said == "12345678901234567890" { // GLPI lost its last digits: nobody can tell that it is the same
			continue
		}
		if e := next(t, narrow); e.Device.Serial != said {
			t.Errorf("%s: got %+v", said, e.Device)
		}
	}
}

// Serials that GLPI can tell apart are two devices.
func TestSerialsAreOneOnlyWhereGLPITakesThemForOne(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"0042", "42", true}, {"1e5", "100000", true}, {"1e6", "1000000", true}, {"42.0", "42", true},
		{"+7", "7", true}, {"52005e31", "5.2005e+35", true},
		{"123456789012345678", "123456789012345679", false},     // whole numbers that a float64 takes for one
		{"12345678901234567890", "12345678901234567891", false}, // beyond what GLPI has numbers for
		{"INF", "infinity", false}, {"nan", "NaN", false}, {"0x10p0", "16", false}, {"1_000", "1000", false},
		{"SN-1", "sn-1", false}, {"", "0", false}, {"-", "+", false}, {"e", "E", false}, {".", "..", false},
	} {
		if same := (DeviceKey{1, c.one}).canonical() == (DeviceKey{1, c.other}).canonical(); same != c.same {
			t.Errorf("%q and %q are the same: %v", c.one, c.other, same)
		}
		if (DeviceKey{1, c.one}).canonical() == (DeviceKey{2, c.one}).canonical() {
			t.Errorf("%q is the same in two entities", c.one)
		}
	}
}

// GLPI writes a numeric serial in its own way: what it tells the device doesn't change where the device is asked.
func TestACommandDoesNotChangeWhereADeviceListens(t *testing.T) {
	s := newStaffed(t)
	s.hear(t, "/1/agent/0042/Status/Online", on, false)
	s.hear(t, "1/agent/42/Command/Ping", "{}", false)
	if key, slash := s.registry.address(DeviceKey{1, "42"}); key.Serial != "0042" || slash != "/" {
		t.Errorf("it is asked at %q, %q", slash, key.Serial)
	}
}

// What was told before a restart is remembered, so that what changed meanwhile is an event.
func TestPresenceSurvivesARestart(t *testing.T) {
	s := newStaffed(t)
	s.registry.restore(Event{Kind: PresenceChanged, Device: someone, Presence: &Presence{Online, noon, noon, MQTT, false}})
	s.registry.restore(Event{Kind: TaskStatusChanged, Device: DeviceKey{1, "other"}})
	if d, known := s.Device(someone); !known || d.Presence.State != Online {
		t.Fatalf("known is %+v", d)
	}
	events := subscribe(t, s.Bridge, everything, "")
	s.hear(t, own+"Status/Online", on, false)
	wantNothing(t, events)
	s.hear(t, own+"Status/Online", off, true) // the will, left while the gateway was away
	wantPresence(t, next(t, events), Offline, MQTT)
}

// A log that is read late brings back no device that GLPI doesn't know, and none that was unenrolled.
func TestWhatIsGoneIsNotRemembered(t *testing.T) {
	s := newStaffed(t)
	was := Event{Kind: PresenceChanged, Device: someone, Presence: &Presence{Online, noon, noon, MQTT, false}}
	s.registry.restore(was)
	s.registry.restore(Event{Kind: AgentUnenrolled, Device: someone})
	if _, known := s.Device(someone); known {
		t.Error("an unenrolled device is known")
	}
	s.LearnedAll()
	s.registry.restore(was)
	if _, known := s.Device(someone); known {
		t.Error("a device that GLPI doesn't know is known")
	}
}

// TestADeviceCostsLittle holds 100,000 devices to 100 MB.
func TestADeviceCostsLittle(t *testing.T) {
	const devices = 100_000
	r := newTestRegistry(t, devices)
	before := heap()
	batch := make([]Enrolled, 0, devices)
	for i := range devices {
		batch = append(batch, Enrolled{i + 1, DeviceKey{i % 50, fmt.Sprintf("R58M%08d", i)}, Record{Online: true, LastContact: noon}})
	}
	r.learn(batch, false, noon)
	for i, agent := range batch {
		if _, err := r.apply(message{device: agent.Device, kind: kindGeolocation, at: noon, position: Position{1, 2, noon, true}}); err != nil {
			t.Fatal(i, err)
		}
	}
	batch = nil
	used := heap() - before
	t.Logf("%d bytes a device", used/devices)
	if used > 100<<20 {
		t.Errorf("%d devices take %d MB", devices, used>>20)
	}
	runtime.KeepAlive(r)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
