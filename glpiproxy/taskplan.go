package glpiproxy

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// TargetTasks are a fleet or an agent and what is applied to it, as GLPI has it now.
type TargetTasks struct {
	Target Target
	Fleet  Fleet // of TargetFleet
	Agent  Agent // of TargetAgent
	Tasks  []Task
}

// TasksNow reads a target with its tasks from GLPI, whatever the cache knows: what a
// TaskPlan is made from. NotFound: the viewer can't see the target.
func TasksNow(ctx context.Context, s *Session, target Target) (TargetTasks, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return TargetTasks{}, err
	}
	now := TargetTasks{Target: target}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return now.readTarget(both, s) })
	group.Go(func() (err error) {
		now.Tasks, err = tasksAt(both, s, scope, target)
		return err
	})
	if err := group.Wait(); err != nil {
		return TargetTasks{}, err
	}
	return now, nil
}

func (n *TargetTasks) readTarget(ctx context.Context, s *Session) error {
	read := linkReaders[string(n.Target.Kind)]
	if read == nil || n.Target.ID <= 0 {
		return &Error{Kind: Invalid, Operation: "tasks", Message: "tasks apply to agents and fleets"}
	}
	found, err := read(ctx, s, []int{n.Target.ID})
	if err != nil {
		return err
	}
	result := found[n.Target.ID]
	if result.Err != nil {
		return &Error{Kind: NotFound, Operation: "tasks", Message: "no such target"}
	}
	switch item := result.Item.(type) {
	case Fleet:
		n.Fleet = item
	case Agent:
		n.Agent = item
	}
	return nil
}

// item is the target itself.
func (n TargetTasks) item() Item {
	if n.Target.Kind == TargetFleet {
		return n.Fleet
	}
	return n.Agent
}

// tasksAt asks GLPI for the tasks of a target. Whether the viewer sees the target is for
// the caller to find out.
func tasksAt(ctx context.Context, s *Session, scope *Scope, target Target) ([]Task, error) {
	rows, err := searchByOwners(ctx, s, Task{}.itemtype(), taskTargetOption, []int{target.ID}, Query{Columns: taskColumns, Fresh: true})
	var tasks []Task
	for _, row := range rows {
		if task := taskOf(row); task.Target == target {
			task.seenBy = scope.fingerprint
			tasks = append(tasks, task)
		}
	}
	return tasks, err
}

// TaskPlan is what is to become of the tasks of one target, in this order: a removal
// may make room for what is applied after it.
type TaskPlan struct {
	Fleet  FleetChange // of the target, where it is a fleet
	Delete []int       // ids of tasks of the target
	Change []Edit[TaskChange]
	Create []TaskInput
}

// PlanOutcomes are what became of the parts of a TaskPlan, each in its order.
type PlanOutcomes struct {
	Fleet                     error // nil: changed, or nothing was to be changed
	Deleted, Changed, Created Outcomes
	// After is the target after it all, with those tasks that GLPI made by itself to
	// remove from devices what a deleted one had deployed.
	After TargetTasks
}

// CarryOut carries a plan out for a target that TasksNow has read, in one call for
// each part, and looks afterwards what GLPI has made of it. The deletion of a
// deployment that stays on devices is a call by itself: GLPI does it and dies of it.
//
// The error is for what was wrong before anything was sent. When GLPI can't be asked
// afterwards, After is as it was before, and what is not known is an error of its
// outcome.
func CarryOut(ctx context.Context, s *Session, now TargetTasks, plan TaskPlan) (PlanOutcomes, error) {
	p, err := newPlanner(ctx, s, now, plan)
	if err != nil {
		return PlanOutcomes{}, err
	}
	p.fleet.deliver(ctx, p.fleet.batches())
	p.remove.deliver(ctx, p.deletions())
	p.change.deliver(ctx, p.change.batches())
	p.create.deliver(ctx, p.create.batches())
	after, err := TasksNow(ctx, s, now.Target)
	if err != nil {
		after = now
	} else {
		p.conclude(after)
	}
	for _, w := range []*writer{p.fleet, p.remove, p.change, p.create} {
		for _, i := range w.doubts {
			w.outcomes[i].Err = inDoubt(w.operation, w.outcomes[i].Err)
		}
	}
	return PlanOutcomes{p.fleet.outcomes.Err(), p.remove.outcomes, p.change.outcomes, p.create.outcomes, after}, nil
}

