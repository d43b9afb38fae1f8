package graph

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// dispatchTime is how long a command may take to be seen on the broker.
const dispatchTime = 2 * time.Second

// locking is a lock, or an unlock, of devices under way.
type locking struct {
	resolver *Resolver
	session  *glpiproxy.Session
	lock     bool // false: unlock
	results  []*model.LockAgentResult
	targets  []*lockTarget
}

// lockTarget is a device that nothing speaks against so far.
type lockTarget struct {
	place  int // among the results
	agent  glpiproxy.Agent
	serial string // "" where there is none, or the viewer may not read it
	asked  bool
	again  bool // GLPI has it on record already
}

func (t *lockTarget) key() bridge.DeviceKey {
	return bridge.DeviceKey{EntityID: t.agent.EntityID, Serial: t.serial}
}

// onBroker says whether what the device is told can be seen on the broker.
func (t *lockTarget) onBroker() bool { return t.serial != "" && t.agent.NotificationType != "fcm" }

// setLocks locks or unlocks devices, each by itself. wrong is the mistake in the whole.
func (r *Resolver) setLocks(ctx context.Context, globalIDs []string, lock bool) (results []*model.LockAgentResult, wrong *model.UserError, err error) {
	s, err := allowed[glpiproxy.Agent](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		return nil, nil, err
	}
	l := &locking{resolver: r, session: s, lock: lock, results: []*model.LockAgentResult{}}
	if n := len(globalIDs); n == 0 || n > glpiproxy.MaxWrites {
		return l.results, badAt(fmt.Sprintf("Give between 1 and %d.", glpiproxy.MaxWrites), "input", "agentIds"), nil
	}
	if err := l.look(ctx, globalIDs); err != nil {
		return nil, nil, err
	}
	if err := l.run(ctx); err != nil {
		return nil, nil, err
	}
	return l.results, nil, l.show(ctx)
}

// refuse notes why a device is not asked.
func (l *locking) refuse(place int, wrong *model.UserError) {
	wrong.Field = []string{"input", "agentIds", strconv.Itoa(place)}
	l.results[place].UserErrors = append(l.results[place].UserErrors, wrong)
}

// look reads the devices as they are now, and finds those that can be asked.
func (l *locking) look(ctx context.Context, globalIDs []string) error {
	places, ids := map[int]int{}, []int{}
	for place, globalID := range globalIDs {
		l.results = append(l.results, &model.LockAgentResult{ID: globalID, UserErrors: []*model.UserError{}})
		id, wrong := inputID("Agent", globalID)
		if _, twice := places[id]; wrong == nil && twice {
			wrong = badAt("It is there twice.")
		}
		if wrong != nil {
			l.refuse(place, wrong)
			continue
		}
		places[id], ids = place, append(ids, id)
	}
	agents, err := glpiproxy.GetFresh[glpiproxy.Agent](ctx, l.session, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if agent := agents[id]; agent.Err != nil {
			l.refuse(places[id], itemRefusal(hidden(agent.Err)))
		} else {
			l.targets = append(l.targets, &lockTarget{place: places[id], agent: agent.Item})
			recordEntity(ctx, agent.Item.EntityID)
		}
	}
	return l.learnSerials(ctx)
}

// learnSerials finds the devices' names on the broker. Who may not read computers goes without: GLPI knows them.
func (l *locking) learnSerials(ctx context.Context) error {
	if may, err := can[glpiproxy.Computer](ctx, l.session); err != nil || !may {
		return err
	}
	computerIDs := make([]int, len(l.targets))
	for i, t := range l.targets {
		computerIDs[i] = t.agent.ComputerID
	}
	computers, err := glpiproxy.GetMany[glpiproxy.Computer](ctx, l.session, computerIDs)
	if err != nil {
		return err
	}
	for i, t := range l.targets {
		t.serial = computers[i].Item.Serial
	}
	return nil
}

