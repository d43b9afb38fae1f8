// Package dangerzone does to devices what can't be undone, without accidents, doubts or leftovers: a plan that changes
// nothing, its confirmation, and an operation that is followed until it is known what became of each device.
//
// It asks GLPI with the viewer's own session and never does more than that may. What is asked is written down before it
// is asked, so that a gateway that dies in between leaves no doubt: whoever takes over looks what GLPI has, and repeats
// nothing. What was seen (the command on the broker, the device's word, GLPI's row) is what an operation's states tell.
package dangerzone

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
	"fleetgate/internal/store"
)

// Options configure a Desk. Those without another word are required.
type Options struct {
	Bridge *bridge.Bridge
	Store  store.Store
	Audit  *audit.Trail
	// GlobalID makes the ids that the audit trail has.
	GlobalID func(typename string, id int) string
	// Service is the session of the gateway's own account in GLPI, to look at what became of devices; nil: those who
	// asked are the eyes, as long as their sessions last.
	Service func(context.Context) (*glpiproxy.Session, error)
	// Leads says whether this replica is the one to follow operations; nil: always.
	Leads func() bool
	// Secret seals confirmations: replicas that share a store must share it.
	Secret []byte
	// Timeout is how long a device is waited for; 0: seven days.
	Timeout time.Duration
	// PerSecond is how many devices GLPI is asked for in a second at most, all operations together; 0: 25.
	PerSecond float64
	// Every is how often operations are looked at; 0: every second.
	Every  time.Duration
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil: silent
}

// Desk plans operations, carries them out and follows them. It is safe for concurrent use.
type Desk struct {
	o    Options
	seal *seal
	now  func() time.Time
	log  *slog.Logger
	pace *rate.Limiter

	changing sync.Mutex // one change of an operation at a time: those of other replicas are enough

	base    context.Context // of the work under way
	stop    context.CancelFunc
	mu      sync.Mutex
	ended   bool
	working sync.WaitGroup
	lent    map[int]*glpiproxy.Session // of those who asked, by operation
}

// New makes a Desk. It must be run to the end: Run.
func New(o Options) (*Desk, error) {
	if o.Bridge == nil || o.Store == nil || o.Audit == nil || o.GlobalID == nil {
		return nil, errors.New("the danger zone needs the bridge, a store, the audit trail and names for it")
	}
	if o.Leads == nil {
		o.Leads = func() bool { return true }
	}
	if o.Timeout <= 0 {
		o.Timeout = 7 * 24 * time.Hour
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 25
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	seal, err := newSeal(o.Secret)
	if err != nil {
		return nil, err
	}
	d := &Desk{
		o: o, seal: seal, now: o.Now, log: o.Logger, pace: rate.NewLimiter(rate.Limit(o.PerSecond), batch), lent: map[int]*glpiproxy.Session{},
	}
	d.base, d.stop = context.WithCancel(context.Background())
	return d, nil
}

// spawn does some work until it is done or the desk ends; false when it has ended.
func (d *Desk) spawn(do func(context.Context)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	d.working.Go(func() { do(d.base) })
	return true
}

// end takes on no more work, and waits for what is under way to come to a good place to stop.
func (d *Desk) end() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.stop()
	d.working.Wait()
}

// lend notes whose eyes may be used for an operation.
func (d *Desk) lend(id int, s *glpiproxy.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lent[id] = s
}

func (d *Desk) takeBack(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lent, id)
}

// errNobody says that there is nobody to look in GLPI.
var errNobody = errors.New("nobody is there to look in GLPI")

// eyes are a session to look with: the gateway's own account's, or that of who asked; nil: there is none.
func (d *Desk) eyes(ctx context.Context, id int) *glpiproxy.Session {
	if d.o.Service != nil {
		s, err := d.o.Service(ctx)
		if err != nil {
			return nil
		}
		return s
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lent[id]
}

// Operation reads an operation; nil where there is none.
func (d *Desk) Operation(ctx context.Context, id int) (*Operation, error) { return d.load(ctx, id) }

// Lend lets the desk look at an operation's devices with the eyes of somebody who may see them, where nobody else is there
// to look, as after a restart without an account of the gateway's own.
func (d *Desk) Lend(id int, s *glpiproxy.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.o.Service == nil && d.lent[id] == nil {
		d.lent[id] = s
	}
}
