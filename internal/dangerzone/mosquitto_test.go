package dangerzone_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/dangerzone"
	"fleetgate/internal/sim/glpi"
)

// mosquitto is the real broker, which can be killed and started again, as GLPI's plugin uses it: with a connection for each
// message.
type mosquitto struct {
	t                       *testing.T
	binary, address, folder string
	process                 *exec.Cmd
}

const mosquittoAccess = `user fleetgate
topic read +/agent/+/Status/#
topic readwrite +/agent/+/Command/#
topic readwrite +/agent/+/Policy/#
user glpi
topic readwrite #
user phone
topic readwrite #
`

// newMosquitto starts one that remembers over its death what it kept, or does not.
func newMosquitto(t *testing.T, remembers bool) *mosquitto {
	t.Helper()
	m := &mosquitto{t: t, folder: t.TempDir()}
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			m.binary = path
			break
		}
	}
	switch {
	case m.binary == "" && os.Getenv("FLEETGATE_REAL") != "":
		t.Fatal("mosquitto is missing: apt-get install mosquitto")
	case m.binary == "":
		t.Skip("mosquitto is missing: apt-get install mosquitto to run this")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = free.Addr().String()
	free.Close()
	m.write("passwords", "fleetgate:demo\nglpi:demo\nphone:demo\n")
	if out, err := exec.Command("mosquitto_passwd", "-U", filepath.Join(m.folder, "passwords")).CombinedOutput(); err != nil {
		t.Fatalf("hashing the passwords: %v: %s", err, out)
	}
	m.write("access", mosquittoAccess)
	_, port, _ := net.SplitHostPort(m.address)
	m.write("mosquitto.conf", fmt.Sprintf(
		"listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\nacl_file %s\nlog_dest none\nuser root\n"+
			"persistence %t\npersistence_location %s/\nautosave_on_changes true\nautosave_interval 1\n",
		port, filepath.Join(m.folder, "passwords"), filepath.Join(m.folder, "access"), remembers, m.folder))
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *mosquitto) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.folder, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mosquitto) start() {
	m.t.Helper()
	m.process = exec.Command(m.binary, "-c", filepath.Join(m.folder, "mosquitto.conf"))
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if wire, err := net.Dial("tcp", m.address); err == nil {
			wire.Close()
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatal("mosquitto does not listen")
		}
	}
}

// kill ends it without a word, if it runs.
func (m *mosquitto) kill() { m.end(syscall.SIGKILL) }

// stop ends it as an operator does.
func (m *mosquitto) stop() { m.end(syscall.SIGTERM) }

func (m *mosquitto) end(signal os.Signal) {
	if m.process != nil {
		_ = m.process.Process.Signal(signal)
		_ = m.process.Wait()
		m.process = nil
	}
}

// remembered says whether a topic is on its disk.
func (m *mosquitto) remembered(topic string) bool {
	kept, _ := os.ReadFile(filepath.Join(m.folder, "mosquitto.db"))
	return bytes.Contains(kept, []byte(topic))
}

// Publish is the plugin's.
func (m *mosquitto) Publish(topic string, payload []byte, retain bool) error {
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + m.address).SetUsername("glpi").SetPassword("demo").SetAutoReconnect(false))
	if token := client.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		return fmt.Errorf("the broker is away: %w", token.Error())
	}
	defer client.Disconnect(50)
	token := client.Publish(topic, 1, retain, payload)
	if !token.WaitTimeout(5 * time.Second) {
		return fmt.Errorf("the broker takes no %s", topic)
	}
	return token.Error()
}

func (*mosquitto) SetAccount(string, string, []glpi.ACL) {}
func (*mosquitto) RemoveAccount(string)                  {}

// wire is the gateway's way to the broker. It can be cut while GLPI's is not.
type wire struct {
	listener net.Listener
	broker   string
	ends     sync.WaitGroup

	mu    sync.Mutex
	whole bool
	conns []net.Conn
}

func newWire(t *testing.T, broker string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, broker: broker, whole: true}
	w.ends.Go(w.accept)
	t.Cleanup(func() { w.cut(); listener.Close(); w.ends.Wait() })
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.broker)
		if err != nil || !w.hold(near, far) {
			near.Close()
			if err == nil {
				far.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			w.ends.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				near.Close()
				far.Close()
			})
		}
	}
}

func (w *wire) hold(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.whole {
		w.conns = append(w.conns, conns...)
	}
	return w.whole
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
	w.whole, w.conns = false, nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = true
}

// While Mosquitto is away GLPI says yes, and its commands are lost. Nothing is concluded before the broker can be asked, and
// planned again the commands are sent.
func TestABrokerThatIsAwayIsWaitedFor(t *testing.T) {
	m := newMosquitto(t, true)
	r := newRigWith(t, 20, m, "mqtt://"+m.address)
	d, s := r.start(nil), r.signIn()
	m.kill()
	r.comesTrue("the gateway has noticed", func() bool { return !d.bridge.Status().Connected })
	var begun []int
	for i, action := range []dangerzone.Action{dangerzone.Wipe, dangerzone.Unenroll} {
		id := r.begin(d, s, action, r.devs[i])
		begun = append(begun, id)
		r.comesTrue("GLPI has said yes", func() bool {
			op, _ := d.Operation(t.Context(), id)
			return strings.Contains(op.Targets[0].Message, "not seen on the broker")
		})
	}
	if !r.row(s, r.devs[0]).Wipe || r.row(s, r.devs[1]).EnrollStatus != "unenrolling" {
		t.Error("GLPI has not done what it said")
	}
	r.look()
	for _, id := range begun {
		r.reaches(d, id, dangerzone.Requested, 1)
	}
	m.start()
	for _, id := range begun {
		if op := r.reaches(d, id, dangerzone.Unverified, 1); !strings.Contains(op.Targets[0].Message, "the broker has no such command") {
			t.Errorf("got %q", op.Targets[0].Message)
		}
	}
	for i, action := range []dangerzone.Action{dangerzone.Wipe, dangerzone.Unenroll} {
		p := r.switchOn(r.devs[i], "phone", "demo")
		id := r.begin(d, s, action, r.devs[i])
		r.comesTrue("the phone obeys", p.Gone)
		r.reaches(d, id, dangerzone.Dispatched, 0)
		r.pass(time.Minute)
		r.reaches(d, id, dangerzone.Completed, 1)
	}
}

