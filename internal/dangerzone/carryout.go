package dangerzone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
)

const (
	// batch is how many devices GLPI is asked for at once: it tells each of them before it answers.
	batch = 10
	// heartbeat is how often a gateway says that it is still at work on an operation; what says nothing for lifetime
	// has died.
	heartbeat, lifetime = 4 * time.Second, 15 * time.Second
	// answerTime bounds one batch, GLPI's own limits included.
	answerTime = 2 * time.Minute
)

// work is an operation that this gateway carries out, as others see it.
type work struct{ stop func() }

// takeOn says that this gateway is at work on an operation, until stop is called.
func (d *Desk) takeOn(ctx context.Context, id int) (*work, error) {
	key := strconv.Itoa(id)
	if err := d.o.Store.Put(ctx, runnerBucket, key, []byte("alive"), lifetime); err != nil {
		return nil, fmt.Errorf("writing an operation down: %w", err)
	}
	beating, stop := context.WithCancel(d.base)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
				if err := d.o.Store.Put(beating, runnerBucket, key, []byte("alive"), lifetime); err != nil && beating.Err() == nil {
					d.log.Warn("the store can't be told that an operation is being carried out", "error", err)
				}
			}
		}
	}()
	return &work{stop: func() {
		stop()
		<-ended
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), heartbeat)
		defer cancel()
		_ = d.o.Store.Delete(leaving, runnerBucket, key) // else it ends by itself
	}}, nil
}

// deserted says whether no gateway is at work on an operation.
func (d *Desk) deserted(ctx context.Context, id int) bool {
	alive, err := d.o.Store.Get(ctx, runnerBucket, strconv.Itoa(id))
	return err == nil && alive == nil
}

// carryOut asks GLPI for the devices of an operation, some at a time and not faster than GLPI is to be troubled.
func (d *Desk) carryOut(ctx context.Context, s *glpiproxy.Session, id int, alive *work) {
	defer alive.stop()
	op, err := d.load(ctx, id)
	if err != nil || op == nil {
		d.log.Error("an operation can't be read", "error", err)
		return
	}
	var ids []int
	op.each(func(t *Target) { ids = append(ids, t.AgentID) })
	for part := range slices.Chunk(ids, batch) {
		if err := d.pace.WaitN(ctx, len(part)); err != nil {
			return // the gateway ends: what was not asked is told so by the next one
		}
		if err := d.ask(context.WithoutCancel(ctx), s, id, part); err != nil {
			d.log.Error("an operation was broken off", "operation", id, "error", err)
			return
		}
	}
	if op.DeleteComputers { // those that were shared until the last batch
		if err := d.purgeComputers(context.WithoutCancel(ctx), s, id); err != nil {
			d.log.Error("the computers of an operation were not deleted", "operation", id, "error", err)
		}
	}
}

// ask writes down that GLPI is asked, asks it, and writes down what it said. The error is that of the store: then nothing
// more may be asked.
func (d *Desk) ask(ctx context.Context, s *glpiproxy.Session, id int, agentIDs []int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var due []Target
	op, err := d.change(ctx, id, func(op *Operation) {
		due = due[:0]
		op.each(func(t *Target) {
			if t.Step == waiting && slices.Contains(agentIDs, t.AgentID) {
				t.Step, t.AskedAt = asking, d.now().UTC()
				if device, _ := d.o.Bridge.Device(t.device()); device.Presence.State == bridge.Online {
					t.ThereAt = t.AskedAt
				}
				t.say(d.now(), "GLPI is being asked.")
				due = append(due, *t)
			}
		})
	})
	if err != nil || len(due) == 0 {
		return err
	}
	said := d.order(ctx, s, op.Action, due)
	_, err = d.change(ctx, id, func(op *Operation) {
		op.each(func(t *Target) {
			if outcome, ours := said[t.AgentID]; ours && t.Step == asking {
				d.heed(op.Action, t, outcome)
			}
		})
	})
	if err != nil {
		return err
	}
	return d.conclude(ctx, s, id, agentIDs)
}

// order asks GLPI, and the broker where GLPI would say nothing, and gives what was said of each agent.
func (d *Desk) order(ctx context.Context, s *glpiproxy.Session, action Action, due []Target) map[int]error {
	said := map[int]error{}
	ask := func(ids []int, do func(context.Context, *glpiproxy.Session, []int) (glpiproxy.Outcomes, error)) {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id int) bool { return said[id] != nil })
		if len(ids) == 0 {
			return
		}
		outcomes, err := do(ctx, s, ids)
		for i, id := range ids {
			if said[id] = err; err == nil {
				said[id] = outcomes[i].Err
			}
		}
	}
	all, again := split(due)
	switch action {
	case Wipe:
		ask(again, glpiproxy.CancelWipe) // which says nothing to the device, and GLPI tells only what changes
		ask(append(all, again...), glpiproxy.Wipe)
	case Unenroll:
		ask(all, glpiproxy.Unenroll)
		for _, t := range due {
			if t.Again {
				said[t.AgentID] = d.repeatUnenrol(ctx, t)
			}
		}
	case CancelWipe:
		ask(all, glpiproxy.CancelWipe)
		for _, id := range again {
			said[id] = nil
		}
	case Delete:
		ask(all, deleteAgents)
	}
	return said
}

