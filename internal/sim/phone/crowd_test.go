package phone_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/phone"
)

// gather makes n phones of generation A that are off, with accounts on a broker.
func gather(t *testing.T, b *broker.Broker, n int) []*phone.Phone {
	t.Helper()
	phones := make([]*phone.Phone, n)
	for i := range phones {
		serial := fmt.Sprint("CROWD-", i)
		b.SetAccount(serial, "x", broker.Access{Filter: "1/agent/" + serial + "/Status/#", Write: true},
			broker.Access{Filter: "1/agent/" + serial + "/Command/#", Read: true})
		phones[i] = phone.New(phone.Account{
			AgentID: i + 1, Serial: serial, Topic: "1/agent/" + serial, MQTTUsername: serial, MQTTPassword: "x", Generation: phone.A,
		}, phone.Options{MQTTURL: b.URL()})
	}
	return phones
}

func on(phones []*phone.Phone) (serials []string) {
	for _, p := range phones {
		if p.On() {
			serials = append(serials, p.Account().Serial)
		}
	}
	return serials
}

func TestTheSameSeedSwitchesTheSamePhonesOn(t *testing.T) {
	b := startEmbedded(t)
	var first []string
	for range 2 {
		phones := gather(t, b, 100)
		crowd := phone.NewCrowd(phones, phone.CrowdOptions{Seed: 3})
		if err := crowd.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		serials := on(phones)
		if len(serials) < 60 || len(serials) > 95 {
			t.Errorf("%d phones of 100 are on", len(serials))
		}
		if first != nil && !slices.Equal(first, serials) {
			t.Errorf("%v are on, the first time it was %v", serials, first)
		}
		first = serials
		ctx, stop := context.WithCancel(t.Context())
		stop()
		crowd.Run(ctx)
		if left := on(phones); left != nil {
			t.Errorf("%v are still on", left)
		}
	}
}

func TestACrowdLivesAtItsPace(t *testing.T) {
	b := startEmbedded(t)
	phones := gather(t, b, 30)
	var asked atomic.Int64
	crowd := phone.NewCrowd(phones, phone.CrowdOptions{EventsPerSecond: 500, Seed: 1, Ask: func(context.Context, phone.Account) { asked.Add(1) }})
	if err := crowd.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := on(phones)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		crowd.Run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	for deadline := time.Now().Add(10 * time.Second); asked.Load() < 5 || slices.Equal(before, on(phones)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d were asked, %v are on", asked.Load(), on(phones))
		}
	}
}

// Who is asked keeps a worker of GLPI's busy: no more than a few are at once, the others go on meanwhile, and the
// crowd waits for them in the end.
func TestFewAreAskedAtOnce(t *testing.T) {
	phones := gather(t, startEmbedded(t), 30)
	var mu sync.Mutex
	busy, most := 0, 0
	crowd := phone.NewCrowd(phones, phone.CrowdOptions{EventsPerSecond: 2000, Seed: 1, Ask: func(ctx context.Context, _ phone.Account) {
		mu.Lock()
		busy++
		most = max(most, busy)
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		busy--
		mu.Unlock()
	}})
	if err := crowd.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, stop)
	crowd.Run(ctx)
	if busy != 0 || most < 1 || most > 4 {
		t.Errorf("%d were asked at once, %d still are", most, busy)
	}
}

func TestACrowdWithoutABroker(t *testing.T) {
	b := startEmbedded(t)
	phones := gather(t, b, 10)
	b.RemoveAccount("CROWD-0")
	b.RemoveAccount("CROWD-1")
	crowd := phone.NewCrowd(phones, phone.CrowdOptions{Seed: 1})
	if err := crowd.SwitchOn(t.Context()); err == nil {
		t.Error("nobody could not connect")
	}
	if len(on(phones)) < 5 {
		t.Errorf("only %v are on", on(phones))
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(on(phones)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v did not notice", on(phones))
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	phone.NewCrowd(phones, phone.CrowdOptions{EventsPerSecond: 1000}).Run(ctx)
}

// The token of generation B travels in an address, which must not end in a log.
func TestNoTokenIsLogged(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"broken":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		glpi := httptest.NewServer(answer)
		var log logged
		b := startEmbedded(t)
		p := phone.New(phone.Account{Serial: "SER-1", Topic: topic, MQTTUsername: "SER-1", MQTTPassword: "x", APIToken: "secret-token", Generation: phone.B},
			phone.Options{MQTTURL: b.URL(), GLPIURL: glpi.URL, Logger: log.logger()})
		if err := p.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); log.text() == ""; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: it says nothing", name)
			}
		}
		p.SwitchOff()
		glpi.Close()
		if log.holds("secret-token") || log.holds("password") {
			t.Errorf("%s: it says %s", name, log.text())
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	said []byte
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.said)
}

func (l *logged) holds(text string) bool { return strings.Contains(l.text(), text) }

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, p...)
	return len(p), nil
}

// However rare events are to be, there is a time until the next one.
func TestACrowdThatHardlyDoesAnything(t *testing.T) {
	b := startEmbedded(t)
	crowd := phone.NewCrowd(gather(t, b, 1), phone.CrowdOptions{EventsPerSecond: 1e-300})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	crowd.Run(ctx)
}
