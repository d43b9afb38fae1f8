package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fleetgate/bench/load"
)

// audience is a crowd of subscribers at a server, who all get the same, and how it is heard that they do.
type audience struct {
	server *server
	crowd  *load.Crowd
	groups []*load.Group // those who get every event
	apart  []*load.Group // those who get none: they may not see the devices that speak
	hears  int           // how many are in groups
	number int           // of the last event
	base   int64         // memory of the server before anybody came, in bytes
}

// cost is what events cost a server.
type cost struct {
	subscribers int
	delivery    time.Duration // CPU of the server process
	wall        time.Duration // from an event to the next, which is let out when everybody has the one before
	idle        int64         // memory of the whole process with all of them there, in bytes
	burst       int64         // the same after many events at once
	base        int64         // the same with nobody there
}

// each is what memory a subscriber takes, in bytes.
func (c cost) each(memory int64) int64 { return (memory - c.base) / int64(max(c.subscribers, 1)) }

// gather makes an audience with nobody in it.
func gather(s *server) (*audience, error) {
	crowd, err := load.NewCrowd()
	if err != nil {
		return nil, err
	}
	base, err := s.process.Memory()
	if err != nil {
		crowd.Close()
		return nil, err
	}
	return &audience{server: s, crowd: crowd, base: base}, nil
}

// nobody is who sends no authorization.
func nobody(int) string { return "" }

// anyOf has viewers take turns.
func anyOf(viewers []string) func(int) string {
	return func(i int) string { return viewers[i%len(viewers)] }
}

// join adds subscribers who get every event.
func (a *audience) join(ctx context.Context, group *load.Group, number int, who func(int) string) error {
	if !slices.Contains(a.groups, group) {
		a.groups = append(a.groups, group)
	}
	a.hears += number
	return a.crowd.Join(ctx, a.server.address, group, number, who)
}

// joinApart adds subscribers who must get none.
func (a *audience) joinApart(ctx context.Context, group *load.Group, number int, who func(int) string) error {
	a.apart = append(a.apart, group)
	return a.crowd.Join(ctx, a.server.address, group, number, who)
}

// quiet is after what time without an event none is under way any more.
const quiet = 5 * time.Second

// settle waits until every subscription has begun, which no protocol tells: until an event reaches all. Then all counts
// begin anew.
func (a *audience) settle(ctx context.Context) error {
	for deadline := time.Now().Add(2 * patience); ; {
		a.crowd.Forget()
		if err := a.next(ctx); err != nil {
			return err
		}
		all, err := a.crowd.Reaches(ctx, a.due(1), quiet)
		if err != nil {
			return fmt.Errorf("%s: %w", a.server.name, err)
		}
		if all {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: only %d of %d subscriptions began", a.server.name, a.crowd.Received(), a.hears)
		}
	}
	a.crowd.Forget()
	return nil
}

// prove holds that those apart do hear, only other events, which the rest don't: something is let out for them.
func (a *audience) prove(ctx context.Context, apart *load.Group, number int, letOut func() error) error {
	a.crowd.Forget()
	if err := letOut(); err != nil {
		return err
	}
	if err := a.crowd.Await(ctx, int64(number), patience); err != nil {
		return fmt.Errorf("%s, those apart: %w", a.server.name, err)
	}
	for _, group := range a.groups {
		if err := a.crowd.Each(group, 0); err != nil {
			return fmt.Errorf("%s, an event of others: %w", a.server.name, err)
		}
	}
	defer a.crowd.Forget()
	return a.crowd.Each(apart, 1)
}

// due is how many events all of them together get of so many.
func (a *audience) due(events int) int64 { return int64(events) * int64(a.hears) }

func (a *audience) next(ctx context.Context) error {
	a.number++
	return a.server.emit(ctx, event{a.number})
}

// measure lets events out one after another, each when everybody has the one before, so that no server can put two into
// one write; a few times over, of which the median counts. Then it lets many out at once, for what that does to memory.
func (a *audience) measure(ctx context.Context, events, burst, rounds int) (cost, error) {
	c := cost{subscribers: a.crowd.Size(), base: a.base}
	var err error
	if c.idle, err = a.server.process.Memory(); err != nil {
		return cost{}, err
	}
	var cpu, wall []time.Duration
	for range rounds {
		began := time.Now()
		spent, err := a.server.process.Spends(func() error { return a.run(ctx, events, 1) })
		if err != nil {
			return cost{}, err
		}
		cpu = append(cpu, spent/time.Duration(a.due(events)))
		wall = append(wall, time.Since(began)/time.Duration(events))
	}
	c.delivery, c.wall = median(cpu), median(wall)
	if err := a.run(ctx, burst, burst); err != nil {
		return cost{}, err
	}
	c.burst, err = a.server.process.Memory()
	return c, err
}

// run lets events out, so many at once, and holds that everybody got each of them once and in order.
func (a *audience) run(ctx context.Context, events, atOnce int) error {
	a.crowd.Forget()
	for sent := 0; sent < events; {
		for range atOnce {
			if err := a.next(ctx); err != nil {
				return err
			}
			sent++
		}
		if err := a.crowd.Await(ctx, a.due(sent), patience); err != nil {
			return fmt.Errorf("%s: %w", a.server.name, err)
		}
	}
	for _, group := range a.apart {
		if err := a.crowd.Each(group, 0); err != nil {
			return fmt.Errorf("%s: one who may not see the devices: %w", a.server.name, err)
		}
	}
	for _, group := range a.groups {
		if err := a.crowd.Each(group, events); err != nil {
			return fmt.Errorf("%s: %w", a.server.name, err)
		}
	}
	return nil
}

// median is the one in the middle of at least one.
func median[T cmp.Ordered](of []T) T {
	slices.Sort(of)
	return of[len(of)/2]
}
