package phone

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// hear takes a message apart the way the agents do: they look whether the topic in lower case contains a word,
// and at the payload late or never.
func (p *Phone) hear(l *life, message mqtt.Message) {
	topic, payload := strings.ToLower(message.Topic()), string(message.Payload())
	kept := true
	switch {
	case strings.Contains(topic, "/policy/"):
		kept = l.later(func(ctx context.Context) { p.obeyPolicy(ctx, message.Topic(), payload) })
	case strings.Contains(topic, "/command/"):
		kept = l.later(func(ctx context.Context) { p.obey(ctx, topic, payload) })
	}
	if !kept {
		p.o.Logger.Debug("a phone has too much to do", "serial", p.account.Serial)
	}
}

// obey carries a command out.
func (p *Phone) obey(ctx context.Context, topic, payload string) {
	// Generation A ignores what clears a retained message. Generation B does not look: an empty payload is the
	// command itself to it, on unenrol, lock, ping and geolocate.
	if payload == "" && p.account.Generation == A {
		return
	}
	switch {
	case strings.Contains(topic, "subscribe"):
		p.joinFleet(ctx, payload)
	case strings.Contains(topic, "unenroll"):
		p.unenroll(ctx, payload)
	case strings.Contains(topic, "wipe"):
		p.wipe(ctx, payload)
	case strings.Contains(topic, "lock"):
		p.lock(ctx, payload)
	case strings.Contains(topic, "ping"):
		p.pong(ctx)
	case strings.Contains(topic, "geolocate"):
		p.reportPosition(ctx)
	case strings.Contains(topic, "inventory"):
		p.reportInventory(ctx)
	}
}

func (p *Phone) lock(ctx context.Context, payload string) {
	p.mu.Lock()
	p.locked = strings.Contains(payload, `"now"`)
	p.mu.Unlock()
	if p.account.Generation == B {
		p.pong(ctx) // its code falls through from lock to ping
	}
}

func (p *Phone) wipe(ctx context.Context, payload string) {
	if !strings.Contains(payload, `"now"`) {
		return
	}
	if p.account.Generation == B {
		p.tellGLPI(ctx, "is_online", "0")
	}
	p.leave()
}

func (p *Phone) unenroll(ctx context.Context, payload string) {
	if p.account.Generation == A {
		if !strings.Contains(payload, `"now"`) {
			return
		}
		p.say(ctx, "Status/Unenroll", `{"unenroll":"unenrolled"}`)
	} else {
		p.tellGLPI(ctx, "is_online", "0") // and never that it has left: GLPI waits for ever
	}
	p.leave()
}

// joinFleet listens to the fleet that a Subscribe command names, or to none.
func (p *Phone) joinFleet(ctx context.Context, payload string) {
	var command struct {
		Subscribe []struct {
			Topic *string `json:"topic"`
		} `json:"subscribe"`
	}
	if json.Unmarshal([]byte(payload), &command) != nil || len(command.Subscribe) == 0 {
		return
	}
	fleet := ""
	if topic := command.Subscribe[0].Topic; topic != nil {
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

// obeyPolicy applies a policy and reports on its task. Any payload with the word "default" in it is taken for
// the policy's removal, and so is an empty one; nothing is reported then.
func (p *Phone) obeyPolicy(ctx context.Context, topic, payload string) {
	if payload == "" || strings.Contains(payload, "default") {
		return
	}
	_, task, found := strings.Cut(topic, "/Task/")
	taskID, err := strconv.Atoi(task)
	if !found || err != nil {
		return
	}
	for _, status := range []string{"received", "done"} {
		if p.account.Generation == A {
			p.say(ctx, "Status/Task/"+task, `{"status":"`+status+`"}`)
		} else {
			p.tellTaskStatus(ctx, taskID, status)
		}
	}
}
