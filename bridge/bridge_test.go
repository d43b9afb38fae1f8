package bridge

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestBrokers puts the bridge through the same trials at the embedded broker and at a real one.
func TestBrokers(t *testing.T) {
	trials := map[string]func(*testing.T, broker){
		"hears both topic forms":      hearsBothTopicForms,
		"sees a device cut off":       seesADeviceCutOff,
		"measures a ping":             measuresAPing,
		"asks and is answered":        asksAndIsAnswered,
		"asks where the device is":    asksWhereTheDeviceListens,
		"asks once for many":          asksOnceForMany,
		"overhears GLPI's questions":  overhearsGLPIsQuestions,
		"clears leftovers":            clearsLeftovers,
		"clears old forms":            clearsOldForms,
		"tells what it may not clear": tellsWhatItMayNotClear,
		"waits no longer than asked":  waitsNoLongerThanAsked,
		"tells that it may not write": tellsThatItMayNotWrite,
		"waits for the broker":        waitsForTheBroker,
		"outlives the broker":         outlivesTheBroker,
		"learns what it missed":       learnsWhatItMissed,
		"tells a wrong password":      tellsAWrongPassword,
		"keeps companies apart":       keepsCompaniesApart,
		"serves a thousand":           servesAThousand,
		"shrugs off what is hostile":  shrugsOffWhatIsHostile,
		"leaves politely":             leavesPolitely,
	}
	for name, trial := range trials {
		t.Run("embedded/"+name, func(t *testing.T) {
			b := &embedded{at: freeAddress(t)}
			t.Cleanup(func() { b.kill(t) })
			trial(t, b)
		})
	}
	t.Run("mosquitto", func(t *testing.T) {
		binary := findMosquitto(t)
		for name, trial := range trials {
			t.Run(name, func(t *testing.T) {
				b := newMosquitto(t, binary)
				t.Cleanup(func() { b.kill(t) })
				trial(t, b)
			})
		}
	})
}

// account are the options for the bridge's account at an address.
func account(address string) Options {
	return Options{URL: "mqtt://" + address, Username: bridgeUser, Password: bridgePassword}
}

// listen starts the broker, and a bridge with a subscription to everything.
func listen(t *testing.T, at broker) (*Bridge, *Subscription) {
	t.Helper()
	at.start(t)
	b := start(t, account(at.address()))
	connected(t, b)
	return b, subscribe(t, b, everything, "")
}

func hearsBothTopicForms(t *testing.T, at broker) {
	b, events := listen(t, at)
	for serial, slash := range map[string]string{"SN-1": "", "SN-2": "/"} {
		phone := device(t, at, serial, nil)
		topic := slash + "3/agent/" + serial
		phone.say(t, topic+"/Status/Online", on, false)
		e := next(t, events)
		key := DeviceKey{3, serial}
		if e.Kind != PresenceChanged || e.Device != key || e.Presence.State != Online {
			t.Fatalf("%s: got %+v", topic, e)
		}
		phone.say(t, topic+"/Status/Geolocation", `{"latitude":48.85,"longitude":2.35}`, false)
		if e := next(t, events); e.Kind != PositionReported || e.Device != key || e.Position.Latitude != 48.85 {
			t.Fatalf("%s: got %+v", topic, e)
		}
		known, ok := b.Device(key)
		if !ok || known.Presence.State != Online || known.Position == nil || known.Position.Longitude != 2.35 {
			t.Errorf("%s: known is %+v", topic, known)
		}
	}
	if s := b.Status(); s.Devices != 2 || s.LastError != "" || len(s.Refused) != 0 || s.Since.IsZero() {
		t.Errorf("status is %+v", s)
	}
	if _, ok := b.Device(DeviceKey{4, "SN-1"}); ok {
		t.Error("a device is known in an entity where it isn't")
	}
}

