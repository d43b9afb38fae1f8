package sim_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"fleetgate/internal/sim"
	"fleetgate/internal/sim/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen connects to a world's broker as the gateway does, and hands on the topics of what it hears.
func listen(t *testing.T, mqttURL, username, password string) <-chan mqtt.Message {
	t.Helper()
	address, err := url.Parse(mqttURL)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan mqtt.Message, 10_000)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + address.Host).SetProtocolVersion(4).
		SetUsername(username).SetPassword(password).SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { heard <- m }))
	must(t, client.Connect())
	must(t, client.Subscribe("#", 0, nil))
	t.Cleanup(func() { client.Disconnect(10) })
	return heard
}

// publish says one thing on a world's broker.
func publish(t *testing.T, mqttURL, username, password, topic, payload string) {
	t.Helper()
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(mqttURL, "mqtt:", "tcp:", 1)).
		SetUsername(username).SetPassword(password).SetAutoReconnect(false))
	must(t, client.Connect())
	defer client.Disconnect(50)
	must(t, client.Publish(topic, 0, false, payload))
}

func must(t *testing.T, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
}

// livens waits until phones have come, gone, told where they are, answered and reported on their tasks.
func livens(t *testing.T, heard <-chan mqtt.Message) {
	t.Helper()
	wanted := []string{"/Status/Online", "/Status/Geolocation", "/Status/Ping", "/Status/Task/", "/Command/Ping"}
	deadline := time.After(20 * time.Second)
	for len(wanted) > 0 {
		select {
		case m := <-heard:
			wanted = slices.DeleteFunc(wanted, func(part string) bool { return strings.Contains(m.Topic(), part) })
		case <-deadline:
			t.Fatalf("never heard: %v", wanted)
		}
	}
}

// hears waits for a message whose topic has one end and whose payload holds a text.
func hears(t *testing.T, heard <-chan mqtt.Message, end, text string) string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case m := <-heard:
			if strings.HasSuffix(m.Topic(), end) && strings.Contains(string(m.Payload()), text) {
				return m.Topic()
			}
		case <-deadline:
			t.Fatalf("never heard %s %s", end, text)
		}
	}
}

// glpi is a session of the service account in a world's GLPI.
type glpi struct {
	t       *testing.T
	url     string
	session string
}

func signIn(t *testing.T, world *sim.World) *glpi {
	t.Helper()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	g := &glpi{t: t, url: world.GLPIURL}
	var opened struct {
		Token string `json:"session_token"`
	}
	g.call(http.MethodGet, "/initSession?user_token="+world.ServiceToken, "", &opened)
	if opened.Token == "" {
		t.Fatal("the service account can't sign in")
	}
	g.session = opened.Token
	return g
}

func (g *glpi) call(method, path, body string, answer any) {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Session-Token", g.session)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		g.t.Fatalf("%s %s: GLPI answered %s", method, path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		g.t.Fatal(err)
	}
}

// contacts are when GLPI heard of each device last.
func (g *glpi) contacts() map[int]string {
	g.t.Helper()
	var agents []struct {
		ID      int    `json:"id"`
		Contact string `json:"last_contact"`
	}
	g.call(http.MethodGet, "/PluginFlyvemdmAgent?range=0-199", "", &agents)
	contacts := map[int]string{}
	for _, a := range agents {
		contacts[a.ID] = a.Contact
	}
	return contacts
}

