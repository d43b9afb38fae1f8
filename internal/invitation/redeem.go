package invitation

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	pinLength  = 8
	pins       = 100_000_000 // as many as have that length
	codeLength = 16          // of base32: 80 bits
	// pinsOfAddress bounds the PINs of one address; beyond it the oldest ends.
	pinsOfAddress = 16
	longestEmail  = 255 // bytes, as GLPI's column
	longestCode   = 64
)

// Failed tries that are allowed in a window of time, shared by all replicas. Eight digits withstand what an address
// allows for years; the other limits are against guessing at many addresses.
const (
	triesWindow    = 15 * time.Minute
	triesOfAddress = 5
	triesOfClient  = 20
	triesInAll     = 1000
	codesOfClient  = 30
)

// pinEntry is one PIN of an address.
type pinEntry struct {
	MAC   []byte    `json:"mac"`   // of the address and the PIN
	Place string    `json:"place"` // of the record
	Until time.Time `json:"until"`
}

// keepPIN notes the PIN of a link under its address.
func (d *Desk) keepPIN(ctx context.Context, email string, l link, place string, until time.Time) error {
	email = foldEmail(email)
	if email == "" {
		return nil // GLPI has no address that could go with the PIN
	}
	name := d.seal.name("address", email)
	for range swapTries {
		old, entries, err := d.pinsOf(ctx, name)
		if err != nil {
			return err
		}
		kept, latest := []pinEntry{{d.seal.mac("pin", email, l.PIN), place, until.UTC()}}, until
		for _, e := range entries {
			if e.Place == place || !d.now().Before(e.Until) || len(kept) == pinsOfAddress {
				continue
			}
			kept = append(kept, e)
			if e.Until.After(latest) {
				latest = e.Until
			}
		}
		value, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		done, err := d.store.Swap(ctx, pinBucket, name, old, value, latest.Sub(d.now()))
		if err != nil {
			return fmt.Errorf("keeping a PIN: %w", err)
		}
		if done {
			return nil
		}
	}
	return errBusy
}

func (d *Desk) pinsOf(ctx context.Context, name string) (value []byte, entries []pinEntry, err error) {
	value, err = d.store.Get(ctx, pinBucket, name)
	if err == nil && value != nil {
		err = json.Unmarshal(value, &entries)
	}
	return value, entries, err
}

// ungrouped is a PIN as it was made: people read and write digits in groups.
var ungrouped = strings.NewReplacer(" ", "", "\u00a0", "", "-", "")

// Redeem gives the invitation that an address and its PIN stand for. client is the network address that asks.
// ErrUnknown: they don't fit, whatever the reason. *Locked: the address, the client or everybody failed too often.
func (d *Desk) Redeem(ctx context.Context, email, pin, client string) (Invitation, error) {
	email = foldEmail(email)
	settle, err := d.begin(ctx, email, client)
	if err != nil {
		return Invitation{}, err
	}
	_, entries, err := d.pinsOf(ctx, d.seal.name("address", email))
	if err != nil {
		return Invitation{}, err
	}
	place := match(entries, d.seal.mac("pin", email, ungrouped.Replace(pin)))
	found, err := d.find(ctx, place)
	if err != nil {
		return Invitation{}, err
	}
	return found, settle()
}

// match finds the record of a PIN. It compares as often, and each time for as long, whatever an address has.
func match(entries []pinEntry, mac []byte) (place string) {
	for i := range pinsOfAddress {
		entry := pinEntry{MAC: make([]byte, len(mac))}
		if i < len(entries) {
			entry = entries[i]
		}
		if hmac.Equal(entry.MAC, mac) {
			place = entry.Place
		}
	}
	return place
}

// begin counts a try as failed, before anything is looked up, so that many at once can't slip through together;
// settle takes that back. A client that is locked out counts for nobody else, or it could lock everybody out; and it has
// nothing written, or it could keep the disk busy.
func (d *Desk) begin(ctx context.Context, email, client string) (settle func() error, err error) {
	now := d.now()
	counts := []struct {
		name string
		most int64
	}{
		{"client " + network(client), triesOfClient},
		{"address " + d.seal.name("address", email), triesOfAddress},
		{"all", triesInAll},
	}
	for _, c := range counts {
		may, err := d.countTry(ctx, c.name, c.most, now)
		if err != nil {
			return nil, err
		}
		if !may {
			return nil, lockedAt(now)
		}
	}
	return func() error {
		var failed error
		for _, c := range counts {
			_, err := d.count(ctx, c.name, now, -1)
			failed = errors.Join(failed, err)
		}
		return failed
	}, nil
}

// countTry counts one try more, unless there were the most already.
func (d *Desk) countTry(ctx context.Context, name string, most int64, now time.Time) (may bool, err error) {
	tries, err := d.count(ctx, name, now, 0)
	if err != nil || tries >= most {
		return false, err
	}
	tries, err = d.count(ctx, name, now, 1)
	return tries <= most, err
}

// count adds to the tries in the window of time that now is in.
func (d *Desk) count(ctx context.Context, name string, now time.Time, by int64) (int64, error) {
	window := now.Truncate(triesWindow)
	tries, err := d.store.Count(ctx, triesBucket, fmt.Sprintf("%s %d", name, window.Unix()), by, triesWindow)
	if err != nil {
		return 0, fmt.Errorf("counting tries: %w", err)
	}
	return tries, nil
}

// lockedAt refuses until the next window of time.
func lockedAt(now time.Time) *Locked {
	return &Locked{Wait: now.Truncate(triesWindow).Add(triesWindow).Sub(now)}
}

// Open gives the invitation behind a code. client is the network address that asks. ErrUnknown: there is none that could
// be used. *Locked: the client tried too many codes that there are not.
func (d *Desk) Open(ctx context.Context, code, client string) (Invitation, error) {
	name, now := "codes "+network(client), d.now()
	misses, err := d.count(ctx, name, now, 0)
	if err != nil {
		return Invitation{}, err
	}
	if misses >= codesOfClient {
		return Invitation{}, lockedAt(now)
	}
	if len(code) > longestCode {
		code = ""
	}
	found, err := d.find(ctx, d.codeName(code))
	if errors.Is(err, ErrUnknown) {
		if _, failed := d.count(ctx, name, now, 1); failed != nil {
			return Invitation{}, failed
		}
	}
	if err != nil {
		return Invitation{}, err
	}
	chain, err := d.Chain(ctx, found.InvitationID)
	if err != nil {
		return Invitation{}, err
	}
	found.Message, err = d.Message(ctx, chain[0])
	return found, err
}

// foldEmail makes one text of the ways to write an address; "" for what can't be one.
func foldEmail(email string) string {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > longestEmail {
		return ""
	}
	return email
}

// network is whom tries are counted for: an IPv4 address, or the /64 of an IPv6 one, which one household has.
func network(client string) string {
	address, err := netip.ParseAddr(client)
	if err != nil {
		return client
	}
	if address = address.Unmap().WithZone(""); address.Is4() {
		return address.String()
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return prefix.String()
}
