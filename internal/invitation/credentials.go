package invitation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"time"
)

// Grant is what credentials are issued for: an invitation as GLPI has it.
type Grant struct {
	InvitationID int
	EntityID     int
	UserID       int
	Emails       []string  // of the invited: each goes with the PIN
	Deeplink     string    // holds secrets of GLPI; sealed in the store
	ExpiresAt    time.Time // when the credentials end
	Helpdesk     Helpdesk
	// Behind is an earlier invitation of the same person whose link and PIN lead here from now on, with the devices that
	// may still follow; 0: none.
	Behind int
	// Origin is where the request came to ("https://fleet.example"), for links where no public URL is set.
	Origin string
}

// Helpdesk is who helps the invited, and where the app is. Any may be empty.
type Helpdesk struct{ Name, Phone, Website, Email, Address, DownloadURL string }

// Credentials are what an invited person gets. They hold no secret of GLPI, and print as "[credentials]".
type Credentials struct {
	Code      string // of the link
	PIN       string // eight digits, good with the address
	URL       string // of the invitation's page
	ExpiresAt time.Time
}

// Invitation is what lies behind a code. It prints as its id.
type Invitation struct {
	InvitationID, EntityID, UserID int
	PIN, Deeplink                  string
	ExpiresAt                      time.Time
	Helpdesk                       Helpdesk
	Message                        string `json:"-"` // the inviter's words; of Open only
}

// Format hides the credentials, whatever the verb.
func (Credentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[credentials]") }

// LogValue hides the credentials.
func (Credentials) LogValue() slog.Value { return slog.StringValue("[credentials]") }

// Format shows the id only, whatever the verb.
func (i Invitation) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "invitation %d", i.InvitationID) }

// LogValue shows the id only.
func (i Invitation) LogValue() slog.Value { return slog.IntValue(i.InvitationID) }

// link is what an invitation is reached by.
type link struct{ Code, PIN string }

// Issue gives the credentials of an invitation: the same ones each time, also after it was renewed with another end. The
// invitation must be pending and its end lie ahead.
func (d *Desk) Issue(ctx context.Context, g Grant) (Credentials, error) {
	life := g.ExpiresAt.Sub(d.now())
	if g.InvitationID <= 0 || g.Deeplink == "" || life <= 0 {
		return Credentials{}, errors.New("credentials are issued for invitations that can be used")
	}
	if g.Behind > 0 && g.Behind != g.InvitationID {
		if err := d.succeed(ctx, g.Behind, g.InvitationID, life); err != nil {
			return Credentials{}, err
		}
	}
	l, err := d.link(ctx, g.InvitationID, life)
	if err != nil {
		return Credentials{}, err
	}
	behind := Invitation{
		InvitationID: g.InvitationID, EntityID: g.EntityID, UserID: g.UserID,
		PIN: l.PIN, Deeplink: g.Deeplink, ExpiresAt: g.ExpiresAt.UTC(), Helpdesk: g.Helpdesk,
	}
	place := d.codeName(l.Code)
	box, err := d.seal.close(place, behind)
	if err != nil {
		return Credentials{}, fmt.Errorf("sealing an invitation: %w", err)
	}
	if err := d.store.Put(ctx, codeBucket, place, box, life); err != nil {
		return Credentials{}, fmt.Errorf("keeping an invitation: %w", err)
	}
	for _, email := range g.Emails {
		if err := d.keepPIN(ctx, email, l, place, g.ExpiresAt); err != nil {
			return Credentials{}, err
		}
	}
	base := d.publicURL
	if base == "" {
		base = strings.TrimSuffix(g.Origin, "/")
	}
	return Credentials{Code: l.Code, PIN: l.PIN, URL: base + "/enroll/" + l.Code, ExpiresAt: g.ExpiresAt}, nil
}

// Issued says whether credentials of an invitation are about: those have to be issued anew when its end changes.
func (d *Desk) Issued(ctx context.Context, invitationID int) (bool, error) {
	box, err := d.store.Get(ctx, linkBucket, key(invitationID))
	return box != nil, err
}

