package bridge

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// slow skips what takes long or much, unless the slow tests are asked for.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("FLEETGATE_REAL") == "" {
		t.Skip("a slow one: set FLEETGATE_REAL=1 to run it")
	}
}

func startMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	at := newMosquitto(t, findMosquitto(t))
	t.Cleanup(func() { at.kill(t) })
	at.start(t)
	return at
}

// steps has a phone say at QoS 1 that it has come further with task after task, until stop. What is called after each.
func steps(t *testing.T, phone *client, pause time.Duration) (stop func() (last int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		task := 1
		for ; ctx.Err() == nil; task++ {
			token := phone.Publish(fmt.Sprintf("%sStatus/Task/%d", own, task), 1, false, `{"status":"done"}`)
			if !token.WaitTimeout(patience) || token.Error() != nil {
				break
			}
			time.Sleep(pause)
		}
		ended <- task - 1
	}()
	return func() int { cancel(); return <-ended }
}

// A broker that is killed under load and started again: the bridge is back within five seconds, nothing is told
// twice or out of order, and what is known is right again.
func TestTheBrokerIsKilledUnderLoad(t *testing.T) {
	at := startMosquitto(t)
	b := start(t, account(at.address()))
	connected(t, b)
	events := subscribe(t, b, Filter{AllEntities: true, Kinds: set(TaskStatusChanged)}, "")
	stop := steps(t, device(t, at, "SN-1", nil), time.Millisecond)
	for range 100 {
		next(t, events)
	}
	at.kill(t)
	eventually(t, "disconnected", func() bool { return !b.Status().Connected })
	stop()
	began := time.Now()
	at.start(t)
	connected(t, b)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to come back", took)
	}
	last, _ := waiting(events)
	phone := device(t, at, "SN-1", nil)
	phone.say(t, own+"Status/Task/999999", `{"status":"done"}`, false)
	for e := range last {
		if e > 0 && last[e].Task.TaskID != last[e-1].Task.TaskID+1 {
			t.Fatalf("task %d was told after %d", last[e].Task.TaskID, last[e-1].Task.TaskID)
		}
	}
	if e := next(t, events); e.Task.TaskID != 999999 {
		t.Errorf("then came %+v", e.Task)
	}
}

// The bridge's connection is cut under load while the broker and the phones go on: every message that the broker kept
// for it is told, once and in order.
func TestTheConnectionIsCutUnderLoad(t *testing.T) {
	at := startMosquitto(t)
	wire := newRelay(t, at.address())
	b := start(t, account(wire.listener.Addr().String()))
	connected(t, b)
	events := subscribe(t, b, Filter{AllEntities: true, Kinds: set(TaskStatusChanged)}, "")
	stop := steps(t, device(t, at, "SN-1", nil), 2*time.Millisecond)
	want := 1
	see := func(n int) {
		t.Helper()
		for range n {
			if e := next(t, events); e.Task.TaskID != want {
				t.Fatalf("task %d was told, want %d", e.Task.TaskID, want)
			}
			want++
		}
	}
	for range 3 {
		see(50)
		wire.cut()
		eventually(t, "disconnected", func() bool { return !b.Status().Connected })
		wire.mend()
		connected(t, b)
	}
	see(50)
	see(stop() - want + 1)
}

// A broker that is frozen for half a minute and then goes on, as a virtual machine does that is moved.
func TestTheBrokerIsFrozen(t *testing.T) {
	slow(t)
	at := startMosquitto(t)
	o := account(at.address())
	o.KeepAlive = 5 * time.Second
	b := start(t, o)
	connected(t, b)
	events := subscribe(t, b, everything, "")
	if err := at.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	frozen := time.Now()
	for deadline := time.Now().Add(25 * time.Second); b.Status().Connected; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bridge never noticed")
		}
	}
	time.Sleep(time.Until(frozen.Add(30 * time.Second)))
	if err := at.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	thawed := time.Now()
	connected(t, b)
	if took := time.Since(thawed); took > 5*time.Second {
		t.Errorf("it took %s to come back", took)
	}
	device(t, at, "SN-1", nil).say(t, own+"Status/Online", on, false)
	next(t, events)
}

