package gateway

import (
	"context"
	"fmt"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
	"fleetgate/internal/settings"
)

// pendingPatience is how long GLPI may take to tell whether an invitation can be used, while somebody waits for its page.
const pendingPatience = 3 * time.Second

// openInvitations makes the desk of invitations. With a service account it asks GLPI whether they can still be used.
func (g *Gateway) openInvitations(s settings.Gateway, secret string) (*invitation.Desk, error) {
	options := invitation.Options{Store: g.store, Secret: []byte(secret), PublicURL: s.PublicURL, Changed: g.glpi.InvitationChanged, Logger: g.log}
	if g.service != nil {
		options.Pending = g.isPending
	}
	desk, err := invitation.NewDesk(options)
	if err != nil {
		return nil, fmt.Errorf("invitations: %w", err)
	}
	return desk, nil
}

// isPending asks GLPI whether an invitation can still be used. One that is gone can't.
func (g *Gateway) isPending(ctx context.Context, invitationID int) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pendingPatience)
	defer cancel()
	session, err := g.serviceSession(ctx)
	if err != nil {
		return false, err
	}
	results, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, session, []int{invitationID})
	if err != nil {
		return false, err
	}
	found := results[invitationID]
	if kind := glpiproxy.KindOf(found.Err); kind == glpiproxy.NotFound {
		return false, nil
	}
	return found.Item.Status == "pending" && time.Now().Before(found.Item.ExpiresAt), found.Err
}
