package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/bench/process"
)

// server is one that is measured.
type server struct {
	name    string
	process *process.Process
	address netip.AddrPort
	// emit has an event reach the server, from where its events come.
	emit func(ctx context.Context, e event) error
	stop func()
}

// url is where the server is.
func (s *server) url() string { return "http://" + s.address.String() }

// bench is what all measurements share.
type bench struct {
	sizes
	folder          string // temporary
	own             string // this program, which plays some of the servers
	gateway         string // the built binary
	only            string // the measurements that were asked for; "": all
	mostSubscribers int    // that a server can have open on this machine
	root            string // of the module
	log             func(format string, arguments ...any)
}

// startListening starts a server that says where it listens, and takes its events at /emit.
func (b *bench) startListening(ctx context.Context, name, path string, arguments ...string) (*server, error) {
	p, err := process.Start(ctx, name, path, arguments...)
	if err != nil {
		return nil, err
	}
	s := &server{name: name, process: p, stop: p.Stop}
	url, err := p.Await(ctx, "listening")
	if err == nil {
		s.address, err = netip.ParseAddrPort(strings.TrimPrefix(url, "http://"))
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	s.emit = func(ctx context.Context, e event) error { return post(ctx, s.url()+"/emit", e.peer()) }
	return s, nil
}

func post(ctx context.Context, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// The peers, by the names in the report.
const (
	gatewayName    = "Fleetgate"
	mosquittoName  = "Mosquitto, plain MQTT over WebSocket"
	yogaName       = "graphql-yoga + graphql-ws"
	yogaCacheName  = "graphql-yoga, with its response cache"
	gqlgenName     = "gqlgen's own transport over gorilla"
	gqlgenPageName = "gqlgen, its own handler"
	bareName       = "net/http, the same bytes"
)

// startPeer starts one of the peers, by its name. All but Mosquitto answer the query for devices too.
func (b *bench) startPeer(ctx context.Context, name string) (*server, error) {
	if name == mosquittoName {
		s, err := b.startMosquitto(ctx)
		if err != nil {
			return nil, err
		}
		return &s.server, nil
	}
	page, err := b.page(ctx)
	if err != nil {
		return nil, err
	}
	script := filepath.Join(b.root, "bench/peers/node/server.mjs")
	switch name {
	case yogaName:
		return b.startListening(ctx, name, "node", script, page)
	case yogaCacheName:
		return b.startListening(ctx, name, "node", script, page, "cache")
	case gqlgenName, gqlgenPageName:
		return b.startListening(ctx, name, b.own, "-serve", "gqlgen", page)
	case bareName:
		return b.startListening(ctx, name, b.own, "-serve", "bare", page)
	}
	return nil, fmt.Errorf("no such peer: %s", name)
}

// installNode fetches what the server under Node needs.
func (b *bench) installNode(ctx context.Context) error {
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = filepath.Join(b.root, "bench/peers/node")
	if output, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, output)
	}
	return nil
}

// mosquitto is where Debian has it.
const mosquitto = "/usr/sbin/mosquitto"

// broker is a Mosquitto.
type broker struct {
	server                 // its listener for WebSockets
	plain   netip.AddrPort // for plain TCP
	publish func(topic string, payload []byte) error
}

// startMosquitto starts a broker with a listener for plain TCP, through which its events come, and one for WebSockets,
// at which it is measured.
func (b *bench) startMosquitto(ctx context.Context) (*broker, error) {
	plain, err1 := freeAddress()
	sockets, err2 := freeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	config := filepath.Join(b.folder, fmt.Sprintf("mosquitto-%d.conf", plain.Port()))
	text := fmt.Sprintf("listener %d 127.0.0.1\nlistener %d 127.0.0.1\nprotocol websockets\n"+
		"allow_anonymous true\nset_tcp_nodelay true\npersistence false\nlog_dest none\nuser root\n", plain.Port(), sockets.Port())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, mosquittoName, mosquitto, "-c", config)
	if err != nil {
		return nil, err
	}
	for _, address := range []netip.AddrPort{plain, sockets} {
		if err := reachable(ctx, address); err != nil {
			p.Stop()
			return nil, err
		}
	}
	publish, hangUp, err := publisher(plain)
	if err != nil {
		p.Stop()
		return nil, err
	}
	return &broker{plain: plain, publish: publish, server: server{
		name: mosquittoName, process: p, address: sockets,
		emit: func(_ context.Context, e event) error { return publish(eventTopic, e.response()) },
		stop: func() { hangUp(); p.Stop() },
	}}, nil
}

// publisher connects a device to a broker; publish returns when the broker has the message.
func publisher(broker netip.AddrPort) (publish func(topic string, payload []byte) error, hangUp func(), err error) {
	options := mqtt.NewClientOptions().AddBroker("tcp://" + broker.String()).SetProtocolVersion(4).SetClientID("device")
	client := mqtt.NewClient(options)
	if connecting := client.Connect(); !connecting.WaitTimeout(patience) || connecting.Error() != nil {
		return nil, nil, fmt.Errorf("connecting to the broker: %w", connecting.Error())
	}
	publish = func(topic string, payload []byte) error {
		sending := client.Publish(topic, 1, false, payload)
		if !sending.WaitTimeout(patience) {
			return errors.New("the broker takes no message")
		}
		return sending.Error()
	}
	return publish, func() { client.Disconnect(0) }, nil
}

// patience is how long a server may take to answer.
const patience = 30 * time.Second

// freeAddress is one that nobody has: below the ports that Linux gives to clients, of which crowds leave none free.
func freeAddress() (address netip.AddrPort, err error) {
	const first, last = 20_000, 32_000
	for range 100 {
		address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), first+rand.N[uint16](last-first))
		var l net.Listener
		if l, err = net.Listen("tcp", address.String()); err == nil {
			return address, l.Close()
		}
	}
	return address, fmt.Errorf("no free port: %w", err)
}

// reachable waits until somebody listens.
func reachable(ctx context.Context, address netip.AddrPort) error {
	for deadline := time.Now().Add(patience); ; {
		wire, err := net.Dial("tcp", address.String())
		if err == nil {
			return wire.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
