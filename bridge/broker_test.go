package bridge

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The accounts of the test brokers. Devices are users named by their serial.
const (
	bridgeUser, bridgePassword = "fleetgate", "the-bridge's-secret"
	readerUser, readerPassword = "reader", "the-reader's-secret" // a bridge's account that may not write
	writerUser, writerPassword = "writer", "the-writer's-secret" // one that may not read commands and policies
	glpiUser, glpiPassword     = "glpi", "the-server's-secret"
	devicePassword             = "a-device's-secret"
)

var serials = []string{"SN-1", "SN-2", "SN-3"}

// broker is an MQTT broker that can be killed and started again at the same address.
type broker interface {
	address() string
	start(t *testing.T)
	kill(t *testing.T)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// embedded is mochi-mqtt, at QoS 0 as it deadlocks above that. It must not be told to change a retained message
// while it hands it to a new subscriber: that is a data race of its own.
type embedded struct {
	at     string
	server *mochi.Server
	// mute keeps the bridge's account from subscribing.
	mute bool
}

func (b *embedded) address() string { return b.at }

func (b *embedded) start(t *testing.T) {
	t.Helper()
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumQos = 0
	b.server = mochi.New(&mochi.Options{Capabilities: capabilities, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := b.server.AddHook(new(auth.Hook), &auth.Options{Ledger: b.ledger()}); err != nil {
		t.Fatal(err)
	}
	b.listen(t, listeners.NewTCP(listeners.Config{ID: "tcp", Address: b.at}))
	if err := b.server.Serve(); err != nil {
		t.Fatal(err)
	}
}

// patientListener closes the broker's clients itself: the broker's own way takes a read lock twice, and hangs
// when a client leaves in between.
type patientListener struct {
	listeners.Listener
	server *mochi.Server
}

func (l patientListener) Close(listeners.CloseFn) {
	l.Listener.Close(func(string) {
		for _, c := range l.server.Clients.GetAll() {
			c.Stop(packets.ErrServerShuttingDown)
		}
	})
}

func (b *embedded) listen(t *testing.T, l listeners.Listener) {
	t.Helper()
	if err := b.server.AddListener(patientListener{l, b.server}); err != nil {
		t.Fatal(err)
	}
}

func (b *embedded) ledger() *auth.Ledger {
	user := func(name, password string, filters auth.Filters) (auth.AuthRule, auth.ACLRule) {
		return auth.AuthRule{Username: auth.RString(name), Password: auth.RString(password), Allow: true},
			auth.ACLRule{Username: auth.RString(name), Filters: filters}
	}
	ledger := &auth.Ledger{}
	add := func(a auth.AuthRule, acl auth.ACLRule) {
		ledger.Auth, ledger.ACL = append(ledger.Auth, a), append(ledger.ACL, acl)
	}
	if b.mute {
		add(user(bridgeUser, bridgePassword, auth.Filters{"/+/agent/+/#": auth.ReadOnly, "#": auth.Deny}))
	} else {
		add(user(bridgeUser, bridgePassword, auth.Filters{"#": auth.ReadWrite}))
	}
	add(user(readerUser, readerPassword, auth.Filters{"#": auth.ReadOnly}))
	add(user(writerUser, writerPassword, auth.Filters{"+/agent/+/Status/#": auth.ReadOnly, "+/agent/+/Command/#": auth.WriteOnly, "#": auth.Deny}))
	add(user(glpiUser, glpiPassword, auth.Filters{"#": auth.ReadWrite}))
	for _, serial := range serials {
		add(user(serial, devicePassword, auth.Filters{
			auth.RString("+/agent/" + serial + "/#"): auth.ReadWrite, auth.RString("/+/agent/" + serial + "/#"): auth.ReadWrite, "#": auth.Deny,
		}))
	}
	return ledger
}

func (b *embedded) kill(t *testing.T) {
	t.Helper()
	if b.server == nil {
		return
	}
	if err := b.server.Close(); err != nil {
		t.Error(err)
	}
	b.server = nil
}

// mosquitto is the real thing, with the ACL that the package comment gives.
type mosquitto struct {
	at, binary, folder string
	config             string
	process            *exec.Cmd
}

const mosquittoACL = `user fleetgate
topic read +/agent/+/Status/#
topic read /+/agent/+/Status/#
topic read +/agent/+/Command/#
topic read /+/agent/+/Command/#
topic read +/agent/+/Policy/#
topic read /+/agent/+/Policy/#
topic write +/agent/+/Command/#
topic write /+/agent/+/Command/#
topic write +/agent/+/Policy/#
topic write /+/agent/+/Policy/#

user reader
topic read #

user writer
topic read +/agent/+/Status/#
topic write +/agent/+/Command/#

user glpi
topic readwrite #

pattern write +/agent/%u/Status/#
pattern write /+/agent/%u/Status/#
pattern read +/agent/%u/#
pattern read /+/agent/%u/#
`

// findMosquitto looks for the program beyond the PATH too: distributions put it where only root looks.
func findMosquitto(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("FLEETGATE_REAL") == "1" {
		t.Fatal("FLEETGATE_REAL=1, but there is no mosquitto")
	}
	t.Skip("no mosquitto on this machine: install it to test the bridge against a real broker")
	return ""
}

func newMosquitto(t *testing.T, binary string) *mosquitto {
	t.Helper()
	b := &mosquitto{at: freeAddress(t), binary: binary, folder: t.TempDir()}
	passwords := fmt.Sprintf("%s:%s\n%s:%s\n%s:%s\n%s:%s\n",
		bridgeUser, bridgePassword, readerUser, readerPassword, writerUser, writerPassword, glpiUser, glpiPassword)
	for _, serial := range serials {
		passwords += serial + ":" + devicePassword + "\n"
	}
	_, port, _ := net.SplitHostPort(b.at)
	b.write(t, "passwords", passwords)
	b.write(t, "acl", mosquittoACL)
	b.config = fmt.Sprintf(
		"listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\nacl_file %s\npersistence false\nlog_dest stderr\nuser root\n",
		port, filepath.Join(b.folder, "passwords"), filepath.Join(b.folder, "acl"))
	b.write(t, "mosquitto.conf", b.config)
	if out, err := exec.Command("mosquitto_passwd", "-U", filepath.Join(b.folder, "passwords")).CombinedOutput(); err != nil {
		t.Fatalf("hashing the passwords: %v: %s", err, out)
	}
	return b
}

func (b *mosquitto) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *mosquitto) address() string { return b.at }

func (b *mosquitto) start(t *testing.T) {
	t.Helper()
	b.process = exec.Command(b.binary, "-c", filepath.Join(b.folder, "mosquitto.conf"))
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mosquitto listens", func() bool {
		c, err := net.DialTimeout("tcp", b.at, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (b *mosquitto) kill(t *testing.T) {
	t.Helper()
	if b.process == nil {
		return
	}
	if err := b.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	b.process.Wait() // says "killed"
	b.process = nil
}

// client is an MQTT 3.1.1 client, as GLPI and the phones have.
type client struct {
	mqtt.Client
	connection net.Conn
}

// will is a last will, for dial.
type will struct {
	topic, payload string
	retained       bool
}

func dial(t *testing.T, address, user, password string, last *will) *client {
	t.Helper()
	c := &client{}
	options := mqtt.NewClientOptions().AddBroker("tcp://" + address).SetProtocolVersion(4).
		SetClientID(user + "-" + randomHex(4)).SetUsername(user).SetPassword(password).
		SetAutoReconnect(false).SetConnectTimeout(patience).
		SetCustomOpenConnectionFn(func(_ *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			connection, err := net.Dial("tcp", address)
			c.connection = connection
			return connection, err
		})
	if last != nil {
		options.SetWill(last.topic, last.payload, 0, last.retained)
	}
	c.Client = mqtt.NewClient(options)
	await(t, "connecting as "+user, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func device(t *testing.T, b broker, serial string, last *will) *client {
	return dial(t, b.address(), serial, devicePassword, last)
}

func server(t *testing.T, b broker) *client {
	return dial(t, b.address(), glpiUser, glpiPassword, nil)
}

func (c *client) say(t *testing.T, topic, payload string, retained bool) {
	t.Helper()
	await(t, "publishing to "+topic, c.Publish(topic, 0, retained, payload))
}

// cut ends the connection as a dead battery does, so that the broker publishes the will.
func (c *client) cut() { c.connection.Close() }

func await(t *testing.T, what string, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("%s: %v", what, token.Error())
	}
}

// relay is a wire to a broker that can be cut, so that the bridge is away while the devices are not.
type relay struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	down     bool
	wires    []net.Conn
	running  sync.WaitGroup
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target}
	r.running.Go(r.accept)
	t.Cleanup(func() { l.Close(); r.cut(); r.running.Wait() })
	return r
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.target)
		if err != nil || !r.hold(near, far) {
			near.Close()
			continue
		}
		r.running.Go(func() { io.Copy(far, near); far.Close() })
		r.running.Go(func() { io.Copy(near, far); near.Close() })
	}
}

// hold keeps a wire for cut; false, and closed, while the relay is down.
func (r *relay) hold(near, far net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		far.Close()
		return false
	}
	r.wires = append(r.wires, near, far)
	return true
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for _, wire := range r.wires {
		wire.Close()
	}
	r.wires = nil
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}
