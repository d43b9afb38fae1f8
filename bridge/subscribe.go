package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// keepSubscribed subscribes after every connection (the library doesn't), and again to what the broker did
// not grant: an ACL may be mended while the bridge runs.
func (l *link) keepSubscribed(ctx context.Context, connection *autopaho.ConnectionManager) {
	var missing []string
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.up:
			missing = filters
		case <-retry.C:
		}
		retry.Stop()
		if missing = l.subscribe(ctx, connection, missing); len(missing) > 0 {
			retry.Reset(l.options.ReconnectMax)
		}
	}
}

// subscribe asks for topic filters and returns those that the broker did not grant.
func (l *link) subscribe(ctx context.Context, connection *autopaho.ConnectionManager, asked []string) []string {
	if len(asked) == 0 {
		return nil
	}
	generation := l.currentGeneration()
	ctx, cancel := context.WithTimeout(ctx, subscribeWithin)
	defer cancel()
	var wanted paho.Subscribe
	for _, filter := range asked {
		wanted.Subscriptions = append(wanted.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	answer, err := connection.Subscribe(ctx, &wanted)
	switch {
	case errors.Is(err, autopaho.ConnectionDownError), errors.Is(err, context.Canceled):
		return nil // asked again once it is up; or the end has come
	case answer == nil || len(answer.Reasons) != len(asked):
		l.failed("subscribing failed: " + describe(err))
		return asked
	}
	var refused []string
	var why byte
	for i, code := range answer.Reasons {
		if code >= 0x80 {
			refused, why = append(refused, asked[i]), code
		}
	}
	l.subscribed(generation, refused, why)
	return refused
}

func (l *link) currentGeneration() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation
}

// connected notes that the broker took the account.
func (l *link) connected() {
	l.upAt = time.Now()
	l.mu.Lock()
	l.generation++
	l.mu.Unlock()
	select {
	case l.up <- struct{}{}:
	default:
	}
}

// subscribed notes which filters the broker refused; unless the connection is another one by now.
func (l *link) subscribed(generation int, refused []string, why byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation != l.generation {
		return
	}
	l.now.Refused, l.now.LastError = refused, ""
	if len(refused) > 0 {
		l.now.LastError = fmt.Sprintf("the broker refuses the subscription to %s: %s", strings.Join(refused, " and "), reason(why))
		l.log.Warn("the broker refuses a subscription", "filters", refused, "reason", reason(why))
	}
	l.setConnected(len(refused) < len(filters))
}

// lost notes that the connection is gone; why may be known already.
func (l *link) lost(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation++
	l.now.Refused = nil
	if why != "" || l.now.LastError == "" {
		l.now.LastError = cmp.Or(why, "the connection was lost")
	}
	l.setConnected(false)
}

// failed notes what went wrong; an error that repeats is logged once.
func (l *link) failed(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now.LastError != why {
		l.log.Warn("the broker can't be used", "error", why)
	}
	l.now.LastError = why
}

// setConnected is called with the lock held.
func (l *link) setConnected(connected bool) {
	if l.now.Connected == connected {
		return
	}
	l.now.Connected, l.now.Since = connected, l.options.Now()
	if connected {
		l.metrics.connected.Set(1)
		l.log.Info("connected to the broker", "url", l.options.URL, "client", l.options.ClientID)
		return
	}
	l.metrics.connected.Set(0)
	l.log.Info("disconnected from the broker", "reason", l.now.LastError)
}

func (l *link) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	status := l.now
	status.Refused = slices.Clone(status.Refused)
	return status
}

// reasons are MQTT 5's codes that an operator can do something about.
var reasons = map[byte]string{
	0x84: "it does not speak MQTT 5",
	0x85: "the client identifier is not valid",
	0x86: "wrong user name or password",
	0x87: "not authorized (check the user name, the password and the ACL)",
	0x88: "it is not available",
	0x89: "it is busy",
	0x8a: "banned",
	0x8b: "it is shutting down",
	0x8d: "keep alive timeout",
	0x8e: "another client has the same client identifier",
	0x93: "receive maximum exceeded",
	0x95: "packet too large",
	0x97: "quota exceeded",
	0x9f: "too many connections",
	0xa2: "it does not support wildcards",
}

// reason puts a reason code of the broker into words.
func reason(code byte) string {
	return cmp.Or(reasons[code], fmt.Sprintf("reason code 0x%02x", code))
}

// describe puts an error of the library into one line without what it wraps the cause in: the broker's
// address and its account.
func describe(err error) string {
	var refused *autopaho.ConnackError
	switch {
	case err == nil:
		return "the broker's answer makes no sense"
	case errors.As(err, &refused):
		return "the broker refuses the connection: " + reason(refused.ReasonCode)
	case errors.Is(err, context.DeadlineExceeded):
		return "the broker does not answer"
	case errors.Is(err, io.EOF):
		return "the broker closed the connection"
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	return fmt.Sprintf("%.200s", strings.Join(strings.Fields(err.Error()), " "))
}