func seesADeviceCutOff(t *testing.T, at broker) {
	b, events := listen(t, at)
	phone := device(t, at, "SN-1", &will{own + "Status/Online", off, true})
	phone.say(t, own+"Status/Online", on, false)
	since := next(t, events).Presence.Since
	phone.cut()
	e := next(t, events)
	if e.Kind != PresenceChanged || e.Presence.State != Offline || e.Presence.Since.Before(since) {
		t.Fatalf("got %+v %+v", e, e.Presence)
	}
	late := start(t, account(at.address())) // hears only what the broker kept
	eventually(t, "the late bridge knows", func() bool { _, ok := late.Device(someone); return ok })
	if d, _ := late.Device(someone); d.Heard != (Heard{State: Offline, Retained: true}) || d.Presence.State != Offline {
		t.Errorf("the late bridge knows %+v", d)
	}
	if d, _ := b.Device(someone); d.Presence.State != Offline || !d.Presence.Since.Equal(e.Presence.Since) {
		t.Errorf("known is %+v", d.Presence)
	}
}

func measuresAPing(t *testing.T, at broker) {
	_, events := listen(t, at)
	glpi, phone := server(t, at), device(t, at, "SN-1", nil)
	glpi.say(t, own+"Command/Ping", `{"query":"Ping"}`, false)
	sent := next(t, events)
	if sent.Kind != CommandSent || sent.Command.Name != "Ping" || sent.Device != someone {
		t.Fatalf("got %+v", sent)
	}
	phone.say(t, own+"Status/Ping", "!", false)
	answered := nextOf(t, events, CommandAnswered)
	if answered.Command.Name != "Ping" || answered.RoundTrip <= 0 || answered.RoundTrip > patience ||
		!answered.Command.SentAt.Equal(sent.At) || answered.At.Sub(sent.At.Add(answered.RoundTrip)).Abs() > time.Millisecond {
		t.Errorf("got %+v after %+v", answered, sent)
	}
	glpi.say(t, own+"Command/Lock", `{"lock":"now"}`, true)
	if e := next(t, events); e.Kind != CommandSent || e.Command.Name != "Lock" {
		t.Errorf("a retained command that passes: got %+v", e)
	}
	glpi.say(t, "1/agent/SN-2/Status/Online", off, true)
	next(t, events)
	late := start(t, account(at.address()))
	eventually(t, "the late bridge got what was kept", func() bool { return late.Status().Devices == 1 })
	lateEvents := subscribe(t, late, everything, "")
	glpi.say(t, own+"Command/Lock", "", true)
	phone.say(t, own+"Status/Task/1", `{"status":"done"}`, false)
	if e := next(t, lateEvents); e.Kind != PresenceChanged {
		t.Errorf("a command that was kept, or its clearing, is an event: %+v", e)
	}
}

func waitsForTheBroker(t *testing.T, at broker) {
	b := start(t, Options{URL: "mqtt://" + at.address(), Username: bridgeUser, Password: bridgePassword,
		ReconnectMin: 200 * time.Millisecond, ReconnectMax: 5 * time.Second}) // as by default
	events := subscribe(t, b, everything, "")
	eventually(t, "says why", func() bool { return strings.Contains(b.Status().LastError, "refused") })
	if s := b.Status(); s.Connected {
		t.Errorf("status is %+v", s)
	}
	at.start(t)
	up := time.Now()
	connected(t, b)
	if took := time.Since(up); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if s := b.Status(); s.LastError != "" {
		t.Errorf("status is %+v", s)
	}
	device(t, at, "SN-1", nil).say(t, own+"Status/Online", on, false)
	next(t, events)
}

func outlivesTheBroker(t *testing.T, at broker) {
	b, events := listen(t, at)
	device(t, at, "SN-1", nil).say(t, own+"Status/Online", on, false)
	cursor := next(t, events).Cursor
	at.kill(t)
	eventually(t, "disconnected", func() bool { return !b.Status().Connected })
	if s := b.Status(); s.LastError == "" {
		t.Errorf("status is %+v", s)
	}
	if d, ok := b.Device(someone); !ok || d.Presence.State != Online {
		t.Errorf("what was known is %+v", d)
	}
	at.start(t)
	connected(t, b)
	phone := device(t, at, "SN-1", nil)
	phone.say(t, own+"Status/Online", on, false)
	phone.say(t, own+"Status/Online", off, false)
	if e := next(t, events); e.Kind != PresenceChanged || e.Presence.State != Offline {
		t.Errorf("got %+v", e)
	}
	if e := next(t, subscribe(t, b, everything, cursor)); e.Presence.State != Offline {
		t.Errorf("by cursor: got %+v", e)
	}
}

