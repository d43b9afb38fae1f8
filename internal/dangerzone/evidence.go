package dangerzone

import (
	"context"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

const (
	// doubtTime is how long GLPI may still be at work on what it gave no answer to, once no gateway waits for one any more.
	doubtTime = time.Minute
	// unseenTime is how long a command may take to the broker. What was not seen by then is looked for there.
	unseenTime = time.Minute
	// skew is how far the clocks of two replicas may be apart.
	skew = 5 * time.Second
)

// inspect looks at what GLPI has of the devices that something was asked for, with the eyes of whoever may see them, and
// draws the conclusions. It changes nothing in GLPI.
func (d *Desk) inspect(ctx context.Context, eyes *glpiproxy.Session, op *Operation) (*Operation, error) {
	scope, err := eyes.Scope(ctx)
	if err != nil {
		return op, err
	}
	var ids []int
	steps := map[int]step{} // before the look
	waited := !d.deserted(ctx, op.ID)
	op.each(func(t *Target) {
		steps[t.AgentID] = t.Step
		// To who does not see its entity a device that is there looks like one that is gone.
		if t.Step != waiting && !t.halfway() && scope.SeesEntity(t.EntityID) {
			ids = append(ids, t.AgentID)
		}
	})
	if len(ids) == 0 {
		return op, nil
	}
	rows, err := glpiproxy.GetFresh[glpiproxy.Agent](ctx, eyes, ids)
	if err != nil {
		return op, err
	}
	return d.change(ctx, op.ID, func(op *Operation) {
		op.each(func(t *Target) {
			result, looked := rows[t.AgentID]
			switch {
			case !looked || t.Step == waiting || t.halfway():
			case t.Step != steps[t.AgentID]: // it went on meanwhile, and what was seen may be of before
			case result.Err == nil:
				judge(op.Action, t, result.Item, waited, d.now())
			case glpiproxy.KindOf(result.Err) == glpiproxy.NotFound:
				d.gone(op, t, d.now())
			}
		})
	})
}

// judge concludes from a row of GLPI's. waited says that a gateway may still wait for GLPI's answer: then what GLPI has not
// done is not yet what it won't do.
func judge(action Action, t *Target, row glpiproxy.Agent, waited bool, now time.Time) {
	done := map[Action]bool{Wipe: row.Wipe, CancelWipe: !row.Wipe, Unenroll: row.EnrollStatus == "unenrolling"}[action]
	inDoubt, over := t.Step == asking, now.Sub(t.AskedAt) >= doubtTime && !waited
	switch {
	case inDoubt && done:
		t.answered(action, now)
	case inDoubt && over && action == Delete:
		t.become(Failed, now, "GLPI has not deleted it, or only in part: plan it again to finish it.")
	case inDoubt && over && action == Wipe && t.Again:
		t.become(Failed, now, "GLPI has not sent it again, and has no wipe requested now. The broker may still hold the earlier one: plan again.")
	case inDoubt && over:
		t.become(Failed, now, "GLPI has not done it. Plan it again.")
	case inDoubt || done:
	case action == Delete:
		t.become(Unverified, now, "GLPI said yes, but it is still there.")
	case action == Wipe:
		t.become(Failed, now, "The wipe was taken back.")
	case action == CancelWipe:
		t.become(Unverified, now, "GLPI said yes, but has the wipe requested again.")
	}
}

// gone concludes from there being no row any more.
func (d *Desk) gone(op *Operation, t *Target, now time.Time) {
	switch {
	case op.Action == Delete && op.DeleteComputers && t.ComputerID > 0:
		t.Step = purging
		t.say(now, "Its agent is gone: its computer is next.")
		return
	case op.Action == Delete:
		t.become(Completed, now, "It is gone from GLPI.")
	case op.Action == Unenroll:
		t.become(Completed, now, "Its agent is gone from GLPI.")
	case op.Action == Wipe:
		d.goneToBeWiped(t, now)
		return // what the broker holds may be meant: a lost phone that was deleted is still to be wiped
	default:
		t.become(Failed, now, "Its agent is gone from GLPI: there is no wipe to take back there.")
	}
	t.Leftovers = t.Serial != ""
}

// goneToBeWiped concludes from there being no row any more of a device that is to be wiped. No wipe takes the row away:
// somebody has deleted it, which says that the device is done with where it could take the command before.
func (d *Desk) goneToBeWiped(t *Target, now time.Time) {
	switch {
	case t.State != Dispatched:
		t.become(Expired, now, "Its agent was gone from GLPI before the command was seen on the broker: nothing shows that it was wiped.")
	case t.Ignores:
		t.become(Expired, now, "Its agent is gone from GLPI. Flyve MDM's agent for iOS ignores the command: nothing shows that it was wiped.")
	case t.ThereAt.IsZero() && d.awaySince(t).IsZero():
		t.become(Expired, now, "Its agent is gone from GLPI, and the device was not there to hear the command: nobody can tell any more whether it was wiped.")
	default:
		t.become(Completed, now, "Its agent is gone from GLPI, after the device was there to take the command. It said no more than that.")
	}
}

// hear concludes from what was seen on the broker. It may be told of the same event more than once.
func hear(action Action, t *Target, e bridge.Event) {
	if t.State.final() || t.Step == waiting || e.At.Before(t.AskedAt.Add(-skew)) {
		return
	}
	switch e.Kind {
	case bridge.CommandSent:
		if t.State == Requested && e.Command.Name == action.command() {
			dispatched(action, t, e.At, e.At)
		}
	case bridge.AgentUnenrolled:
		if action == Unenroll {
			t.become(Completed, e.At, "The device said that it has left.")
			t.Leftovers = true
		}
	case bridge.AgentEnrolled:
		if e.AgentID != t.AgentID {
			succeeded(action, t, e.At)
		}
	case bridge.PresenceChanged:
		hearPresence(action, t, e)
	}
}

// succeeded concludes from another agent's having the device's name from now on: what is heard of it is no longer heard of
// this one, and what was said to this one must not reach the other.
func succeeded(action Action, t *Target, at time.Time) {
	switch action {
	case Wipe:
		t.become(Expired, at, "A device was enrolled anew under its serial number: nobody can tell any more whether it was wiped. The command is taken off the broker.")
		t.Leftovers = true
	case Unenroll:
		t.become(Completed, at, "A device was enrolled anew under its serial number: it must have left.")
		t.Leftovers = true
	}
}

// dispatched notes that the broker has the command since a time.
func dispatched(action Action, t *Target, sent, now time.Time) {
	t.foundThere(sent)
	switch {
	case t.Ignores:
		t.become(Dispatched, now, "The broker has the command, which Flyve MDM's agent for iOS ignores.")
	case action == Wipe:
		t.become(Dispatched, now, "The broker has the command: it runs as soon as the device hears it.")
	default:
		t.become(Dispatched, now, "The broker has the command: the device leaves as soon as it hears it.")
	}
}

// abandon concludes from nobody's being at work on an operation any more: what was not asked will not be.
func abandon(op *Operation, now time.Time) {
	op.each(func(t *Target) {
		if t.Step == waiting {
			t.become(Failed, now, "The gateway ended before it could be asked: nothing was done. Plan it again.")
		}
	})
}
