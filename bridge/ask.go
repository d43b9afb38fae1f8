package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Question is what a device can be asked.
type Question string

// The questions, by the name of their command.
const (
	AskPing      Question = "Ping"
	AskPosition  Question = "Geolocate"
	AskInventory Question = "Inventory"
)

// Answer is what a device answered over MQTT.
type Answer struct {
	At        time.Time
	RoundTrip time.Duration // from the question's leaving to the answer's coming
	Position  *Position     // of AskPosition
}

// ErrNotSent says that a question did not reach the broker: there is no connection, or the account may not write
// there. It can still be asked through GLPI.
var ErrNotSent = errors.New("the question could not be published")

// echoTime is how long the broker may take to show a question that was published. At QoS 0 a broker says nothing of
// what its access list keeps back.
const echoTime = 2 * time.Second

// Ask publishes a question to a device and waits for the answer, until ctx is done. Several may ask the same at
// once: the device is asked one time, and all get its answer. Devices of generation B answer to GLPI, never here.
func (b *Bridge) Ask(ctx context.Context, key DeviceKey, question Question) (Answer, error) {
	inquiry, first := b.inquiries.join(key.canonical(), question, true, b.now())
	defer b.inquiries.leave(inquiry)
	if first {
		// Others may join, so that the question goes out whether or not the first asker still waits.
		if err := b.pose(context.WithoutCancel(ctx), key, question); err != nil {
			b.inquiries.fail(inquiry, err)
		}
	}
	echo := time.NewTimer(echoTime)
	defer echo.Stop()
	select {
	case <-inquiry.seen:
	case <-inquiry.done:
	case <-echo.C:
		b.link.distrust()
		b.inquiries.fail(inquiry, fmt.Errorf("%w: the broker passed it on to nobody (may the account write there, and read it?)", ErrNotSent))
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	select {
	case <-inquiry.done:
		return inquiry.answer, inquiry.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// Overhear waits for a device's answer to a question that somebody else puts to it, as GLPI does, until ctx is done.
func (b *Bridge) Overhear(ctx context.Context, key DeviceKey, question Question) (Answer, error) {
	inquiry, _ := b.inquiries.join(key.canonical(), question, false, b.now())
	defer b.inquiries.leave(inquiry)
	select {
	case <-inquiry.done:
		return inquiry.answer, inquiry.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// AskAgain publishes a question once more, for a device that may have missed it, to which an Ask still waits for the
// answer.
func (b *Bridge) AskAgain(ctx context.Context, key DeviceKey, question Question) error {
	return b.pose(ctx, key, question)
}

// pose publishes a question on the topic that the device listens to.
func (b *Bridge) pose(ctx context.Context, key DeviceKey, question Question) error {
	key, slash := b.registry.address(key)
	if !validSerial(key.Serial) {
		return fmt.Errorf("%w: its serial can't stand in a topic", ErrNotSent)
	}
	topic := fmt.Sprintf("%s%d/agent/%s/%s/%s", slash, key.EntityID, key.Serial, commandSection, question)
	return b.link.publish(ctx, topic, []byte(`{"query":"`+string(question)+`"}`))
}

// inquiry is a question to a device that waits for its answer. The channels are closed once; what they announce is
// written before.
type inquiry struct {
	device   DeviceKey // canonical
	question Question
	posed    bool      // by this gateway, not by somebody else
	asked    time.Time // by somebody else: when that was seen, or else when the waiting began
	waiting  int
	seen     chan struct{} // the broker has shown the question
	done     chan struct{} // answer and err hold
	answer   Answer
	err      error
}

// inquiries are those that wait.
type inquiries struct {
	mu   sync.Mutex
	open map[DeviceKey][]*inquiry
}

// join gives the inquiry of this question that waits already, or a new one; if this gateway is to pose it, its first asker
// has to.
func (i *inquiries) join(device DeviceKey, question Question, posed bool, now time.Time) (joined *inquiry, first bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, open := range i.open[device] {
		if open.question == question && open.posed == posed {
			open.waiting++
			return open, false
		}
	}
	joined = &inquiry{
		device: device, question: question, posed: posed, asked: now, waiting: 1,
		seen: make(chan struct{}), done: make(chan struct{}),
	}
	i.open[device] = append(i.open[device], joined)
	return joined, true
}

// leave drops an inquiry that nobody waits for any more.
func (i *inquiries) leave(left *inquiry) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if left.waiting--; left.waiting == 0 {
		i.drop(left)
	}
}

func (i *inquiries) drop(closed *inquiry) {
	rest := slices.DeleteFunc(i.open[closed.device], func(o *inquiry) bool { return o == closed })
	if i.open[closed.device] = rest; len(rest) == 0 {
		delete(i.open, closed.device)
	}
}

func (i *inquiries) fail(failed *inquiry, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settle(failed, Answer{}, err)
}

// settle is called with the lock held; the first word counts.
func (i *inquiries) settle(settled *inquiry, answer Answer, err error) {
	select {
	case <-settled.done:
		return
	default:
	}
	settled.answer, settled.err = answer, err
	close(settled.done)
	i.drop(settled)
}

// hear looks whether a message is a question's echo or its answer.
func (i *inquiries) hear(m message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, open := range slices.Clone(i.open[m.device.canonical()]) {
		switch {
		case m.kind == kindCommand && m.command == string(open.question):
			open.see(m.at)
		case answers[m.kind] == string(open.question):
			answer := Answer{At: m.at, RoundTrip: m.at.Sub(open.asked)}
			if m.kind == kindGeolocation {
				position := m.position
				answer.Position = &position
			}
			i.settle(open, answer, nil)
		}
	}
}

// see is called with the lock held.
func (q *inquiry) see(at time.Time) {
	select {
	case <-q.seen:
	default:
		if !q.posed {
			q.asked = at
		}
		close(q.seen)
	}
}
