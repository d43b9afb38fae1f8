package glpiproxy

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// QueuedMail is an e-mail in GLPI's queue (QueuedNotification), without its text, which holds secrets. Read it by
// MailsOf.
type QueuedMail struct {
	ID       int       `json:"id"`
	ItemType string    `json:"itemtype"`
	ItemID   int       `json:"items_id"`
	QueuedAt time.Time `json:"create_time"` // UTC
	SentAt   time.Time `json:"sent_time"`   // UTC, zero: not sent yet
	Tries    int       `json:"sent_try"`    // so far in vain, where it is not sent
}

func (QueuedMail) itemtype() string { return "QueuedNotification" }
func (m QueuedMail) id() int        { return m.ID }

const (
	// mailsOneByOne is up to how many invitations are asked for each by itself. GLPI can't search its queue, and every
	// row of a list brings the text of the mail along.
	mailsOneByOne = 3
	mailsAtOnce   = 200
	mostMails     = 2000
)

// MailsOf finds the latest e-mail of each invitation in GLPI's queue; none where GLPI has forgotten it, or has no mail.
// GLPI puts what it has sent into the trash. Forbidden: the session may not read the queue. Whoever lends their
// session makes sure that the viewer may see the invitations.
func MailsOf(ctx context.Context, s *Session, invitationIDs []int) (map[int]QueuedMail, error) {
	found := map[int]QueuedMail{}
	for _, trash := range []bool{false, true} {
		var missing []int
		for _, id := range invitationIDs {
			if _, known := found[id]; !known {
				missing = append(missing, id)
			}
		}
		var err error
		if len(missing) <= mailsOneByOne {
			err = eachMail(ctx, s, missing, trash, found)
		} else {
			err = latestMails(ctx, s, missing, trash, found)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func eachMail(ctx context.Context, s *Session, invitationIDs []int, trash bool, found map[int]QueuedMail) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range invitationIDs {
		group.Go(func() error {
			page, err := List[QueuedMail](ctx, s, ListOptions{
				Filter: map[string]string{"itemtype": Invitation{}.itemtype(), "items_id": strconv.Itoa(id)},
				Sort:   "id", Descending: true, Range: Range{Count: 1}, Trash: trash,
			})
			mu.Lock()
			defer mu.Unlock()
			for _, mail := range page.Items {
				if mail.ItemID == id {
					found[id] = mail
				}
			}
			return err
		})
	}
	return group.Wait()
}

// latestMails reads the queue from its newest mail back, until each invitation has one.
func latestMails(ctx context.Context, s *Session, invitationIDs []int, trash bool, found map[int]QueuedMail) error {
	wanted := make(map[int]bool, len(invitationIDs))
	for _, id := range invitationIDs {
		wanted[id] = true
	}
	for start := 0; start < mostMails && len(wanted) > 0; start += mailsAtOnce {
		page, err := List[QueuedMail](ctx, s, ListOptions{
			Filter: map[string]string{"itemtype": Invitation{}.itemtype()},
			Sort:   "id", Descending: true, Range: Range{Start: start, Count: mailsAtOnce}, Trash: trash,
		})
		if err != nil {
			return err
		}
		for _, mail := range page.Items {
			if wanted[mail.ItemID] {
				found[mail.ItemID] = mail
				delete(wanted, mail.ItemID)
			}
		}
		if start+len(page.Items) >= page.Total {
			return nil
		}
	}
	return nil
}
