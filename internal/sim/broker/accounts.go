package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Access grants an account something on the topics of a filter.
type Access struct {
	Filter      string // with + and # as in MQTT
	Read, Write bool
}

// accounts is the hook that asks for a password and guards every topic.
type accounts struct {
	mqtt.HookBase

	mu     sync.RWMutex
	byName map[string]account
}

type account struct {
	password [sha256.Size]byte
	access   []Access
}

func newAccounts() *accounts { return &accounts{byName: map[string]account{}} }

// ID names the hook in mochi-mqtt's log.
func (a *accounts) ID() string { return "accounts" }

// Provides tells mochi-mqtt what the hook decides.
func (a *accounts) Provides(what byte) bool {
	return what == mqtt.OnConnectAuthenticate || what == mqtt.OnACLCheck || what == mqtt.OnWill
}

// OnConnectAuthenticate decides who may connect.
func (a *accounts) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	a.mu.RLock()
	known, exists := a.byName[string(p.Connect.Username)]
	a.mu.RUnlock()
	given := sha256.Sum256(p.Connect.Password)
	return subtle.ConstantTimeCompare(given[:], known.password[:]) == 1 && exists
}

// OnACLCheck decides who may publish on a topic, be told what is published on it, and subscribe to a filter.
// A subscription may be wider than what its owner may read, as with Mosquitto: each message is checked again.
func (a *accounts) OnACLCheck(client *mqtt.Client, topic string, write bool) bool {
	a.mu.RLock()
	access := a.byName[string(client.Properties.Username)].access
	a.mu.RUnlock()
	return slices.ContainsFunc(access, func(granted Access) bool {
		if write {
			return granted.Write && overlap(granted.Filter, topic)
		}
		return granted.Read && overlap(granted.Filter, topic)
	})
}

// OnWill decides, when it is due, whether a last will may be spoken. mochi-mqtt can't be told to drop one: what is
// refused goes where no wildcard reaches.
func (a *accounts) OnWill(client *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if !a.OnACLCheck(client, will.TopicName, true) {
		return mqtt.Will{TopicName: "$refused"}, nil
	}
	return will, nil
}

func (a *accounts) set(username, password string, access []Access) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byName[username] = account{sha256.Sum256([]byte(password)), slices.Clone(access)}
}

func (a *accounts) remove(username string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byName, username)
}

// overlap says whether some topic matches both filters. A topic is a filter that matches itself.
func overlap(one, other string) bool {
	for {
		head, rest, more := strings.Cut(one, "/")
		otherHead, otherRest, otherMore := strings.Cut(other, "/")
		switch {
		case head == "#" || otherHead == "#":
			return true
		case head != otherHead && head != "+" && otherHead != "+":
			return false
		case !more || !otherMore: // one has ended: "a/#" matches "a" too
			return more == otherMore || rest == "#" || otherRest == "#"
		}
		one, other = rest, otherRest
	}
}
