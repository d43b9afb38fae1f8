package phone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	keepAlive      = 60 * time.Second
	connectTimeout = 10 * time.Second
	// writeTimeout also bounds how long the client library does not notice that a connection was cut.
	writeTimeout = 2 * time.Second
	// answersWaiting bounds what a phone has yet to do; more is dropped, as by a phone that is overwhelmed.
	answersWaiting = 32
)

// life is what a phone has between being switched on and off: a connection, and one goroutine that does what
// messages ask for, because MQTT's own must not wait.
type life struct {
	client  mqtt.Client
	answers chan func(context.Context)
	done    chan struct{} // closed when the goroutine has ended
	stop    context.CancelFunc

	mu   sync.Mutex
	wire *wire
	over bool
}

// wire is a connection that can be cut. The client library takes an error of a connection that was closed on
// this side for its own doing and would not clean up: a cut has to look like one from the other side.
type wire struct {
	net.Conn
	cut atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil && w.cut.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func newLife(ctx context.Context) *life {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &life{answers: make(chan func(context.Context), answersWaiting), done: make(chan struct{}), stop: stop}
	go func() {
		defer close(l.done)
		for {
			select {
			case do := <-l.answers:
				do(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}

// later queues what a message asks for; false when the phone has too much to do already, and forgets it.
func (l *life) later(do func(context.Context)) bool {
	select {
	case l.answers <- do:
		return true
	default:
		return false
	}
}

// dial opens the connection, kept so that it can be cut.
func (l *life) dial(ctx context.Context, broker *url.URL) (net.Conn, error) {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{Timeout: connectTimeout}
	if broker.Scheme == "ssl" {
		dialer = &tls.Dialer{NetDialer: &net.Dialer{Timeout: connectTimeout}}
	}
	opened, err := dialer.DialContext(ctx, "tcp", broker.Host)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		opened.Close()
		return nil, net.ErrClosed
	}
	l.wire = &wire{Conn: opened}
	return l.wire, nil
}

// end cuts the connection without a word and ends the work, without waiting for it.
func (l *life) end() {
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.wire != nil {
		l.wire.cut.Store(true)
		l.wire.Close()
	}
}

func wait(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Schemes are what a broker's URL may begin with: phones speak MQTT over TCP, plain or with TLS.
func Schemes() []string { return slices.Sorted(maps.Keys(ports)) }

// ports are the schemes with their ports.
var ports = map[string]string{"mqtt": plain, "tcp": plain, "mqtts": secure, "ssl": secure, "tls": secure}

const plain, secure = "1883", "8883"

// address is an MQTT URL the way the client library wants it.
func address(mqttURL string) (string, error) {
	address, err := url.Parse(mqttURL)
	if err != nil {
		return "", errors.New("it is no URL") // which may hold a password
	}
	port, known := ports[address.Scheme]
	if !known {
		return "", fmt.Errorf("a phone does not speak %q", address.Scheme)
	}
	scheme := "tcp"
	if port == secure {
		scheme = "ssl"
	}
	if address.Port() != "" {
		port = address.Port()
	}
	return scheme + "://" + net.JoinHostPort(address.Hostname(), port), nil
}
