package graph

import (
	"context"
	"sync"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// invitationLoaders read what belongs to invitations.
type invitationLoaders struct {
	invitations    *loader[*model.Invitation]
	invitationLogs *loader[[]*model.InvitationLogEntry]

	mails     *loader[*glpiproxy.QueuedMail]
	mailsOnce sync.Once

	noted     invitationNotes
	notesOnce sync.Once
}

// invitationNotes read what the gateway itself keeps of invitations: of a page's at once, since the store may be a
// network away.
type invitationNotes struct {
	opened              *loader[time.Time]
	left                *loader[int] // devices that may still enrol
	supersededBy, agent *loader[int]
	origin              *loader[int] // by the agent's id
}

func invitations(l *loaders) *loader[*model.Invitation]              { return l.invitations }
func invitationLogs(l *loaders) *loader[[]*model.InvitationLogEntry] { return l.invitationLogs }

func (l *loaders) loadInvitations(s *glpiproxy.Session) {
	l.invitations = newLoader(s, func(i glpiproxy.Invitation) *model.Invitation { return &model.Invitation{Invitation: i} })
	l.invitationLogs = ofPeople(s, glpiproxy.LogsOf, func(e glpiproxy.InvitationLog) *model.InvitationLogEntry {
		return &model.InvitationLogEntry{At: e.At, Event: e.Event}
	})
}

// notes are the loaders of what the desk of invitations keeps.
func (l *loaders) notes(r *Resolver) *invitationNotes {
	l.notesOnce.Do(func() {
		desk := r.Invitations
		l.noted = invitationNotes{
			opened: ofNotes(desk.Opened), left: ofNotes(desk.Left), supersededBy: ofNotes(desk.SupersededBy),
			agent: ofNotes(desk.AgentOf), origin: ofNotes(desk.InvitationOf),
		}
	})
	return &l.noted
}

// expect tells that a field of an invitation's may be asked for soon.
func (n *invitationNotes) expect(invitationID int) {
	n.opened.expect(invitationID)
	n.left.expect(invitationID)
	n.supersededBy.expect(invitationID)
	n.agent.expect(invitationID)
}

// ofNotes is a loader of what is noted about some ids; the zero value where there is nothing.
func ofNotes[T any](read func(ctx context.Context, ids ...int) (map[int]T, error)) *loader[T] {
	return batched(func(ctx context.Context, ids []int) ([]finding[T], error) {
		found, err := read(ctx, ids...)
		values := make([]finding[T], len(ids))
		for i, id := range ids {
			values[i].value = found[id]
		}
		return values, err
	})
}

// note reads what the desk of invitations keeps of one id.
func note[T any](ctx context.Context, r *Resolver, pick func(*invitationNotes) *loader[T], id int) (T, error) {
	l, err := load(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return pick(l.notes(r)).load(ctx, id)
}

// mailLoader reads the latest mails of invitations that the viewer sees: with the gateway's own eyes where the viewer may
// not read GLPI's queue; nil for those whose mail nobody knows.
func (l *loaders) mailLoader(r *Resolver) *loader[*glpiproxy.QueuedMail] {
	l.mailsOnce.Do(func() {
		l.mails = batched(func(ctx context.Context, ids []int) ([]finding[*glpiproxy.QueuedMail], error) {
			found, err := r.mailsOf(ctx, ids)
			mails := make([]finding[*glpiproxy.QueuedMail], len(ids))
			for i, id := range ids {
				if mail, known := found[id]; known {
					mails[i].value = &mail
				}
			}
			return mails, err
		})
	})
	return l.mails
}

func (r *Resolver) mailsOf(ctx context.Context, invitationIDs []int) (map[int]glpiproxy.QueuedMail, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	may, err := can[glpiproxy.QueuedMail](ctx, s)
	if err != nil {
		return nil, err
	}
	if !may && r.Service == nil {
		return nil, nil
	}
	if !may {
		if s, err = r.Service(ctx); err != nil {
			return nil, err
		}
	}
	found, err := glpiproxy.MailsOf(ctx, s, invitationIDs)
	if isUnreadable(err) {
		return nil, nil
	}
	return found, err
}
