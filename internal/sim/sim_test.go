package sim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
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
	if token := client.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	if token := client.Subscribe("#", 0, nil); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { client.Disconnect(10) })
	return heard
}

// livens waits until phones have come, gone and told where they are.
func livens(t *testing.T, heard <-chan mqtt.Message) {
	t.Helper()
	wanted := map[string]bool{"/Status/Online": true, "/Status/Geolocation": true, "/Status/Ping": true}
	deadline := time.After(20 * time.Second)
	for len(wanted) > 0 {
		select {
		case m := <-heard:
			for suffix := range wanted {
				if len(m.Topic()) > len(suffix) && m.Topic()[len(m.Topic())-len(suffix):] == suffix {
					delete(wanted, suffix)
				}
			}
		case <-deadline:
			t.Fatalf("never heard: %v", wanted)
		}
	}
}

func TestAWorldLivesAndEndsWithoutATrace(t *testing.T) {
	world, err := sim.Start(t.Context(), sim.Options{Devices: 200, EventsPerSecond: 100, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	heard := listen(t, world.MQTTURL, world.MQTTUsername, world.MQTTPassword)
	if err := world.Wake(); err != nil {
		t.Error(err)
	}
	livens(t, heard)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, world.GLPIURL+"/initSession", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "user_token "+world.ServiceToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	var opened struct {
		Token string `json:"session_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&opened); err != nil || opened.Token == "" {
		t.Errorf("the service account can't sign in: status %d, %v", response.StatusCode, err)
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
