package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eclipse/paho.golang/paho"
)

// Occasion is why what the broker keeps for a device is cleared.
type Occasion string

// The occasions.
const (
	// Enrolling: GLPI has made an agent, and the phone has not been told yet where to listen.
	Enrolling Occasion = "ENROLLING"
	// WipeCanceled: GLPI has taken a wipe back. It never takes it off the broker.
	WipeCanceled Occasion = "WIPE_CANCELED"
	// Unenrolled: the device has left, by its own word or by other evidence. One that was only asked to leave must
	// hear of it yet: for it this is the wrong occasion.
	Unenrolled Occasion = "UNENROLLED"
	// Deleted: GLPI has no agent of the device any more, nor an account for it on the broker.
	Deleted Occasion = "DELETED"
	// Succeeded: the agent is gone or has left, and another agent has its entity and serial by now. What else is
	// kept may be meant for that one. It is the wrong occasion where GLPI wants that one wiped.
	Succeeded Occasion = "SUCCEEDED"
)

// Clearing is one device's leftovers, and why they may go.
type Clearing struct {
	Device   DeviceKey
	Record   Record // GLPI's, as it was read last; the zero Record where it was not
	Occasion Occasion
}

// Cleared says what became of the leftovers, topic by topic.
type Cleared struct {
	Topics []string   // that the broker has let go of
	Left   []Leftover // that should go too, and are still there: clear again when the device is away
}

// Leftover is a topic that could not be cleared.
type Leftover struct {
	Topic string
	Why   string // for a person
}

// leftover is a row of the table of what may be cleared: clearing delivers an empty message to every phone that
// listens, and generation B takes some of those for an order.
type leftover struct {
	name      string // of the command; the name of the section for policies
	disturbs  string // what the empty message does to a phone that listens; "": nothing
	occasions []Occasion
}

// leftovers is the table. What isn't in it, or not on an occasion, stays:
//
//   - A phone that enrols is subscribed anew, and GLPI clears the Unenroll itself then. Its policies are those of
//     tasks that GLPI may still have.
//   - A device whose wipe was taken back stays locked, and keeps its policies.
var leftovers = []leftover{
	{"Wipe", "", []Occasion{Enrolling, WipeCanceled, Unenrolled, Deleted, Succeeded}},
	{"Lock", "it could unlock the device", []Occasion{Enrolling, Unenrolled, Deleted}},
	{"Unenroll", "the device could take it for the order to leave", []Occasion{Unenrolled, Deleted}},
	{"Subscribe", "", []Occasion{Unenrolled, Deleted}},
	{"Ping", "the device could answer it", []Occasion{Unenrolled, Deleted}}, // GLPI has nobody keep questions
	{"Geolocate", "the device could answer it", []Occasion{Unenrolled, Deleted}},
	{"Inventory", "the device could answer it", []Occasion{Unenrolled, Deleted}},
	{policySection, "the device could undo the policy", []Occasion{Unenrolled, Deleted}},
}

// leftoverAt is the table's row for a topic.
func leftoverAt(topic string) (leftover, bool) {
	a, err := parseTopic(topic)
	if err != nil {
		return leftover{}, false
	}
	name := a.name
	if a.section == policySection {
		name = policySection
	}
	i := slices.IndexFunc(leftovers, func(l leftover) bool { return l.name == name && a.section != statusSection })
	if i < 0 {
		return leftover{}, false
	}
	return leftovers[i], true
}

// Clear takes off the broker what it keeps for a device and what must not reach whoever comes under its name next. It
// reads what is kept, clears what harms no phone that listens, tells what it left, and looks whether the broker
// did as it was told. What disturbs is cleared only while the device is not thought to listen: it is neither ONLINE
// nor STALE, which a phone with nothing to say is too.
//
// The error is an ErrNotSent: there is no connection, or the account may not do it. Then too what was done is told.
func (b *Bridge) Clear(ctx context.Context, c Clearing) (Cleared, error) {
	if !validSerial(c.Device.Serial) {
		return Cleared{}, fmt.Errorf("%w: its serial can't stand in a topic", ErrNotSent)
	}
	roots := b.roots(c.Device)
	kept, unread := b.link.retained(ctx, roots)
	cleared, due := b.choose(c, kept)
	err := b.release(ctx, append(unseenWipes(c.Occasion, roots, due), due...))
	if err == nil {
		err = unread
	}
	if len(due) == 0 {
		return cleared, err
	}
	still, unread := b.link.retained(ctx, roots)
	if unread != nil {
		return cleared, errors.Join(err, unread)
	}
	for _, topic := range due {
		if slices.Contains(still, topic) {
			cleared.Left = append(cleared.Left, Leftover{topic, "the broker still keeps it: may the account write there?"})
		} else {
			cleared.Topics = append(cleared.Topics, topic)
		}
	}
	return cleared, err
}

// choose finds what is to be cleared of what is kept, and what has to wait.
func (b *Bridge) choose(c Clearing, kept []string) (waiting Cleared, due []string) {
	state := b.Presence(c.Device, c.Record).State
	listens := state == Online || state == Stale
	for _, topic := range kept {
		row, known := leftoverAt(topic)
		switch {
		case !known || !slices.Contains(row.occasions, c.Occasion):
		case listens && row.disturbs != "":
			waiting.Left = append(waiting.Left, Leftover{topic, "the device may be listening, and " + row.disturbs})
		default:
			due = append(due, topic)
		}
	}
	return waiting, due
}

// unseenWipes are the topics of a wipe beside those that are cleared anyway: nothing is worse than one that is
// there, hidden from an account that may not read it, and to clear one that isn't there disturbs nobody.
func unseenWipes(occasion Occasion, roots, due []string) (topics []string) {
	wipe := leftovers[0]
	for _, root := range roots {
		topic := root + "/" + commandSection + "/" + wipe.name
		if slices.Contains(wipe.occasions, occasion) && !slices.Contains(due, topic) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// release clears topics and waits until the broker has taken that in.
func (b *Bridge) release(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	var errs []error
	for _, topic := range topics {
		errs = append(errs, b.link.send(ctx, &paho.Publish{Topic: topic, Retain: true}))
	}
	return errors.Join(append(errs, b.link.flush(ctx))...)
}

// roots are how a device's topics may begin: with its serial as GLPI has it and as it was heard, and with the
// leading slash of old servers.
func (b *Bridge) roots(key DeviceKey) (roots []string) {
	heard, _ := b.registry.address(key)
	for _, k := range []DeviceKey{key, heard} {
		for _, slash := range []string{"", "/"} {
			root := fmt.Sprintf("%s%d/agent/%s", slash, k.EntityID, k.Serial)
			if !slices.Contains(roots, root) {
				roots = append(roots, root)
			}
		}
	}
	return roots
}

// within says whether a topic is below one of the roots.
func within(roots []string, topic string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return strings.HasPrefix(topic, root+"/") })
}
