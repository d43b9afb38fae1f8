package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func newTestLink(t *testing.T) *link {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	options, err := Options{URL: "mqtt://host"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	return newLink(options, m)
}

func TestAFlappingConnectionIsNotAStorm(t *testing.T) {
	l := newTestLink(t)
	if pause := l.pause(0); pause != 0 {
		t.Errorf("the first attempt waits %s", pause)
	}
	for i := range 20 {
		l.upAt = time.Now()
		if pause := l.pause(0); pause < l.options.ReconnectMin || pause > l.options.ReconnectMax {
			t.Errorf("loss %d: %s", i, pause)
		}
	}
	if l.flaps != 20 {
		t.Errorf("%d losses were counted", l.flaps)
	}
	l.upAt = time.Now().Add(-time.Minute)
	if l.pause(0); l.flaps != 0 {
		t.Error("a steady connection counts as a failed one")
	}
}

func TestAFullQueueHoldsTheBrokerUpForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t)
		ctx, stop := context.WithCancel(t.Context())
		for range queueLength {
			if !l.handOver(ctx, message{}) {
				t.Fatal("a queue with room refuses a message")
			}
		}
		if l.handOver(ctx, message{}) {
			t.Error("a message found room that there isn't")
		}
		go func() {
			time.Sleep(queuePatience / 2)
			<-l.messages
		}()
		if !l.handOver(ctx, message{}) {
			t.Error("a message was given up though room came in time")
		}
		stop()
		began := time.Now()
		if l.handOver(ctx, message{}); time.Since(began) != 0 {
			t.Error("the end waits for a queue that nobody reads")
		}
	})
}

// What the broker delivered before the end is taken in: it doesn't send it again.
func TestTheEndTakesInWhatWasDelivered(t *testing.T) {
	l := newTestLink(t)
	for i := range 100 {
		l.messages <- message{task: TaskStatus{TaskID: i}}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var taken []int
	if err := l.run(ctx, func(m message) { taken = append(taken, m.task.TaskID) }); err != nil {
		t.Fatal(err)
	}
	if len(taken) != 100 || !slices.IsSorted(taken) {
		t.Errorf("taken in: %v", taken)
	}
}

// TestTransports connects over a WebSocket and over TLS, to a certificate that only the given authority vouches for.
func TestTransports(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	server, client := &tls.Config{Certificates: certified.TLS.Certificates}, &tls.Config{RootCAs: trusted}

	at := &embedded{at: freeAddress(t)}
	at.start(t)
	t.Cleanup(func() { at.kill(t) })
	addresses := map[string]string{}
	for scheme, secure := range map[string]*tls.Config{"ws": nil, "wss": server, "mqtts": server} {
		config := listeners.Config{ID: scheme, Address: freeAddress(t), TLSConfig: secure}
		addresses[scheme] = config.Address
		var listener listeners.Listener = listeners.NewWebsocket(config)
		if scheme == "mqtts" {
			listener = listeners.NewTCP(config)
		}
		at.listen(t, listener)
		at.server.Listeners.Serve(scheme, at.server.EstablishConnection)
	}
	for scheme, address := range addresses {
		options := account(address)
		options.URL, options.TLS = scheme+"://"+address, client
		b := start(t, options)
		connected(t, b)
		if scheme != "ws" {
			options.TLS = nil
			stranger := start(t, options)
			eventually(t, "the certificate is refused", func() bool { return stranger.Status().LastError != "" })
			if s := stranger.Status(); s.Connected {
				t.Errorf("%s: connected to a certificate that nobody vouches for: %+v", scheme, s)
			}
		}
	}
}

func TestADeviceTooManyIsCounted(t *testing.T) {
	b, err := New(Options{URL: "mqtt://host", MaxDevices: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, serial := range []string{"A", "B", "A"} {
		b.handle(message{device: DeviceKey{1, serial}, kind: kindTask, at: noon, task: TaskStatus{1, "done"}})
	}
	if events := b.journal.heard; len(events) != 3 || events[2].Device.Serial != "A" {
		t.Errorf("got %+v", events)
	}
	if n := testutil.ToFloat64(b.link.metrics.refused.WithLabelValues(string(refusedDevices))); n != 1 {
		t.Errorf("%v were counted", n)
	}
}
