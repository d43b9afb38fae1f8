package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/internal/sim/glpi"
)

// world is a Mosquitto, a simulated GLPI and the built gateway, each for one measurement.
type world struct {
	folder    string
	broker    string // HOST:PORT
	glpiURL   string
	url       string // of the gateway
	gateway   *exec.Cmd
	mosquitto *exec.Cmd
	glpi      *http.Server
	publisher mqtt.Client
	demo      glpi.Demo
	closers   []func()
}

const patience = 30 * time.Second

func newWorld(ctx context.Context, devices int, brokerSettings string) (w *world, err error) {
	w = &world{}
	if w.folder, err = os.MkdirTemp("", "fleetgate-bench"); err != nil {
		return nil, err
	}
	w.closers = append(w.closers, func() { os.RemoveAll(w.folder) })
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := w.startMosquitto(ctx, brokerSettings); err != nil {
		return nil, fmt.Errorf("starting mosquitto: %w", err)
	}
	if w.publisher, err = w.connect("glpi", nil); err != nil {
		return nil, err
	}
	if err := w.startGLPI(devices); err != nil {
		return nil, fmt.Errorf("starting the simulated GLPI: %w", err)
	}
	return w, nil
}

func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (w *world) startMosquitto(ctx context.Context, settings string) (err error) {
	if w.broker, err = freeAddress(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(w.broker)
	config := filepath.Join(w.folder, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\npersistence false\nlog_dest none\nuser root\n", port)
	if err := os.WriteFile(config, []byte(text+settings), 0o600); err != nil {
		return err
	}
	program := "mosquitto"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/mosquitto" // where Debian has it
	}
	w.mosquitto = exec.CommandContext(ctx, program, "-c", config)
	if err := w.mosquitto.Start(); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { end(w.mosquitto) })
	return await(ctx, "mosquitto listens", func() bool {
		wire, err := net.Dial("tcp", w.broker)
		if err == nil {
			wire.Close()
		}
		return err == nil
	})
}

// connect gives an MQTT 3.1.1 client, as phones have.
func (w *world) connect(name string, last func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker("tcp://" + w.broker).SetProtocolVersion(4).SetClientID(name).SetConnectTimeout(patience)
	if last != nil {
		last(o)
	}
	c := mqtt.NewClient(o)
	if connecting := c.Connect(); !connecting.WaitTimeout(patience) || connecting.Error() != nil {
		return nil, fmt.Errorf("connecting %s to the broker: %w", name, connecting.Error())
	}
	w.closers = append(w.closers, func() { c.Disconnect(0) })
	return c, nil
}

// startGLPI has twice as many devices as are wanted, since they are shared out over two companies.
func (w *world) startGLPI(devices int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := glpi.New(glpi.Options{Broker: plugin{w.publisher}})
	w.demo = server.SeedDemo(glpi.DemoOptions{Devices: 2*devices + 50, Seed: 1})
	w.glpiURL = "http://" + listener.Addr().String() + "/apirest.php"
	w.glpi = &http.Server{Handler: server}
	go func() { _ = w.glpi.Serve(listener) }() // ends with close
	w.closers = append(w.closers, func() { w.glpi.Close() })
	return nil
}

// plugin is how Flyve's plugin publishes; Mosquitto lets everybody in here.
type plugin struct{ mqtt.Client }

// Publish sends a message at QoS 0.
func (p plugin) Publish(topic string, payload []byte, retain bool) error {
	sending := p.Client.Publish(topic, 0, retain, payload)
	sending.WaitTimeout(patience)
	return sending.Error()
}

// SetAccount does nothing.
func (plugin) SetAccount(string, string, []glpi.ACL) {}

// RemoveAccount does nothing.
func (plugin) RemoveAccount(string) {}

// startGateway builds and runs the gateway, and waits until it is ready.
func (w *world) startGateway(ctx context.Context, arguments ...string) error {
	binary := filepath.Join(w.folder, "fleetgate")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "fleetgate").CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w: %s", err, out)
	}
	w.gateway = exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--device-rate", "1000000",
		"--glpi-url", w.glpiURL, "--mqtt-url", "mqtt://" + w.broker}, arguments...)...)
	w.gateway.Stderr = os.Stderr
	printed, err := w.gateway.StdoutPipe()
	if err != nil {
		return err
	}
	if err := w.gateway.Start(); err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	w.closers = append(w.closers, func() { end(w.gateway) })
	for lines := bufio.NewScanner(printed); w.url == "" && lines.Scan(); {
		if name, url, _ := strings.Cut(lines.Text(), " "); name == "graphql" {
			w.url = strings.TrimSuffix(url, "/graphql")
		}
	}
	return await(ctx, "the gateway is ready", func() bool {
		answer, err := http.Get(w.url + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func end(process *exec.Cmd) {
	_ = process.Process.Kill()
	_ = process.Wait()
}

// await polls until a condition holds.
func await(ctx context.Context, what string, holds func() bool) error {
	for deadline := time.Now().Add(patience); !holds(); {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("waited in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// ask posts a GraphQL operation and reads its data.
func (w *world) ask(ctx context.Context, token, query string, variables, data any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("the gateway answers: %s", answer.Errors[0].Message)
	}
	return nil
}

// signIn gives the token of ACME's admin.
func (w *world) signIn(ctx context.Context) (string, error) {
	var data struct{ Login struct{ Token string } }
	err := w.ask(ctx, "", `mutation { login(input: {username: "admin@acme.test", password: "demo"}) { token } }`, nil, &data)
	return data.Login.Token, err
}

// device is one that the admin sees.
type device struct{ id, serial, topic string }

// devices are ACME's, as many as are wanted.
func (w *world) devices(ctx context.Context, token string, wanted int) (found []device, err error) {
	topics := map[string]string{}
	for _, d := range w.demo.Devices {
		topics[d.Serial] = d.Topic
	}
	var page struct {
		Agents struct {
			Nodes    []struct{ ID, Serial string }
			PageInfo struct{ EndCursor *string }
		}
	}
	var after *string
	for len(found) < wanted {
		query := `query ($after: String) { agents(first: 500, after: $after) { nodes { id serial } pageInfo { endCursor } } }`
		if err := w.ask(ctx, token, query, map[string]any{"after": after}, &page); err != nil {
			return nil, err
		}
		if len(page.Agents.Nodes) == 0 {
			return nil, fmt.Errorf("the admin sees %d devices, not %d", len(found), wanted)
		}
		for _, n := range page.Agents.Nodes {
			found = append(found, device{n.ID, n.Serial, topics[n.Serial]})
		}
		after = page.Agents.PageInfo.EndCursor
	}
	return found[:wanted], nil
}