// The account's password is changed while the bridge is connected, and the broker restarted: the status says why,
// and giving the old one back is enough.
func TestCredentialsAreRevoked(t *testing.T) {
	at := startMosquitto(t)
	b := start(t, account(at.address()))
	connected(t, b)
	passwords, err := os.ReadFile(at.folder + "/passwords")
	if err != nil {
		t.Fatal(err)
	}
	at.kill(t)
	at.write(t, "passwords", "nobody:$7$101$aaaa$aaaa\n")
	at.start(t)
	eventually(t, "it is told why", func() bool {
		s := b.Status()
		return !s.Connected && s.LastError != "" && s.LastError != "the connection was lost"
	})
	eventually(t, "the reason is the account", func() bool {
		return b.Status().LastError == "the broker refuses the connection: "+reason(0x87)
	})
	at.kill(t)
	at.write(t, "passwords", string(passwords))
	at.start(t)
	connected(t, b)
}

// One device floods the bridge with five thousand messages a second, half of them nonsense, while another one says
// something now and then, and a subscriber never reads: memory stays bounded and the other one is heard.
func TestAFloodFromOneDevice(t *testing.T) {
	at := startMosquitto(t)
	b := start(t, account(at.address()))
	connected(t, b)
	subscribe(t, b, everything, "") // never reads
	flood, quiet := device(t, at, "SN-1", nil), device(t, at, "SN-2", nil)
	events := subscribe(t, b, Filter{AllEntities: true, Devices: set(DeviceKey{1, "SN-2"}), Kinds: set(TaskStatusChanged)}, "")
	before := heap()
	seconds := 2
	if os.Getenv("FLEETGATE_REAL") != "" {
		seconds = 8
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	flooded := make(chan int, 1)
	go func() {
		sent := 0
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			for range 25 {
				flood.Publish(own+"Status/Task/7", 0, false, `{"status":"done"}`)
				flood.Publish(own+"Status/Geolocation", 0, false, `{"latitude": "nowhere"`)
				sent += 2
			}
		}
		flooded <- sent
	}()
	for task := 1; ctx.Err() == nil; task++ {
		quiet.say(t, fmt.Sprintf("1/agent/SN-2/Status/Task/%d", task), `{"status":"done"}`, false)
		if e := next(t, events); e.Task.TaskID != task {
			t.Fatalf("got task %d, want %d", e.Task.TaskID, task)
		}
		time.Sleep(20 * time.Millisecond)
	}
	sent := <-flooded
	t.Logf("%d messages in %d s", sent, seconds)
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
	if n := runtime.NumGoroutine(); n > 200 {
		t.Errorf("%d goroutines", n)
	}
}

// Whatever a topic and a payload hold, the bridge takes it or refuses it.
func FuzzMessages(f *testing.F) {
	for _, topic := range []string{own + "Status/Online", "/1/agent/A/Status/Geolocation", "1/agent//Status/Ping", "1/agent/%2e%2e/Status/Task/1", "x", ""} {
		for _, payload := range []string{on, `{"latitude":1e309,"longitude":"na"}`, `{ online: false }`, "\x00\xff", `{"status":"overriden"}`, "<xml"} {
			f.Add(topic, []byte(payload), true)
			f.Add(topic, []byte(payload), false)
		}
	}
	m, err := newMetrics(nil)
	if err != nil {
		f.Fatal(err)
	}
	r := newRegistry(Options{MaxDevices: 100, StaleAfter: time.Hour, Changed: func(string) {}}, m)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		message, err := parseMessage(topic, payload, retained, noon, 1024)
		if err != nil {
			return
		}
		if !validSerial(message.device.Serial) || message.device.EntityID < 0 {
			t.Errorf("%q gave the device %+v", topic, message.device)
		}
		events, err := r.apply(message)
		if err == nil {
			for _, e := range events {
				if e.Device != message.device {
					t.Errorf("%q: an event of %+v", topic, e.Device)
				}
			}
		}
		if r.count() > 100 {
			t.Errorf("%d devices are known", r.count())
		}
	})
}
