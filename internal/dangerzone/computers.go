package dangerzone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fleetgate/glpiproxy"
)

// What is said of a computer that is deleted with its agent, or not.
const (
	computerGone = "It is gone from GLPI, and so is its computer."
	computerKept = "It is gone from GLPI. Its computer is kept: an agent that stays is on it."
	computerLeft = "Its agent is gone, and its computer is still there. Delete that in GLPI."
)

// purgeComputers deletes the computers of agents that are gone, where no other agent is on them.
func (d *Desk) purgeComputers(ctx context.Context, s *glpiproxy.Session, id int) error {
	op, err := d.load(ctx, id)
	if err != nil {
		return err
	}
	var computers []int
	op.each(func(t *Target) {
		if t.Step == purging && !slices.Contains(computers, t.ComputerID) {
			computers = append(computers, t.ComputerID)
		}
	})
	if len(computers) == 0 {
		return nil
	}
	left, err := agentsOn(ctx, s, computers)
	var said map[int]error
	if err == nil {
		said, err = purge(ctx, s, slices.DeleteFunc(slices.Clone(computers), func(c int) bool { return len(left[c]) > 0 }))
	}
	_, storing := d.change(ctx, id, func(op *Operation) {
		op.each(func(t *Target) {
			if t.Step != purging || !slices.Contains(computers, t.ComputerID) || noAnswer(err) { // nothing was asked then
				return
			}
			purged, tried := said[t.ComputerID]
			switch {
			case err != nil, purged != nil:
				d.heedPurge(t, errors.Join(err, purged))
			case tried:
				t.become(Completed, d.now(), computerGone)
			case !op.awaits(left[t.ComputerID]): // else it waits until the other agent is gone
				t.become(Completed, d.now(), computerKept)
			}
			t.Leftovers = t.State.final() && t.Serial != ""
		})
	})
	return storing
}

// heedPurge notes why a computer was not deleted, if it was not.
func (d *Desk) heedPurge(t *Target, err error) {
	if noAnswer(err) {
		t.Step = doubting
		t.say(d.now(), "Its agent is gone. GLPI gave no answer: whether its computer is gone too is being looked at.")
		return
	}
	t.become(Failed, d.now(), fmt.Sprintf("Its agent is gone. Its computer was not deleted: GLPI's answer was %q.", glpiproxy.KindOf(err)))
}

func purge(ctx context.Context, s *glpiproxy.Session, computers []int) (map[int]error, error) {
	said := map[int]error{}
	if len(computers) == 0 {
		return said, nil
	}
	outcomes, err := glpiproxy.PurgeComputers(ctx, s, computers)
	for _, outcome := range outcomes {
		said[outcome.ID] = outcome.Err
	}
	return said, err
}

// awaits says whether one of the agents is still to be deleted by the operation.
func (o *Operation) awaits(agentIDs []int) bool {
	return slices.ContainsFunc(agentIDs, func(id int) bool {
		t := o.find(id)
		return t != nil && !t.State.final()
	})
}

// inspectComputers looks what became of the computers whose turn it was when the gateway that was at work on them ended, or
// got no answer. It deletes none: that is for who confirmed it, and for their session.
func (d *Desk) inspectComputers(ctx context.Context, eyes *glpiproxy.Session, op *Operation) error {
	scope, err := eyes.Scope(ctx)
	if err != nil {
		return err
	}
	var ids []int
	op.each(func(t *Target) {
		if t.halfway() && d.now().Sub(t.UpdatedAt) >= doubtTime && scope.SeesEntity(t.ComputerEntityID) {
			ids = append(ids, t.ComputerID)
		}
	})
	if len(ids) == 0 {
		return nil
	}
	found, err := glpiproxy.GetFresh[glpiproxy.Computer](ctx, eyes, ids)
	if err != nil {
		return err
	}
	left, err := agentsOn(ctx, eyes, ids)
	if err != nil {
		return err
	}
	_, err = d.change(ctx, op.ID, func(op *Operation) {
		op.each(func(t *Target) {
			if result, looked := found[t.ComputerID]; looked && t.halfway() {
				d.judgeComputer(t, result.Err, len(left[t.ComputerID]) > 0)
			}
		})
	})
	return err
}

// judgeComputer concludes from whether a computer can be read, and whether there are agents on it.
func (d *Desk) judgeComputer(t *Target, err error, agents bool) {
	switch {
	case err != nil && glpiproxy.KindOf(err) == glpiproxy.NotFound:
		t.become(Completed, d.now(), computerGone)
	case err != nil:
		return
	case agents:
		t.become(Completed, d.now(), computerKept)
	default:
		t.become(Failed, d.now(), computerLeft)
	}
	t.Leftovers = t.Serial != ""
}