// split parts the agents of targets that GLPI will act on from those that it thinks nothing is to be done for.
func split(due []Target) (all, again []int) {
	for _, t := range due {
		if t.Again {
			again = append(again, t.AgentID)
		} else {
			all = append(all, t.AgentID)
		}
	}
	return all, again
}

// deleteAgents deletes agents, and once more those that GLPI began to delete and then failed at: the second time it goes on
// where it stopped.
func deleteAgents(ctx context.Context, s *glpiproxy.Session, ids []int) (glpiproxy.Outcomes, error) {
	outcomes, err := glpiproxy.DeleteMany[glpiproxy.Agent](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	for i, outcome := range outcomes {
		if glpiproxy.KindOf(outcome.Err) != glpiproxy.Invalid || outcome.Err == nil {
			continue
		}
		if second, err := glpiproxy.DeleteMany[glpiproxy.Agent](ctx, s, []int{outcome.ID}); err == nil {
			outcomes[i].Err = second[0].Err
		}
	}
	return outcomes, nil
}

// errNotRepeated says that a device can't be told again.
var errNotRepeated = errors.New("GLPI doesn't say it again, and the gateway can't: the device is told by push message")

// repeatUnenrol tells a device again to leave, in GLPI's place, which tells it only once.
func (d *Desk) repeatUnenrol(ctx context.Context, t Target) error {
	if t.Push {
		return errNotRepeated
	}
	return d.o.Bridge.RepeatUnenroll(ctx, t.device())
}

// heed notes what GLPI said of one device.
func (d *Desk) heed(action Action, t *Target, outcome error) {
	now := d.now()
	var failed *glpiproxy.Error
	switch {
	case outcome == nil:
		t.answered(action, now)
	case errors.Is(outcome, errNotRepeated):
		t.become(Failed, now, "GLPI does not say it again, and the device is told by push message, which the gateway can't send.")
	case errors.Is(outcome, bridge.ErrNotSent):
		t.become(Failed, now, "GLPI does not say it again, and the broker does not take it from the gateway.")
	case !errors.As(outcome, &failed), noAnswer(outcome):
		t.say(now, inDoubt)
	default:
		d.heedRefusal(action, t, failed)
	}
}

// answered notes that GLPI has done its part. The broker may have shown that before GLPI answered.
func (t *Target) answered(action Action, now time.Time) {
	if t.Step = asked; t.State == Requested {
		t.say(now, onceAsked(action, t.Push))
	}
}

// inDoubt is said of a device while nobody knows whether GLPI did it.
const inDoubt = "GLPI gave no answer: whether it was done is being looked at."

// noAnswer says whether an error leaves in doubt what GLPI has done.
func noAnswer(err error) bool {
	if err == nil {
		return false
	}
	switch glpiproxy.KindOf(err) {
	case glpiproxy.Upstream, glpiproxy.Timeout, glpiproxy.Unavailable, glpiproxy.Canceled:
		return true
	}
	return false
}

// heedRefusal notes why GLPI did not do it.
func (d *Desk) heedRefusal(action Action, t *Target, failed *glpiproxy.Error) {
	now := d.now()
	switch failed.Kind {
	case glpiproxy.Unchanged:
		t.become(Unverified, now, "GLPI said yes, but reading again shows that nothing has changed.")
	case glpiproxy.Unauthenticated:
		t.become(Failed, now, "The session in which it was confirmed has ended: nothing was done.")
	case glpiproxy.NotFound, glpiproxy.Forbidden:
		if action == Delete && failed.Kind == glpiproxy.NotFound { // somebody was faster: the look at GLPI tells
			return
		}
		t.become(Failed, now, "It is gone, or your profile does not allow it any more: nothing was done.")
	default:
		message := "GLPI refused it: " + failed.Message
		if action == Delete {
			message += ". What it began with may be half done: plan it again to finish it"
		}
		t.become(Failed, now, message+".")
	}
}

// onceAsked is said of a device when GLPI has done its part.
func onceAsked(action Action, push bool) string {
	switch {
	case action == Delete:
		return "GLPI said that it is deleted: that is being looked at."
	case action == CancelWipe:
		return "GLPI has taken the wipe back: the broker is next."
	case push:
		return "GLPI has sent it by push message, which the gateway can't see."
	}
	return "GLPI has it: the command was not seen on the broker yet."
}
