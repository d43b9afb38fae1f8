// Package roster tells the bridge which agents GLPI has: all of them at the start, and then what has changed, with
// few calls. It reads with the gateway's service account, which has to see all entities that the gateway serves.
// What a viewer may see is none of its business.
package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// Options configure a Roster. Bridge, Session and Invalidate are required.
type Options struct {
	// Bridge is told what GLPI says.
	Bridge Bridge
	// Session gives the service account's session.
	Session func(context.Context) (*glpiproxy.Session, error)
	// Invalidate forgets what the cache of GLPI's answers holds under a tag.
	Invalidate func(tags ...string)
	// Fastest and Slowest bound the pause between two looks: it grows while nothing changes. 0: 5 s and 30 s.
	Fastest, Slowest time.Duration
	// Whole is how often all agents are read again, in case something was missed; 0: 15 minutes.
	Whole  time.Duration
	Logger *slog.Logger // nil: silent
}

// Bridge is what the roster tells.
type Bridge interface {
	Learn(agents []bridge.Enrolled, fresh bool)
	LearnedAll()
	Forget(agentIDs []int)
	AgentIDs() []int
}

const (
	pageLength  = 500
	glanceRows  = 50
	mostGlances = 10 // pages of one look, before everything is read again
	retryPause  = 2 * time.Second
)

// Roster keeps a bridge told of GLPI's agents.
type Roster struct {
	o       Options
	serials map[int]string // of computers; only Run's goroutine and find touch it
	// seen is the latest contact that GLPI had at the last look, and total the number of agents.
	seen  time.Time
	total int
	// newest is the highest id of an agent.
	newest int
}

