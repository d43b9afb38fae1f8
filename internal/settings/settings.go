// Package settings holds what an operator can set: every field is a flag and an environment
// variable (`--glpi-url` is `FLEETGATE_GLPI_URL`), and checks itself with errors that name the
// setting at fault. It wires nothing; server.go does.
package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Gateway is what `serve` and `demo` share.
type Gateway struct {
	Listen              string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to serve HTTP on; ${default} unless set."`
	GLPIURL             string        `name:"glpi-url" placeholder:"URL" help:"GLPI's REST API, such as https://glpi.example/apirest.php."`
	GLPIAppToken        string        `name:"glpi-app-token" placeholder:"TOKEN" help:"App-Token of the API client that GLPI has for the gateway; none when GLPI asks for none."`
	GLPIServiceToken    string        `name:"glpi-service-token" placeholder:"TOKEN" help:"API token of a GLPI service account that may read all agents and computers: with it the gateway knows which devices there are. Viewers always read with their own rights."`
	GLPISignupToken     string        `name:"glpi-signup-token" placeholder:"TOKEN" help:"API token of the account (flyvenologin) with which GLPI's plugin flyvemdmdemo lets people create their own accounts; they can't unless set."`
	GLPITimezone        string        `name:"glpi-timezone" placeholder:"ZONE" help:"Time zone of GLPI's server, such as Europe/Paris; learnt from GLPI's clock unless set."`
	MQTTURL             string        `name:"mqtt-url" placeholder:"URL" help:"MQTT broker of the devices: mqtt://, mqtts://, ws:// or wss://. MQTT 5 is needed."`
	MQTTUsername        string        `name:"mqtt-username" placeholder:"NAME" help:"The gateway's account on the broker."`
	MQTTPassword        string        `name:"mqtt-password" placeholder:"PASSWORD" help:"Its password."`
	MQTTCAFile          string        `name:"mqtt-ca-file" placeholder:"FILE" help:"PEM file with the authorities that vouch for the broker's certificate; the system's unless set."`
	MQTTCertFile        string        `name:"mqtt-cert-file" placeholder:"FILE" help:"PEM file with the gateway's own certificate for the broker, where that asks for one; needs --mqtt-key-file."`
	MQTTKeyFile         string        `name:"mqtt-key-file" placeholder:"FILE" help:"PEM file with the key of that certificate."`
	RedisURL            string        `name:"redis-url" placeholder:"URL" help:"Redis that replicas share, such as redis://:password@host:6379/0 or rediss://...; needs --secret. Not needed by a gateway alone."`
	AuditLog            string        `name:"audit-log" placeholder:"FILE" help:"File of JSON lines that gets who did what, beside the store; - for the standard output."`
	DataDir             string        `name:"data-dir" placeholder:"DIR" help:"Where the gateway keeps what must survive a restart; nothing is kept unless set."`
	Secret              string        `placeholder:"TEXT" help:"What sign-in tokens are sealed with, 16 characters or more, the same on every replica. Unless set: made once and kept in data-dir, or else new at every start, which ends all tokens."`
	PublicURL           string        `name:"public-url" placeholder:"URL" help:"Where people reach the gateway, such as https://fleet.example: invitations' links begin with it; unless set, with the address that the administrator uses."`
	AllowedOrigins      []string      `name:"allowed-origins" placeholder:"ORIGIN,..." help:"Web origins, beside the gateway's own, whose pages may call it, such as https://fleet.example; * for any."`
	TrustedProxies      []string      `name:"trusted-proxies" placeholder:"NETWORK,..." help:"Addresses or networks of the reverse proxies in front of the gateway, such as 10.0.0.5 or 10.0.0.0/24: where a request came from is what they say in X-Forwarded-For. Nobody's word counts unless set."`
	SessionLifetime     time.Duration `name:"session-lifetime" default:"8h" help:"How long a sign-in token is good at most."`
	StaleAfter          time.Duration `name:"stale-after" default:"15m" help:"How long a device that said it is online may be silent before it is shown as STALE."`
	DangerZoneProfiles  []string      `name:"danger-zone-profiles" placeholder:"NAME,..." help:"Names or ids of the GLPI profiles whose people may wipe, unenrol and delete devices; all that GLPI lets unless set."`
	DangerZoneTargets   int           `name:"danger-zone-max-targets" default:"500" help:"How many devices may be wiped, unenrolled or deleted at once."`
	DangerZoneQuiet     string        `name:"danger-zone-quiet-hours" placeholder:"HOURS" help:"When nobody may wipe, unenrol or delete, such as '22:00-06:00 Europe/Paris'; UTC without a zone."`
	DangerZoneReauth    bool          `name:"danger-zone-reauth" help:"Ask for the password again before devices are wiped, unenrolled or deleted."`
	DangerZoneTimeout   time.Duration `name:"danger-zone-timeout" default:"168h" help:"How long a device that was told to erase itself or to leave is waited for, until its operation counts as expired."`
	AcceptSessionTokens bool          `name:"accept-session-tokens" default:"true" negatable:"" help:"Accept the plain Session-Token header of existing GLPI clients too."`
	MaxUpload           int64         `name:"max-upload" default:"512" help:"The largest file that can be uploaded, in MiB; GLPI's PHP has limits of its own."`
	MaxConnections      int           `name:"max-connections" default:"25000" help:"How many connections may be open for subscriptions."`
	MaxPerClient        int           `name:"max-connections-per-client" default:"1000" help:"How many of them one IP address may have."`
	DeviceRate          int           `name:"device-rate" default:"1000" placeholder:"N" help:"How many messages a second a device may send over MQTT for long, and twenty seconds' worth of them at once; what is more is dropped."`
	SlowReader          string        `name:"slow-reader" default:"latest" enum:"latest,close" help:"What becomes of a client that reads more slowly than events come: it gets the latest presence of each device and is told to ask again for the rest (latest), or is closed (close)."`
	ResponseCacheMB     int           `name:"response-cache-mb" default:"64" help:"Memory for whole responses that are kept until something that they show changes, in MiB; 0: none are kept."`
	LogLevel            string        `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"The least serious messages to log: ${enum}."`
	LogFormat           string        `name:"log-format" default:"text" enum:"text,json" help:"How log lines look: ${enum}."`
}

