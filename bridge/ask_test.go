package bridge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// answering is a phone of generation A: it answers what it is asked.
func answering(t *testing.T, at broker, serial, slash string) *client {
	t.Helper()
	p := device(t, at, serial, nil)
	topic := slash + "1/agent/" + serial
	await(t, "listening", p.Subscribe(topic+"/Command/#", 0, func(_ mqtt.Client, m mqtt.Message) {
		reply := map[string][2]string{
			"Ping":      {"Ping", "!"},
			"Geolocate": {"Geolocation", `{"latitude":48.85,"longitude":2.35}`},
			"Inventory": {"Inventory", "<REQUEST/>"},
		}[m.Topic()[strings.LastIndex(m.Topic(), "/")+1:]]
		p.Publish(topic+"/Status/"+reply[0], 0, false, reply[1])
	}))
	return p
}

func asksAndIsAnswered(t *testing.T, at broker) {
	b, _ := listen(t, at)
	answering(t, at, "SN-1", "")
	for _, question := range []Question{AskPing, AskPosition, AskInventory} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		answer, err := b.Ask(ctx, someone, question)
		cancel()
		if err != nil || answer.RoundTrip <= 0 || answer.RoundTrip > patience {
			t.Fatalf("%s: %+v, %v", question, answer, err)
		}
		if (answer.Position != nil) != (question == AskPosition) {
			t.Errorf("%s: the position is %+v", question, answer.Position)
		}
	}
}

// A phone of an old server, with a slash before its topics, is asked where it listens.
func asksWhereTheDeviceListens(t *testing.T, at broker) {
	b, events := listen(t, at)
	p := answering(t, at, "SN-2", "/")
	p.say(t, "/1/agent/SN-2/Status/Online", on, false)
	next(t, events)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := b.Ask(ctx, DeviceKey{1, "SN-2"}, AskPing); err != nil {
		t.Error(err)
	}
}

// Fifty who ask at once cost the device one question.
func asksOnceForMany(t *testing.T, at broker) {
	b, events := listen(t, at)
	phone := device(t, at, "SN-1", nil)
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := b.Ask(ctx, someone, AskPing); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all fifty wait", func() bool {
		b.inquiries.mu.Lock()
		defer b.inquiries.mu.Unlock()
		open := b.inquiries.open[someone]
		return len(open) == 1 && open[0].waiting == 50
	})
	nextOf(t, events, CommandSent) // the question is out: an answer before it would be none
	sent := 1
	phone.say(t, own+"Status/Ping", "!", false)
	asking.Wait()
	for e := next(t, events); e.Kind != CommandAnswered; e = next(t, events) {
		if e.Kind == CommandSent {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("the device was asked %d times", sent)
	}
	if len(b.inquiries.open) != 0 {
		t.Errorf("inquiries are left: %v", b.inquiries.open)
	}
}

// GLPI asks, and hears nothing of the answer. The round trip begins when its question is seen.
func overhearsGLPIsQuestions(t *testing.T, at broker) {
	b, _ := listen(t, at)
	answering(t, at, "SN-1", "")
	glpi := server(t, at)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	answered := make(chan Answer, 1)
	go func() {
		answer, err := b.Overhear(ctx, someone, AskPing)
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	eventually(t, "somebody waits", func() bool {
		b.inquiries.mu.Lock()
		defer b.inquiries.mu.Unlock()
		return len(b.inquiries.open) == 1
	})
	const later = 50 * time.Millisecond
	time.Sleep(later) // it does not count
	glpi.say(t, own+"Command/Ping", `{"query":"Ping"}`, false)
	if answer := <-answered; answer.RoundTrip <= 0 || answer.RoundTrip > time.Since(began)-later {
		t.Errorf("it took %s of %s", answer.RoundTrip, time.Since(began))
	}
	if _, err := b.Ask(ctx, someone, AskPing); err != nil {
		t.Errorf("an own question after it: %v", err)
	}
}

// Who waits for the answer to GLPI's question poses none, so that whoever asks then still has to.
func TestOverhearingIsNotAsking(t *testing.T) {
	var waiting inquiries
	waiting.open = map[DeviceKey][]*inquiry{}
	overheard, _ := waiting.join(someone, AskPing, false, time.Now())
	asked, first := waiting.join(someone, AskPing, true, time.Now())
	if !first || asked == overheard {
		t.Error("a question is held to be posed that nobody poses")
	}
	waiting.fail(asked, ErrNotSent)
	select {
	case <-overheard.done:
		t.Error("the end of the one is the end of the other")
	default:
	}
}

func waitsNoLongerThanAsked(t *testing.T, at broker) {
	b, _ := listen(t, at)
	device(t, at, "SN-1", nil) // there, and silent
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Ask(ctx, someone, AskPing); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if len(b.inquiries.open) != 0 {
		t.Errorf("inquiries are left: %v", b.inquiries.open)
	}
}

// The account may only read: that is found out, and remembered for a while.
func tellsThatItMayNotWrite(t *testing.T, at broker) {
	at.start(t)
	o := account(at.address())
	o.Username, o.Password = readerUser, readerPassword
	b := start(t, o)
	connected(t, b)
	for i := range 2 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := b.Ask(ctx, someone, AskPing)
		cancel()
		if !errors.Is(err, ErrNotSent) {
			t.Fatalf("got %v", err)
		}
		if i == 1 && time.Since(began) > time.Second {
			t.Error("it was tried again")
		}
	}
}

func TestNothingIsAskedWithoutABroker(t *testing.T) {
	b := start(t, Options{URL: "mqtt://" + freeAddress(t)})
	if _, err := b.Ask(t.Context(), someone, AskPing); !errors.Is(err, ErrNotSent) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Ask(t.Context(), DeviceKey{1, "a/#"}, AskPing); !errors.Is(err, ErrNotSent) {
		t.Errorf("a serial with a wildcard: %v", err)
	}
}
