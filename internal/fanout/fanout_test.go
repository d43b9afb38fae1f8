package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleetgate/bridge"
	"fleetgate/internal/fanout"
)

// GLPI is asked once for a session, however many subscriptions it has, and not all are asked about at once.
func TestALookIsForAllOfASession(t *testing.T) {
	const every, sessions, each = 400 * time.Millisecond, 4, 25
	w := newWorld(t, every, bridge.Options{})
	var readers []*reader
	for range sessions {
		s := w.signIn("admin@acme.test")
		for range each {
			readers = append(readers, w.join(s, everything{key: "all"}, ""))
		}
	}
	if census := w.exchange.Census(); census.Groups != 1 || census.Members != sessions*each || census.Sessions != sessions {
		t.Fatalf("%+v", census)
	}
	if looks := w.looks.Load(); looks != sessions {
		t.Errorf("%d looks to let them in, want %d", looks, sessions)
	}
	stop := time.Now().Add(3 * every)
	for time.Now().Before(stop) { // what is known of a session is old whenever it is looked at
		w.ahead.Add(int64(time.Minute))
		time.Sleep(every / 10)
	}
	if looks := w.looks.Load() - sessions; looks < sessions || looks > 8*sessions {
		t.Errorf("%d looks in three rounds, want about one a round and session", looks)
	}
	for _, r := range readers {
		r.leave()
	}
	if census := w.exchange.Census(); census != (fanout.Census{}) {
		t.Errorf("left: %+v", census)
	}
}

func TestWhatALookFinds(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*world)
	}{
		"nothing new": {func(w *world) { w.ahead.Add(int64(time.Minute)) }},
		"GLPI is away": {func(w *world) {
			w.away.Store(true)
			w.ahead.Add(int64(time.Minute))
			before := w.looks.Load()
			w.eventually(func() bool { return w.looks.Load() > before })
			w.away.Store(false)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 20*time.Millisecond, bridge.Options{})
			r := w.join(w.signIn("admin@acme.test"), everything{key: "all"}, "")
			c.happens(w)
			w.say(0, 1)
			w.eventually(func() bool { return len(r.results()) > 0 })
			if cause, ended := r.ended(); ended {
				t.Errorf("ended with %s", cause)
			}
		})
	}
	t.Run("the session has ended", func(t *testing.T) {
		w := newWorld(t, 20*time.Millisecond, bridge.Options{})
		s := w.signIn("admin@acme.test")
		r := w.join(s, everything{key: "all"}, "")
		_ = s.End(t.Context())
		w.eventually(func() bool { _, ended := r.ended(); return ended && w.ended.Load() == 1 && r.left.Load() == 1 })
	})
}

func TestHowSubscriptionsEnd(t *testing.T) {
	fails := func(err error) func(bridge.Event) error { return func(bridge.Event) error { return err } }
	for name, c := range map[string]struct {
		respond func(bridge.Event) error
		happens func(*world)
		want    string
	}{
		"a response fails":  {fails(errors.New("no response")), func(w *world) { w.say(0, 1) }, "no response"},
		"a response panics": {func(bridge.Event) error { panic("ouch") }, func(w *world) { w.say(0, 1) }, "ouch"},
		"the bridge ends":   {nil, func(w *world) { w.stop() }, bridge.ErrClosed.Error()},
		"it falls behind the log": {func(bridge.Event) error { time.Sleep(50 * time.Millisecond); return nil }, func(w *world) {
			for range 80 { // no more at once than the log holds
				w.say(0, 1)
			}
		}, "resync"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, time.Hour, bridge.Options{LogSize: 8, Buffer: 2})
			o := everything{key: "all", respond: c.respond}
			readers := []*reader{w.join(w.signIn("admin@acme.test"), o, ""), w.join(w.signIn("admin@acme.test"), o, "")}
			c.happens(w)
			for _, r := range readers {
				w.eventually(func() bool { _, ended := r.ended(); return ended && r.left.Load() == 1 })
				if cause, _ := r.ended(); !strings.Contains(cause, c.want) {
					t.Errorf("ended with %q, want %q", cause, c.want)
				}
			}
			w.eventually(func() bool { return w.exchange.Census() == (fanout.Census{}) })
		})
	}
}

