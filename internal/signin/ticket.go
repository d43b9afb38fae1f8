package signin

import (
	"context"
	"time"
)

// ticketPurpose keeps tickets and sign-in tokens apart: neither is good for the other.
const ticketPurpose = "fleetgate ticket 1 for "

// Ticket makes what lets whoever holds it do one thing in the viewer's name, for a lifetime at most and no longer
// than the viewer's own sign-in. It can stand in a link. what names the thing, such as a path.
func (d *Desk) Ticket(viewer *Viewer, what string, lifetime time.Duration) string {
	expires := d.o.Now().Add(lifetime)
	if !viewer.ExpiresAt.IsZero() && viewer.ExpiresAt.Before(expires) {
		expires = viewer.ExpiresAt
	}
	return d.o.Sealer.seal(ticketPurpose+what, viewer.Session.Token(), expires)
}

// AdmitTicket gives the context of a request that brings a ticket: that of the viewer in whose name it was made, or
// one in which FromContext tells why there is none.
func (d *Desk) AdmitTicket(ctx context.Context, ticket, what string) context.Context {
	sealed, err := d.o.Sealer.open(ticketPurpose+what, ticket)
	if err != nil {
		return withCaller(ctx, nil, err)
	}
	return withCaller(ctx, &Viewer{Session: d.o.GLPI.Resume(sealed.SessionToken), ExpiresAt: sealed.ExpiresAt}, nil)
}
