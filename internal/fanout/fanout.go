// Package fanout lets subscriptions to the events of devices share their work: those that ask for the same, and whose
// viewers may see the same, are a group, for which each event is looked up, executed and encoded once. A subscription
// that nobody shares is a group of one.
//
// What a viewer may see is asked again from time to time, once for each session and not for each of its subscriptions,
// and at once when the viewer switches profile or entity. A subscription whose viewer sees something else from then on
// leaves its group, and joins that of its new view where it left off: nothing is missed, and nothing is shown that may
// not be seen any more.
//
// The package knows neither the schema nor any protocol: an Operation says what is asked for, and a delivery.Receiver is
// who gets it.
package fanout

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/delivery"
)

// Operation is what a client subscribes to. Its methods may be called from several goroutines at once.
type Operation interface {
	// Key is the same for operations that ask for the same.
	Key() string
	// View is what a viewer may see of it now; its error ends the subscription.
	View(ctx context.Context, session *glpiproxy.Session) (View, error)
	// Begin begins an execution of the operation.
	Begin(ctx context.Context) Execution
	// Present makes of an error what clients may see.
	Present(ctx context.Context, err error) gqlerror.List
}

// View is what a viewer may see of an operation.
type View struct {
	// Key is the same for those to whom every response looks the same, whatever it has in it.
	Key string
	// Filter lets through the events.
	Filter bridge.Filter
}

// Execution makes the responses to the events of an operation, one at a time.
type Execution interface {
	// Respond makes the response to an event with the rights of the viewer that ctx is of; nil when the event is none
	// of the operation's. ErrSessionEnded, with or without a response, says that these rights may have gone.
	Respond(ctx context.Context, event bridge.Event) (*delivery.Result, error)
}

// ErrSessionEnded says that GLPI took a viewer's session for ended when it was asked for what an event has to do with.
var ErrSessionEnded = errors.New("the session that an event was looked up with has ended")

// Options configure an Exchange. Bridge is required.
type Options struct {
	Bridge *bridge.Bridge
	// WatchScope has refresh called whenever what a session sees was changed, until stop is called; nil: nobody tells.
	WatchScope func(sessionToken string, refresh func()) (stop func())
	// End is told of sessions that GLPI has ended; nil: nobody is.
	End func(sessionToken string)
	// LookEvery is how often GLPI is asked what a session may see; 0: 30 s.
	LookEvery time.Duration
	Logger    *slog.Logger // nil: silent
}

// Exchange brings events and subscriptions together. It is safe for concurrent use.
type Exchange struct {
	o       Options
	running sync.WaitGroup // the goroutines of groups, and of members that catch up

	mu      sync.Mutex // guards what follows, and who belongs where
	groups  map[string]*group
	watches map[string]*watch
}

// New makes an Exchange. It has no goroutine while it has no subscription.
func New(o Options) *Exchange {
	if o.WatchScope == nil {
		o.WatchScope = func(string, func()) func() { return func() {} }
	}
	if o.End == nil {
		o.End = func(string) {}
	}
	if o.LookEvery <= 0 {
		o.LookEvery = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Exchange{o: o, groups: map[string]*group{}, watches: map[string]*watch{}}
}

// Wish is one client's subscription.
type Wish struct {
	Operation Operation
	Session   *glpiproxy.Session // the viewer's
	// After is the cursor of the event to go on after; "": what happens from now on.
	After string
	To    delivery.Receiver
	// Left, if not nil, is called once when the subscription is over.
	Left func()
}

// Join begins a subscription. ctx is that of the viewer, in which events are executed; once it is done nothing is
// delivered any more, but only leave, or the receiver's refusal, ends the subscription. An error, which is as it came,
// says why there is none.
func (x *Exchange) Join(ctx context.Context, w Wish) (leave func(), err error) {
	m := &member{exchange: x, ctx: ctx, operation: w.Operation, to: w.To, left: w.Left}
	watch := x.enter(m, w.Session)
	watch.looking.Lock() // a switch of the viewer's meanwhile is looked at after this
	defer watch.looking.Unlock()
	if err := m.begin(w.After); err != nil {
		x.leave(m)
		return nil, err
	}
	return func() { x.leave(m) }, nil
}

// Census is how many subscriptions there are.
type Census struct {
	Groups     int
	Members    int // subscriptions, whether in a group or on their way to one
	CatchingUp int // those that are on their way
	Sessions   int // whose subscriptions they are
}

// Census counts the subscriptions.
func (x *Exchange) Census() Census {
	x.mu.Lock()
	defer x.mu.Unlock()
	census := Census{Groups: len(x.groups), Sessions: len(x.watches)}
	for _, w := range x.watches {
		census.Members += len(w.members)
		for m := range w.members {
			if m.home.Load() == nil {
				census.CatchingUp++
			}
		}
	}
	return census
}

// Wait returns when all subscriptions that have been left are at their very end.
func (x *Exchange) Wait() { x.running.Wait() }
