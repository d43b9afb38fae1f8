package graph

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// deploying reads the tasks that deploy some files or applications, by the id of what they deploy.
type deploying func(ctx context.Context, s *glpiproxy.Session, ids []int) (map[int][]glpiproxy.Task, error)

func newDeploymentLoader(s *glpiproxy.Session, read deploying) *loader[[]glpiproxy.Task] {
	return newKeyed(func(ctx context.Context, ids []int) (map[int][]glpiproxy.Task, error) {
		found, err := read(ctx, s, ids)
		tasks := make(map[int][]glpiproxy.Task, len(ids))
		for _, id := range ids {
			tasks[id] = found[id]
		}
		return tasks, err
	})
}

// deploymentsOf are the tasks that deploy a file or an application, by id.
func deploymentsOf(ctx context.Context, pick func(*loaders) *loader[[]glpiproxy.Task], id int) ([]*model.Task, error) {
	if _, err := readable[glpiproxy.Task](ctx); err != nil {
		return nil, err
	}
	found, err := loaded(ctx, pick, id)
	if err != nil {
		return nil, err
	}
	tasks := make([]*model.Task, 0, len(found))
	for _, task := range found {
		tasks = append(tasks, &model.Task{Task: task})
	}
	slices.SortFunc(tasks, func(a, b *model.Task) int { return a.ID - b.ID })
	return tasks, nil
}

// deletion is what became of a file or an application that was to be deleted.
type deletion struct {
	deleted *string // its global id; nil: it is still there
	ended   []*model.EndedDeployment
	wrong   []*model.UserError
}

// deleteDeployable deletes a file or an application. GLPI would remove what deploys it by itself, but fails at the
// first task that is to leave it on the devices, and keeps the tasks after that: so they are removed before.
func deleteDeployable[T glpiproxy.Deletable](ctx context.Context, typename, globalID string, read deploying) (*deletion, error) {
	d := &deletion{ended: []*model.EndedDeployment{}, wrong: []*model.UserError{}}
	id, wrong := inputID(typename, globalID, "input", "id")
	if wrong != nil {
		return d.refused(wrong, nil)
	}
	s, err := allowed[T](ctx, glpiproxy.Purge)
	if err != nil {
		return nil, err
	}
	if _, err := glpiproxy.Get[T](ctx, s, id); err != nil {
		return d.refused(refusal(err, "input", "id"))
	}
	if err := d.end(ctx, s, id, read); err != nil {
		return d.refused(refusal(err, "input", "id"))
	}
	if err := glpiproxy.DeleteItem[T](ctx, s, id); err != nil {
		return d.refused(refusal(err, "input", "id"))
	}
	d.deleted = &globalID
	return d, nil
}

func (d *deletion) refused(wrong *model.UserError, err error) (*deletion, error) {
	if wrong != nil {
		d.wrong = append(d.wrong, wrong)
	}
	return d, err
}

// end removes the tasks that deploy something, and notes those that it could remove.
func (d *deletion) end(ctx context.Context, s *glpiproxy.Session, id int, read deploying) error {
	found, err := read(ctx, s, []int{id})
	if err != nil {
		return err
	}
	for tasks := range slices.Chunk(found[id], glpiproxy.MaxWrites) {
		ids := make([]int, len(tasks))
		for i, task := range tasks {
			ids[i] = task.ID
		}
		outcomes, err := glpiproxy.DeleteMany[glpiproxy.Task](ctx, s, ids)
		if err != nil {
			return err
		}
		for i, task := range tasks {
			if err := outcomes[i].Err; err != nil && glpiproxy.KindOf(err) != glpiproxy.NotFound {
				return err
			}
			d.ended = append(d.ended, &model.EndedDeployment{Task: model.Task{Task: task}, RemovedFromDevices: task.RemovedOnDelete()})
		}
	}
	return nil
}
