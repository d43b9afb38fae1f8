package dangerzone

import (
	"slices"
	"time"

	"fleetgate/bridge"
)

// Devices say nothing of a wipe, and half of them nothing of leaving. What tells is that they were there to hear the
// command, went away, and stay away.

const (
	// wipeSilence and unenrolSilence are how long a device must have been away, since it took the command, to count
	// as wiped or as having left without a word. One that merely lost its connection is back by then mostly.
	wipeSilence, unenrolSilence = 10 * time.Second, 2 * time.Minute
	// promptly is how soon a device that erases itself is away after it could take the command. Brokers notice after a
	// minute and a half that a device is gone. One that stayed for longer has not obeyed, and merely left later.
	promptly = 5 * time.Minute
	// returning is how long devices may take to come back to a broker that was away: agents try every half a minute.
	returning = 2 * time.Minute
)

// hearPresence notes whether the device was there to take the command, and since when it has been away after that. What it
// has noted of an event, or of a later one, it does not note again.
func hearPresence(action Action, t *Target, e bridge.Event) {
	if e.Presence == nil || e.At.Before(t.SentAt) || !e.At.After(t.ThereAt) {
		return
	}
	switch e.Presence.State {
	case bridge.Online:
		t.ThereAt, t.OfflineAt = e.At.UTC(), time.Time{}
	case bridge.Offline:
		switch {
		case !t.OfflineAt.IsZero():
		case t.State == Requested, obeyed(action, t, e):
			t.OfflineAt = e.At.UTC()
		case !t.ThereAt.IsZero(): // it heard the command and stayed: it is away since, and has to come back to hear it again
			t.ThereAt = e.At.UTC()
		}
	}
}

// obeyed says whether a device that is away by now can have gone because of the command. What the broker kept of it, from
// whatever time, says that only of a device that was there.
func obeyed(action Action, t *Target, e bridge.Event) bool {
	if !t.ThereAt.IsZero() {
		return action != Wipe || e.At.Sub(t.ThereAt) <= promptly
	}
	since := e.Presence.Since
	return !since.IsZero() && !since.Before(t.SentAt.Truncate(time.Second)) // GLPI's times are whole seconds
}

// foundThere notes that the broker has the command from a time on, and what is known of the device until then.
func (t *Target) foundThere(sent time.Time) {
	t.SentAt = sent.UTC()
	switch {
	case !t.OfflineAt.IsZero() && t.OfflineAt.Before(t.SentAt): // it was away by then
		t.ThereAt, t.OfflineAt = time.Time{}, time.Time{}
	case !t.ThereAt.IsZero(): // that may be by the clock of another replica
		t.ThereAt = t.SentAt
	}
}

// silent says whether a device fell silent when it had taken the command, and has stayed so.
func (d *Desk) silent(action Action, t *Target) bool {
	silence := map[Action]time.Duration{Wipe: wipeSilence, Unenroll: unenrolSilence}[action]
	if silence == 0 || t.Ignores || t.State != Dispatched || d.awaySince(t).IsZero() {
		return false
	}
	since, broker := d.awaySince(t), d.o.Bridge.Status()
	if broker.Since.After(since) { // while the broker is away everybody is silent, and one that is stopped says so of all
		since, silence = broker.Since, max(silence, returning)
	}
	return broker.Connected && d.now().Sub(since) >= silence
}

// awaySince is when a device went away after it could take the command; zero while it did not. One that erases itself
// before it has said that it is there changes nobody's presence: then its last will tells.
func (d *Desk) awaySince(t *Target) time.Time {
	if !t.OfflineAt.IsZero() {
		return t.OfflineAt
	}
	device, _ := d.o.Bridge.Device(t.device())
	heard := device.Heard
	if heard.State == bridge.Offline && !heard.Retained && !heard.Since.Before(t.SentAt) && heard.Since.After(t.ThereAt) {
		return heard.Since
	}
	return time.Time{}
}

// ripe says whether the time that has passed says something about an operation.
func (d *Desk) ripe(op *Operation) bool {
	return slices.ContainsFunc(op.Targets, func(t Target) bool {
		return !t.State.final() && (d.silent(op.Action, &t) || d.overdue(op)) || t.Leftovers && d.overdue(op)
	})
}

func (d *Desk) overdue(op *Operation) bool { return d.now().Sub(op.RequestedAt) >= d.o.Timeout }

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
	case action == Wipe && t.State == Dispatched && t.Ignores:
		return "Flyve MDM's agent for iOS ignores the command: it was not wiped. The broker still holds it: CANCEL_WIPE takes it back."
	case action == Wipe && t.State == Dispatched:
		return "Nothing shows that it was wiped. The broker still holds the command, which runs when the device returns: CANCEL_WIPE takes it back."
	case action == Unenroll && t.State == Dispatched:
		return "It never confirmed that it has left, and nothing shows it. DELETE ends it in GLPI."
	case action == Delete && t.halfway():
		return "Its agent is gone. Nobody was there to see whether its computer is."
	case action == CancelWipe:
		return "The broker could not be cleared: if it holds the wipe, that runs when the device returns."
	}
	return "Nothing was seen of it for too long."
}
