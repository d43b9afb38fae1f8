package graph

import (
	"context"
	"sync"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// invitationLoaders read what belongs to invitations.
type invitationLoaders struct {
	invitations    *loader[*model.Invitation]
	invitationLogs *loader[[]*model.InvitationLogEntry]

	mails     *loader[*glpiproxy.QueuedMail]
	mailsOnce sync.Once
}

func invitations(l *loaders) *loader[*model.Invitation]              { return l.invitations }
func invitationLogs(l *loaders) *loader[[]*model.InvitationLogEntry] { return l.invitationLogs }

func (l *loaders) loadInvitations(s *glpiproxy.Session) {
	l.invitations = newLoader(s, func(i glpiproxy.Invitation) *model.Invitation { return &model.Invitation{Invitation: i} })
	l.invitationLogs = ofPeople(s, glpiproxy.LogsOf, func(e glpiproxy.InvitationLog) *model.InvitationLogEntry {
		return &model.InvitationLogEntry{At: e.At, Event: e.Event}
	})
}

// mailLoader reads the latest mails of invitations that the viewer sees: with the gateway's own eyes where the viewer may
// not read GLPI's queue; nil for those whose mail nobody knows.
func (l *loaders) mailLoader(r *Resolver) *loader[*glpiproxy.QueuedMail] {
	l.mailsOnce.Do(func() {
		l.mails = batched(func(ctx context.Context, ids []int) ([]*glpiproxy.QueuedMail, []error) {
			found, err := r.mailsOf(ctx, ids)
			if err != nil {
				return nil, []error{err}
			}
			mails := make([]*glpiproxy.QueuedMail, len(ids))
			for i, id := range ids {
				if mail, known := found[id]; known {
					mails[i] = &mail
				}
			}
			return mails, nil
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
