package graph_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// mosquitto is the real broker, with passwords and access lists, as Flyve MDM keeps them. It is the plugin's broker too.
type mosquitto struct {
	t       *testing.T
	address string
	folder  string
	process *exec.Cmd
	glpi    mqtt.Client

	mu  sync.Mutex
	acl map[string]string // user -> their part of the list
}

// gatewaysAccess is what docs/operations.md tells to give the gateway's account.
const gatewaysAccess = `topic read +/agent/+/Status/#
topic read /+/agent/+/Status/#
topic read +/agent/+/Command/#
topic read /+/agent/+/Command/#
topic read +/agent/+/Policy/#
topic read /+/agent/+/Policy/#
topic write +/agent/+/Command/#
topic write /+/agent/+/Command/#
topic write +/agent/+/Policy/#
topic write /+/agent/+/Policy/#
`

const glpisUser = "flyvemdm-backend"

// startMosquitto runs one until the test ends.
func startMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	binary := ""
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	switch {
	case binary == "" && os.Getenv("FLEETGATE_REAL") != "":
		t.Fatal("FLEETGATE_REAL is set, but there is no mosquitto")
	case binary == "":
		t.Skip("no mosquitto on this machine")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mosquitto{t: t, address: free.Addr().String(), folder: t.TempDir(), acl: map[string]string{}}
	free.Close()
	m.write("passwords", "")
	m.give("fleetgate", "demo", gatewaysAccess)
	m.give(glpisUser, "backend", "topic readwrite #\n")
	m.write("mosquitto.conf", fmt.Sprintf(
		"listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\nacl_file %s\npersistence false\nlog_dest none\nuser root\n",
		m.address[strings.LastIndex(m.address, ":")+1:], filepath.Join(m.folder, "passwords"), filepath.Join(m.folder, "acl")))
	m.process = exec.Command(binary, "-c", filepath.Join(m.folder, "mosquitto.conf"))
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.process.Process.Kill(); _ = m.process.Wait() })
	m.glpi = m.connect(glpisUser, "backend")
	return m
}

func (m *mosquitto) write(name, text string) {
	if err := os.WriteFile(filepath.Join(m.folder, name), []byte(text), 0o600); err != nil {
		m.t.Error(err)
	}
}

// give writes an account to the broker's files.
func (m *mosquitto) give(user, password, access string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	command := exec.Command("mosquitto_passwd", "-b", filepath.Join(m.folder, "passwords"), user, password)
	if out, err := command.CombinedOutput(); err != nil {
		m.t.Errorf("making an account: %v %s", err, out)
	}
	m.acl[user] = access
	var list strings.Builder
	for user, access := range m.acl {
		fmt.Fprintf(&list, "user %s\n%s\n", user, access)
	}
	m.write("acl", list.String())
}

// connect connects as a user, once the broker takes them.
func (m *mosquitto) connect(user, password string) mqtt.Client {
	m.t.Helper()
	o := mqtt.NewClientOptions().AddBroker("mqtt://" + m.address).SetUsername(user).SetPassword(password).
		SetClientID(fmt.Sprintf("test-%s-%d", user, time.Now().UnixNano())).SetAutoReconnect(false)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		client := mqtt.NewClient(o)
		token := client.Connect()
		if token.WaitTimeout(5*time.Second) && token.Error() == nil {
			m.t.Cleanup(func() { client.Disconnect(0) })
			return client
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s can't connect: %v", user, token.Error())
		}
	}
}

// Publish is the plugin's.
func (m *mosquitto) Publish(topic string, payload []byte, retain bool) error {
	token := m.glpi.Publish(topic, 1, retain, payload)
	if !token.WaitTimeout(5 * time.Second) {
		return fmt.Errorf("the broker takes no %s", topic)
	}
	return token.Error()
}

// SetAccount is the plugin's: it is there when this returns.
func (m *mosquitto) SetAccount(user, password string, acl []glpi.ACL) {
	var access strings.Builder
	for _, a := range acl {
		fmt.Fprintf(&access, "topic %s %s\n", []string{"deny", "read", "write", "readwrite"}[a.Access&3], a.Topic)
	}
	m.give(user, password, access.String())
	if err := m.process.Process.Signal(syscall.SIGHUP); err != nil {
		m.t.Error(err)
	}
	m.connect(user, password).Disconnect(0)
}

// RemoveAccount is the plugin's.
func (m *mosquitto) RemoveAccount(string) {}

// retained is what the broker keeps below a topic, without what is empty.
func (m *mosquitto) retained(filter string) map[string]string {
	m.t.Helper()
	var mu sync.Mutex
	kept := map[string]string{}
	done := make(chan struct{})
	end := fmt.Sprintf("test/%d", time.Now().UnixNano())
	reader := m.connect(glpisUser, "backend")
	defer reader.Disconnect(0)
	take := func(_ mqtt.Client, message mqtt.Message) {
		mu.Lock()
		defer mu.Unlock()
		if message.Topic() == end {
			close(done)
		} else if message.Retained() {
			kept[message.Topic()] = string(message.Payload())
		}
	}
	if token := reader.SubscribeMultiple(map[string]byte{filter: 1, end: 1}, take); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		m.t.Fatalf("reading what is retained: %v", token.Error())
	}
	reader.Publish(end, 1, false, "") // what is retained comes before it
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		m.t.Fatal("the broker does not answer")
	}
	mu.Lock()
	defer mu.Unlock()
	return kept
}

// A phone that enrols on a real broker with access lists connects with what it got, and hears nothing of an earlier life
// of its serial: that is cleared before it has the answer.
func TestAPhoneEnrolsWithMosquitto(t *testing.T) {
	m := startMosquitto(t)
	w := newWorldOf(t, glpi.Options{Broker: m, BrokerHost: "127.0.0.1"}, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.MQTTURL = "mqtt://" + m.address
		w.glpi.SetConfig("flyvemdm", "mqtt_broker_port", m.address[strings.LastIndex(m.address, ":")+1:])
	})
	token := w.signIn("admin@acme.test")
	invited := w.invite(token, map[string]any{"email": "ann@acme.test"}).at("results", 0, "invitation")
	root := fmt.Sprintf("%d/agent/SN-7/Command/", w.operator().idOf("Entity", "ACME"))
	for command, payload := range map[string]string{"Wipe": `{"wipe":"now"}`, "Lock": `{"lock":"now"}`} {
		if err := m.Publish(root+command, []byte(payload), true); err != nil {
			t.Fatal(err)
		}
	}
	if kept := m.retained(root + "#"); len(kept) != 2 {
		t.Fatalf("the broker keeps %v", kept)
	}
	a := w.must("", enrollQuery, application(w.linkMailed("ann@acme.test"), "ann@acme.test", "SN-7", nil))
	if a.at("enroll", "agent") == nil || len(a.at("enroll", "warnings").([]any)) > 0 {
		t.Fatalf("got %s", a.text)
	}
	kept := m.retained(root + "#")
	if kept[root+"Wipe"] != "" || kept[root+"Lock"] != "" {
		t.Errorf("when the phone has the answer the broker keeps %v", kept)
	}
	p := w.switchOn(a)
	w.slotIs(token, int(invited.(map[string]any)["databaseId"].(float64)), "ONLINE")
	if p.Gone() || p.Locked() {
		t.Error("the phone obeyed what was said to it in an earlier life")
	}
}