// Retire ends the credentials of invitations that were deactivated, deleted or used up.
func (d *Desk) Retire(ctx context.Context, invitationIDs ...int) error {
	var failed error
	for _, id := range invitationIDs {
		failed = errors.Join(failed, d.retire(ctx, id))
	}
	return failed
}

func (d *Desk) retire(ctx context.Context, id int) error {
	if err := d.store.Delete(ctx, messageBucket, key(id)); err != nil {
		return err
	}
	l, err := d.readLink(ctx, id)
	if err != nil || l == nil {
		return err
	}
	// The PIN leads to the record of the code: without that it leads nowhere.
	return errors.Join(
		d.store.Delete(ctx, codeBucket, d.codeName(l.Code)),
		d.store.Delete(ctx, linkBucket, key(id)),
		d.store.Delete(ctx, slotsBucket, key(id)),
	)
}

// link finds an invitation's code and PIN or makes them: on two replicas at once, the first one's.
func (d *Desk) link(ctx context.Context, id int, life time.Duration) (link, error) {
	for range swapTries {
		known, err := d.readLink(ctx, id)
		if err != nil {
			return link{}, err
		}
		if known != nil {
			return *known, d.putLink(ctx, id, *known, life)
		}
		pin, err := rand.Int(rand.Reader, big.NewInt(pins))
		if err != nil {
			return link{}, fmt.Errorf("drawing a PIN: %w", err)
		}
		fresh := link{Code: strings.ToLower(rand.Text()[:codeLength]), PIN: fmt.Sprintf("%0*d", pinLength, pin)}
		box, err := d.seal.close(linkPlace(id), fresh)
		if err != nil {
			return link{}, fmt.Errorf("sealing a link: %w", err)
		}
		first, err := d.store.Swap(ctx, linkBucket, key(id), nil, box, life+linkKept)
		if err != nil {
			return link{}, fmt.Errorf("keeping a link: %w", err)
		}
		if first {
			return fresh, nil
		}
	}
	return link{}, errBusy
}

var errBusy = errors.New("the store changes too fast")

// succeed makes the link of an invitation lead to a later one, with the devices that may follow.
func (d *Desk) succeed(ctx context.Context, earlier, later int, life time.Duration) error {
	l, err := d.readLink(ctx, earlier)
	if err != nil {
		return err
	}
	if l != nil {
		if err := d.putLink(ctx, later, *l, life); err != nil {
			return err
		}
	}
	left, err := d.store.Get(ctx, slotsBucket, key(earlier))
	if err != nil {
		return err
	}
	if left != nil {
		if err := d.store.Put(ctx, slotsBucket, key(later), left, noteKept); err != nil {
			return err
		}
	}
	if err := d.handMessageOn(ctx, earlier, later); err != nil {
		return err
	}
	return errors.Join(d.store.Delete(ctx, linkBucket, key(earlier)), d.store.Delete(ctx, slotsBucket, key(earlier)))
}

// readLink is nil where an invitation has no link.
func (d *Desk) readLink(ctx context.Context, id int) (*link, error) {
	box, err := d.store.Get(ctx, linkBucket, key(id))
	if err != nil || box == nil {
		return nil, err
	}
	var l link
	if err := d.seal.open(linkPlace(id), box, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

func (d *Desk) putLink(ctx context.Context, id int, l link, life time.Duration) error {
	box, err := d.seal.close(linkPlace(id), l)
	if err != nil {
		return fmt.Errorf("sealing a link: %w", err)
	}
	return d.store.Put(ctx, linkBucket, key(id), box, life+linkKept)
}

func linkPlace(id int) string               { return "link " + key(id) }
func (d *Desk) codeName(code string) string { return d.seal.name("code", code) }

// record reads what lies under a code's name; ErrUnknown where that is nothing that can be used.
func (d *Desk) record(ctx context.Context, place string) (Invitation, error) {
	box, err := d.store.Get(ctx, codeBucket, place)
	if err != nil {
		return Invitation{}, err
	}
	var found Invitation
	if box == nil || d.seal.open(place, box, &found) != nil || !d.now().Before(found.ExpiresAt) {
		return Invitation{}, ErrUnknown
	}
	if !d.usable(ctx, found.InvitationID) {
		return Invitation{}, ErrUnknown
	}
	return found, nil
}
