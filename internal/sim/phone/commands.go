package phone

import (
	"context"
	"encoding/json"
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// hear queues a message that came over MQTT.
func (p *Phone) hear(l *life, message mqtt.Message) {
	topic, payload := message.Topic(), string(message.Payload())
	if !l.later(func(ctx context.Context) { p.heed(ctx, topic, payload) }) {
		p.o.Logger.Debug("a phone has too much to do", "serial", p.account.Serial)
	}
}

// heed takes a message apart the way the agents do. The word "default" anywhere in a payload makes it the removal
// of a policy, and nothing else is looked at. Then the message runs through the policies, and after them through
// every command whose word is somewhere in the topic, in lower case.
func (p *Phone) heed(ctx context.Context, topic, payload string) {
	if strings.Contains(payload, "default") {
		p.dropTask(payload)
		return
	}
	p.obeyPolicy(ctx, topic, payload)
	var said command
	_ = json.Unmarshal([]byte(payload), &said) // what can't be read says nothing
	words := strings.ToLower(topic)
	for _, c := range commands {
		// Generation A reads what a payload says. Generation B does not: to it any payload will do, even the
		// empty one that clears a retained command.
		if strings.Contains(words, c.word) && (c.said(said) || c.careless && p.account.Generation == B) {
			c.obey(p, ctx, said)
		}
	}
}

// command is what the payload of a command may say.
type command struct {
	Query, Wipe, Unenroll string
	Lock                  *string
	Subscribe             []struct {
		Topic *string
	}
}

// commands are what the agents understand, in the order in which they look.
var commands = []struct {
	word     string // in the topic
	said     func(command) bool
	careless bool // generation B obeys whatever is said
	obey     func(*Phone, context.Context, command)
}{
	{"ping", asks("ping"), true, func(p *Phone, ctx context.Context, _ command) { p.pong(ctx) }},
	{"geolocate", asks("geolocate"), true, func(p *Phone, ctx context.Context, _ command) { p.reportPosition(ctx) }},
	{"inventory", asks("inventory"), true, func(p *Phone, ctx context.Context, _ command) { p.reportInventory(ctx) }},
	{"wipe", func(c command) bool { return now(c.Wipe) }, false, (*Phone).wipe},
	{"unenroll", func(c command) bool { return now(c.Unenroll) }, true, (*Phone).unenroll},
	{"lock", func(c command) bool { return c.Lock != nil }, true, (*Phone).lock},
	{"subscribe", func(c command) bool { return len(c.Subscribe) > 0 }, false, (*Phone).joinFleet},
}

func asks(query string) func(command) bool {
	return func(c command) bool { return strings.EqualFold(c.Query, query) }
}

func now(word string) bool { return strings.EqualFold(word, "now") }

// lock locks the screen on {"lock":"now"} and unlocks it on everything else.
func (p *Phone) lock(ctx context.Context, said command) {
	p.mu.Lock()
	p.locked = said.Lock != nil && now(*said.Lock)
	p.mu.Unlock()
	if p.account.Generation == B {
		p.pong(ctx) // its code falls through from lock to ping
	}
}

func (p *Phone) wipe(ctx context.Context, _ command) {
	if p.account.Generation == B {
		p.tellGLPI(ctx, "is_online", "0")
	}
	p.leave()
}

func (p *Phone) unenroll(ctx context.Context, _ command) {
	if p.account.Generation == A {
		p.say(ctx, "Status/Unenroll", `{"unenroll":"unenrolled"}`)
	} else {
		p.tellGLPI(ctx, "is_online", "0") // and never that it has left: GLPI waits for ever
	}
	p.leave()
}

// joinFleet listens to the fleet that a Subscribe command names, or to none.
func (p *Phone) joinFleet(ctx context.Context, said command) {
	fleet := ""
	if topic := said.Subscribe[0].Topic; topic != nil {
		fleet = *topic
	}
	p.mu.Lock()
	l, old := p.life, p.fleet
	p.fleet = fleet
	p.mu.Unlock()
	if l == nil || fleet == old {
		return
	}
	if old != "" {
		_ = wait(ctx, l.client.Unsubscribe(old+"/#"))
	}
	if fleet != "" {
		_ = wait(ctx, l.client.Subscribe(fleet+"/#", 0, nil))
	}
}
