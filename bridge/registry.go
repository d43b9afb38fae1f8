package bridge

import (
	"slices"
	"sync"
	"time"
)

// registry knows what is known of each device, and turns messages and GLPI's records into events. Once it was told
// which devices exist, it takes nothing from others.
type registry struct {
	metrics    *metrics
	most       int
	staleAfter time.Duration
	changed    func(tag string)

	mu      sync.RWMutex
	devices map[DeviceKey]*record // by canonical key
	agents  map[int]DeviceKey     // GLPI's ids of agents to canonical keys
	paces   *paces
	// complete says that GLPI told of every device, so that others are strangers.
	complete bool
}

func newRegistry(o Options, metrics *metrics) *registry {
	return &registry{
		metrics: metrics, most: o.MaxDevices, staleAfter: o.StaleAfter, changed: o.Changed,
		devices: map[DeviceKey]*record{}, agents: map[int]DeviceKey{}, paces: newPaces(o.DeviceRate),
	}
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.devices)
}

func (r *registry) device(key DeviceKey) (Device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known, ok := r.devices[key.canonical()]
	if !ok {
		return Device{Key: key, Presence: Presence{State: Unknown}, Heard: Heard{State: Unknown}}, false
	}
	return known.describe(), true
}

// address is how a device's topic is written: its key as it was heard last, and whether a slash leads.
func (r *registry) address(key DeviceKey) (DeviceKey, string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known, ok := r.devices[key.canonical()]
	switch {
	case !ok:
		return key, ""
	case known.slash:
		return known.key, "/"
	}
	return known.key, ""
}

// presence weighs what is known together with GLPI's record as the caller has it, which may be newer.
func (r *registry) presence(key DeviceKey, record Record, now time.Time) Presence {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known, ok := r.devices[key.canonical()]
	if !ok {
		return Weigh(Heard{}, record, now, r.staleAfter)
	}
	if len(known.agents) <= 1 && known.glpi.LastContact.After(record.LastContact) {
		record = known.glpi
	}
	verdict, _ := known.weigh(record, now, r.staleAfter)
	return verdict
}

// apply takes a message in and says what happened. The error is a refusal: there is no room for another device, or
// GLPI doesn't know the device, which refusedStranger says, or it says too much.
func (r *registry) apply(m message) ([]Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := m.device.canonical()
	known, ok := r.devices[key]
	switch {
	case ok:
	case r.complete:
		return nil, refusedStranger
	case len(r.devices) >= r.most:
		return nil, refusedDevices
	}
	if m.kind != kindCommand && !r.paces.allow(key, m.at) {
		return nil, refusedTooOften
	}
	if !ok {
		known = &record{}
		r.devices[key] = known
	}
	if !ok || m.kind != kindCommand { // GLPI may write the serial in another way than the device
		known.key, known.slash = m.device, m.slash
	}
	events := known.apply(m)
	if m.kind == kindUnenroll {
		r.unenroll(key)
	} else {
		events = append(known.settle(m.at, r.staleAfter, !m.retained), events...)
	}
	r.changed(key.Tag())
	r.metrics.devices.Set(float64(len(r.devices)))
	for i := range events {
		events[i].At, events[i].Device = m.at, m.device
	}
	return events, nil
}

// unenroll forgets what was heard of a device. Its agents stay as long as GLPI has them: that they are still on its
// list doesn't mean that they were enrolled anew, and that they are gone is to be told.
func (r *registry) unenroll(key DeviceKey) {
	known, ok := r.devices[key]
	if !ok {
		return
	}
	if len(known.agents) == 0 {
		delete(r.devices, key)
		return
	}
	*known = record{key: known.key, slash: known.slash, glpi: known.glpi, agents: known.agents}
}

