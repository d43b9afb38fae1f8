package graph

import (
	"context"
	"slices"
	"strconv"

	"github.com/vikstrous/dataloadgen"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// taskLoaders read, for a whole page at once, what is applied to fleets and devices and how far it has come.
type taskLoaders struct {
	policies      *loader[*model.Policy]
	agents        *loader[*model.Agent]
	tasks         *loader[*model.Task]
	targetTasks   *keyed[glpiproxy.Target, []glpiproxy.Task]
	taskStatuses  *keyed[glpiproxy.Task, []glpiproxy.TaskStatus]
	agentStatuses *loader[[]glpiproxy.TaskStatus]
	// fleetDevices are the devices of a fleet that the viewer may see. GLPI keeps the statuses of devices that
	// are gone, and shows those of other companies' devices in a fleet that they share.
	fleetDevices *loader[map[int]bool]
}

func policies(l *loaders) *loader[*model.Policy] { return l.policies }
func agents(l *loaders) *loader[*model.Agent]    { return l.agents }
func tasks(l *loaders) *loader[*model.Task]      { return l.tasks }

func newTaskLoaders(s *glpiproxy.Session) taskLoaders {
	l := taskLoaders{
		agents: newLoader(s, func(a glpiproxy.Agent) *model.Agent { return &model.Agent{Agent: a} }),
		tasks:  newLoader(s, func(t glpiproxy.Task) *model.Task { return &model.Task{Task: t} }),
		agentStatuses: newKeyed(func(ctx context.Context, ids []int) (map[int][]glpiproxy.TaskStatus, error) {
			return glpiproxy.StatusesOfAgents(ctx, s, ids)
		}),
		fleetDevices: newKeyed(func(ctx context.Context, ids []int) (map[int]map[int]bool, error) {
			return devicesOfFleets(ctx, s, slices.Clone(ids))
		}),
		policies: newKeyed(func(ctx context.Context, _ []int) (map[int]*model.Policy, error) { return policiesByID(ctx) }),
	}
	l.taskStatuses = newKeyed(func(ctx context.Context, tasks []glpiproxy.Task) (map[glpiproxy.Task][]glpiproxy.TaskStatus, error) {
		return statusesOfTasks(ctx, s, tasks)
	})
	l.targetTasks = newKeyed(func(ctx context.Context, targets []glpiproxy.Target) (map[glpiproxy.Target][]glpiproxy.Task, error) {
		found, err := glpiproxy.TasksOfMany(ctx, s, targets)
		for target, tasks := range found {
			l.taskStatuses.expect(tasks...)
			if target.Kind == glpiproxy.TargetFleet {
				l.fleetDevices.expect(target.ID)
			}
		}
		return found, err
	})
	return l
}

// newKeyed makes a loader of a function that reads many keys at once. A key without an entry in its answer is
// one that the viewer can't see.
func newKeyed[K comparable, M any](read func(context.Context, []K) (map[K]M, error)) *keyed[K, M] {
	return &keyed[K, M]{Loader: dataloadgen.NewLoader(func(ctx context.Context, keys []K) ([]M, []error) {
		values, errs := make([]M, len(keys)), make([]error, len(keys))
		found, err := read(ctx, keys)
		for i, key := range keys {
			value, ok := found[key]
			switch {
			case err != nil:
				errs[i] = err
			case !ok:
				errs[i] = notFound()
			default:
				values[i] = value
			}
		}
		return values, errs
	}, dataloadgen.WithWait(gather))}
}

// expectTasks tells whose tasks may be asked for soon.
func (l *taskLoaders) expectTasks(targets ...glpiproxy.Target) { l.targetTasks.expect(targets...) }

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

// devicesOfFleets finds the devices of fleets that the viewer may see, in one search for up to mostChoices fleets.
func devicesOfFleets(ctx context.Context, s *glpiproxy.Session, fleetIDs []int) (map[int]map[int]bool, error) {
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
	query := glpiproxy.Query{Columns: []int{agentOptionFleet}, Range: glpiproxy.Range{Count: chunk}}
	for _, id := range fleetIDs {
		query.Criteria = append(query.Criteria,
			glpiproxy.Criterion{Link: glpiproxy.Or, Field: agentOptionFleet, Type: glpiproxy.Equals, Value: strconv.Itoa(id)})
	}
	query.Criteria[0].Link = glpiproxy.And
	var rows []glpiproxy.Row
	for {
		query.Range.Start = len(rows)
		page, err := glpiproxy.Search[glpiproxy.Agent](ctx, s, query)
		rows = append(rows, page.Rows...)
		if err != nil || len(page.Rows) == 0 || len(rows) >= page.Total {
			return rows, err
		}
	}
}
