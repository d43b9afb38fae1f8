// Package invitation keeps what GLPI has no room for: the short link and the PIN behind which an invitation's deeplink
// lies, when somebody opened it, which newer invitation took its place, which ones follow it behind the same link, the
// agent that it became, how many devices may still follow, and the log of all that. Everything lies in the store, so that
// it survives a restart and is the same on every replica; a deeplink, which holds secrets of GLPI, lies there sealed. It
// gives no rights: whoever calls it has checked what the caller may do.
package invitation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"fleetgate/internal/store"
)

// The buckets of the store.
const (
	linkBucket       = "invitation-link"       // invitation id -> its code and PIN, sealed
	codeBucket       = "invitation-code"       // HMAC of the code -> the record behind it, sealed
	pinBucket        = "invitation-pin"        // HMAC of the address -> HMACs of its PINs
	openedBucket     = "invitation-opened"     // invitation id -> when
	supersededBucket = "invitation-superseded" // old invitation id -> new one
	agentBucket      = "invitation-agent"      // invitation id -> agent id
	originBucket     = "agent-invitation"      // agent id -> invitation id
	chainBucket      = "invitation-chain"      // invitation id -> the ids of its chain, in order
	tokenBucket      = "invitation-token"      // HMAC of GLPI's token -> invitation id
	slotsBucket      = "invitation-slots"      // invitation id -> devices that may still follow
	messageBucket    = "invitation-message"    // invitation id -> the inviter's words, sealed
	triesBucket      = "invitation-tries"      // who guessed how often
)

const (
	// linkKept is how long beyond an invitation's end its code and PIN are remembered, for its renewal.
	linkKept = 90 * 24 * time.Hour
	// noteKept is how long is remembered what became of an invitation.
	noteKept = 400 * 24 * time.Hour
	// swapTries bounds the tries to change what others change at the same time.
	swapTries = 50
)

// Options configure a Desk. Store and Secret are required.
type Options struct {
	Store store.Store
	// Secret is what the keys are derived from: the same on every replica.
	Secret []byte
	// PublicURL is where people reach the gateway ("https://fleet.example"); "": where the request came to.
	PublicURL string
	// Pending asks GLPI whether an invitation can still be used, so that a link ends when a device enrols past the
	// gateway; nil: GLPI is not asked. While it fails, the gateway's own notes decide.
	Pending func(ctx context.Context, invitationID int) (bool, error)
	// Changed hears, once for each event that is not this gateway's doing and before those who watch here, which invitation
	// it is about: it has changed in GLPI past this gateway. nil: nobody does.
	Changed func(invitationID int)
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger     // nil: silent
}

// Desk issues the credentials of invitations and takes them back. It is safe for concurrent use.
type Desk struct {
	store     store.Store
	seal      *seal
	publicURL string
	pending   func(context.Context, int) (bool, error)
	now       func() time.Time
	log       *slog.Logger

	id      string // of this desk among those of all replicas
	changed func(invitationID int)
	mu      sync.Mutex
	heard   map[store.ID]bool // events that changed heard of
}

// NewDesk makes a Desk; it touches nothing.
func NewDesk(o Options) (*Desk, error) {
	if o.Store == nil {
		return nil, errors.New("invitations need a store")
	}
	keys, err := newSeal(o.Secret)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(int) {}
	}
	return &Desk{
		store: o.Store, seal: keys, publicURL: strings.TrimSuffix(o.PublicURL, "/"), pending: o.Pending, now: o.Now, log: o.Logger,
		id: rand.Text(), changed: o.Changed, heard: map[store.ID]bool{},
	}, nil
}

// ErrUnknown is the one answer for a code, or an address with a PIN, that leads nowhere: never issued, expired, used
// up or taken back.
var ErrUnknown = errors.New("no such invitation")

// Locked says that somebody guessed too often.
type Locked struct{ Wait time.Duration }

func (l *Locked) Error() string {
	return fmt.Sprintf("too many failed tries: try again in %s", l.Wait.Round(time.Second))
}

// usable says whether GLPI, where it can be asked, still takes an invitation.
func (d *Desk) usable(ctx context.Context, invitationID int) bool {
	if d.pending == nil {
		return true
	}
	pending, err := d.pending(ctx, invitationID)
	if err != nil {
		d.log.WarnContext(ctx, "GLPI did not tell whether an invitation can be used: taken for usable", "invitation", invitationID, "error", err)
		return true
	}
	return pending
}

func key(id int) string { return strconv.Itoa(id) }
