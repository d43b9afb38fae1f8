package graph

import (
	"cmp"
	"context"
	"slices"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// total counts without reading rows.
func total[T glpiproxy.Item](ctx context.Context, criteria ...glpiproxy.Criterion) (*int, error) {
	s, err := readable[T](ctx)
	if err != nil {
		return nil, err
	}
	n, err := glpiproxy.Count[T](ctx, s, criteria...)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// countPeople counts users without the accounts of the devices and of the gateway.
func (r *Resolver) countPeople(ctx context.Context) (*int, error) {
	criteria, err := r.people(ctx)
	if err != nil {
		return nil, err
	}
	return total[glpiproxy.User](ctx, criteria...)
}

// countAgents counts devices, from their list where that is read anyway.
func countAgents(ctx context.Context) (*int, error) {
	if !besideAny(ctx, "devicesByPresence", "devicesByPlatform", "devicesByEnrollStatus", "devicesByVersion", "devicesByOs", "devicesByFleet", "tasksByStatus") {
		return total[glpiproxy.Agent](ctx)
	}
	agents, err := everyAgent(ctx)
	if err != nil {
		return nil, err
	}
	n := len(agents)
	return &n, nil
}

// countPendingInvitations counts the invitations that can still be used. GLPI's "pending" ones may be past their date.
func (r *Resolver) countPendingInvitations(ctx context.Context) (*int, error) {
	s, err := readable[glpiproxy.Invitation](ctx)
	if err != nil {
		return nil, err
	}
	invitations, err := readWhole(ctx, func(ctx context.Context, start, count int) ([]glpiproxy.Invitation, int, error) {
		p, err := glpiproxy.List[glpiproxy.Invitation](ctx, s, glpiproxy.ListOptions{
			Filter: map[string]string{"status": "pending"}, Range: glpiproxy.Range{Start: start, Count: count},
		})
		return p.Items, p.Total, err
	})
	if err != nil {
		return nil, err
	}
	n, now := 0, r.Now()
	for _, i := range invitations {
		if (model.Invitation{Invitation: i}).StateAt(now) == model.InvitationStatePending {
			n++
		}
	}
	return &n, nil
}

// everyAgent reads every device in sight.
func everyAgent(ctx context.Context) ([]glpiproxy.Agent, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	return allAgents(ctx, s, nil)
}

// agentsWithComputers reads every device in sight, and beside them what is known of all computers.
func agentsWithComputers(ctx context.Context, needed bool) (agents []glpiproxy.Agent, known computerFacts, err error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, nil, err
	}
	return rosterOf(ctx, s, needed)
}

// devicesByPresence weighs every device.
func (r *Resolver) devicesByPresence(ctx context.Context) ([]*model.PresenceCount, error) {
	agents, known, err := agentsWithComputers(ctx, false)
	if err != nil {
		return nil, err
	}
	n := tally(agents, func(a glpiproxy.Agent) bridge.PresenceState { return r.weigh(ctx, a, known[a.ComputerID].serial).State })
	counts := []*model.PresenceCount{}
	for _, state := range model.AllPresenceState {
		counts = append(counts, &model.PresenceCount{State: state, Count: n[bridge.PresenceState(state)]})
	}
	return counts, nil
}

func devicesByPlatform(ctx context.Context) ([]*model.PlatformCount, error) {
	agents, err := everyAgent(ctx)
	if err != nil {
		return nil, err
	}
	n := tally(agents, func(a glpiproxy.Agent) model.MdmType {
		if named := (model.Agent{Agent: a}).MDMType(); named != nil {
			return *named
		}
		return ""
	})
	return ranked(n, func(platform model.MdmType, count int) *model.PlatformCount {
		return &model.PlatformCount{MdmType: orNull(platform), Count: count}
	}), nil
}

func devicesByEnrollStatus(ctx context.Context) ([]*model.EnrollStatusCount, error) {
	agents, err := everyAgent(ctx)
	if err != nil {
		return nil, err
	}
	n := tally(agents, func(a glpiproxy.Agent) string { return a.EnrollStatus })
	counts := []*model.EnrollStatusCount{}
	for _, status := range model.AllEnrollStatus {
		counts = append(counts, &model.EnrollStatusCount{EnrollStatus: status, Count: n[model.EnrollStatusWord(status)]})
	}
	return counts, nil
}

func devicesByVersion(ctx context.Context) ([]*model.VersionCount, error) {
	agents, err := everyAgent(ctx)
	if err != nil {
		return nil, err
	}
	return ranked(tally(agents, func(a glpiproxy.Agent) string { return a.Version }), versionCount), nil
}

func versionCount(version string, count int) *model.VersionCount {
	return &model.VersionCount{Version: orNull(version), Count: count}
}

func devicesByOs(ctx context.Context) ([]*model.OsCount, error) {
	agents, known, err := agentsWithComputers(ctx, true)
	if err != nil {
		return nil, err
	}
	named := func(a glpiproxy.Agent) string { return known[a.ComputerID].system.Name }
	return ranked(tally(agents, named), func(name string, count int) *model.OsCount {
		versions := map[string]int{}
		for _, a := range agents {
			if named(a) == name {
				versions[known[a.ComputerID].system.Version]++
			}
		}
		return &model.OsCount{Name: orNull(name), Count: count, Versions: ranked(versions, versionCount)}
	}), nil
}

func devicesByFleet(ctx context.Context) ([]*model.FleetCount, error) {
	agents, err := everyAgent(ctx)
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	return ranked(tally(agents, func(a glpiproxy.Agent) int { return a.FleetID }), func(fleetID, count int) *model.FleetCount {
		l.fleets.expect(fleetID)
		return &model.FleetCount{FleetID: fleetID, Count: count}
	}), nil
}

// tasksByStatus counts how far the devices in sight have come with all their tasks.
func tasksByStatus(ctx context.Context) (*model.TaskStateCounts, error) {
	s, err := readable[glpiproxy.TaskStatus](ctx)
	if err != nil {
		return nil, err
	}
	if _, err := readable[glpiproxy.Agent](ctx); err != nil {
		return nil, err
	}
	rows, err := readWhole(ctx, func(ctx context.Context, start, count int) ([]glpiproxy.TaskStatus, int, error) {
		return glpiproxy.StatusesInSight(ctx, s, glpiproxy.Range{Start: start, Count: count})
	})
	if err != nil {
		return nil, err
	}
	counts := &model.TaskStateCounts{}
	for _, row := range rows {
		if state := model.TaskStateOf(row.Status); state != nil {
			counts.Add(*state)
		}
	}
	return counts, nil
}

// tally counts items by a key.
func tally[T any, K comparable](items []T, key func(T) K) map[K]int {
	n := map[K]int{}
	for _, item := range items {
		n[key(item)]++
	}
	return n
}

// ranked presents counts, the largest first and equal ones by their keys.
func ranked[K cmp.Ordered, M any](n map[K]int, present func(key K, count int) M) []M {
	keys := make([]K, 0, len(n))
	for key := range n {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
	counts := make([]M, len(keys))
	for i, key := range keys {
		counts[i] = present(key, n[key])
	}
	return counts
}

// orNull is GraphQL's null for GLPI's empty text.
func orNull[S ~string](text S) *S {
	if text == "" {
		return nil
	}
	return &text
}
