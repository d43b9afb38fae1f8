package glpiproxy

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"
)

// Claim is a device that an invited person says is theirs. GLPI takes its word: it
// looks for the computer with such a serial or UUID in all entities, also in the
// trash, and makes it that person's.
type Claim struct {
	Serial, UUID     string // either may be empty
	EntityID, UserID int    // of the invitation
}

// Taken says whether a claimed device is under management for somebody else, or a
// computer of another company. A device that is told to leave its entity may be
// claimed there by anyone. The session is that of an account that sees all entities.
func (c Claim) Taken(ctx context.Context, s *Session) (bool, error) {
	computers, err := c.computers(ctx, s)
	if err != nil {
		return false, err
	}
	for _, computer := range computers {
		agents, err := Children[Computer, Agent](ctx, s, computer.ID, ListOptions{Fresh: true, Range: Range{Count: maxCount}})
		if err != nil {
			return false, err
		}
		for _, agent := range agents.Items {
			leaves := agent.EnrollStatus == "unenrolling"
			if agent.EntityID != c.EntityID || computer.UserID != c.UserID && !leaves {
				return true, nil
			}
		}
		if len(agents.Items) == 0 && !c.near(ctx, s, computer.EntityID) {
			return true, nil
		}
	}
	return false, nil
}

// near tells whether an entity is the claim's, or in one line with it: imports leave
// computers above, and people move within a company.
func (c Claim) near(ctx context.Context, s *Session, entityID int) bool {
	return entityID == c.EntityID || isAbove(ctx, s, entityID, c.EntityID) || isAbove(ctx, s, c.EntityID, entityID)
}

// computers are those that GLPI's import would take for the device.
func (c Claim) computers(ctx context.Context, s *Session) ([]Computer, error) {
	type look struct {
		column, text string
		of           func(Computer) string
		trash        bool
	}
	serial, uuid := func(c Computer) string { return c.Serial }, func(c Computer) string { return c.UUID }
	looks := []look{{"serial", c.Serial, serial, false}, {"serial", c.Serial, serial, true}, {"uuid", c.UUID, uuid, false}, {"uuid", c.UUID, uuid, true}}
	found := make([][]Computer, len(looks))
	group, within := errgroup.WithContext(ctx)
	for i, l := range looks {
		if l.text == "" {
			continue
		}
		group.Go(func() error {
			page, err := List[Computer](within, s, ListOptions{
				Filter: map[string]string{l.column: l.text}, Range: Range{Count: maxCount}, Trash: l.trash, Fresh: true,
			})
			found[i] = slices.DeleteFunc(page.Items, func(c Computer) bool { return !alike(l.of(c), l.text) })
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// alike tells whether the database may take two texts for one: it knows no case and no
// accents. "_" and "%", which its lists take for any letters, are no likeness.
func alike(a, b string) bool {
	ascii := func(text string) bool {
		return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
	}
	return sameText(a, b) || strings.EqualFold(a, b) || !ascii(a) || !ascii(b)
}
