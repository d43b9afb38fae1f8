package acceptance

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store/redistest"
)

const positionsAfter = `subscription ($after: String) {
	deviceEvents(after: $after, filter: {kinds: [POSITION_REPORTED]}) { cursor ... on PositionReported { position { latitude } } }
}`

// A gateway that dies under load is followed by another one that shares its Redis: a client that goes there with
// its last cursor gets every event that the broker delivered, once and in order.
func TestAnotherReplicaGoesOnWhereOneDied(t *testing.T) {
	needMosquitto(t)
	redis := "redis://" + redistest.Start(t)
	brokerAddress, glpiURL, device := startBackends(t)
	replica := func() *process {
		return start(t, "graphql", "serve", "--listen", "127.0.0.1:0", "--glpi-url", glpiURL,
			"--mqtt-url", "mqtt://"+brokerAddress, "--mqtt-username", "fleetgate", "--mqtt-password", "sesame-open",
			"--redis-url", redis, "--secret", "replicas share this one")
	}
	first, second := replica(), replica()
	first.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
	second.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
	token := first.signIn("admin@acme.test", "demo")

	here, there := first.positions(token, ""), second.positions(token, "") // the token is good on both
	walk(t, brokerAddress, device)
	step, cursor := nextStep(here)
	for range 30 {
		next, c := nextStep(here)
		if next != step+1 {
			t.Fatalf("step %d came after %d", next, step)
		}
		step, cursor = next, c
	}
	first.kill() // not a word of goodbye
	moved := second.positions(token, cursor)
	for range 400 { // longer than it takes to notice
		next, _ := nextStep(moved)
		if next != step+1 {
			t.Fatalf("after the move step %d came after %d", next, step)
		}
		step = next
	}
	last := -1
	for last < step { // the one who was there all the time saw the same
		next, _ := nextStep(there)
		if last >= 0 && next != last+1 {
			t.Fatalf("at the other replica step %d came after %d", next, last)
		}
		last = next
	}
}

// What a client had not read when the gateway was restarted is still told afterwards.
func TestACursorOutlivesARestart(t *testing.T) {
	needMosquitto(t)
	brokerAddress, glpiURL, device := startBackends(t)
	dir := t.TempDir()
	gateway := func() *process {
		p := start(t, "graphql", "serve", "--listen", "127.0.0.1:0", "--glpi-url", glpiURL,
			"--mqtt-url", "mqtt://"+brokerAddress, "--mqtt-username", "fleetgate", "--mqtt-password", "sesame-open", "--data-dir", dir)
		p.awaitReadiness(map[string]bool{"glpi": true, "broker": true})
		return p
	}
	p := gateway()
	token := p.signIn("admin@acme.test", "demo")
	reader, late := p.positions(token, ""), p.positions(token, "")
	walk(t, brokerAddress, device)
	first, cursor := nextStep(late)
	var last int
	for range 20 {
		last, _ = nextStep(reader)
	}
	p.kill()
	again := gateway().positions(token, cursor)
	for want := first + 1; want <= last; want++ {
		if step, _ := nextStep(again); step != want {
			t.Fatalf("got step %d, want %d", step, want)
		}
	}
}

// startBackends runs a GLPI and a Mosquitto; the device is one of ACME's.
func startBackends(t *testing.T) (brokerAddress, glpiURL string, device glpi.DemoDevice) {
	t.Helper()
	brokerAddress, glpiAddress := freeAddress(t), freeAddress(t)
	world := glpi.New(glpi.Options{})
	demo := world.SeedDemo(glpi.DemoOptions{Devices: 10, Seed: 1})
	t.Cleanup(startGLPI(t, glpiAddress, world))
	t.Cleanup(startMosquitto(t, brokerAddress))
	return brokerAddress, "http://" + glpiAddress + "/apirest.php", demo.Devices[0]
}

// walk has a phone take a step north every 20 ms until the test ends: a position that counts.
func walk(t *testing.T, brokerAddress string, device glpi.DemoDevice) {
	t.Helper()
	phone := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + brokerAddress).SetProtocolVersion(4).
		SetUsername("phone").SetPassword("phone-sesame"))
	if connected := phone.Connect(); !connected.WaitTimeout(5*time.Second) || connected.Error() != nil {
		t.Fatalf("connecting a phone: %v", connected.Error())
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer phone.Disconnect(0)
		for step := 1; ctx.Err() == nil; step++ {
			text := fmt.Sprintf(`{"latitude": %g, "longitude": 2.35}`, float64(step)/1000)
			phone.Publish(device.Topic+"/Status/Geolocation", 1, false, text).Wait()
			time.Sleep(20 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
}

// positions subscribes to where devices are, from a cursor on.
func (p *process) positions(token, after string) *stream {
	p.t.Helper()
	variables := map[string]any{}
	if after != "" {
		variables["after"] = after
	}
	return p.subscribe("graphql-transport-ws", token, positionsAfter, variables)
}

// nextStep is the number of the next step that walk took.
func nextStep(s *stream) (step int, cursor string) {
	s.t.Helper()
	var data struct {
		DeviceEvents struct {
			Cursor   string
			Position struct{ Latitude float64 }
		}
	}
	s.event(&data)
	return int(math.Round(data.DeviceEvents.Position.Latitude * 1000)), data.DeviceEvents.Cursor
}
