package bridge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are the settings of a Bridge. Only URL must be given.
type Options struct {
	// URL of the broker: mqtt:// or tcp:// (port 1883 if none is given), mqtts://, tls:// or ssl:// (8883),
	// ws:// (80) or wss:// (443), with a path if the broker wants one. Name and password don't belong in it.
	URL string
	// Username and Password are the account on the broker; empty for anonymous access.
	Username, Password string
	// ClientID must not be in use by another client, or the broker lets the two throw each other out.
	// Empty: "fleetgate-" with a random tail, so that replicas don't collide.
	ClientID string
	// TLS is for mqtts:// and wss://; nil: the system's authorities decide.
	TLS *tls.Config
	// Logger gets connections, losses and (at debug level) refused messages; nil: no logs.
	Logger *slog.Logger
	// Registerer gets the fleetgate_mqtt_* and fleetgate_bridge_* metrics; nil: none are registered.
	Registerer prometheus.Registerer
	// Now is the clock of events and presence; nil: time.Now.
	Now func() time.Time
	// ReconnectMin and ReconnectMax bound the pause between two attempts to connect, which grows from one to
	// the other with jitter; 0: 200 ms and 5 s.
	ReconnectMin, ReconnectMax time.Duration
	// KeepAlive is how often a silent connection is probed, in whole seconds; 0: 20 s.
	KeepAlive time.Duration
	// MaxPayload bounds the payload of a message in bytes, except inventories (4 MiB); 0: 64 KiB.
	MaxPayload int
	// MaxDevices bounds how many devices are remembered; more are refused and counted. 0: 200,000.
	MaxDevices int
	// DeviceRate is how many messages a second a device may send for long, twenty seconds' worth of them at once; more are
	// refused and counted. 0: 1,000.
	DeviceRate int
	// StaleAfter is how long a device that said it is online may be silent before it counts as STALE; 0: 15
	// minutes.
	StaleAfter time.Duration
	// Lookup asks GLPI for the agents whose computers have a device's serial, in whatever entity. It is called, a
	// few times a second at most, for devices that Learn has not told of; nil: those are refused after LearnedAll.
	Lookup func(context.Context, DeviceKey) ([]Enrolled, error)
	// Changed is told of a device's Tag after something else became known of it, of its presence or position too, and
	// before an event says so. It must not call the Bridge; nil: nobody is told.
	Changed func(tag string)
	// Log keeps the events; nil: they end with the process.
	Log Log
	// Leads says whether this replica is the one that writes the Log; nil: it is alone, and does.
	Leads func() bool
	// CursorSecret seals cursors: replicas that share a Log must share it. Empty: cursors end with the process.
	CursorSecret []byte
	// LogSize is how many events are held for subscribers that come back with a cursor; 0: 10,000.
	LogSize int
	// LogAge is how old a cursor may be; 0: one day.
	LogAge time.Duration
	// Buffer is how many events wait for a subscriber in memory of its own; what is more it reads from the log. 0: 256.
	Buffer int
}

const maxInventory = 4 << 20

// defaultPorts names the schemes that a broker's URL may have.
var defaultPorts = map[string]string{
	"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "tls": "8883", "ssl": "8883", "ws": "80", "wss": "443",
}

// complete checks the options and fills in what was left out.
func (o Options) complete() (Options, error) {
	broker, err := brokerURL(o.URL)
	if err != nil {
		return o, err
	}
	o.URL = broker.String()
	if o.Password != "" && o.Username == "" {
		return o, errors.New("a Password is set without a Username")
	}
	if !utf8.ValidString(o.Username) || !utf8.ValidString(o.ClientID) {
		return o, errors.New("the Username and the ClientID must be valid UTF-8")
	}
	if o.ClientID == "" {
		o.ClientID = "fleetgate-" + randomHex(8)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	if o.Leads == nil {
		o.Leads = func() bool { return true }
	}
	if err := o.completeTimes(); err != nil {
		return o, err
	}
	return o, errors.Join(
		orDefault("StaleAfter", &o.StaleAfter, 15*time.Minute),
		orDefault("LogAge", &o.LogAge, 24*time.Hour),
		orDefault("MaxPayload", &o.MaxPayload, 64<<10),
		orDefault("MaxDevices", &o.MaxDevices, 200_000),
		orDefault("DeviceRate", &o.DeviceRate, 1000),
		orDefault("LogSize", &o.LogSize, 10_000),
		orDefault("Buffer", &o.Buffer, 256),
	)
}

func (o *Options) completeTimes() error {
	if err := errors.Join(
		orDefault("ReconnectMin", &o.ReconnectMin, 200*time.Millisecond),
		orDefault("ReconnectMax", &o.ReconnectMax, max(5*time.Second, 2*o.ReconnectMin)),
		orDefault("KeepAlive", &o.KeepAlive, 20*time.Second),
	); err != nil {
		return err
	}
	switch {
	case o.ReconnectMin < time.Millisecond:
		return fmt.Errorf("ReconnectMin (%s) must be 1 ms at least", o.ReconnectMin)
	case o.ReconnectMax < 2*o.ReconnectMin:
		return fmt.Errorf("ReconnectMax (%s) must be twice ReconnectMin (%s) at least", o.ReconnectMax, o.ReconnectMin)
	case o.KeepAlive < time.Second || o.KeepAlive > 18*time.Hour:
		return fmt.Errorf("KeepAlive (%s) must be between 1 s and 18 h", o.KeepAlive)
	}
	return nil
}

func orDefault[N int | time.Duration](name string, value *N, byDefault N) error {
	if *value < 0 {
		return fmt.Errorf("%s (%v) must not be negative", name, *value)
	}
	if *value == 0 {
		*value = byDefault
	}
	return nil
}

// brokerURL checks a broker's URL and completes its port. Errors don't quote the URL: it may hold a password.
func brokerURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("URL is missing: give the broker's address, like mqtt://broker.example:1883")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("URL is not valid: give the broker's address, like mqtt://broker.example:1883")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	port, known := defaultPorts[u.Scheme]
	socket := u.Scheme == "ws" || u.Scheme == "wss"
	switch {
	case !known:
		return nil, fmt.Errorf("URL has the scheme %q: use mqtt, tcp, mqtts, tls, ssl, ws or wss", u.Scheme)
	case u.User != nil:
		return nil, errors.New("URL holds a user name: put it in Username and Password")
	case u.Hostname() == "":
		return nil, errors.New("URL has no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("URL must not have a query or a fragment")
	case !socket && strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("URL must not have a path with the scheme %s", u.Scheme)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random)
	return hex.EncodeToString(random)
}