// run asks the devices and waits until their commands were seen, for two seconds at most.
func (l *locking) run(ctx context.Context) error {
	heard, err := l.listen()
	if err != nil {
		return err
	}
	defer heard.Close()
	var fresh []*lockTarget
	for _, t := range l.targets {
		switch {
		case t.agent.Wipe:
			l.refuse(t.place, userError(model.UserErrorCodeConflict, "The device is to be wiped: GLPI drops its locks from then on."))
		case t.agent.Lock == l.lock:
			t.again = true
		default:
			fresh = append(fresh, t)
		}
	}
	if err := l.write(ctx, fresh); err != nil {
		return err
	}
	l.repeat(ctx)
	l.watch(ctx, heard)
	for _, t := range l.targets {
		if t.again && !l.results[t.place].Dispatched {
			l.refuse(t.place, userError(model.UserErrorCodeUnchanged,
				"GLPI has it on record already and does not tell the device again, and the gateway could not."))
		}
	}
	return nil
}

// listen subscribes to the commands that the devices are given from now on.
func (l *locking) listen() (*bridge.Subscription, error) {
	filter := bridge.Filter{
		Entities: map[int]struct{}{}, Devices: map[bridge.DeviceKey]struct{}{}, Kinds: map[bridge.Kind]struct{}{bridge.CommandSent: {}},
	}
	for _, t := range l.targets {
		filter.Entities[t.agent.EntityID] = struct{}{}
		filter.Devices[t.key()] = struct{}{}
	}
	return l.resolver.Bridge.Subscribe(filter, "")
}

// write has GLPI tell the devices, in as few calls as can be.
func (l *locking) write(ctx context.Context, targets []*lockTarget) error {
	if len(targets) == 0 {
		return nil
	}
	ids := make([]int, len(targets))
	for i, t := range targets {
		ids[i] = t.agent.ID
	}
	order := glpiproxy.Unlock
	if l.lock {
		order = glpiproxy.Lock
	}
	outcomes, err := order(ctx, l.session, ids)
	if err != nil {
		return err
	}
	for i, t := range targets {
		if err := outcomes[i].Err; err != nil {
			l.refuse(t.place, itemRefusal(err))
		} else {
			t.asked = true
		}
	}
	return nil
}

// repeat tells devices what GLPI has on record and would not say again.
func (l *locking) repeat(ctx context.Context) {
	for _, t := range l.targets {
		if t.again && t.onBroker() {
			t.asked = l.resolver.Bridge.RepeatLock(ctx, t.key(), l.lock) == nil
		}
	}
}

// watch waits for the commands to be seen.
func (l *locking) watch(ctx context.Context, heard *bridge.Subscription) {
	ctx, cancel := context.WithTimeout(ctx, dispatchTime)
	defer cancel()
	waiting := map[*lockTarget]bool{}
	for _, t := range l.targets {
		if t.asked && t.onBroker() {
			waiting[t] = true
		}
	}
	for len(waiting) > 0 {
		event, err := heard.Next(ctx)
		if err != nil {
			return
		}
		for t := range waiting {
			if event.Command.Name == "Lock" && event.Device.Same(t.key()) {
				l.results[t.place].Dispatched = true
				delete(waiting, t)
			}
		}
	}
}

// show reads the devices as they are after it.
func (l *locking) show(ctx context.Context) error {
	ids := make([]int, len(l.targets))
	for i, t := range l.targets {
		ids[i] = t.agent.ID
	}
	now, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, l.session, ids)
	if err != nil {
		return err
	}
	loaders, err := load(ctx)
	if err != nil {
		return err
	}
	for i, t := range l.targets {
		if now[i].Err == nil {
			l.results[t.place].Agent = presentAgent(loaders, now[i].Item)
		}
	}
	return nil
}

func (r *Resolver) lockAgents(ctx context.Context, in model.LockAgentsInput) (*model.LockAgentsPayload, error) {
	results, wrong, err := r.setLocks(ctx, in.AgentIds, true)
	if err != nil {
		return nil, err
	}
	return &model.LockAgentsPayload{Results: results, UserErrors: mistakes(wrong)}, nil
}

func (r *Resolver) unlockAgents(ctx context.Context, in model.UnlockAgentsInput) (*model.UnlockAgentsPayload, error) {
	results, wrong, err := r.setLocks(ctx, in.AgentIds, false)
	if err != nil {
		return nil, err
	}
	return &model.UnlockAgentsPayload{Results: results, UserErrors: mistakes(wrong)}, nil
}
