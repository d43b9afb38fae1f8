package graph

import (
	"context"
	"slices"
	"strconv"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// taskLoaders read, for a whole page at once, what is applied to fleets and devices and how far it has come.
type taskLoaders struct {
	policies         *loader[*model.Policy]
	policyCategories *loader[*model.PolicyCategory]
	agents           *loader[*model.Agent]
	tasks            *loader[*model.Task]
	files            *loader[*model.File]
	fleetTasks       *loader[[]glpiproxy.Task]
	agentTasks       *keyed[membership, map[glpiproxy.Target][]glpiproxy.Task] // its own, and those of its fleet
	taskStatuses     *keyed[glpiproxy.Task, []glpiproxy.TaskStatus]
	agentStatuses    *loader[[]glpiproxy.TaskStatus]
	// fleetDevices are the devices of a fleet that the viewer may see. GLPI keeps the statuses of devices that
	// are gone, and shows those of other companies' devices in a fleet that they share.
	fleetDevices *loader[map[int]bool]
}

func policies(l *loaders) *loader[*model.Policy]                 { return l.policies }
func policyCategories(l *loaders) *loader[*model.PolicyCategory] { return l.policyCategories }

func agents(l *loaders) *loader[*model.Agent] { return l.agents }
func tasks(l *loaders) *loader[*model.Task]   { return l.tasks }

func files(l *loaders) *loader[*model.File] { return l.files }

func newTaskLoaders(s *glpiproxy.Session) taskLoaders {
	l := taskLoaders{
		agents: newLoader(s, func(a glpiproxy.Agent) *model.Agent { return &model.Agent{Agent: a} }),
		tasks:  newLoader(s, func(t glpiproxy.Task) *model.Task { return &model.Task{Task: t} }),
		files:  newLoader(s, func(f glpiproxy.File) *model.File { return &model.File{File: f} }),
		fleetDevices: newKeyed(func(ctx context.Context, ids []int) (map[int]map[int]bool, error) {
			return devicesOfFleets(ctx, s, slices.Clone(ids))
		}),
		policies: newKeyed(func(ctx context.Context, _ []int) (map[int]*model.Policy, error) { return policiesByID(ctx) }),
		policyCategories: newKeyed(func(ctx context.Context, _ []int) (map[int]*model.PolicyCategory, error) {
			return categoriesByID(ctx)
		}),
	}
	l.agentStatuses = newKeyed(func(ctx context.Context, ids []int) (map[int][]glpiproxy.TaskStatus, error) {
		found, err := glpiproxy.StatusesOfAgents(ctx, s, ids)
		var of []int // told at once: a resolver that is quick would take the first along, and leave the others for a call more
		for _, rows := range found {
			for _, row := range rows {
				of = append(of, row.TaskID)
			}
		}
		l.tasks.expect(of...)
		return found, err
	})
	l.taskStatuses = newKeyed(func(ctx context.Context, tasks []glpiproxy.Task) (map[glpiproxy.Task][]glpiproxy.TaskStatus, error) {
		return statusesOfTasks(ctx, s, tasks)
	})
	l.fleetTasks = newKeyed(func(ctx context.Context, ids []int) (map[int][]glpiproxy.Task, error) {
		found, err := tasksOfFleets(ctx, s, ids)
		for id, tasks := range found {
			l.taskStatuses.expect(tasks...)
			l.fleetDevices.expect(id)
		}
		return found, err
	})
	l.agentTasks = newKeyed(func(ctx context.Context, agents []membership) (map[membership]map[glpiproxy.Target][]glpiproxy.Task, error) {
		return tasksOfAgents(ctx, s, agents)
	})
	return l
}

// newKeyed makes a loader of a function that reads many keys at once. A key without an entry in its answer is
// one that the viewer can't see.
func newKeyed[K comparable, M any](read func(context.Context, []K) (map[K]M, error)) *keyed[K, M] {
	return batched(func(ctx context.Context, keys []K) ([]finding[M], error) {
		found, err := read(ctx, keys)
		if err != nil {
			return nil, err
		}
		outcomes := make([]finding[M], len(keys))
		for i, key := range keys {
			value, ok := found[key]
			if outcomes[i].value = value; !ok {
				outcomes[i].err = notFound()
			}
		}
		return outcomes, nil
	})
}

// tasksOfFleets reads what is applied to fleets.
func tasksOfFleets(ctx context.Context, s *glpiproxy.Session, ids []int) (map[int][]glpiproxy.Task, error) {
	targets := make([]glpiproxy.Target, len(ids))
	for i, id := range ids {
		targets[i] = glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: id}
	}
	found, err := glpiproxy.TasksOfMany(ctx, s, targets)
	if err != nil {
		return nil, err
	}
	byFleet := make(map[int][]glpiproxy.Task, len(found))
	for target, tasks := range found {
		byFleet[target.ID] = tasks
	}
	return byFleet, nil
}

