package phone

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// CrowdOptions say what a crowd of phones does.
type CrowdOptions struct {
	// EventsPerSecond is how much all phones together do; 0: they come online and then only answer.
	EventsPerSecond float64
	// Seed makes the same phones do the same things in the same order.
	Seed int64
	// Ask sends a phone a command the way an administrator does, through GLPI; nil: nobody asks.
	Ask func(context.Context, Account)
}

// Crowd is many phones with a life of their own: they come and go, walk about, and speak up.
type Crowd struct {
	phones []*Phone
	o      CrowdOptions
	random *rand.Rand
}

const (
	// connectingAtOnce bounds how many phones connect side by side, so that thousands start fast and the broker
	// is not flooded.
	connectingAtOnce = 64
	// askingAtOnce bounds the commands under way: each takes a worker of GLPI's for ten seconds.
	askingAtOnce = 4
	// onAtFirst is the share of the phones that are on when the crowd starts.
	onAtFirst = 0.8
	// longestPause bounds the time between two events of a crowd that hardly does anything.
	longestPause = 24 * time.Hour
	// stride is how far a phone walks at most between two reports, in degrees: some hundred metres.
	stride = 0.002
)

// NewCrowd makes a crowd of phones that are off.
func NewCrowd(phones []*Phone, o CrowdOptions) *Crowd {
	return &Crowd{phones: phones, o: o, random: rand.New(rand.NewPCG(uint64(o.Seed), 0))}
}

// SwitchOn connects the phones that are on at first. The error is the first phone's that could not.
func (c *Crowd) SwitchOn(ctx context.Context) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, connectingAtOnce)
	failed := make(chan error, len(c.phones))
	for _, p := range c.phones {
		if c.random.Float64() >= onAtFirst {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := p.SwitchOn(ctx); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// Run lets the phones live until ctx is done, then switches them all off.
func (c *Crowd) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer c.switchOff()
	defer asking.Wait()
	if c.o.EventsPerSecond <= 0 || len(c.phones) == 0 {
		<-ctx.Done()
		return
	}
	beat := time.NewTicker(time.Duration(min(float64(time.Second)/c.o.EventsPerSecond, float64(longestPause))))
	defer beat.Stop()
	slots := make(chan struct{}, askingAtOnce)
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			c.next(ctx, &asking, slots)
		}
	}
}

// deed is one thing that a phone of the crowd does.
type deed int

const (
	comeOrGo deed = iota
	walk
	speakUp
	beAsked
)

// plan draws which phone does what: always the same for the same seed, whatever came of it.
func (c *Crowd) plan() (p *Phone, d deed, north, east float64) {
	p = c.phones[c.random.IntN(len(c.phones))]
	north, east = (c.random.Float64()-0.5)*stride, (c.random.Float64()-0.5)*stride
	switch chance := c.random.Float64(); {
	case chance < 0.30:
		return p, comeOrGo, north, east
	case chance < 0.75:
		return p, walk, north, east
	case chance < 0.95:
		return p, speakUp, north, east
	default:
		return p, beAsked, north, east
	}
}

func (c *Crowd) next(ctx context.Context, asking *sync.WaitGroup, slots chan struct{}) {
	p, d, north, east := c.plan()
	switch {
	case p.Gone():
	case !p.On(): // whatever was planned, it has to come first
		if err := p.SwitchOn(ctx); err != nil && !errors.Is(err, context.Canceled) {
			p.o.Logger.Debug("a phone could not connect", "serial", p.account.Serial, "error", err)
		}
	case d == comeOrGo:
		p.SwitchOff()
	case d == walk:
		p.Walk(north, east)
	case d == speakUp:
		p.SpeakUp()
	case d == beAsked && c.o.Ask != nil:
		select {
		case slots <- struct{}{}:
			asking.Go(func() {
				defer func() { <-slots }()
				c.o.Ask(ctx, p.account)
			})
		default: // GLPI has no worker to spare
		}
	}
}

func (c *Crowd) switchOff() {
	var wg sync.WaitGroup
	slots := make(chan struct{}, connectingAtOnce)
	for _, p := range c.phones {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p.SwitchOff()
		})
	}
	wg.Wait()
}