// After a switch nothing stays allowed by default, even where GLPI can't say what is.
func TestASwitchWhileGLPIIsAwayEndsTheStream(t *testing.T) {
	w := newWorld(t, time.Hour, bridge.Options{})
	s := w.signIn("admin@acme.test")
	r, other := w.join(s, everything{key: "all"}, ""), w.join(w.signIn("admin@acme.test"), everything{key: "all"}, "")
	w.away.Store(true)
	_ = s.SwitchEntity(t.Context(), 1, true) // forgets what was known of the session
	w.switched(s)
	if _, ended := r.ended(); !ended {
		t.Error("it goes on")
	}
	w.say(0, 1)
	w.eventually(func() bool { return len(other.results()) > 0 })
	if len(r.results()) > 0 {
		t.Error("something came after the switch")
	}
}

// What was looked up while the viewer whose rights it was done with switched to others is not for the group: it is looked
// up again with the rights of somebody who is still in it.
func TestASwitchAmidAnExecution(t *testing.T) {
	w := newWorld(t, time.Hour, bridge.Options{})
	leading, staying := w.signIn("admin@acme.test"), w.signIn("admin@acme.test")
	amid := false
	o := everything{key: "all", write: func(ctx context.Context) string {
		s := ctx.Value(viewerKey{})
		if s == leading && amid {
			if err := leading.SwitchEntity(ctx, w.demo.Devices[0].EntityID, false); err != nil {
				t.Error(err)
			}
			return "with other rights"
		}
		return fmt.Sprint(s)
	}}
	first := w.join(leading, o, "")
	w.say(0, 1)
	w.eventually(func() bool { return len(first.results()) > 0 })
	seen := len(first.results())
	second := w.join(staying, o, "")
	amid = true
	w.say(0, 1)
	w.eventually(func() bool { return len(second.results()) > 0 && len(first.results()) > seen })
	if got := second.results()[0]; got != fmt.Sprint(staying) {
		t.Errorf("who stays got %s", got)
	}
	if got := first.results()[seen]; got != "with other rights" { // which are theirs
		t.Errorf("who switched got %s", got)
	}
}

// Who is stopped while they wait for room, for whatever reason, is gone at once.
func TestAReplayThatIsStuck(t *testing.T) {
	w := newWorld(t, time.Hour, bridge.Options{})
	s := w.signIn("admin@acme.test")
	first := w.join(s, everything{key: "all"}, "")
	w.say(0, 6)
	w.eventually(func() bool { return len(first.results()) >= 6 })
	stuck := func() *reader {
		r := &reader{stuck: make(chan struct{})}
		w.joinAs(r, s, everything{key: "all"}, w.cursorOfFirst())
		return r
	}
	t.Run("left", func(t *testing.T) {
		r := stuck()
		r.leave()
		w.eventually(func() bool { return w.exchange.Census().Members == 1 })
		if got := r.results(); len(got) > 0 || r.left.Load() != 1 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("switched", func(t *testing.T) {
		r := stuck()
		if err := s.SwitchEntity(t.Context(), w.demo.Devices[0].EntityID, false); err != nil {
			t.Fatal(err)
		}
		w.switched(s) // returns only once the old replay has ended
		close(r.stuck)
		want := first.results()[1:]
		w.eventually(func() bool { return len(r.results()) >= len(want) })
		if got := r.results(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// cursorOfFirst is the cursor of the first event that there was.
func (w *world) cursorOfFirst() string {
	w.t.Helper()
	all, err := w.bridge.SubscribeAfter(bridge.Filter{AllEntities: true}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer all.Close()
	event, err := all.Next(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return event.Cursor
}
