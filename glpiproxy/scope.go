package glpiproxy

import (
	"context"
	"slices"
)

// Right is a bit of a profile's right.
type Right int

// The rights that GLPI's profiles grant.
const (
	Read   Right = 1
	Update Right = 2
	Create Right = 4
	Delete Right = 8
	Purge  Right = 16
)

// ProfileRef names a profile.
type ProfileRef struct {
	ID   int
	Name string
}

// Scope is who is asking and what they may see, as GLPI has it for a session.
// It is shared between callers: don't change it.
type Scope struct {
	UserID         int
	Username       string
	FirstName      string
	LastName       string
	Language       string // "en_GB"
	Profile        ProfileRef
	Rights         map[string]int // right name ("flyvemdm:agent") to its bits
	EntityID       int            // the active entity
	Recursive      bool           // with its descendants
	EntityIDs      []int          // all active entities, sorted
	GuestProfileID int            // Flyve MDM's profile for invited people, 0: unknown
	Plugins        []string       // sorted
	ListLimit      int            // the viewer's preferred page size
}

// Can tells whether the profile grants a bit of a right.
func (s *Scope) Can(right string, bit Right) bool { return s.Rights[right]&int(bit) != 0 }

// SeesEntity tells whether an entity is among the active ones.
func (s *Scope) SeesEntity(id int) bool {
	_, found := slices.BinarySearch(s.EntityIDs, id)
	return found
}

// Scope tells who is asking. The answer is kept for 30 seconds; Unauthenticated
// means that the session has ended.
func (s *Session) Scope(ctx context.Context) (*Scope, error) { return nil, errNotYet }