// Mosquitto dies when it has GLPI's command, before or after the gateway has seen that. What is known afterwards is what
// the broker that is back remembers.
func TestABrokerDiesWithACommand(t *testing.T) {
	for title, c := range map[string]struct {
		seen, remembers bool
		words           string // of what is lost
	}{
		"unseen, and remembered": {seen: false, remembers: true},
		"unseen, and forgotten":  {seen: false, remembers: false, words: "has no such command"},
		"seen, and remembered":   {seen: true, remembers: true},
		"seen, and forgotten":    {seen: true, remembers: false, words: "has lost the command"},
	} {
		t.Run(title, func(t *testing.T) {
			m := newMosquitto(t, c.remembers)
			w := newWire(t, m.address)
			r := newRigWith(t, 20, m, "mqtt://"+w.listener.Addr().String())
			d, s := r.start(nil), r.signIn()
			device := r.devs[0]
			if !c.seen {
				w.cut()
				r.comesTrue("the gateway is deaf", func() bool { return !d.bridge.Status().Connected })
			}
			id := r.begin(d, s, dangerzone.Wipe, device)
			r.comesTrue("GLPI has said yes", func() bool {
				op, _ := d.Operation(t.Context(), id)
				return op.Targets[0].Step == "asked"
			})
			if c.seen {
				r.reaches(d, id, dangerzone.Dispatched, 1)
			}
			r.comesTrue("the broker has it", func() bool { return !c.remembers || m.remembered(device.Topic+"/Command/Wipe") })
			m.kill()
			r.comesTrue("the gateway has noticed", func() bool { return !d.bridge.Status().Connected })
			before := r.states(d, id)
			r.look()
			if after := r.states(d, id); after[dangerzone.Requested] != before[dangerzone.Requested] || after[dangerzone.Dispatched] != before[dangerzone.Dispatched] {
				t.Errorf("while the broker is away %v became %v", before, after)
			}
			m.start()
			w.mend()
			if !c.remembers {
				if op := r.reaches(d, id, dangerzone.Unverified, 1); !strings.Contains(op.Targets[0].Message, c.words) {
					t.Errorf("got %q", op.Targets[0].Message)
				}
				return
			}
			r.comesTrue("the broker was asked", func() bool {
				op, _ := d.Operation(t.Context(), id)
				return !op.Targets[0].SoughtAt.IsZero()
			})
			r.reaches(d, id, dangerzone.Dispatched, 1)
			if kept := r.kept(d, device); !slices.Contains(kept, "Wipe") {
				t.Errorf("the broker keeps %q", kept)
			}
			p := r.switchOn(device, "phone", "demo")
			r.comesTrue("the phone that returns is wiped", p.Gone)
			r.comesTrue("it is known to be away", func() bool {
				op, _ := d.Operation(t.Context(), id)
				return !op.Targets[0].OfflineAt.IsZero()
			})
			r.pass(time.Minute)
			r.reaches(d, id, dangerzone.Completed, 1)
		})
	}
}

// Mosquitto is stopped, and says of every phone that it is gone: nothing follows from that for as long as the phones can't
// come back, and those that do have not obeyed.
func TestABrokerThatStopsTakesItsPhonesAlong(t *testing.T) {
	m := newMosquitto(t, true)
	r := newRigWith(t, 20, m, "mqtt://"+m.address)
	d, s := r.start(nil), r.signIn()
	device := r.devs[0]
	stubborn := func() mqtt.Client { // hears the command, and stays
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://"+m.address).SetUsername("phone").SetPassword("demo").
			SetAutoReconnect(false).SetWill(device.Topic+"/Status/Online", `{"online":false}`, 0, true))
		if token := client.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
		t.Cleanup(func() { client.Disconnect(0) })
		client.Publish(device.Topic+"/Status/Online", 0, false, `{"online":true}`).WaitTimeout(5 * time.Second)
		return client
	}
	stubborn()
	r.comesTrue("it is online", func() bool {
		known, _ := d.bridge.Device(r.enrolled()[0].Device)
		return known.Presence.State == "ONLINE"
	})
	id := r.begin(d, s, dangerzone.Wipe, device)
	r.reaches(d, id, dangerzone.Dispatched, 1)
	away := func() bool {
		op, _ := d.Operation(t.Context(), id)
		return !op.Targets[0].OfflineAt.IsZero()
	}
	m.stop()
	r.comesTrue("the broker says that the phone is gone", away)
	r.look()
	r.reaches(d, id, dangerzone.Dispatched, 1)
	m.start()
	r.comesTrue("the gateway is connected again", func() bool { return d.bridge.Status().Connected })
	r.pass(time.Minute) // it takes its time
	stubborn()
	r.comesTrue("the phone is back", func() bool { return !away() })
	r.look()
	r.reaches(d, id, dangerzone.Dispatched, 1)
}
