package graph

import (
	"context"
	"errors"
	"slices"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

const (
	// rolloutLook is how often a stream asks for what GLPI has, mostly of the cache.
	rolloutLook = 5 * time.Second
	// rolloutPause is the least time between two rollouts of a stream.
	rolloutPause = time.Second
)

// rolloutStream tells how far the tasks of a fleet have come. Its eventStream hands no events on: they say how far a
// device has come before GLPI knows, which with the plugin's own daemon, that ends at once, is never.
type rolloutStream struct {
	eventStream
	fleetID  int
	rollouts chan<- *model.Rollout

	fleet *model.Fleet
	tasks []*model.Task
	rows  map[pair]model.TaskStatus // as GLPI has them
	said  map[pair]report
	shown []progressOf // the last rollout
}

// progressOf is how far a task has come on all devices.
type progressOf struct {
	task   int
	counts model.TaskStateCounts
}

// pair is a task on a device.
type pair struct{ task, agent int }

// report is what a device has said, and what GLPI had then. It counts until GLPI has something else.
type report struct {
	state model.TaskState
	row   model.TaskStatus
}

// rolloutProgress streams the rollout of a fleet to those who may see it.
func (r *Resolver) rolloutProgress(ctx context.Context, globalID string) (<-chan *model.Rollout, error) {
	id, err := parseID("fleetId", "Fleet", globalID)
	if err != nil {
		return nil, err
	}
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	rollouts := make(chan *model.Rollout)
	stream := &rolloutStream{fleetID: id, rollouts: rollouts, said: map[pair]report{}}
	stream.eventStream = eventStream{
		resolver: r, session: s, wanted: eventFilter{kinds: map[bridge.Kind]struct{}{bridge.TaskStatusChanged: {}}},
	}
	if err := stream.look(ctx); err != nil {
		return nil, err
	}
	if err := stream.open(ctx, &r.rolloutStreams, mostRolloutStreams, ""); err != nil {
		return nil, err
	}
	go func() {
		defer close(rollouts)
		stream.carry(ctx, stream.progress)
	}()
	return stepped(ctx, rollouts, describeRollout), nil
}

// progress sends the rollout as it is, and again after each change.
func (t *rolloutStream) progress(ctx context.Context) error {
	lookAt := time.Now().Add(rolloutLook)
	for {
		if err := t.show(ctx); err != nil {
			return err
		}
		if err := t.listen(ctx, time.Now().Add(rolloutPause), lookAt); err != nil {
			return err
		}
		if time.Now().Before(lookAt) {
			continue
		}
		err := t.refresh(ctx)
		if err == nil {
			err = t.lasting(t.look(ctx))
		}
		if err != nil {
			return err
		}
		lookAt = time.Now().Add(rolloutLook)
	}
}

// listen takes in what devices say: until the pause is over where any says something, else until the next look.
func (t *rolloutStream) listen(ctx context.Context, pause, lookAt time.Time) error {
	until, heard := lookAt, false
	for time.Now().Before(until) {
		event, err := t.next(ctx, until)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, bridge.ErrLagged): // nothing is lost but time: GLPI is asked at the next look
			return t.resubscribe(ctx)
		case err != nil:
			return err
		case event != nil && t.hear(ctx, event) && !heard:
			heard, until = true, pause
		}
	}
	return nil
}

// resubscribe takes the place of a subscription that did not keep up.
func (t *rolloutStream) resubscribe(ctx context.Context) error {
	visible, err := t.wanted.visible(ctx, t.session)
	if err != nil {
		return err
	}
	t.narrowing.Lock()
	defer t.narrowing.Unlock()
	t.subscription.Close()
	t.subscription, err = t.resolver.Bridge.Subscribe(visible, "")
	return err
}

// hear notes what a device says of a task of the fleet, and tells whether it says anything new.
func (t *rolloutStream) hear(ctx context.Context, event *bridge.Event) bool {
	agent, err := t.resolver.findAgent(ctx, event.Device)
	if err != nil || agent == nil {
		return false
	}
	where := pair{event.Task.TaskID, agent.ID}
	row, ours := t.rows[where]
	state := model.TaskStateOf(event.Task.Status)
	if !ours || state == nil {
		return false
	}
	t.said[where] = report{*state, row}
	return true
}

// look reads what GLPI has, as far as the viewer may see it now.
func (t *rolloutStream) look(ctx context.Context) error {
	ctx = withLoaders(ctx)
	fleet, err := single[glpiproxy.Fleet](ctx, t.fleetID)
	if err != nil {
		return err
	}
	t.fleet = &model.Fleet{Fleet: fleet}
	tasks, err := fleetTasks(ctx, t.fleet)
	if err != nil {
		return err
	}
	rows := map[pair]model.TaskStatus{}
	for _, task := range tasks {
		statuses, err := statusesOf(ctx, task.Task)
		if err != nil {
			return err
		}
		for _, status := range statuses {
			rows[pair{task.ID, status.AgentID}] = *status
		}
	}
	t.tasks, t.rows = tasks, rows
	for where, said := range t.said {
		if row, there := rows[where]; !there || row.Row != said.row.Row || row.State != said.row.State || !row.At.Equal(said.row.At) {
			delete(t.said, where)
		}
	}
	return nil
}

// show sends the rollout, unless it is as it was.
func (t *rolloutStream) show(ctx context.Context) error {
	byTask := map[int][]*model.TaskStatus{}
	for where, status := range t.rows {
		if said, ok := t.said[where]; ok {
			status.State = said.state
		}
		byTask[where.task] = append(byTask[where.task], &status)
	}
	tasks := make([]*model.TaskRollout, len(t.tasks))
	progress := make([]progressOf, len(t.tasks))
	for i, task := range t.tasks {
		tasks[i] = countStates(task, byTask[task.ID])
		progress[i] = progressOf{task.ID, *tasks[i].Counts}
	}
	if t.shown != nil && slices.Equal(progress, t.shown) {
		return nil
	}
	t.shown = progress
	select {
	case t.rollouts <- sumOf(t.fleet, tasks):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
