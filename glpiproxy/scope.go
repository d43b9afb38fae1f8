package glpiproxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
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
	Plugins        []string       // sorted; nil: this GLPI does not tell
	ListLimit      int            // the viewer's preferred page size

	fingerprint string         // the same for one person's scopes of one visibility only
	visibility  string         // the same for scopes that are equal but for the person
	location    *time.Location // of the dates that GLPI gives this session
}

const (
	// scopeTTL is how long a session is believed to live and be the same.
	scopeTTL = 30 * time.Second
	// maxScopes bounds the sessions that are remembered.
	maxScopes = 10_000
)

// Can tells whether the profile grants a bit of a right.
func (s *Scope) Can(right string, bit Right) bool { return s.Rights[right]&int(bit) != 0 }

// Can tells whether the viewer's profile grants a right on the items of a type. The viewer's entities and the item
// itself may still refuse it.
func Can[T Item](s *Scope, right Right) bool {
	var kind T
	return s.Can(traitsOf(kind.itemtype()).right, right)
}

// Has tells whether this GLPI has items of a type at all: not those of a plugin
// that is missing or off. Where GLPI does not tell its plugins they are believed
// to be there; then a read ends with Unsupported.
func Has[T Item](s *Scope) bool {
	var kind T
	plugin := pluginOf(kind.itemtype())
	return plugin == "" || s.Plugins == nil || slices.Contains(s.Plugins, plugin)
}

// SeesEntity tells whether an entity is among the active ones.
func (s *Scope) SeesEntity(id int) bool {
	_, found := slices.BinarySearch(s.EntityIDs, id)
	return found
}

// isGuest tells of Flyve MDM's profile for invited people, under which a mere GET
// of an agent changes its MQTT password.
func (s *Scope) isGuest() bool { return s.GuestProfileID > 0 && s.Profile.ID == s.GuestProfileID }

// Scope tells who is asking. The answer is kept for 30 seconds, and longer while
// GLPI is away; Unauthenticated means that the session has ended.
func (s *Session) Scope(ctx context.Context) (*Scope, error) {
	scope, err := s.scope(ctx)
	if o, ok := observer(ctx); ok && err == nil {
		o.Same(s.tag, scope.View())
		o.Rests(s.client.now().Add(scopeTTL), s.tag)

	}
	return scope, err
}

func (s *Session) scope(ctx context.Context) (*Scope, error) {
	c := s.client
	if found, ok := c.scopes.get(s.tag); ok {
		return found.(*Scope), nil
	}
	since := c.scopes.begin()
	key := fmt.Sprint("scope|", s.tag, "|", c.scopes.lastVoided([]string{s.tag}))
	found, _, err := c.flights.do(ctx, key, "getFullSession", func(ctx context.Context) (any, error) {
		if found, ok := c.scopes.get(s.tag); ok { // an equal look has ended just now
			return found, nil
		}
		scope, err := s.readScope(ctx)
		if err != nil {
			return nil, err
		}
		c.scopes.put(s.tag, scope, 0, scopeTTL, since, s.tag)
		return scope, nil
	})
	if c.away(ctx, err) {
		if old, at, ok := c.scopes.stale(s.tag); ok {
			c.reportStale(ctx, at, 1)
			return old.(*Scope), nil
		}
	}
	if err != nil {
		return nil, err
	}
	return found.(*Scope), nil
}

// Known tells, without a call, whether GLPI has said lately that the session lives. A
// text that somebody made up is never known.
func (s *Session) Known() bool {
	_, _, ok := s.client.scopes.stale(s.tag)
	return ok
}

func (s *Session) readScope(ctx context.Context) (*Scope, error) {
	const operation = "getFullSession"
	a, raw, err := s.callJSON(ctx, call{operation: operation, path: "/getFullSession"})
	if err != nil {
		return nil, err
	}
	session, err := unwrapSession(raw)
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	scope, err := decodeScope(session)
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	scope.location = s.client.location
	if scope.location == nil {
		scope.location = s.client.clock.location(plain(session["glpi_currenttime"]), a.header.Get("Date"))
	}
	scope.visibility = scope.look(session)
	scope.fingerprint = hash(scope.UserID, scope.visibility)
	return scope, nil
}

// unwrapSession accepts both forms: {"session":{…}} and the older plain object.
func unwrapSession(raw json.RawMessage) (row, error) {
	r, err := parseRow(raw)
	if err != nil {
		return nil, err
	}
	if inner, err := parseRow(r["session"]); err == nil {
		return inner, nil
	}
	return r, nil
}