// tasksOfAgents reads what devices have to obey, by what it is applied to. What the viewer can't see has no entry.
func tasksOfAgents(ctx context.Context, s *glpiproxy.Session, agents []membership) (map[membership]map[glpiproxy.Target][]glpiproxy.Task, error) {
	var targets []glpiproxy.Target
	for _, agent := range agents {
		for _, target := range agent.targets() {
			if !slices.Contains(targets, target) {
				targets = append(targets, target)
			}
		}
	}
	found, err := glpiproxy.TasksOfMany(ctx, s, targets)
	if err != nil {
		return nil, err
	}
	byAgent := make(map[membership]map[glpiproxy.Target][]glpiproxy.Task, len(agents))
	for _, agent := range agents {
		byAgent[agent] = found
	}
	return byAgent, nil
}

// statusesOfTasks reads the statuses of many tasks, by the task.
func statusesOfTasks(ctx context.Context, s *glpiproxy.Session, tasks []glpiproxy.Task) (map[glpiproxy.Task][]glpiproxy.TaskStatus, error) {
	byID, err := glpiproxy.StatusesOfTasks(ctx, s, tasks)
	if err != nil {
		return nil, err
	}
	found := make(map[glpiproxy.Task][]glpiproxy.TaskStatus, len(tasks))
	for _, task := range tasks {
		if statuses, ok := byID[task.ID]; ok {
			found[task] = statuses
		}
	}
	return found, nil
}

// devicesOfFleets finds the devices of fleets that the viewer may see, in one search for up to mostChoices fleets. Those
// of one fleet are mostly on the page that is shown beside, which is read once for both.
func devicesOfFleets(ctx context.Context, s *glpiproxy.Session, fleetIDs []int) (map[int]map[int]bool, error) {
	if len(fleetIDs) == 1 {
		devices := map[int]bool{}
		order := model.AgentOrder{Field: model.AgentOrderFieldDatabaseID, Direction: model.OrderDirectionAsc}
		shown, total, err := listAgents(s, agentDemands{fleets: fleetIDs}.columns(), order).rows(ctx, 0, defaultPage)
		for _, agent := range shown {
			devices[agent.ID] = true
		}
		if err != nil || len(shown) == total {
			return map[int]map[int]bool{fleetIDs[0]: devices}, err
		}
	}
	slices.Sort(fleetIDs) // the same page is the same search, which the cache knows
	devices := make(map[int]map[int]bool, len(fleetIDs))
	for _, id := range fleetIDs {
		devices[id] = map[int]bool{}
	}
	for some := range slices.Chunk(fleetIDs, mostChoices) {
		rows, err := fleetRows(ctx, s, some)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if in := devices[row.Int(agentOptionFleet)]; in != nil {
				in[row.ID()] = true
			}
		}
	}
	return devices, nil
}

// fleetRows finds the devices of a few fleets, each with its fleet.
func fleetRows(ctx context.Context, s *glpiproxy.Session, fleetIDs []int) ([]glpiproxy.Row, error) {
	query := glpiproxy.Query{Columns: []int{agentOptionFleet}}
	for _, id := range fleetIDs {
		query.Criteria = append(query.Criteria,
			glpiproxy.Criterion{Link: glpiproxy.Or, Field: agentOptionFleet, Type: glpiproxy.Equals, Value: strconv.Itoa(id)})
	}
	query.Criteria[0].Link = glpiproxy.And
	return allRows[glpiproxy.Agent](ctx, s, query)
}
