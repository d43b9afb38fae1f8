package glpi

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// orderBroker notes what it is asked to do, and calls the server back while it does it.
type orderBroker struct {
	mu   sync.Mutex
	s    *Server
	done []string
}

func (b *orderBroker) note(what string) {
	b.mu.Lock()
	b.done = append(b.done, what)
	b.mu.Unlock()
	b.s.HandleMQTT("1/agent/NONE/Status/Ping", []byte("!")) // as an in-process broker's hook would
}

func (b *orderBroker) Publish(topic string, payload []byte, retain bool) error {
	b.note(fmt.Sprint(topic, " ", string(payload), " ", retain))
	return fmt.Errorf("the broker is full")
}
func (b *orderBroker) SetAccount(user, _ string, _ []ACL) { b.note("account " + user) }
func (b *orderBroker) RemoveAccount(user string)          { b.note("no account " + user) }

func TestBrokerWorkIsOrderedAndUnlocked(t *testing.T) {
	broker := &orderBroker{}
	s := newServer(t, Options{Daemon: true})
	broker.s, s.opts.Broker = s, broker
	tx := s.begin(nil)
	tx.SetAccount("A", "pw", nil)
	tx.Publish("a", []byte("1"), true)
	tx.RemoveAccount("A")
	if len(broker.done) > 0 {
		t.Fatal("the broker was called with the store locked")
	}
	tx.end()
	if want := []string{"account A", "a 1 true", "no account A"}; !slices.Equal(broker.done, want) {
		t.Errorf("done: %q, wanted %q", broker.done, want)
	}
}

func TestWaitLetsOthersWork(t *testing.T) {
	s := newServer(t, Options{PollInterval: time.Millisecond, PollTimeout: 10 * time.Second})
	tx := s.begin(nil)
	row := tx.Insert("Computer", map[string]any{"name": "asked"})
	go func() {
		other := s.begin(nil)
		defer other.end()
		other.Row("Computer", row.ID()).Set("comment", "answered")
	}()
	if !tx.Wait(func() bool { return row.Str("comment") == "answered" }) {
		t.Error("nobody else could work meanwhile")
	}
	tx.end()

	s.opts.PollTimeout = 5 * time.Millisecond
	tx = s.begin(nil)
	defer tx.end()
	if tx.Wait(func() bool { return false }) {
		t.Error("what never holds was found to hold")
	}
}

func TestStoreKeepsItsIndexes(t *testing.T) {
	s := newServer(t, Options{})
	tx := s.begin(nil)
	defer tx.end()
	a, b := tx.Insert("Computer", map[string]any{"serial": "1"}), tx.Insert("Computer", map[string]any{"serial": "1"})
	ids := func(serial any) []int {
		var found []int
		for _, row := range tx.Find("Computer", "serial", serial) {
			found = append(found, row.ID())
		}
		return found
	}
	if got := ids(1); !slices.Equal(got, []int{a.ID(), b.ID()}) {
		t.Errorf("found %v", got)
	}
	a.Set("serial", 2)
	tx.Remove(b)
	c := tx.Insert("Computer", map[string]any{"id": 40, "serial": 2})
	if got := ids(1); len(got) > 0 {
		t.Errorf("found %v under a serial that nobody has now", got)
	}
	if got := ids("2"); !slices.Equal(got, []int{a.ID(), c.ID()}) {
		t.Errorf("found %v", got)
	}
	if !b.Gone() || a.Gone() || tx.Insert("Computer", nil).ID() != 41 {
		t.Error("rows lost count")
	}
	if len(tx.Find("Computer", "nope", 1)) > 0 || len(tx.Find("Computer", "comment", nil)) > 0 {
		t.Error("found by what is not there")
	}
}
