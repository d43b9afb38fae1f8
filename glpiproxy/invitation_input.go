package glpiproxy

import (
	"context"
	"time"
)

// InvitationInput is a new invitation. GLPI invites anybody who has an e-mail
// address, with rights on that account; here it must be a user whom the viewer sees.
type InvitationInput struct {
	UserID   int
	EntityID int
}

func (InvitationInput) creates(Invitation) {}

func (i InvitationInput) write(f *fields) {
	f.link("users_id", User{}, i.UserID)
	f.home("entities_id", i.EntityID)
}

// InvitationChange is what can be changed of an invitation: done and a past date
// deactivate it, pending and a future one arm it again.
type InvitationChange struct {
	Status    *string    // pending or done
	ExpiresAt *time.Time // not the zero time
}

func (InvitationChange) changes(Invitation) {}

func (c InvitationChange) write(f *fields) {
	if c.Status != nil && *c.Status != "pending" && *c.Status != "done" {
		f.fail("status: must be pending or done")
	}
	f.text("status", c.Status)
	if c.ExpiresAt != nil && c.ExpiresAt.IsZero() {
		f.fail("expiration_date: must not be empty")
	}
	f.moment("expiration_date", c.ExpiresAt)
}

// notice queues the e-mail of an invitation once more.
type notice struct{}

func (notice) changes(Invitation) {}
func (notice) write(f *fields)    { f.order("_notify", "1") }

// SendInvitations queues the e-mails of invitations once more, with the same tokens.
// It fails without a word when GLPI's mail is off.
func SendInvitations(ctx context.Context, s *Session, ids []int) (Outcomes, error) {
	edits := make([]Edit[notice], len(ids))
	for i, id := range ids {
		edits[i].ID = id
	}
	return UpdateMany(ctx, s, edits)
}