// learnsWhatItMissed cuts the bridge off alone, while devices come and go.
func learnsWhatItMissed(t *testing.T, at broker) {
	at.start(t)
	wire := newRelay(t, at.address())
	b := start(t, account(wire.listener.Addr().String()))
	connected(t, b)
	events := subscribe(t, b, Filter{AllEntities: true, Kinds: set(PresenceChanged)}, "")
	lost := device(t, at, "SN-1", &will{own + "Status/Online", off, true})
	lost.say(t, own+"Status/Online", on, false)
	next(t, events)
	// SN-2 left an "offline" behind once, and is back.
	device(t, at, "SN-2", nil).say(t, "1/agent/SN-2/Status/Online", off, true)
	next(t, events)
	back := device(t, at, "SN-2", nil)
	back.say(t, "1/agent/SN-2/Status/Online", on, false)
	next(t, events)

	wire.cut()
	eventually(t, "disconnected", func() bool { return !b.Status().Connected })
	watch := make(chan struct{}, 2) // it may come live and kept
	await(t, "watching for the will", server(t, at).Subscribe(own+"Status/Online", 0, func(mqtt.Client, mqtt.Message) { watch <- struct{}{} }))
	lost.cut()
	select {
	case <-watch:
	case <-time.After(patience):
		t.Fatal("the broker published no will")
	}
	wire.mend()
	connected(t, b)
	e := next(t, events)
	if e.Device != someone || e.Presence.State != Offline || !e.Presence.Since.IsZero() {
		t.Errorf("got %+v %+v", e, e.Presence)
	}
	back.say(t, "1/agent/SN-2/Status/Online", off, false)
	if e := next(t, events); e.Device.Serial != "SN-2" || e.Presence.Since.IsZero() {
		t.Errorf("the old retained word was taken for news: %+v %+v", e, e.Presence)
	}
}

// notes is a log that a test can read while it is written.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func tellsAWrongPassword(t *testing.T, at broker) {
	at.start(t)
	var log notes
	b := start(t, Options{URL: "mqtt://" + at.address(), Username: bridgeUser, Password: "not-the-secret",
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	eventually(t, "says why", func() bool {
		said := b.Status().LastError
		return strings.Contains(said, "refuses the connection") && strings.Contains(said, "password")
	})
	if b.Status().Connected {
		t.Error("connected with a wrong password")
	}
	if said := b.Status().LastError + log.String(); strings.Contains(said, "not-the-secret") {
		t.Errorf("the password is in: %s", said)
	}
	if !strings.Contains(log.String(), "refuses the connection") {
		t.Errorf("the log says nothing of it: %s", log.String())
	}
}

func keepsCompaniesApart(t *testing.T, at broker) {
	b, all := listen(t, at)
	mine := subscribe(t, b, Filter{Entities: set(1)}, "")
	sneaky := subscribe(t, b, Filter{Entities: set(1), Devices: set(DeviceKey{2, "SN-2"})}, "")
	none := subscribe(t, b, Filter{}, "")
	device(t, at, "SN-2", nil).say(t, "2/agent/SN-2/Status/Online", on, false)
	cursor := next(t, all).Cursor
	device(t, at, "SN-1", nil).say(t, own+"Status/Online", on, false)
	next(t, all)
	if e := next(t, mine); e.Device != someone {
		t.Errorf("got %+v", e)
	}
	if e := next(t, subscribe(t, b, Filter{Entities: set(1)}, cursor)); e.Device != someone {
		t.Errorf("by cursor: got %+v", e)
	}
	for name, s := range map[string]*Subscription{"mine": mine, "sneaky": sneaky, "none": none} {
		if events, err := waiting(s); err != nil || len(events) != 0 {
			t.Errorf("%s: got %+v, %v", name, events, err)
		}
	}
}

func servesAThousand(t *testing.T, at broker) {
	b, _ := listen(t, at)
	const many = 1000
	var reading sync.WaitGroup
	var heard [many]int
	for i := range many {
		s := subscribe(t, b, Filter{Entities: set(i%2 + 1)}, "")
		reading.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for heard[i] < 3 {
				if _, err := s.Next(ctx); err != nil {
					return
				}
				heard[i]++
			}
		})
	}
	one, two := device(t, at, "SN-1", nil), device(t, at, "SN-2", nil)
	for range 3 { // the first makes two events: its presence too
		one.say(t, own+"Status/Task/1", `{"status":"done"}`, false)
		two.say(t, "2/agent/SN-2/Status/Task/1", `{"status":"done"}`, false)
	}
	reading.Wait()
	for i, events := range heard {
		if events != 3 {
			t.Fatalf("subscriber %d heard %d events", i, events)
		}
	}
}