// grow finds the devices that were silent for too long since they said that they are online.
func (r *registry) grow(now time.Time) (events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paces.forget(now)
	for _, known := range r.devices {
		if known.shown.State != Online || now.Sub(known.shown.LastContact) <= r.staleAfter {
			continue
		}
		for _, event := range known.settle(now, r.staleAfter, true) {
			event.Device = known.key
			events = append(events, event)
		}
		r.changed(known.key.Tag())
	}
	return events
}

// restore notes what was told of a device before the bridge was started again, so that what has changed since is
// an event.
func (r *registry) restore(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := e.Device.canonical()
	defer r.changed(key.Tag())
	if e.Kind == AgentUnenrolled {
		r.unenroll(key)
	}
	if e.Kind != PresenceChanged || e.Presence == nil {
		return
	}
	known, ok := r.devices[key]
	if !ok {
		if r.complete || len(r.devices) >= r.most {
			return
		}
		known = &record{key: e.Device}
		r.devices[key] = known
	}
	known.remember(*e.Presence)
}

// learn takes in what GLPI says of agents. fresh says that agents not known before were enrolled now, and weren't
// merely not read yet.
func (r *registry) learn(agents []Enrolled, fresh bool, now time.Time) (events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, agent := range agents {
		for _, event := range r.learnOne(agent, fresh, now) {
			event.At = now
			events = append(events, event)
		}
	}
	r.metrics.devices.Set(float64(len(r.devices)))
	return events
}

func (r *registry) learnOne(agent Enrolled, fresh bool, now time.Time) (events []Event) {
	key := agent.Device.canonical()
	former, enrolled := r.agents[agent.AgentID]
	if enrolled && former != key { // it went to another entity, or got another serial
		r.dissolve(former, agent.AgentID)
	}
	defer r.changed(key.Tag())
	known, ok := r.devices[key]
	if !ok {
		if len(r.devices) >= r.most {
			r.metrics.refused.WithLabelValues(string(refusedDevices)).Inc()
			return nil
		}
		known = &record{key: agent.Device}
		r.devices[key] = known
	}
	if !slices.Contains(known.agents, agent.AgentID) {
		known.agents = append(known.agents, agent.AgentID)
		r.agents[agent.AgentID] = key
	}
	if !enrolled && fresh {
		events = append(events, Event{Kind: AgentEnrolled, Device: known.key, AgentID: agent.AgentID})
	}
	if !agent.Record.LastContact.Before(known.glpi.LastContact) {
		known.glpi = agent.Record
	}
	for _, event := range known.settle(now, r.staleAfter, false) {
		event.Device = known.key
		events = append(events, event)
	}
	return events
}

// dissolve takes an agent off a device, and forgets the device when it has none left.
func (r *registry) dissolve(key DeviceKey, agentID int) {
	defer r.changed(key.Tag())
	delete(r.agents, agentID)
	known, ok := r.devices[key]
	if !ok {
		return
	}
	known.agents = slices.DeleteFunc(known.agents, func(id int) bool { return id == agentID })
	if len(known.agents) == 0 {
		delete(r.devices, key)
	}
}

// forget takes in that agents are gone from GLPI.
func (r *registry) forget(agentIDs []int, now time.Time) (events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range agentIDs {
		key, known := r.agents[id]
		if !known {
			continue
		}
		device := r.devices[key].key
		r.dissolve(key, id)
		events = append(events, Event{Kind: AgentDeleted, At: now, Device: device, AgentID: id})
	}
	r.metrics.devices.Set(float64(len(r.devices)))
	return events
}

// agentIDs are all agents that GLPI told of.
func (r *registry) agentIDs() []int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ids := make([]int, 0, len(r.agents))
	for id := range r.agents {
		ids = append(ids, id)
	}
	return ids
}

// close the list: devices that are not on it are strangers from now on. Those that were heard of and that GLPI
// doesn't know are forgotten.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complete = true
	for key, known := range r.devices {
		if len(known.agents) == 0 {
			delete(r.devices, key)
			r.changed(key.Tag())
		}
	}
	r.metrics.devices.Set(float64(len(r.devices)))
}
