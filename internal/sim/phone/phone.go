// Package phone simulates the Android phones of a Flyve MDM fleet, of both generations that are installed in
// the field. Generation A hears commands over MQTT and answers over MQTT. Generation B hears them over MQTT
// and answers over HTTP, to GLPI; the only thing it ever says on the broker is its last will. Their mistakes
// are simulated too, since the gateway has to live with them.
package phone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Generation is which of the two Android agents runs on a phone.
type Generation string

// The generations.
const (
	A Generation = "A" // until December 2018: answers over MQTT
	B Generation = "B" // since: answers over HTTP
)

// Account is what enrolment left on a phone.
type Account struct {
	AgentID, ComputerID        int
	Serial                     string
	Topic                      string // "{entity}/agent/{serial}"
	FleetTopic                 string // "{entity}/fleet/{id}"; "" for none
	MQTTUsername, MQTTPassword string
	APIToken                   string // of the phone's own account in GLPI
	Generation                 Generation
	Latitude, Longitude        float64 // where it is at first
}

// Options are what all phones share.
type Options struct {
	MQTTURL string       // of the broker, such as mqtt://127.0.0.1:1883
	GLPIURL string       // of GLPI's REST API, such as http://127.0.0.1:8081/apirest.php
	HTTP    *http.Client // for generation B; nil means one with a timeout of 15 s
	Logger  *slog.Logger // nil means silent
}

// Phone is one phone. It is safe for concurrent use.
type Phone struct {
	account Account
	o       Options

	mu                  sync.Mutex
	life                *life // nil while it is off
	gone                bool  // wiped or unenrolled: it never comes back
	locked              bool
	fleet               string         // the topic that it listens to beside its own
	policies            map[string]int // symbol to task
	latitude, longitude float64
}

// ErrGone is the error of a phone that was wiped or unenrolled.
var ErrGone = errors.New("the phone was wiped or unenrolled")

// New makes a phone that is off.
func New(account Account, o Options) *Phone {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 15 * time.Second}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Phone{
		account: account, o: o, fleet: account.FleetTopic, policies: map[string]int{},
		latitude: account.Latitude, longitude: account.Longitude,
	}
}

// Account is what enrolment left on the phone.
func (p *Phone) Account() Account { return p.account }

// On says whether the phone is connected.
func (p *Phone) On() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life != nil
}

// Gone says whether the phone was wiped or unenrolled.
func (p *Phone) Gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// Locked says whether the screen is locked by command.
func (p *Phone) Locked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.locked
}

// SwitchOn connects the phone to the broker with its last will, makes it listen to its commands, and says that
// it is online. A phone that is on already stays so.
func (p *Phone) SwitchOn(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return ErrGone
	case p.life != nil:
		return nil
	}
	broker, err := address(p.o.MQTTURL)
	if err != nil {
		return fmt.Errorf("the broker's address: %w", err)
	}
	l := newLife(ctx)
	l.client = mqtt.NewClient(p.clientOptions(ctx, l, broker))
	if err := wait(ctx, l.client.Connect()); err != nil {
		l.end()
		return fmt.Errorf("connecting %s: %w", p.account.Serial, err)
	}
	filters := map[string]byte{p.account.Topic + "/#": 0}
	if p.fleet != "" {
		filters[p.fleet+"/#"] = 0
	}
	if err := wait(ctx, l.client.SubscribeMultiple(filters, nil)); err != nil {
		l.end()
		return fmt.Errorf("subscribing %s: %w", p.account.Serial, err)
	}
	p.life = l
	p.sayOnline()
	return nil
}

// SwitchOff cuts the phone off, as an empty battery does: the broker speaks its last will.
func (p *Phone) SwitchOff() {
	p.mu.Lock()
	l := p.life
	p.life = nil
	p.mu.Unlock()
	if l != nil {
		l.end()
		<-l.done
	}
}

// leave is SwitchOff for good, from within the phone's own work.
func (p *Phone) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	clear(p.policies)
	if p.life != nil {
		p.life.end()
		p.life = nil
	}
}

// lost notices that the broker has cut the phone off.
func (p *Phone) lost(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == l {
		p.life = nil
	}
	l.end()
}

func (p *Phone) clientOptions(ctx context.Context, l *life, broker string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker(broker).
		SetProtocolVersion(4).         // MQTT 3.1.1
		SetClientID(rand.Text()[:20]). // not stable in the field either; a broker need not take more than 23
		SetUsername(p.account.MQTTUsername).SetPassword(p.account.MQTTPassword).
		SetCleanSession(true).
		SetKeepAlive(keepAlive).SetConnectTimeout(connectTimeout).SetWriteTimeout(writeTimeout).
		SetAutoReconnect(false).
		SetWill(p.account.Topic+"/Status/Online", `{ "online": false }`, 0, true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { p.hear(l, m) }).
		SetConnectionLostHandler(func(mqtt.Client, error) { p.lost(l) }).
		SetCustomOpenConnectionFn(func(address *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			return l.dial(ctx, address)
		})
}

// current is the phone's present life; nil while it is off.
func (p *Phone) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// say publishes at QoS 0, not retained, and waits until the words are on their way.
func (p *Phone) say(ctx context.Context, suffix, payload string) {
	if l := p.current(); l != nil {
		_ = wait(ctx, l.client.Publish(p.account.Topic+"/"+suffix, 0, false, payload))
	}
}