func shrugsOffWhatIsHostile(t *testing.T, at broker) {
	at.start(t)
	registry := prometheus.NewRegistry()
	options := account(at.address())
	options.Registerer = registry
	b := start(t, options)
	connected(t, b)
	events := subscribe(t, b, everything, "")
	glpi := server(t, at)
	for _, m := range [][2]string{
		{"x/agent/SN-1/Status/Online", on}, {"01/agent/SN-1/Status/Online", on}, {"1/agent//Status/Online", on},
		{"1/agent/SN-1/Status/Nonsense", on}, {"1/agent/SN-1/Status/Online", "{{{"},
		{"1/agent/SN-1/Status/Online", strings.Repeat("[", 65_000)}, {"1/agent/SN-1/Status/Ping", strings.Repeat("!", 70_000)},
		{"1/agent/" + long(300) + "/Status/Ping", "!"}, {"1/agent/SN-1/Status/Task/1", `{"status":"dancing"}`},
		{"1/agent/SN-1/Policy/disableCamera/Task/1", `{"disableCamera":"true"}`},
	} {
		glpi.say(t, m[0], m[1], false)
	}
	glpi.say(t, own+"Status/Ping", "!", false)
	if e := next(t, events); e.Kind != PresenceChanged || e.Device != someone {
		t.Errorf("got %+v", e)
	}
	if n := b.Status().Devices; n != 1 {
		t.Errorf("%d devices are known", n)
	}
	for reason, want := range map[refusal]float64{refusedEntity: 2, refusedSerial: 2, refusedUnknownTopic: 1, refusedPayload: 3, refusedTooLarge: 1} {
		if got := testutil.ToFloat64(b.link.metrics.refused.WithLabelValues(string(reason))); got != want {
			t.Errorf("%s: %v refused, want %v", reason, got, want)
		}
	}
	if got := testutil.ToFloat64(b.link.metrics.messages.WithLabelValues("ping")); got != 1 {
		t.Errorf("%v pings were counted", got)
	}
	if n, err := testutil.GatherAndCount(registry, "fleetgate_mqtt_connected", "fleetgate_mqtt_messages_total",
		"fleetgate_mqtt_refused_total", "fleetgate_bridge_devices", "fleetgate_bridge_subscribers",
		"fleetgate_bridge_events_total", "fleetgate_bridge_lagged_total"); err != nil || n < 7 {
		t.Errorf("%d metrics: %v", n, err)
	}
}

func leavesPolitely(t *testing.T, at broker) {
	at.start(t)
	b, err := New(account(at.address()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	connected(t, b)
	s := subscribe(t, b, everything, "")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if _, err := s.Next(t.Context()); err != ErrClosed {
		t.Errorf("a subscription ended with %v", err)
	}
	if _, err := b.Subscribe(everything, ""); err != ErrClosed {
		t.Errorf("subscribing afterwards: %v", err)
	}
	if status := b.Status(); status.Connected {
		t.Errorf("status is %+v", status)
	}
	if err := b.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
}

func TestASubscriptionThatIsRefused(t *testing.T) {
	at := &embedded{at: freeAddress(t), mute: true}
	at.start(t)
	t.Cleanup(func() { at.kill(t) })
	b := start(t, account(at.address()))
	connected(t, b)
	s := b.Status()
	if !slices.Equal(s.Refused, []string{filters[0], filters[2]}) || !strings.Contains(s.LastError, filters[2]+": not authorized") {
		t.Errorf("status is %+v", s)
	}
	events := subscribe(t, b, everything, "")
	server(t, at).say(t, "/1/agent/SN-1/Status/Ping", "!", false)
	if e := next(t, events); e.Device != someone {
		t.Errorf("what is granted is not heard: %+v", e)
	}
}
