package invitation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// Turn is one invitation of GLPI's behind a link, good for one device unless it is armed again. It prints as its id.
type Turn struct {
	InvitationID int
	Deeplink     string    // holds secrets of GLPI; sealed in the store
	Token        string    `json:"-"` // GLPI's, in the deeplink; "": nobody finds the invitation by it
	ExpiresAt    time.Time // when it ends
}

// Format shows the id only, whatever the verb.
func (t Turn) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "invitation %d", t.InvitationID) }

// LogValue shows the id only.
func (t Turn) LogValue() slog.Value { return slog.IntValue(t.InvitationID) }

// record is what lies behind a code: the invitation that it leads to, and those that come next.
type record struct {
	Invitation
	Behind []Turn `json:",omitempty"`
}

// turns are all of a record, in order.
func (r record) turns() []Turn { return append([]Turn{r.Turn}, r.Behind...) }

// lastEnd is when the last one of some ends.
func lastEnd(turns []Turn) time.Time {
	return slices.MaxFunc(turns, func(a, b Turn) int { return a.ExpiresAt.Compare(b.ExpiresAt) }).ExpiresAt.UTC()
}

// Link notes that invitations of one person follow each other behind one link and PIN: for several devices, where nobody
// may arm the first one again.
func (d *Desk) Link(ctx context.Context, invitationIDs []int) error {
	value, err := json.Marshal(invitationIDs)
	if err != nil {
		return err
	}
	for _, id := range invitationIDs {
		if err := d.store.Put(ctx, chainBucket, key(id), value, noteKept); err != nil {
			return fmt.Errorf("noting which invitations follow each other: %w", err)
		}
	}
	return nil
}

// Chain is the invitations that follow each other behind the link of one of them, that one included, in order: mostly it
// alone.
func (d *Desk) Chain(ctx context.Context, invitationID int) ([]int, error) {
	chains, err := d.Chains(ctx, invitationID)
	if err != nil || len(chains[invitationID]) == 0 {
		return []int{invitationID}, err
	}
	return chains[invitationID], nil
}

// Chains are the chains of invitations, by the id of each; those that are alone are left out.
func (d *Desk) Chains(ctx context.Context, invitationIDs ...int) (map[int][]int, error) {
	return notes(ctx, d, chainBucket, invitationIDs, func(text string) (ids []int, err error) {
		return ids, json.Unmarshal([]byte(text), &ids)
	})
}

// find gives the first invitation behind a code's name that can be used; ErrUnknown where there is none.
func (d *Desk) find(ctx context.Context, place string) (Invitation, error) {
	box, err := d.store.Get(ctx, codeBucket, place)
	if err != nil {
		return Invitation{}, err
	}
	var found record
	if box == nil || d.seal.open(place, box, &found) != nil {
		return Invitation{}, ErrUnknown
	}
	for _, turn := range found.turns() {
		if d.now().Before(turn.ExpiresAt) && d.usable(ctx, turn.InvitationID) {
			found.Turn = turn
			return found.Invitation, nil
		}
	}
	return Invitation{}, ErrUnknown
}

// drop takes an invitation out of what lies behind a code's name. over: nothing is left there.
func (d *Desk) drop(ctx context.Context, place string, invitationID int) (over bool, err error) {
	for range swapTries {
		box, err := d.store.Get(ctx, codeBucket, place)
		if err != nil || box == nil {
			return box == nil, err
		}
		var found record
		if err := d.seal.open(place, box, &found); err != nil {
			return false, err
		}
		left := slices.DeleteFunc(found.turns(), func(t Turn) bool {
			return t.InvitationID == invitationID || !d.now().Before(t.ExpiresAt)
		})
		if len(left) == 0 {
			return true, d.store.Delete(ctx, codeBucket, place)
		}
		found.Turn, found.Behind = left[0], left[1:]
		rest, err := d.seal.close(place, found)
		if err != nil {
			return false, fmt.Errorf("sealing an invitation: %w", err)
		}
		done, err := d.store.Swap(ctx, codeBucket, place, box, rest, lastEnd(left).Sub(d.now()))
		if err != nil {
			return false, fmt.Errorf("keeping an invitation: %w", err)
		}
		if done {
			return false, nil
		}
	}
	return false, errBusy
}

// keepTokens notes by which tokens the invitations are found again.
func (d *Desk) keepTokens(ctx context.Context, turns []Turn) error {
	for _, t := range turns {
		if t.Token == "" {
			continue
		}
		name := d.seal.name("token", t.Token)
		if err := d.store.Put(ctx, tokenBucket, name, []byte(key(t.InvitationID)), t.ExpiresAt.Sub(d.now())); err != nil {
			return fmt.Errorf("noting an invitation's token: %w", err)
		}
	}
	return nil
}

// RetireToken is Retire for who knows GLPI's token of an invitation only. Where no credentials were issued for it there is
// nothing to end.
func (d *Desk) RetireToken(ctx context.Context, token string) error {
	value, err := d.store.Get(ctx, tokenBucket, d.seal.name("token", token))
	if err != nil || value == nil {
		return err
	}
	id, err := strconv.Atoi(string(value))
	if err != nil {
		return fmt.Errorf("reading whose token it is: %w", err)
	}
	return d.retire(ctx, id)
}
