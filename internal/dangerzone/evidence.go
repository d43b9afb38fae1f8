package dangerzone

import (
	"context"
	"slices"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

const (
	// doubtTime is how long GLPI may still be at work on what it gave no answer to.
	doubtTime = time.Minute
	// unseenTime is how long a command may take to the broker. What was not seen by then is looked for there.
	unseenTime = time.Minute
	// wipeSilence and unenrolSilence are how long a device must have been away, since it took the command, to count
	// as wiped or as having left without a word. One that merely lost its connection is back by then mostly.
	wipeSilence, unenrolSilence = 10 * time.Second, 2 * time.Minute
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
	op.each(func(t *Target) {
		steps[t.AgentID] = t.Step
		// To who does not see its entity a device that is there looks like one that is gone.
		if t.Step != waiting && t.Step != purging && scope.SeesEntity(t.EntityID) {
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
			case !looked || t.Step == waiting || t.Step == purging:
			case t.Step != steps[t.AgentID]: // it went on meanwhile, and what was seen may be of before
			case result.Err == nil:
				judge(op.Action, t, result.Item, d.now())
			case glpiproxy.KindOf(result.Err) == glpiproxy.NotFound:
				gone(op, t, d.now())
			}
		})
	})
}

// judge concludes from a row of GLPI's.
func judge(action Action, t *Target, row glpiproxy.Agent, now time.Time) {
	done := map[Action]bool{Wipe: row.Wipe, CancelWipe: !row.Wipe, Unenroll: row.EnrollStatus == "unenrolling"}[action]
	inDoubt, over := t.Step == asking, now.Sub(t.AskedAt) >= doubtTime
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
func gone(op *Operation, t *Target, now time.Time) {
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
		t.become(Expired, now, "Its agent is gone from GLPI: nobody can tell any more whether it was wiped.")
		return // what the broker holds may be meant: a lost phone that was deleted is still to be wiped
	default:
		t.become(Failed, now, "Its agent is gone from GLPI: there is no wipe to take back there.")
	}
	t.Leftovers = t.Serial != ""
}

// hear concludes from what was seen on the broker. It may be told of the same event more than once.
func hear(action Action, t *Target, e bridge.Event) {
	if t.State.final() || t.Step == waiting || e.At.Before(t.AskedAt.Add(-skew)) {
		return
	}
	switch e.Kind {
	case bridge.CommandSent:
		if t.State == Requested && e.Command.Name == action.command() {
			dispatched(action, t, e.At)
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
		hearPresence(t, e)
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

func dispatched(action Action, t *Target, at time.Time) {
	t.SentAt = at.UTC()
	if action == Wipe {
		t.become(Dispatched, at, "The broker has the command: it runs as soon as the device hears it.")
	} else {
		t.become(Dispatched, at, "The broker has the command: the device leaves as soon as it hears it.")
	}
}

// hearPresence notes since when the device is away after it could take the command.
func hearPresence(t *Target, e bridge.Event) {
	if t.State != Dispatched || e.Presence == nil || e.At.Before(t.SentAt) {
		return
	}
	switch e.Presence.State {
	case bridge.Online:
		t.OfflineAt = time.Time{}
	case bridge.Offline:
		if t.OfflineAt.IsZero() {
			t.OfflineAt = e.At.UTC()
		}
	}
}

// ripe says whether the time that has passed says something about an operation.
func (d *Desk) ripe(op *Operation) bool {
	return slices.ContainsFunc(op.Targets, func(t Target) bool {
		return !t.State.final() && (d.silent(op.Action, &t) || d.overdue(op)) || t.Leftovers && d.overdue(op)
	})
}

func (d *Desk) overdue(op *Operation) bool { return d.now().Sub(op.RequestedAt) >= d.o.Timeout }

// silent says whether a device fell silent when it had taken the command, and has stayed so.
func (d *Desk) silent(action Action, t *Target) bool {
	silence := map[Action]time.Duration{Wipe: wipeSilence, Unenroll: unenrolSilence}[action]
	if silence == 0 || t.State != Dispatched {
		return false
	}
	since := d.awaySince(t)
	return !since.IsZero() && d.now().Sub(since) >= silence
}

// awaySince is when a device went offline after it could take the command; zero while it did not. One that erases itself
// before it has said that it is there changes nobody's presence: then its last will tells.
func (d *Desk) awaySince(t *Target) time.Time {
	if !t.OfflineAt.IsZero() {
		return t.OfflineAt
	}
	device, _ := d.o.Bridge.Device(t.device())
	if heard := device.Heard; heard.State == bridge.Offline && !heard.Retained && !heard.Since.Before(t.SentAt) {
		return heard.Since
	}
	return time.Time{}
}

// ripen concludes from the time that has passed.
func (d *Desk) ripen(op *Operation) {
	now := d.now()
	op.each(func(t *Target) {
		switch {
		case d.silent(op.Action, t) && op.Action == Wipe:
			t.become(Completed, now, "It went offline when it had taken the command, as devices do that erase themselves. They say no more than that.")
		case d.silent(op.Action, t):
			t.become(Completed, now, "It did not confirm that it has left, but fell silent when it had taken the command, as newer agents do. Its agent stays in GLPI until it is deleted.")
			t.Leftovers = true
		case d.overdue(op):
			t.become(Expired, now, expired(op.Action, t))
		}
	})
	for i := range op.Targets {
		if t := &op.Targets[i]; t.Leftovers && d.overdue(op) {
			t.Leftovers = false
			t.say(now, t.Message+" The broker still keeps something that was said to it.")
		}
	}
}

// expired is said of a device that was waited for too long.
func expired(action Action, t *Target) string {
	switch {
	case action == Wipe && t.State == Dispatched:
		return "Nothing shows that it was wiped. The broker still holds the command, which runs when the device returns: CANCEL_WIPE takes it back."
	case action == Unenroll && t.State == Dispatched:
		return "It never confirmed that it has left, and nothing shows it. DELETE ends it in GLPI."
	case action == CancelWipe:
		return "The broker could not be cleared: if it holds the wipe, that runs when the device returns."
	}
	return "Nothing was seen of it for too long."
}

// abandon concludes from nobody's being at work on an operation any more: what was not asked will not be.
func abandon(op *Operation, now time.Time) {
	op.each(func(t *Target) {
		switch t.Step {
		case waiting:
			t.become(Failed, now, "The gateway ended before it could be asked: nothing was done. Plan it again.")
		case purging:
			t.become(Failed, now, "Its agent is gone. Its computer is still there: the gateway ended before it could be deleted.")
			t.Leftovers = t.Serial != ""
		}
	})
}
