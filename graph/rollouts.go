package graph

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// statusesOf reads how far a task has come on those devices of its target that the viewer may see, by the device's id.
func statusesOf(ctx context.Context, t glpiproxy.Task) ([]*model.TaskStatus, error) {
	if _, err := readable[glpiproxy.TaskStatus](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	devices := map[int]bool{t.Target.ID: true}
	var rows []glpiproxy.TaskStatus
	group, both := errgroup.WithContext(ctx)
	if t.Target.Kind == glpiproxy.TargetFleet {
		group.Go(func() (err error) { devices, err = l.fleetDevices.load(both, t.Target.ID); return err })
	}
	group.Go(func() (err error) { rows, err = l.taskStatuses.load(both, t); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row glpiproxy.TaskStatus) bool { return !devices[row.AgentID] })
	slices.SortFunc(rows, func(a, b glpiproxy.TaskStatus) int { return a.AgentID - b.AgentID })
	return presentStatuses(rows), nil
}

// presentStatuses leaves out states that this API has no name for; GLPI stores none.
func presentStatuses(rows []glpiproxy.TaskStatus) []*model.TaskStatus {
	statuses := make([]*model.TaskStatus, 0, len(rows))
	for _, row := range rows {
		if state := model.TaskStateOf(row.Status); state != nil {
			statuses = append(statuses, &model.TaskStatus{Row: row.ID, Task: row.TaskID, AgentID: row.AgentID, State: *state, At: row.ChangedAt})
		}
	}
	return statuses
}

// agentStatuses reads how far a device has come with all its tasks, by the task's id.
func agentStatuses(ctx context.Context, a *model.Agent) ([]*model.TaskStatus, error) {
	if _, err := readable[glpiproxy.TaskStatus](ctx); err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := l.agentStatuses.load(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b glpiproxy.TaskStatus) int { return cmp.Or(a.TaskID-b.TaskID, a.ID-b.ID) })
	return presentStatuses(rows), nil
}

// agentTaskStatus is how far a device has come with one of its tasks; nil where GLPI knows nothing.
func agentTaskStatus(ctx context.Context, a *model.Agent, taskID int) (*model.TaskStatus, error) {
	statuses, err := agentStatuses(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, status := range statuses {
		if status.Task == taskID {
			return status, nil
		}
	}
	return nil, nil
}

// taskRollout counts the states of a task.
func taskRollout(ctx context.Context, t *model.Task) (*model.TaskRollout, error) {
	statuses, err := statusesOf(ctx, t.Task)
	if err != nil {
		return nil, err
	}
	return countStates(t, statuses), nil
}

func countStates(t *model.Task, statuses []*model.TaskStatus) *model.TaskRollout {
	counts := &model.TaskStateCounts{}
	for _, status := range statuses {
		counts.Add(status.State)
	}
	return &model.TaskRollout{Task: t, Counts: counts, PercentDone: counts.PercentDone()}
}

// fleetRollout counts the states of all tasks of a fleet.
func fleetRollout(ctx context.Context, f *model.Fleet) (*model.Rollout, error) {
	found, err := fleetTasks(ctx, f)
	if err != nil {
		return nil, err
	}
	tasks := make([]*model.TaskRollout, len(found))
	for i, task := range found {
		if tasks[i], err = taskRollout(ctx, task); err != nil {
			return nil, err
		}
	}
	return sumOf(f, tasks), nil
}

func sumOf(f *model.Fleet, tasks []*model.TaskRollout) *model.Rollout {
	counts := &model.TaskStateCounts{}
	for _, task := range tasks {
		counts.AddAll(task.Counts)
	}
	return &model.Rollout{Fleet: f, Counts: counts, PercentDone: counts.PercentDone(), Tasks: tasks}
}

// statusPage reads a page of the states of a task, by the device's id.
func statusPage(ctx context.Context, t *model.Task, a pageArguments, states []model.TaskState) (*model.TaskStatusConnection, error) {
	statuses, err := statusesOf(ctx, t.Task)
	if err != nil {
		return nil, err
	}
	return statusConnection(ctx, inStates(statuses, states, func(s *model.TaskStatus) int { return s.AgentID }), a)
}

// agentStatusPage reads a page of how far a device has come with its tasks, by the task's id.
func agentStatusPage(ctx context.Context, agent *model.Agent, a pageArguments, states []model.TaskState) (*model.TaskStatusConnection, error) {
	statuses, err := agentStatuses(ctx, agent)
	if err != nil {
		return nil, err
	}
	return statusConnection(ctx, inStates(statuses, states, func(s *model.TaskStatus) int { return s.Row }), a)
}

// inStates lists the statuses that are in one of some states; all where none is given.
func inStates(statuses []*model.TaskStatus, states []model.TaskState, id func(*model.TaskStatus) int) listing[*model.TaskStatus] {
	if states != nil {
		statuses = slices.DeleteFunc(statuses, func(s *model.TaskStatus) bool { return !slices.Contains(states, s.State) })
	}
	return inMemory(statuses, id)
}

func statusConnection(ctx context.Context, statuses listing[*model.TaskStatus], a pageArguments) (*model.TaskStatusConnection, error) {
	c, err := connect[model.TaskStatusEdge](ctx, statuses, a, func(l *loaders, s *model.TaskStatus) *model.TaskStatus {
		l.agents.expect(s.AgentID)
		return s
	})
	return (*model.TaskStatusConnection)(c), err
}
