package enrolment

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
)

// failed explains why GLPI did not enrol the device, and tells the administrator. cause is answered as it is where nothing
// came of the try, and it had nothing to do with the device.
func (a *attempt) failed(ctx context.Context, cause error) error {
	kind := glpiproxy.KindOf(cause)
	if kind == glpiproxy.Throttled {
		return cause
	}
	if a.service == nil {
		return unwatched(cause)
	}
	read, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, a.service, []int{a.before.ID})
	if err == nil {
		err = read[a.before.ID].Err
	}
	if err != nil {
		a.o.Logger.WarnContext(ctx, "a failed enrolment can't be explained", "invitation", a.before.ID, "error", err)
		return cause
	}
	after := read[a.before.ID].Item
	why := a.explain(ctx, after)
	switch {
	case why.Code == Refused && kind != glpiproxy.Invalid:
		if err := a.keep(ctx, a.before.ID, Note{LogID: a.logged}); err != nil {
			a.o.Logger.WarnContext(ctx, "that an enrolment came to nothing was not noted", "invitation", a.before.ID, "error", err)
		}
		return cause
	case why.Code == InvitationConsumed:
		a.o.Logger.ErrorContext(ctx, "an enrolment failed half-way: its invitation is used up", "invitation", a.before.ID, "error", cause)
	}
	return a.report(ctx, why, after)
}

// consumed tells that GLPI made a device which nobody can use.
func (a *attempt) consumed(ctx context.Context) error {
	if a.service == nil {
		if err := a.o.Invitations.RetireToken(ctx, a.device.invitationToken); err != nil {
			a.o.Logger.WarnContext(ctx, "the link of an invitation that is used up still leads to it", "error", err)
		}
		return failure(InvitationConsumed)
	}
	now := a.before
	now.Status, now.ExpiresAt = "done", time.Time{}
	return a.report(ctx, Note{Code: InvitationConsumed, LogID: a.logged}, now)
}

// unwatched is what can be told without the service account: what a server that debugs enrolments says.
func unwatched(cause error) error {
	if glpiproxy.KindOf(cause) != glpiproxy.Invalid {
		return cause
	}
	code, known := codeOf(cause.Error())
	if !known {
		code = Refused
	}
	return failure(code)
}

// explain finds the reason in what GLPI wrote into the invitation's log, and otherwise in what is known of the invitation
// and the device. A text in another language, which is no proof, goes along in GLPI's own words.
func (a *attempt) explain(ctx context.Context, after glpiproxy.Invitation) Note {
	entry, err := a.lastEntry(ctx)
	logged := err == nil && entry.ID > a.logged
	why := Note{Code: Refused, LogID: max(a.logged, entry.ID)}
	if logged {
		why.Text = entry.Event
	}
	code, known := codeOf(why.Text)
	switch {
	case a.before.Status == "pending" && after.Status == "done":
		why.Code = InvitationConsumed
	case known && code != InvitationUsed:
		why.Code = code
	case after.Status == "done":
		return a.ended(ctx, after, why)
	case invitation.StateOf(after.Status, after.ExpiresAt, a.o.Now()) == invitation.StateExpired:
		why.Code = InvitationExpired
	case !logged && a.tooMany(ctx):
		why.Code = TooManyDevices
	case tooLow(a.device.Type, a.device.Version):
		why.Code = VersionTooLow
	case a.wrongEmail(ctx):
		why.Code = WrongEmail
	}
	return why
}

// ended tells a used invitation, which has lost its date, from one that somebody ended, and from one that was used up by a
// try that failed half-way: that stays what the administrator has to know.
func (a *attempt) ended(ctx context.Context, after glpiproxy.Invitation, why Note) Note {
	if why.Code = InvitationDeactivated; !after.ExpiresAt.IsZero() {
		return why
	}
	notes, err := a.Notes(ctx, []int{after.ID})
	if earlier := notes[after.ID]; err == nil && earlier.Failed(true, a.o.Now()) {
		why.Code, why.Text = earlier.Code, earlier.Text
		return why
	}
	why.Code = InvitationUsed
	return why
}

// lastEntry is the newest of the invitation's log; the zero one where there is none, or it may not be read.
func (a *attempt) lastEntry(ctx context.Context) (last glpiproxy.InvitationLog, err error) {
	entries, err := glpiproxy.LatestLogOf(ctx, a.service, a.before.ID)
	if glpiproxy.KindOf(err) == glpiproxy.Forbidden {
		return last, nil
	}
	for _, entry := range entries {
		if entry.ID > last.ID {
			last = entry
		}
	}
	return last, err
}

// tooMany asks whether the entity is full, which GLPI finds before it looks at the invitation, and logs nowhere.
func (a *attempt) tooMany(ctx context.Context) bool {
	config, err := glpiproxy.EntityConfigOf(ctx, a.service, a.before.EntityID)
	if err != nil || config.DeviceLimit <= 0 {
		return false
	}
	page, err := glpiproxy.List[glpiproxy.Agent](ctx, a.service, glpiproxy.ListOptions{
		Range: glpiproxy.Range{Count: 1}, Filter: map[string]string{"entities_id": strconv.Itoa(a.before.EntityID)}, Fresh: true,
	})
	return err == nil && page.Total >= config.DeviceLimit
}

func (a *attempt) wrongEmail(ctx context.Context) bool {
	emails, err := glpiproxy.EmailsOf(ctx, a.service, []int{a.before.UserID})
	if err != nil || len(emails[a.before.UserID]) == 0 {
		return false
	}
	for _, e := range emails[a.before.UserID] {
		if strings.EqualFold(e.Email, a.device.Email) {
			return false
		}
	}
	return true
}

var agentVersion = regexp.MustCompile(`^(\d{1,6})\.\d{1,6}\.\d{1,6}(-[\w.]{1,32})?$`)

// oldestMajor is the oldest major version of the agents that the plugin takes.
var oldestMajor = map[string]int{"android": 2, "apple": 1}

func tooLow(kind, version string) bool {
	m := agentVersion.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, err := strconv.Atoi(m[1])
	return err == nil && major < oldestMajor[kind]
}
