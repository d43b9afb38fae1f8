package glpiproxy

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
)

// StatusesOfTask reads how far a task has come on each of its devices. NotFound or
// Forbidden: the viewer can't see the task's target.
func StatusesOfTask(ctx context.Context, s *Session, taskID int) ([]TaskStatus, error) {
	return allChildren[Task, TaskStatus](ctx, s, taskID)
}

// StatusesOfAgent reads how far each task has come on a device, those of its fleet
// included. NotFound or Forbidden: the viewer can't see the agent.
func StatusesOfAgent(ctx context.Context, s *Session, agentID int) ([]TaskStatus, error) {
	return allChildren[Agent, TaskStatus](ctx, s, agentID)
}

// StatusesOfAgents reads the statuses of many agents in few calls, by the agent's
// id. Each agent has an entry, but for those that the viewer can't see.
func StatusesOfAgents(ctx context.Context, s *Session, agentIDs []int) (map[int][]TaskStatus, error) {
	all := map[int][]TaskStatus{}
	for _, id := range agentIDs {
		if id > 0 {
			all[id] = nil
		}
	}
	var agents []Result[Agent]
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { agents, err = getSome[Agent](within, s, agentIDs); return err })
	group.Go(func() error { // GLPI finds everybody's statuses: only those of visible agents go on
		owner := func(status TaskStatus) int { return status.AgentID }
		return collectStatuses(within, s, statusAgentOption, owner, all)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	statuses := make(map[int][]TaskStatus, len(all))
	for i, result := range agents {
		if id := agentIDs[i]; result.Err == nil {
			statuses[id] = all[id]
		}
	}
	return statuses, nil
}

// LogOf reads why enrolments with an invitation failed, oldest first. NotFound or
// Forbidden: the viewer can't see the invitation.
func LogOf(ctx context.Context, s *Session, invitationID int) ([]InvitationLog, error) {
	return allChildren[Invitation, InvitationLog](ctx, s, invitationID)
}

// LatestLogOf is LogOf as GLPI has it now, whatever the cache knows: enrolments that fail past the gateway write there.
func LatestLogOf(ctx context.Context, s *Session, invitationID int) ([]InvitationLog, error) {
	return every(func(window Range) (Page[InvitationLog], error) {
		return Children[Invitation, InvitationLog](ctx, s, invitationID, ListOptions{Range: window, Fresh: true})
	})
}

func allChildren[P, T Item](ctx context.Context, s *Session, parentID int) ([]T, error) {
	return every(func(window Range) (Page[T], error) {
		return Children[P, T](ctx, s, parentID, ListOptions{Range: window})
	})
}

// every reads all windows of a list.
func every[T any](read func(Range) (Page[T], error)) ([]T, error) {
	var items []T
	for {
		page, err := read(Range{Start: len(items), Count: maxCount})
		items = append(items, page.Items...)
		if err != nil || len(page.Items) == 0 || len(items) >= page.Total {
			return items, err
		}
	}
}

// StatusesOfTasks reads the statuses of many tasks in few calls, by the task's id.
// Each task has an entry, but for those whose target the viewer can't see.
func StatusesOfTasks(ctx context.Context, s *Session, tasks []Task) (map[int][]TaskStatus, error) {
	statuses, err := visibleTasks(ctx, s, tasks)
	if err != nil {
		return nil, err
	}
	owner := func(status TaskStatus) int { return status.TaskID }
	return statuses, collectStatuses(ctx, s, statusTaskOption, owner, statuses)
}

// collectStatuses finds the statuses of the owners that have an entry, by the search
// option that holds the owner's id.
func collectStatuses(ctx context.Context, s *Session, option int, owner func(TaskStatus) int, statuses map[int][]TaskStatus) error {
	if len(statuses) == 0 {
		return nil
	}
	columns := []int{statusCreatedOption, statusChangedOption, statusAgentOption, statusTaskOption, statusOption}
	rows, err := searchByOwners(ctx, s, TaskStatus{}.itemtype(), option, slices.Sorted(maps.Keys(statuses)), Query{Columns: columns})
	if err != nil {
		return err
	}
	for _, row := range rows {
		status := TaskStatus{
			ID: row.ID(), AgentID: row.Int(statusAgentOption), TaskID: row.Int(statusTaskOption), Status: row.Text(statusOption),
			CreatedAt: row.Time(statusCreatedOption), ChangedAt: row.Time(statusChangedOption),
		}
		if own, asked := statuses[owner(status)]; asked {
			statuses[owner(status)] = append(own, status)
		}
	}
	return nil
}

// visibleTasks gives an entry, still empty, to each task that the viewer may see:
// those read by their target in the same scope, and those that GLPI shows one by
// one.
func visibleTasks(ctx context.Context, s *Session, tasks []Task) (map[int][]TaskStatus, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	visible := map[int][]TaskStatus{}
	var unsure []int
	for _, task := range tasks {
		if task.seenBy == scope.fingerprint {
			visible[task.ID] = nil
		} else {
			unsure = append(unsure, task.ID)
		}
	}
	results, err := getSome[Task](ctx, s, unsure)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		if result.Err == nil {
			visible[unsure[i]] = nil
		}
	}
	return visible, nil
}

// StatusesInSight reads a window on the statuses of all devices, and how many rows GLPI has in all. GLPI shows every
// company's: the rows of devices that the viewer can't see are left out, so a window may hold fewer than it has room for.
func StatusesInSight(ctx context.Context, s *Session, window Range) (statuses []TaskStatus, total int, err error) {
	agents, err := every(func(window Range) (Page[Agent], error) { return List[Agent](ctx, s, ListOptions{Range: window}) })
	if err != nil {
		return nil, 0, err
	}
	inSight := make(map[int]bool, len(agents))
	for _, agent := range agents {
		inSight[agent.ID] = true
	}
	page, err := readList[TaskStatus](ctx, s, "list", "/"+TaskStatus{}.itemtype(), ListOptions{Range: window}, nil)
	if err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(page.Items, func(row TaskStatus) bool { return !inSight[row.AgentID] }), page.Total, nil
}
