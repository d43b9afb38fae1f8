package invitation

import (
	"context"
	"fmt"
)

// SetMessage keeps an inviter's words for the page of an invitation, sealed, for as long as its link may lead there.
func (d *Desk) SetMessage(ctx context.Context, invitationID int, text string) error {
	box, err := d.seal.close(messagePlace(invitationID), text)
	if err != nil {
		return fmt.Errorf("sealing a message: %w", err)
	}
	return d.store.Put(ctx, messageBucket, key(invitationID), box, noteKept)
}

// Message is an inviter's words for the invited; "" when there are none.
func (d *Desk) Message(ctx context.Context, invitationID int) (string, error) {
	box, err := d.store.Get(ctx, messageBucket, key(invitationID))
	if err != nil || box == nil {
		return "", err
	}
	var text string
	if err := d.seal.open(messagePlace(invitationID), box, &text); err != nil {
		return "", err
	}
	return text, nil
}

func messagePlace(id int) string { return "message " + key(id) }
