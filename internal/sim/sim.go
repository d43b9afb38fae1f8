// Package sim is the world of the demonstration: a GLPI with the Flyve MDM plugin (sim/glpi), an MQTT broker
// (sim/broker) and phones (sim/phone), wired together over real HTTP and MQTT on this machine. Each of GLPI and
// the broker can be left out where a real one takes its place.
package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/sim/phone"
)

// Options say how big the world is and what of it is real.
type Options struct {
	Devices         int     // over both companies
	EventsPerSecond float64 // what the devices do, all together
	Seed            int64   // the same seed gives the same world

	GLPIURL                    string // a real GLPI: none is simulated then, and no phones, which nobody could enrol
	MQTTURL                    string // a real broker: none is embedded then
	MQTTUsername, MQTTPassword string // an account on the real broker that GLPI and all phones share

	Logger *slog.Logger // nil means silent
}

// World is what runs, and how to reach it.
type World struct {
	GLPIURL                    string // of GLPI's REST API
	ServiceToken               string // API token of GLPI's service account
	MQTTURL                    string
	MQTTUsername, MQTTPassword string // the gateway's account on the broker

	ctx     context.Context // the world's
	stop    context.CancelFunc
	crowd   *phone.Crowd   // nil where there are no phones
	living  sync.WaitGroup // the phones
	serving sync.WaitGroup // GLPI
	closers []func() error // what to close once the phones have ended, the last first
}

// The accounts of the embedded broker that are not devices. Their password is no secret: the broker listens on
// this machine alone and is made anew at every start.
const (
	gatewayAccount  = "fleetgate"
	backendAccount  = "flyvemdm-backend"
	accountPassword = "demo"
)

// parsing is after what time GLPI's cron has looked into an uploaded application.
const parsing = 20 * time.Second

// farewell is how long GLPI may take for the answers under way when the world ends.
const farewell = 2 * time.Second

// Start makes a world whose phones are still off. Close must be called when Start succeeds. When ctx is done the
// phones go off; the rest waits for Close.
func Start(ctx context.Context, o Options) (*World, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(ctx)
	w := &World{ctx: ctx, stop: stop}
	if err := w.start(ctx, o); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o Options) error {
	medium, err := w.openBroker(ctx, o)
	if err != nil {
		return err
	}
	if o.GLPIURL != "" {
		w.GLPIURL = o.GLPIURL
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for GLPI: %w", err)
	}
	base := fmt.Sprintf("http://%s/glpi", listener.Addr())
	w.GLPIURL = base + "/apirest.php"
	host, port := hostAndPort(w.MQTTURL)
	server := glpi.New(glpi.Options{Broker: medium, BaseURL: base, BrokerHost: host, BrokerPort: port, ParseDelay: parsing, Seed: uint64(o.Seed)})
	demo := server.SeedDemo(glpi.DemoOptions{Devices: o.Devices, Seed: o.Seed})
	w.ServiceToken = demo.ServiceToken
	w.serveGLPI(ctx, listener, server)
	w.populate(o, demo)
	return nil
}

// hostAndPort are where phones that enrol are told to connect.
func hostAndPort(mqttURL string) (host string, port int) {
	address, err := url.Parse(mqttURL)
	if err != nil {
		return "", 0
	}
	port, err = strconv.Atoi(address.Port())
	if err != nil {
		port = 1883
	}
	return address.Hostname(), port
}

// openBroker starts the embedded broker, or connects to the real one.
func (w *World) openBroker(ctx context.Context, o Options) (glpi.Broker, error) {
	if o.MQTTURL != "" {
		w.MQTTURL, w.MQTTUsername, w.MQTTPassword = o.MQTTURL, o.MQTTUsername, o.MQTTPassword
		away, err := connectBackend(ctx, o)
		if err != nil {
			return nil, err
		}
		w.closers = append(w.closers, away.close)
		return away, nil
	}
	embedded, err := broker.Start(broker.Options{Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, embedded.Close)
	w.MQTTURL, w.MQTTUsername, w.MQTTPassword = embedded.URL(), gatewayAccount, accountPassword
	embedded.SetAccount(backendAccount, accountPassword, broker.Access{Filter: "#", Read: true, Write: true})
	embedded.SetAccount(gatewayAccount, accountPassword, gatewayAccess()...)
	return embeddedBroker{embedded}, nil
}

// gatewayAccess is what the gateway's account is given: to hear everything, to ask devices, and to clear leftovers.
func gatewayAccess() []broker.Access {
	return []broker.Access{
		{Filter: "#", Read: true},
		{Filter: "+/agent/+/Command/#", Write: true}, {Filter: "+/agent/+/Policy/#", Write: true},
	}
}

// serveGLPI answers HTTP as GLPI's web server does.
func (w *World) serveGLPI(ctx context.Context, listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:     handler,
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends what waits for a phone's answer
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute, ReadHeaderTimeout: 10 * time.Second,
	}
	w.serving.Go(func() { _ = server.Serve(listener) })
	w.closers = append(w.closers, func() error {
		inTime, stop := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer stop()
		if server.Shutdown(inTime) == nil {
			return nil
		}
		return server.Close() // somebody holds a connection open and says nothing
	})
}

// populate makes the phones.
func (w *World) populate(o Options, demo glpi.Demo) {
	transport := &http.Transport{MaxConnsPerHost: 32, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute}
	w.closers = append(w.closers, func() error { transport.CloseIdleConnections(); return nil })
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	options := phone.Options{MQTTURL: w.MQTTURL, GLPIURL: w.GLPIURL, HTTP: client, Logger: o.Logger}
	var phones []*phone.Phone
	for _, d := range demo.Devices {
		account := accountOf(d)
		if o.MQTTURL != "" && o.MQTTUsername != "" {
			account.MQTTUsername, account.MQTTPassword = o.MQTTUsername, o.MQTTPassword
		}
		phones = append(phones, phone.New(account, options))
	}
	operator := &operator{glpiURL: w.GLPIURL, token: demo.ServiceToken, http: client}
	w.crowd = phone.NewCrowd(phones, phone.CrowdOptions{EventsPerSecond: o.EventsPerSecond, Seed: o.Seed, Ask: operator.ping})
}

// Wake switches the phones on and lets them live. It is apart from Start so that a gateway can be there before they
// say their first word, which is not repeated. The error is the first phone's that could not connect; the others
// live all the same. It must be called once at most.
func (w *World) Wake() error {
	if w.crowd == nil {
		return nil
	}
	err := w.crowd.SwitchOn(w.ctx)
	w.living.Go(func() { w.crowd.Run(w.ctx) })
	return err
}

// Close ends everything and waits for it.
func (w *World) Close() error {
	w.stop()
	w.living.Wait()
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	w.serving.Wait()
	return errors.Join(errs...)
}

func accountOf(d glpi.DemoDevice) phone.Account {
	return phone.Account{
		AgentID: d.AgentID, ComputerID: d.ComputerID, Serial: d.Serial, Topic: d.Topic, FleetTopic: d.FleetTopic,
		MQTTUsername: d.MQTTUser, MQTTPassword: d.MQTTPassword, APIToken: d.APIToken,
		Generation: phone.Generation(d.Generation), Latitude: d.Latitude, Longitude: d.Longitude,
	}
}