func TestAWorldLivesAndEndsWithoutATrace(t *testing.T) {
	world, err := sim.Start(t.Context(), sim.Options{Devices: 200, EventsPerSecond: 100, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	heard := listen(t, world.MQTTURL, world.MQTTUsername, world.MQTTPassword)
	before := signIn(t, world).contacts()
	if err := world.Wake(); err != nil {
		t.Error(err)
	}
	livens(t, heard)

	changed := 0
	for id, contact := range signIn(t, world).contacts() {
		if contact != before[id] {
			changed++
		}
	}
	if changed == 0 {
		t.Error("no phone of generation B has told GLPI anything")
	}
	if err := world.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := http.Get(world.GLPIURL + "/initSession"); err == nil {
		t.Error("GLPI still answers after the world has ended")
	}
}

// A real broker takes the embedded one's place: GLPI and all phones use the account they are given.
func TestAWorldOnSomebodyElsesBroker(t *testing.T) {
	real, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	real.SetAccount("shared", "secret", broker.Access{Filter: "#", Read: true, Write: true})
	world, err := sim.Start(t.Context(), sim.Options{
		Devices: 30, EventsPerSecond: 60, Seed: 2, MQTTURL: real.URL(), MQTTUsername: "shared", MQTTPassword: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	if world.MQTTURL != real.URL() {
		t.Errorf("the world's broker is %s", world.MQTTURL)
	}
	heard := listen(t, real.URL(), "shared", "secret")
	if err := world.Wake(); err != nil {
		t.Error(err)
	}
	livens(t, heard)
	if err := world.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestAWorldInFrontOfARealGLPIHasNoPhones(t *testing.T) {
	world, err := sim.Start(t.Context(), sim.Options{Devices: 30, EventsPerSecond: 60, GLPIURL: "http://glpi.test/apirest.php"})
	if err != nil {
		t.Fatal(err)
	}
	if world.GLPIURL != "http://glpi.test/apirest.php" || world.ServiceToken != "" || world.MQTTURL == "" {
		t.Errorf("got %+v", world.GLPIURL)
	}
	if err := world.Wake(); err != nil {
		t.Errorf("waking nobody: %v", err)
	}
	if err := world.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// What GLPI is told to do reaches the phone, and what the phone says comes back over the broker.
func TestACommandGoesAllTheWay(t *testing.T) {
	world, err := sim.Start(t.Context(), sim.Options{Devices: 10, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	heard := listen(t, world.MQTTURL, world.MQTTUsername, world.MQTTPassword)
	if err := world.Wake(); err != nil {
		t.Fatal(err)
	}
	topic := strings.TrimSuffix(hears(t, heard, "/Status/Online", "true"), "/Status/Online") // a phone of generation A
	serial := topic[strings.LastIndex(topic, "/")+1:]
	g := signIn(t, world)
	var found []struct {
		ID int `json:"id"`
	}
	g.call(http.MethodGet, "/Computer?searchText[serial]="+url.QueryEscape("^"+serial+"$"), "", &found)
	if len(found) != 1 {
		t.Fatalf("%d computers have the serial %s", len(found), serial)
	}
	var agents []struct {
		ID int `json:"id"`
	}
	g.call(http.MethodGet, fmt.Sprintf("/PluginFlyvemdmAgent?searchText[computers_id]=^%d$", found[0].ID), "", &agents)
	if len(agents) != 1 {
		t.Fatalf("%d agents are on the computer", len(agents))
	}
	put := func(input string) {
		t.Helper()
		var done any
		g.call(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmAgent/%d", agents[0].ID), `{"input":`+input+`}`, &done)
	}
	put(`{"lock":"1"}`)
	hears(t, heard, topic+"/Command/Lock", `{"lock":"now"}`)
	put(`{"_unenroll_request":"1"}`)
	hears(t, heard, topic+"/Command/Unenroll", `{"unenroll":"now"}`)
	hears(t, heard, topic+"/Status/Unenroll", "unenrolled")
	hears(t, heard, topic+"/Status/Online", "false")
}

// The gateway's account listens, and can say nothing in a device's name.
func TestTheGatewaysAccountSpeaksForNoDevice(t *testing.T) {
	world, err := sim.Start(t.Context(), sim.Options{Devices: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	heard := listen(t, world.MQTTURL, world.MQTTUsername, world.MQTTPassword)
	publish(t, world.MQTTURL, world.MQTTUsername, world.MQTTPassword, "1/agent/X/Status/Unenroll", "forged")
	publish(t, world.MQTTURL, "flyvemdm-backend", "demo", "1/agent/X/Status/Unenroll", "true")
	for m := range heard {
		if strings.HasSuffix(m.Topic(), "/X/Status/Unenroll") {
			if string(m.Payload()) != "true" {
				t.Errorf("heard %s", m.Payload())
			}
			break
		}
	}
}

// A broker that is away keeps nobody from starting and ending.
func TestAWorldWithoutItsBroker(t *testing.T) {
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Close()
	world, err := sim.Start(t.Context(), sim.Options{
		Devices: 20, EventsPerSecond: 50, MQTTURL: "mqtt://" + away.Addr().String(), MQTTUsername: "shared", MQTTPassword: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Wake(); err == nil {
		t.Error("phones connected to nothing")
	} else if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in an error: %v", err)
	}
	signIn(t, world)
	began := time.Now()
	if err := world.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %s", took)
	}
}

func TestABrokerThatPhonesCannotSpeakTo(t *testing.T) {
	for _, address := range []string{"ws://broker.test", "mqtt://u:secret@bro ker"} {
		_, err := sim.Start(t.Context(), sim.Options{Devices: 1, MQTTURL: address})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