// planner carries out a plan.
type planner struct {
	now    TargetTasks
	plan   TaskPlan
	before map[int]Result[Item] // the target's tasks

	fleet, remove, change, create *writer
}

func newPlanner(ctx context.Context, s *Session, now TargetTasks, plan TaskPlan) (*planner, error) {
	p := &planner{now: now, plan: plan, before: map[int]Result[Item]{}}
	for _, task := range now.Tasks {
		p.before[task.ID] = Result[Item]{Item: task}
	}
	known, err := p.known(ctx, s)
	if err == nil {
		p.fleet, err = p.fleetWriter(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		writer    **writer
		operation string
		n         int
		add       func(w *writer, i int)
	}{
		{&p.remove, "delete", len(plan.Delete), func(w *writer, i int) { w.add(i, plan.Delete[i], func(*fields) {}) }},
		{&p.change, "update", len(plan.Change), func(w *writer, i int) { w.add(i, plan.Change[i].ID, plan.Change[i].Change.write) }},
		{&p.create, "create", len(plan.Create), func(w *writer, i int) { w.add(i, 0, plan.Create[i].write) }},
	} {
		w, err := newWriter(ctx, s, part.operation, Task{}.itemtype(), part.n)
		if err != nil {
			return nil, err
		}
		w.known = known
		for i := range part.n {
			part.add(w, i)
		}
		if err := p.admit(ctx, w); err != nil {
			return nil, err
		}
		*part.writer = w
	}
	return p, nil
}

// fleetWriter is the writer of the change of the fleet itself, which has nothing to do where
// nothing is to be changed.
func (p *planner) fleetWriter(ctx context.Context, s *Session) (*writer, error) {
	if p.plan.Fleet == (FleetChange{}) {
		return &writer{}, nil
	}
	w, err := newWriter(ctx, s, "update", Fleet{}.itemtype(), 1)
	if err != nil {
		return nil, err
	}
	w.add(0, p.now.Target.ID, p.plan.Fleet.write)
	if err := w.maySet(w.itemtype, Result[Item]{Item: p.now.item()}); w.outcomes[0].Err == nil {
		w.outcomes[0].Err = err
	}
	return w, nil
}

// known is what need not be read again: the target, and the policies, of which one
// list is cached for all.
func (p *planner) known(ctx context.Context, s *Session) (map[reference]Result[Item], error) {
	known := map[reference]Result[Item]{{string(p.now.Target.Kind), p.now.Target.ID}: {Item: p.now.item()}}
	if len(p.plan.Create) == 0 {
		return known, nil
	}
	policies, err := every(func(window Range) (Page[Policy], error) {
		return List[Policy](ctx, s, ListOptions{Range: window})
	})
	for _, policy := range policies {
		known[reference{policy.itemtype(), policy.ID}] = Result[Item]{Item: policy}
	}
	var files, applications []int
	for _, input := range p.plan.Create {
		if d := input.Deploy; d != nil && d.FileID > 0 {
			files = append(files, d.FileID)
		} else if d != nil {
			applications = append(applications, d.ApplicationID)
		}
	}
	if err == nil {
		err = knowSome[File](ctx, s, known, files)
	}
	if err == nil {
		err = knowSome[Application](ctx, s, known, applications)
	}
	return known, err
}

// knowSome notes items that the cache may answer for: who makes a plan has just looked
// at them.
func knowSome[T Item](ctx context.Context, s *Session, known map[reference]Result[Item], ids []int) error {
	results, err := getSome[T](ctx, s, ids)
	for i, result := range results {
		var kind T
		known[reference{kind.itemtype(), ids[i]}] = Result[Item]{result.Item, result.Err}
	}
	return err
}

// admit settles what can't be done, without a call: tasks of other targets, and what
// the viewer may not do to this one.
func (p *planner) admit(ctx context.Context, w *writer) error {
	for _, i := range w.sound() {
		id := w.outcomes[i].ID
		switch before, ok := p.before[id]; {
		case w.operation == "create" && p.plan.Create[i].Target != p.now.Target:
			w.outcomes[i].Err = &Error{Kind: Invalid, Operation: w.operation, Message: "the task is for another target"}
		case w.operation == "create":
		case !ok:
			w.outcomes[i].Err = w.outOfSight(w.itemtype)
		case w.operation == "update":
			w.outcomes[i].Err = p.plan.Change[i].Change.suits(ctx, w, before.Item.(Task))
		}
	}
	return w.seeLinks(ctx, p.before)
}

// batches are what nothing speaks against so far.
func (w *writer) batches() [][]int { return slices.Collect(slices.Chunk(w.sound(), writeBatch)) }

// deletions are the batches of tasks to delete.
func (p *planner) deletions() [][]int {
	var plain []int
	var kept [][]int
	for _, i := range p.remove.sound() {
		task := p.before[p.remove.outcomes[i].ID].Item.(Task)
		if task.ItemType != "" && !task.RemovedOnDelete() {
			kept = append(kept, []int{i})
		} else {
			plain = append(plain, i)
		}
	}
	return append(slices.Collect(slices.Chunk(plain, writeBatch)), kept...)
}

// deliver sends batches one after another.
func (w *writer) deliver(ctx context.Context, batches [][]int) {
	for _, batch := range batches {
		w.sendBatch(ctx, batch)
	}
}

// conclude compares what GLPI said with what it has.
func (p *planner) conclude(after TargetTasks) {
	there := map[int]Task{}
	for _, task := range after.Tasks {
		there[task.ID] = task
	}
	p.fleet.compare(func(i int) bool { return len(unmet[Fleet](after.Fleet, p.fleet.fields[i].sent, nil)) == 0 })
	p.remove.compare(func(i int) bool {
		_, still := there[p.remove.outcomes[i].ID]
		return !still
	})
	p.change.compare(func(i int) bool {
		task, still := there[p.change.outcomes[i].ID]
		wanted := p.plan.Change[i].Change.Value
		return still && (wanted == nil || sameValue(task.Value, *wanted))
	})
	p.create.compare(func(i int) bool {
		if p.create.outcomes[i].ID == 0 {
			p.create.outcomes[i].ID = p.made(p.plan.Create[i], after.Tasks)
		}
		_, made := there[p.create.outcomes[i].ID]
		return made
	})
}

// compare settles the writes that were carried out though GLPI failed, and tells those
// that were not though GLPI said so.
func (w *writer) compare(done func(i int) bool) {
	for i, outcome := range w.outcomes {
		switch doubtful := slices.Contains(w.doubts, i); {
		case doubtful && done(i):
			w.settled(i)
		case outcome.Err == nil && !done(i):
			w.outcomes[i].Err = &Error{Kind: Unchanged, Operation: w.operation, Message: "GLPI reported success and changed nothing"}
		}
	}
}

// made finds the new task that an input has become, 0 when there is none.
func (p *planner) made(input TaskInput, after []Task) int {
	for _, task := range after {
		_, old := p.before[task.ID]
		same := task.PolicyID == input.PolicyID && task.Value == input.Value
		if d := input.Deploy; d != nil {
			same = task.PolicyID == input.PolicyID && task.FileID() == d.FileID && task.ApplicationID() == d.ApplicationID
		}
		if !old && same && !slices.ContainsFunc(p.create.outcomes, func(o Outcome) bool { return o.ID == task.ID }) {
			return task.ID
		}
	}
	return 0
}