// Demo is what only the demonstration has.
type Demo struct {
	Devices         int     `default:"200" help:"How many simulated devices, over both companies."`
	EventsPerSecond float64 `name:"events-per-second" default:"20" help:"How much the devices do, all together."`
	Seed            int64   `default:"1" help:"The same seed gives the same people, devices and doings."`
}

// shortestSecret is the least number of characters of a secret: fewer could be guessed.
const shortestSecret = 16

// mostUpload is the most MiB that a file may have: its size fits GraphQL's Int.
const mostUpload = 2047

// mostTargets is the most devices that one operation may have.
const mostTargets = 500

// mostResponses is the most MiB of responses that are kept.
const mostResponses = 64 << 10

// Check refuses what can't work. needBackends says whether GLPI and the broker must be named.
func (g *Gateway) Check(needBackends bool) error {
	if err := checkBackend("glpi-url", g.GLPIURL, needBackends, "http", "https"); err != nil {
		return err
	}
	if err := checkBackend("mqtt-url", g.MQTTURL, needBackends, "mqtt", "tcp", "mqtts", "tls", "ssl", "ws", "wss"); err != nil {
		return err
	}
	if err := g.checkTokens(); err != nil {
		return err
	}
	if _, err := g.BrokerTLS(); err != nil {
		return err
	}
	if g.RedisURL != "" && g.Secret == "" {
		return errors.New("--redis-url: replicas must open each other's tokens and cursors: give all of them the same --secret")
	}
	if g.Secret != "" && len(g.Secret) < shortestSecret {
		return fmt.Errorf("--secret: give at least %d characters", shortestSecret)
	}
	if _, err := g.Location(); err != nil {
		return err
	}
	if g.SessionLifetime < time.Second {
		return fmt.Errorf("--session-lifetime: %s is too short: a second or more", g.SessionLifetime)
	}
	if g.StaleAfter <= 0 {
		return fmt.Errorf("--stale-after: %s is not a time to wait", g.StaleAfter)
	}
	if err := g.checkDangerZone(); err != nil {
		return err
	}
	if g.DangerZoneTimeout < time.Minute {
		return fmt.Errorf("--danger-zone-timeout: %s is too short: a minute or more", g.DangerZoneTimeout)
	}
	if g.MaxUpload < 1 || g.MaxUpload > mostUpload {
		return fmt.Errorf("--max-upload: %d is not between 1 and %d MiB", g.MaxUpload, mostUpload)
	}
	if g.MaxConnections < 1 {
		return fmt.Errorf("--max-connections: %d is not a number of connections", g.MaxConnections)
	}
	if g.MaxPerClient < 1 {
		return fmt.Errorf("--max-connections-per-client: %d is not a number of connections", g.MaxPerClient)
	}
	if g.DeviceRate < 1 {
		return fmt.Errorf("--device-rate: %d is not a number of messages", g.DeviceRate)
	}
	if g.ResponseCacheMB < 0 || g.ResponseCacheMB > mostResponses {
		return fmt.Errorf("--response-cache-mb: %d is not between 0 and %d MiB", g.ResponseCacheMB, mostResponses)
	}
	if err := checkBackend("public-url", g.PublicURL, false, "https", "http"); err != nil {
		return err
	}
	if _, err := g.Proxies(); err != nil {
		return err
	}
	for _, origin := range g.AllowedOrigins {
		if err := checkOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

// Check refuses what can't work in a demonstration with these settings of the gateway, which are checked already.
func (d *Demo) Check(g Gateway) error {
	const most = 20_000
	if d.Devices < 1 || d.Devices > most {
		return fmt.Errorf("--devices: %d is not between 1 and %d", d.Devices, most)
	}
	if math.IsNaN(d.EventsPerSecond) || d.EventsPerSecond < 0 || d.EventsPerSecond > 5000 {
		return fmt.Errorf("--events-per-second: %v is not between 0 and 5000", d.EventsPerSecond)
	}
	if phones := g.GLPIURL == ""; phones && strings.HasPrefix(g.MQTTURL, "ws") {
		return errors.New("--mqtt-url: the simulated phones speak no MQTT over WebSocket: give an address like mqtt://host or mqtts://host")
	}
	return nil
}

// Location is the time zone of GLPI's server; nil when it is to be learnt.
func (g *Gateway) Location() (*time.Location, error) {
	if g.GLPITimezone == "" {
		return nil, nil
	}
	location, err := time.LoadLocation(g.GLPITimezone)
	if err != nil {
		return nil, fmt.Errorf("--glpi-timezone: %q is not a time zone; try one like Europe/Paris", g.GLPITimezone)
	}
	return location, nil
}

// Proxies are the networks of the reverse proxies that are believed.
func (g *Gateway) Proxies() (networks []netip.Prefix, err error) {
	for _, text := range g.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if address, plain := netip.ParseAddr(text); plain == nil {
			network, err = address.Unmap().Prefix(address.Unmap().BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no address and no network; write them like 10.0.0.5 or 10.0.0.0/24", text)
		}
		if network.Bits() == 0 {
			return nil, fmt.Errorf("--trusted-proxies: %s is everybody, who could claim any address", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// checkDangerZone refuses rules for what can't be undone that can't be meant.
func (g *Gateway) checkDangerZone() error {
	if slices.ContainsFunc(g.DangerZoneProfiles, func(name string) bool { return strings.TrimSpace(name) == "" }) {
		return errors.New("--danger-zone-profiles: one of the names is empty")
	}
	if g.DangerZoneTargets < 1 || g.DangerZoneTargets > mostTargets {
		return fmt.Errorf("--danger-zone-max-targets: %d is not between 1 and %d", g.DangerZoneTargets, mostTargets)
	}
	_, err := g.QuietHours()
	return err
}

// QuietHours are when nothing is done that can't be undone; nil when there are none.
func (g *Gateway) QuietHours() (*QuietHours, error) {
	hours, err := ParseQuietHours(g.DangerZoneQuiet)
	if err != nil {
		return nil, fmt.Errorf("--danger-zone-quiet-hours: %w", err)
	}
	return hours, nil
}

// Level is the log level as slog knows it.
func (g *Gateway) Level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// checkBackend refuses an address that can't be one. The error never repeats the address: it may hold a password.
func checkBackend(name, address string, needed bool, schemes ...string) error {
	if address == "" {
		if needed {
			return fmt.Errorf("--%s: missing (or set %s)", name, EnvironmentName(name))
		}
		return nil
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || !slices.Contains(schemes, parsed.Scheme) {
		return fmt.Errorf("--%s: not an address like %s://host; schemes known: %s", name, schemes[0], strings.Join(schemes, ", "))
	}
	if parsed.User != nil {
		return fmt.Errorf("--%s: leave user name and password out of the address; they have settings of their own", name)
	}
	return nil
}

// checkTokens refuses what no token of GLPI can be, such as one with the line break of its file.
func (g *Gateway) checkTokens() error {
	for _, token := range []struct{ name, text string }{
		{"glpi-app-token", g.GLPIAppToken}, {"glpi-service-token", g.GLPIServiceToken}, {"glpi-signup-token", g.GLPISignupToken},
	} {
		if strings.ContainsFunc(token.text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("--%s: has characters that no token has, such as a line break", token.name)
		}
	}
	return nil
}

func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	parsed, err := url.Parse(origin)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") || strings.Trim(parsed.Path, "/") != "" {
		return fmt.Errorf("--allowed-origins: %q is not an origin like https://fleet.example", origin)
	}
	return nil
}

// EnvironmentName is the variable that mirrors a flag.
func EnvironmentName(flag string) string {
	return "FLEETGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Logger is the log that the settings ask for, written to w.
func (g *Gateway) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: g.Level()}
	if g.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
