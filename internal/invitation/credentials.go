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
	Turn
	EntityID int
	UserID   int
	Emails   []string // of the invited: each goes with the PIN
	Helpdesk Helpdesk
	// Behind are those of the same chain that the link and the PIN lead to next, one after the other: see Chain.
	Behind []Turn
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
	Turn
	EntityID, UserID int
	PIN              string
	Helpdesk         Helpdesk
	Message          string `json:"-"` // the inviter's words; of Open only
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
// invitation must be pending and its end lie ahead. All of a chain have the same ones.
func (d *Desk) Issue(ctx context.Context, g Grant) (Credentials, error) {
	turns := append([]Turn{g.Turn}, g.Behind...)
	for _, t := range turns {
		if t.InvitationID <= 0 || t.Deeplink == "" || !d.now().Before(t.ExpiresAt) {
			return Credentials{}, errors.New("credentials are issued for invitations that can be used")
		}
	}
	chain, err := d.Chain(ctx, g.InvitationID)
	if err != nil {
		return Credentials{}, err
	}
	until := lastEnd(turns)
	life := until.Sub(d.now())
	l, err := d.link(ctx, chain[0], life)
	if err != nil {
		return Credentials{}, err
	}
	place := d.codeName(l.Code)
	box, err := d.seal.close(place, record{
		Invitation: Invitation{Turn: g.Turn, EntityID: g.EntityID, UserID: g.UserID, PIN: l.PIN, Helpdesk: g.Helpdesk}, Behind: g.Behind,
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("sealing an invitation: %w", err)
	}
	if err := d.store.Put(ctx, codeBucket, place, box, life); err != nil {
		return Credentials{}, fmt.Errorf("keeping an invitation: %w", err)
	}
	for _, email := range g.Emails {
		if err := d.keepPIN(ctx, email, l, place, until); err != nil {
			return Credentials{}, err
		}
	}
	if err := d.keepTokens(ctx, turns); err != nil {
		return Credentials{}, err
	}
	base := d.publicURL
	if base == "" {
		base = strings.TrimSuffix(g.Origin, "/")
	}
	return Credentials{Code: l.Code, PIN: l.PIN, URL: base + "/enroll/" + l.Code, ExpiresAt: until}, nil
}

// Issued says whether credentials of an invitation are about: those have to be issued anew when its end changes.
func (d *Desk) Issued(ctx context.Context, invitationID int) (bool, error) {
	chain, err := d.Chain(ctx, invitationID)
	if err != nil {
		return false, err
	}
	box, err := d.store.Get(ctx, linkBucket, key(chain[0]))
	return box != nil, err
}

// Retire ends the credentials of invitations that were deactivated, deleted or used up; those of a chain lead to the next
// one from then on.
func (d *Desk) Retire(ctx context.Context, invitationIDs ...int) error {
	var failed error
	for _, id := range invitationIDs {
		failed = errors.Join(failed, d.retire(ctx, id))
	}
	return failed
}

func (d *Desk) retire(ctx context.Context, id int) error {
	chain, err := d.Chain(ctx, id)
	if err != nil {
		return err
	}
	l, err := d.readLink(ctx, chain[0])
	if err != nil {
		return err
	}
	over := id == chain[len(chain)-1]
	if l != nil {
		if over, err = d.drop(ctx, d.codeName(l.Code), id); err != nil {
			return err
		}
	}
	if !over {
		return d.store.Delete(ctx, slotsBucket, key(id))
	}
	// The PIN leads to the record of the code, which is gone: without that it leads nowhere.
	return errors.Join(
		d.store.Delete(ctx, messageBucket, key(chain[0])),
		d.store.Delete(ctx, linkBucket, key(chain[0])),
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