// New makes a Roster; it makes no call.
func New(o Options) (*Roster, error) {
	if o.Bridge == nil || o.Session == nil || o.Invalidate == nil {
		return nil, errors.New("a roster needs a bridge, a session and a cache to keep true")
	}
	if o.Fastest <= 0 {
		o.Fastest = 5 * time.Second
	}
	if o.Slowest < o.Fastest {
		o.Slowest = max(30*time.Second, o.Fastest)
	}
	if o.Whole <= 0 {
		o.Whole = 15 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Roster{o: o, serials: map[int]string{}}, nil
}

// Run reads all agents and follows what changes, until ctx is done. GLPI being away only makes it wait.
func (r *Roster) Run(ctx context.Context) error {
	readAll, pause := time.Time{}, r.o.Fastest
	for ctx.Err() == nil {
		var changed bool
		var err error
		if time.Since(readAll) >= r.o.Whole {
			if err = r.readAll(ctx); err == nil {
				readAll = time.Now()
			}
		} else if changed, err = r.look(ctx); errors.Is(err, errTooMuch) {
			readAll, err = time.Time{}, nil
			continue
		}
		switch {
		case err != nil && ctx.Err() == nil:
			r.o.Logger.Warn("the agents can't be read with the service account", "error", err)
			pause = max(retryPause, min(2*pause, r.o.Slowest))
		case changed:
			pause = r.o.Fastest
		default:
			pause = min(pause+pause/2, r.o.Slowest)
		}
		rest(ctx, pause)
	}
	return nil
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readAll reads every agent. Those that are gone are told as deleted.
func (r *Roster) readAll(ctx context.Context) error {
	s, err := r.o.Session(ctx)
	if err != nil {
		return err
	}
	first := r.newest == 0
	present := map[int]bool{}
	for start := 0; ; {
		page, err := glpiproxy.List[glpiproxy.Agent](ctx, s, glpiproxy.ListOptions{
			Range: glpiproxy.Range{Start: start, Count: pageLength}, Fresh: true,
		})
		if err != nil {
			return fmt.Errorf("reading all agents: %w", err)
		}
		if err := r.tell(ctx, s, page.Items, !first); err != nil {
			return err
		}
		for _, agent := range page.Items {
			present[agent.ID] = true
		}
		r.total = page.Total
		if start += len(page.Items); start >= page.Total || len(page.Items) == 0 {
			break
		}
	}
	// Rows that moved between two pages may have been missed: an agent is gone when GLPI says so by its id.
	var missing []int
	for _, id := range r.o.Bridge.AgentIDs() {
		if !present[id] {
			missing = append(missing, id)
		}
	}
	if err := r.forgetGone(ctx, s, missing); err != nil {
		return err
	}
	r.o.Bridge.LearnedAll()
	return nil
}

func (r *Roster) forgetGone(ctx context.Context, s *glpiproxy.Session, suspects []int) error {
	if len(suspects) == 0 {
		return nil
	}
	for _, id := range suspects {
		r.o.Invalidate("PluginFlyvemdmAgent:" + strconv.Itoa(id))
	}
	results, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, s, suspects)
	if err != nil {
		return fmt.Errorf("looking for agents that are gone: %w", err)
	}
	var gone []int
	for i, result := range results {
		if result.Err != nil {
			gone = append(gone, suspects[i])
		}
	}
	r.o.Bridge.Forget(gone)
	return nil
}

// errTooMuch says that more has changed than is worth looking for: everything is read again.
var errTooMuch = errors.New("too much has changed")

// look reads the agents that GLPI heard of since the last look, and the new ones. Two calls when nothing changed.
func (r *Roster) look(ctx context.Context) (changed bool, err error) {
	s, err := r.o.Session(ctx)
	if err != nil {
		return false, err
	}
	enrolled, total, err := r.newAgents(ctx, s)
	if err != nil {
		return false, err
	}
	heard, err := r.heardSince(ctx, s)
	if err != nil {
		return false, err
	}
	if total < r.total+enrolled { // some are gone: which, only all of them tell
		return true, errTooMuch
	}
	r.total = total
	return enrolled+heard > 0, nil
}

// newAgents reads the agents with the highest ids.
func (r *Roster) newAgents(ctx context.Context, s *glpiproxy.Session) (count, total int, err error) {
	known := r.newest
	page, err := glpiproxy.List[glpiproxy.Agent](ctx, s, glpiproxy.ListOptions{
		Range: glpiproxy.Range{Count: glanceRows}, Sort: "id", Descending: true, Fresh: true,
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading the newest agents: %w", err)
	}
	fresh := slices.DeleteFunc(page.Items, func(a glpiproxy.Agent) bool { return a.ID <= known })
	if len(fresh) == glanceRows {
		return 0, 0, errTooMuch
	}
	return len(fresh), page.Total, r.tell(ctx, s, fresh, true)
}

// heardSince reads the agents with the latest contacts, back to those of the last look. Contacts within its last
// second are read again: GLPI counts whole seconds.
func (r *Roster) heardSince(ctx context.Context, s *glpiproxy.Session) (count int, err error) {
	since := r.seen
	for glance := range mostGlances {
		page, err := glpiproxy.List[glpiproxy.Agent](ctx, s, glpiproxy.ListOptions{
			Range: glpiproxy.Range{Start: glance * glanceRows, Count: glanceRows},
			Sort:  "last_contact", Descending: true, Fresh: true,
		})
		if err != nil {
			return count, fmt.Errorf("reading the latest contacts: %w", err)
		}
		recent := slices.DeleteFunc(page.Items, func(a glpiproxy.Agent) bool {
			return a.LastContact.IsZero() || a.LastContact.Before(since)
		})
		for _, a := range recent {
			if a.LastContact.After(since) {
				count++
			}
		}
		if err := r.tell(ctx, s, recent, false); err != nil {
			return count, err
		}
		if len(recent) < glanceRows {
			return count, nil
		}
	}
	return count, errTooMuch
}

// tell gives agents to the bridge, with their computers' serials.
func (r *Roster) tell(ctx context.Context, s *glpiproxy.Session, agents []glpiproxy.Agent, fresh bool) error {
	if err := r.readSerials(ctx, s, agents); err != nil {
		return err
	}
	told := make([]bridge.Enrolled, 0, len(agents))
	for _, a := range agents {
		r.newest = max(r.newest, a.ID)
		if a.LastContact.After(r.seen) {
			r.seen = a.LastContact
		}
		if serial := r.serials[a.ComputerID]; serial != "" { // without one it has no topic
			told = append(told, enrolled(a, serial))
		}
	}
	r.o.Bridge.Learn(told, fresh)
	return nil
}

func enrolled(a glpiproxy.Agent, serial string) bridge.Enrolled {
	return bridge.Enrolled{
		AgentID: a.ID,
		Device:  bridge.DeviceKey{EntityID: a.EntityID, Serial: serial},
		Record:  bridge.Record{Online: a.Online, LastContact: a.LastContact},
	}
}

// readSerials reads the computers not read before: a serial is for life.
func (r *Roster) readSerials(ctx context.Context, s *glpiproxy.Session, agents []glpiproxy.Agent) error {
	var unknown []int
	for _, a := range agents {
		if _, known := r.serials[a.ComputerID]; !known && a.ComputerID > 0 {
			unknown = append(unknown, a.ComputerID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	computers, err := glpiproxy.GetMany[glpiproxy.Computer](ctx, s, unknown)
	if err != nil {
		return fmt.Errorf("reading serials: %w", err)
	}
	for i, computer := range computers {
		if computer.Err == nil {
			r.serials[unknown[i]] = computer.Item.Serial
		}
	}
	return nil
}

// Lookup finds the agents on computers with a serial, in whatever entity, for bridge.Options.Lookup.
func Lookup(session func(context.Context) (*glpiproxy.Session, error)) func(context.Context, bridge.DeviceKey) ([]bridge.Enrolled, error) {
	return func(ctx context.Context, key bridge.DeviceKey) ([]bridge.Enrolled, error) {
		s, err := session(ctx)
		if err != nil {
			return nil, err
		}
		agents, err := glpiproxy.AgentsWithSerial(ctx, s, key.Serial)
		if err != nil {
			return nil, err
		}
		found := make([]bridge.Enrolled, len(agents))
		for i, a := range agents {
			found[i] = enrolled(a, key.Serial)
		}
		return found, nil
	}
}
