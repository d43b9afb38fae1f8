package dangerzone

import (
	"context"
	"slices"
	"strconv"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

// GLPI's search options.
const (
	agentOptionComputer = 4
	computerOptionUser  = 70
)

const (
	// chain is how many alternatives one search has: its address has a limit.
	chain = 40
	// window is how many rows one call reads, and mostRows how many are read to find pending invitations.
	window, mostRows = 1000, 20_000
)

// facts are what a plan's warnings are made of.
type facts struct {
	request Request
	sight
	presence map[int]bridge.Presence // by agent
	push     map[int]bool            // agents that are not told over MQTT
	// neighbours are the other agents on the same computer, or with the same name on the broker, by agent.
	neighbours map[int][]int
	// owned are the computers of the targets' owners, by owner.
	owned map[int][]glpiproxy.Computer
	// pending is the number of invitations that owners could still use.
	pending map[int]int
}

// gather reads what the warnings of a request need, with the viewer's own rights; what they may not see is not warned of.
func (d *Desk) gather(ctx context.Context, s *glpiproxy.Session, r Request, seen sight) (*facts, error) {
	f := &facts{
		request: r, sight: seen, presence: map[int]bridge.Presence{}, push: map[int]bool{},
		neighbours: map[int][]int{}, owned: map[int][]glpiproxy.Computer{}, pending: map[int]int{},
	}
	for id, agent := range seen.agents {
		record := bridge.Record{Online: agent.Online, LastContact: agent.LastContact}
		f.presence[id] = d.o.Bridge.Presence(seen.device(id), record)
		f.push[id] = agent.NotificationType == "fcm"
	}
	work := []func(context.Context) error{func(ctx context.Context) error { return f.findNeighbours(ctx, s, d.o.Bridge) }}
	if r.Action == Delete {
		work = append(work,
			func(ctx context.Context) error { return f.findOwned(ctx, s) },
			func(ctx context.Context) error { return f.findPending(ctx, s) })
	}
	return f, side(ctx, work...)
}

// findNeighbours finds the other agents of the targets' computers.
func (f *facts) findNeighbours(ctx context.Context, s *glpiproxy.Session, b *bridge.Bridge) error {
	var computers []int
	for id, agent := range f.agents {
		if agent.ComputerID > 0 && !slices.Contains(computers, agent.ComputerID) {
			computers = append(computers, agent.ComputerID)
		}
		device, _ := b.Device(f.device(id))
		for _, other := range device.AgentIDs {
			f.add(id, other)
		}
	}
	slices.Sort(computers)
	byComputer, err := agentsOn(ctx, s, computers)
	if err != nil {
		return err
	}
	for id, agent := range f.agents {
		for _, other := range byComputer[agent.ComputerID] {
			f.add(id, other)
		}
	}
	return nil
}

// agentsOn finds the agents of computers.
func agentsOn(ctx context.Context, s *glpiproxy.Session, computers []int) (map[int][]int, error) {
	byComputer := map[int][]int{}
	for part := range slices.Chunk(computers, chain) {
		rows, err := glpiproxy.Search[glpiproxy.Agent](ctx, s, glpiproxy.Query{
			Criteria: either(agentOptionComputer, part), Columns: []int{agentOptionComputer}, Range: glpiproxy.Range{Count: window}, Fresh: true,
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			byComputer[row.Int(agentOptionComputer)] = append(byComputer[row.Int(agentOptionComputer)], row.ID())
		}
	}
	return byComputer, nil
}

func (f *facts) add(agentID, neighbour int) {
	if neighbour != agentID && !slices.Contains(f.neighbours[agentID], neighbour) {
		f.neighbours[agentID] = append(f.neighbours[agentID], neighbour)
	}
}

// either are criteria of which one is enough.
func either(option int, ids []int) (criteria []glpiproxy.Criterion) {
	for i, id := range ids {
		link := glpiproxy.Or
		if i == 0 {
			link = glpiproxy.And
		}
		criteria = append(criteria, glpiproxy.Criterion{Link: link, Field: option, Type: glpiproxy.Equals, Value: strconv.Itoa(id)})
	}
	return criteria
}

func (f *facts) owners() (ids []int) {
	for _, computer := range f.computers {
		if computer.UserID > 0 {
			ids = append(ids, computer.UserID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// findOwned finds all computers of the targets' owners: an owner without any loses the guest profile.
func (f *facts) findOwned(ctx context.Context, s *glpiproxy.Session) error {
	var ids []int
	for part := range slices.Chunk(f.owners(), chain) {
		page, err := glpiproxy.Search[glpiproxy.Computer](ctx, s, glpiproxy.Query{
			Criteria: either(computerOptionUser, part), Range: glpiproxy.Range{Count: window}, Fresh: true,
		})
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			ids = append(ids, row.ID())
		}
	}
	computers, err := glpiproxy.GetFresh[glpiproxy.Computer](ctx, s, ids)
	if err != nil {
		return err
	}
	for _, result := range computers {
		if result.Err == nil {
			f.owned[result.Item.UserID] = append(f.owned[result.Item.UserID], result.Item)
		}
	}
	return nil
}

// findPending counts the invitations that the owners could still use.
func (f *facts) findPending(ctx context.Context, s *glpiproxy.Session) error {
	scope, err := s.Scope(ctx)
	if err != nil || !glpiproxy.Can[glpiproxy.Invitation](scope, glpiproxy.Read) {
		return err
	}
	owners := f.owners()
	for start := 0; start < mostRows && len(owners) > 0; start += window {
		page, err := glpiproxy.List[glpiproxy.Invitation](ctx, s, glpiproxy.ListOptions{
			Range: glpiproxy.Range{Start: start, Count: window}, Filter: map[string]string{"status": "pending"}, Fresh: true,
		})
		if err != nil {
			return err
		}
		for _, i := range page.Items {
			if i.Status == "pending" && slices.Contains(owners, i.UserID) {
				f.pending[i.UserID]++
			}
		}
		if start+len(page.Items) >= page.Total || len(page.Items) == 0 {
			break
		}
	}
	return nil
}

// losesProfile says whether deleting the device takes its owner's guest profile in the entity, and with it all
// invitations of theirs: when no other computer of theirs is left there.
func (f *facts) losesProfile(agentID int) bool {
	agent, computer := f.agents[agentID], f.computer(agentID)
	for _, other := range f.owned[computer.UserID] {
		deleted := f.request.DeleteComputers && f.isTarget(other.ID)
		if other.ID != computer.ID && other.EntityID == agent.EntityID && !deleted {
			return false
		}
	}
	return computer.UserID > 0
}

func (f *facts) isTarget(computerID int) bool {
	for _, agent := range f.agents {
		if agent.ComputerID == computerID {
			return true
		}
	}
	return false
}

// outsiders are the agents beside one on its computer that are not to be deleted with it.
func (f *facts) outsiders(agentID int) (ids []int) {
	for _, id := range f.neighbours[agentID] {
		if _, planned := f.agents[id]; !planned {
			ids = append(ids, id)
		}
	}
	return ids
}