// decodeScope picks the few known fields out of the whole $_SESSION.
func decodeScope(r row) (*Scope, error) {
	scope := &Scope{
		UserID:         r.int("glpiID"),
		Username:       r.text("glpiname"),
		FirstName:      r.text("glpifirstname"),
		LastName:       r.text("glpirealname"),
		Language:       r.text("glpilanguage"),
		EntityID:       r.int("glpiactive_entity"),
		Recursive:      r.bool("glpiactive_entity_recursive"),
		GuestProfileID: r.int("plugin_flyvemdm_guest_profiles_id"),
		ListLimit:      r.int("glpilist_limit"),
		Rights:         map[string]int{},
	}
	profile, err := parseRow(r["glpiactiveprofile"])
	if err != nil || scope.UserID <= 0 {
		return nil, errors.New("the session names no user or no profile")
	}
	scope.Profile = ProfileRef{ID: profile.int("id"), Name: profile.text("name")}
	for name, value := range profile {
		if bits, ok := intOf(value); ok && name != "id" {
			scope.Rights[name] = bits
		}
	}
	entities, _ := members(r["glpiactiveentities"])
	for _, m := range entities {
		if id, ok := intOf(m.value); ok {
			scope.EntityIDs = append(scope.EntityIDs, id)
		}
	}
	slices.Sort(scope.EntityIDs)
	scope.EntityIDs = slices.Compact(scope.EntityIDs)
	plugins, told := members(r["glpi_plugins"])
	if told {
		scope.Plugins = []string{}
	}
	for _, m := range plugins {
		scope.Plugins = append(scope.Plugins, textOf(m.value))
	}
	slices.Sort(scope.Plugins)
	return scope, nil
}

// Visibility is the same for viewers to whom GLPI shows the same of everything but what is a person's own: whoever they
// are, it is their profile, their rights, their entities, their language and their time zone that decide. So it is for
// people, too, oneself among them: GLPI shows those who have a profile in one of the viewer's entities to whoever has the
// right (User::canViewItem of 9.3 and of 10). shared is false for a viewer whose rights are of the kind that only hold
// for their own: there is nobody like them.
func (s *Scope) Visibility() (key string, shared bool) {
	return s.visibility, !s.isGuest() && !s.hasRightsToOwn()
}

// View is the same text for sessions that may be given the same answers, where nothing in them is a person's own, and for
// no others: those of one Visibility, or of one person where that is not shared.
func (s *Scope) View() string {
	if key, shared := s.Visibility(); shared {
		return key
	}
	return s.fingerprint
}

// look is the key of everything that decides what GLPI shows to a session, but for whose it is.
func (s *Scope) look(session row) string {
	_, offset := time.Time{}.In(s.location).Zone() // of a zone that is not configured the same for all it is fixed
	return hash(s.Profile.ID, s.EntityID, s.Recursive, s.Language, s.EntityIDs, s.Rights, s.GuestProfileID, s.Plugins, offset,
		session["glpiparententities"], // what is recursive there is seen from below
		// How the person wants names: searches for people join first and last name in that order, and GLPI's own names for
		// what it points to come so.
		session["glpinames_format"], session["glpiis_ids_visible"], session["glpiuse_flat_dropdowntree"])
}

// commonRights are the bits that mean the same to every viewer. Those above them are the item types' own, and among them
// are, since GLPI 10, those to read what is assigned to oneself or is one's own.
const commonRights = 1<<8 - 1

// hasRightsToOwn says whether there is an item type of which the viewer may read some only, and others with the same
// rights may read others.
func (s *Scope) hasRightsToOwn() bool {
	for _, itemtype := range []string{
		"PluginFlyvemdmAgent", "PluginFlyvemdmFleet", "PluginFlyvemdmPolicy", "PluginFlyvemdmPolicyCategory",
		"PluginFlyvemdmTaskstatus", "PluginFlyvemdmGeolocation", "PluginFlyvemdmFile", "PluginFlyvemdmPackage",
		"PluginFlyvemdmWellknownpath", "PluginFlyvemdmInvitation", "PluginFlyvemdmInvitationlog", "QueuedNotification",
		"Computer", "Entity", "SoftwareVersion", "User", "Location", "UserTitle",
	} {
		if bits := s.Rights[traitsOf(itemtype).right]; bits&int(Read) == 0 && bits&^commonRights != 0 {
			return true
		}
	}
	return false
}

func hash(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil { // numbers and texts always marshal
		text = fmt.Appendf(nil, "%+v", values)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
