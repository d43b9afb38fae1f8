package dangerzone

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/sync/errgroup"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// sight is how devices are in GLPI at a moment, to whoever looked.
type sight struct {
	agents    map[int]glpiproxy.Agent
	computers map[int]glpiproxy.Computer // by id; without those that can't be seen
}

// look reads agents and their computers as GLPI has them now.
func look(ctx context.Context, s *glpiproxy.Session, agentIDs []int) (sight, error) {
	seen := sight{map[int]glpiproxy.Agent{}, map[int]glpiproxy.Computer{}}
	found, err := glpiproxy.GetFresh[glpiproxy.Agent](ctx, s, agentIDs)
	if err != nil {
		return seen, err
	}
	var computers []int
	for id, result := range found {
		switch {
		case result.Err == nil:
			seen.agents[id] = result.Item
		case !hides(result.Err):
			return seen, result.Err
		}
		if result.Item.ComputerID > 0 {
			computers = append(computers, result.Item.ComputerID)
		}
	}
	machines, err := glpiproxy.GetFresh[glpiproxy.Computer](ctx, s, computers)
	if err != nil && !hides(err) {
		return seen, err
	}
	for id, result := range machines {
		switch {
		case result.Err == nil:
			seen.computers[id] = result.Item
		case !hides(result.Err):
			return seen, result.Err
		}
	}
	return seen, nil
}

// hides says whether an error means that an item is not there for who asks.
func hides(err error) bool {
	kind := glpiproxy.KindOf(err)
	return kind == glpiproxy.NotFound || kind == glpiproxy.Forbidden
}

// missing are the places of the agents that are not there, or not of an entity that is active.
func (s sight) missing(scope *glpiproxy.Scope, agentIDs []int) (places []int) {
	for place, id := range agentIDs {
		if agent, there := s.agents[id]; !there || !scope.SeesEntity(agent.EntityID) {
			places = append(places, place)
		}
	}
	return places
}

func (s sight) computer(agentID int) glpiproxy.Computer {
	return s.computers[s.agents[agentID].ComputerID]
}

// device is the agent's name on the broker.
func (s sight) device(agentID int) bridge.DeviceKey {
	return bridge.DeviceKey{EntityID: s.agents[agentID].EntityID, Serial: s.computer(agentID).Serial}
}

// print tells two states of a device apart, in all that somebody who confirms a plan goes by. What changes by itself,
// such as its last contact, is not in it.
func (s sight) print(agentID int) string {
	a, c := s.agents[agentID], s.computer(agentID)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %t %t %q %q %q %d %d %d %q %d",
		a.ID, a.Wipe, a.Lock, a.EnrollStatus, a.MDMType, a.NotificationType, a.EntityID, a.FleetID, a.ComputerID, c.Serial, c.UserID))
	return base64.RawStdEncoding.EncodeToString(sum[:12])
}

// side does things side by side.
func side(ctx context.Context, do ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range do {
		group.Go(func() error { return one(ctx) })
	}
	return group.Wait()
}
