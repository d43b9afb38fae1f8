package acceptance

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
)

// A gateway whose backends are down starts, says so, and recovers by itself when they come, go and come again.
func TestTheGatewayOutlivesItsBackends(t *testing.T) {
	for name, startBroker := range map[string]func(*testing.T, string) func(){
		"the embedded broker": startEmbeddedBroker,
		"mosquitto":           startMosquitto,
	} {
		t.Run(name, func(t *testing.T) {
			if name == "mosquitto" {
				needMosquitto(t)
			}
			glpiAddress, brokerAddress := freeAddress(t), freeAddress(t)
			world := glpi.New(glpi.Options{})
			demo := world.SeedDemo(glpi.DemoOptions{Devices: 10, Seed: 1})

			gateway := start(t, "graphql", "serve", "--listen", "127.0.0.1:0",
				"--glpi-url", "http://"+glpiAddress+"/apirest.php", "--glpi-service-token", demo.ServiceToken,
				"--mqtt-url", "mqtt://"+brokerAddress, "--mqtt-username", "fleetgate", "--mqtt-password", "sesame-open")

			gateway.awaitReadiness(map[string]bool{"glpi": false, "broker": false})
			if status, _ := gateway.get("/healthz"); status != http.StatusOK {
				t.Errorf("/healthz: status %d although the process serves", status)
			}
			login := gateway.ask("", `mutation { login(input: {username: "admin@acme.test", password: "demo"}) { token } }`, nil)
			if login.code() != "UPSTREAM_UNAVAILABLE" {
				t.Errorf("signing in without GLPI: %+v", login.Errors)
			}

			stopGLPI := startGLPI(t, glpiAddress, world)
			gateway.awaitReadiness(map[string]bool{"glpi": true, "broker": false})
			token := gateway.signIn("admin@acme.test", "demo")
			var page agentsPage
			gateway.ask(token, pageQuery, nil).into(t, &page)

			stopBroker := startBroker(t, brokerAddress)
			gateway.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
			gateway.seesAPhone(token, brokerAddress, demo.Devices[0])

			stopBroker()
			gateway.awaitReadiness(map[string]bool{"glpi": true, "broker": false})
			stopGLPI()
			gateway.awaitReadiness(map[string]bool{"glpi": false, "broker": false})
			if a := gateway.ask("", `{ gateway { glpi { reachable } broker { reachable } } }`, nil); string(a.Data) != `{"gateway":{"glpi":{"reachable":false},"broker":{"reachable":false}}}` {
				t.Errorf("gateway says %s", a.Data)
			}

			defer startBroker(t, brokerAddress)()
			defer startGLPI(t, glpiAddress, world)()
			gateway.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
			gateway.seesAPhone(token, brokerAddress, demo.Devices[0])
			if err := gateway.stop(); err != nil {
				t.Errorf("SIGTERM: %v", err)
			}
		})
	}
}

// seesAPhone has a phone come and go on the broker, and waits for both events on a subscription.
func (p *process) seesAPhone(token, brokerAddress string, device glpi.DemoDevice) {
	p.t.Helper()
	phone := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + brokerAddress).SetProtocolVersion(4).
		SetUsername("phone").SetPassword("phone-sesame"))
	if connected := phone.Connect(); !connected.WaitTimeout(5*time.Second) || connected.Error() != nil {
		p.t.Fatalf("connecting a phone: %v", connected.Error())
	}
	var comingAndGoing sync.WaitGroup
	enough := make(chan struct{})
	comingAndGoing.Go(func() { // on and on: nothing tells when a subscription has begun
		for online := true; ; online = !online {
			phone.Publish(device.Topic+"/Status/Online", 0, false, fmt.Sprintf(`{"online": %v}`, online)).Wait()
			select {
			case <-enough:
				phone.Disconnect(0)
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	defer comingAndGoing.Wait()
	defer close(enough)
	events := p.subscribe("graphql-transport-ws", token, `subscription { deviceEvents { serial ... on PresenceChanged { presence { state } } } }`, nil)
	seen := map[string]bool{}
	for !seen["ONLINE"] || !seen["OFFLINE"] {
		var data struct {
			DeviceEvents struct {
				Serial   string
				Presence struct{ State string }
			}
		}
		events.event(&data)
		if data.DeviceEvents.Serial != device.Serial {
			p.t.Fatalf("got %+v, want %s", data.DeviceEvents, device.Serial)
		}
		seen[data.DeviceEvents.Presence.State] = true
	}
}

// awaitReadiness waits until /readyz says of each backend whether it is there.
func (p *process) awaitReadiness(want map[string]bool) {
	p.t.Helper()
	all := want["glpi"] && want["broker"]
	eventually(p.t, 15*time.Second, fmt.Sprintf("/readyz says %v", want), func() bool {
		status, body := p.get("/readyz")
		var said struct {
			Ready        bool
			GLPI, Broker struct {
				OK    bool
				Error string
			}
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil {
			p.t.Fatalf("/readyz: %v in %q", err, body)
		}
		explained := (said.GLPI.OK || said.GLPI.Error != "") && (said.Broker.OK || said.Broker.Error != "")
		return explained && said.GLPI.OK == want["glpi"] && said.Broker.OK == want["broker"] &&
			said.Ready == all && (status == http.StatusOK) == all
	})
}

func startGLPI(t *testing.T, address string, world http.Handler) (stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: world}
	go func() { _ = server.Serve(listener) }()
	return func() { server.Close() }
}

func startEmbeddedBroker(t *testing.T, address string) (stop func()) {
	t.Helper()
	b, err := broker.Start(broker.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	everything := broker.Access{Filter: "#", Read: true, Write: true}
	b.SetAccount("fleetgate", "sesame-open", everything)
	b.SetAccount("phone", "phone-sesame", everything)
	return func() { b.Close() }
}

// startMosquitto runs Debian's Mosquitto with a password file and an access list.
func startMosquitto(t *testing.T, address string) (stop func()) {
	t.Helper()
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(address)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	passwords := write("passwords", "fleetgate:sesame-open\nphone:phone-sesame\n")
	if out, err := exec.Command("mosquitto_passwd", "-U", passwords).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	access := write("access", "user fleetgate\ntopic read #\nuser phone\ntopic readwrite #\n")
	config := write("mosquitto.conf", fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\nacl_file %s\nuser root\n", port, passwords, access))
	mosquitto := exec.Command(mosquittoPath(), "-c", config)
	log := &safeBuffer{}
	mosquitto.Stderr = log
	if err := mosquitto.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "mosquitto listens", func() bool {
		wire, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		wire.Close()
		return true
	})
	return func() {
		_ = mosquitto.Process.Signal(syscall.SIGTERM)
		_ = mosquitto.Wait()
	}
}

// needMosquitto skips where there is none, unless the real servers are demanded.
func needMosquitto(t *testing.T) {
	t.Helper()
	if mosquittoPath() != "" {
		return
	}
	const why = "no mosquitto here: install Debian's packages mosquitto and mosquitto-clients"
	if os.Getenv("FLEETGATE_REAL") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func mosquittoPath() string {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// freeAddress is one that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
