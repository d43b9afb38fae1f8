package model

import (
	"time"

	"fleetgate/glpiproxy"
)

// Viewer is who is signed in. It carries the session, because the one that `login` answers is not the one
// that sent the request.
type Viewer struct {
	Session          *glpiproxy.Session
	Scope            *glpiproxy.Scope
	HeldProfiles     func() ([]glpiproxy.Profile, error) // asks GLPI once, however many fields need them
	Capabilities     []Capability
	SessionExpiresAt *time.Time
}

// Username is the user's name at sign-in.
func (v Viewer) Username() string { return v.Scope.Username }

// DisplayName is first and last name, or the user name where there is none.
func (v Viewer) DisplayName() string {
	return DisplayName(v.Scope.FirstName, v.Scope.LastName, v.Scope.Username)
}

// Language is the language that GLPI answers this user in.
func (v Viewer) Language() *string { return text(v.Scope.Language) }

// ActiveEntityRecursive says whether the entities below the active one are included.
func (v Viewer) ActiveEntityRecursive() bool { return v.Scope.Recursive }

// Rights puts GLPI's bits into words. In GLPI one right, to update agents, covers renaming and wiping alike.
func (v Viewer) Rights() *ViewerRights {
	can := v.Scope.Can
	update := can("flyvemdm:agent", glpiproxy.Update)
	return &ViewerRights{
		CanReadAgents:         can("flyvemdm:agent", glpiproxy.Read),
		CanUpdateAgents:       update,
		CanWipe:               update,
		CanUnenroll:           update,
		CanDeleteAgents:       can("flyvemdm:agent", glpiproxy.Purge),
		CanReadInvitations:    can("flyvemdm:invitation", glpiproxy.Read),
		CanInvite:             can("flyvemdm:invitation", glpiproxy.Create),
		CanReadFleets:         can("flyvemdm:fleet", glpiproxy.Read),
		CanManageFleets:       can("flyvemdm:fleet", glpiproxy.Create) && can("flyvemdm:fleet", glpiproxy.Update) && can("flyvemdm:fleet", glpiproxy.Purge),
		CanReadPolicies:       can("flyvemdm:policy", glpiproxy.Read),
		CanReadFiles:          can("flyvemdm:file", glpiproxy.Read),
		CanManageFiles:        can("flyvemdm:file", glpiproxy.Create) && can("flyvemdm:file", glpiproxy.Update) && can("flyvemdm:file", glpiproxy.Purge),
		CanReadApplications:   can("flyvemdm:package", glpiproxy.Read),
		CanManageApplications: can("flyvemdm:package", glpiproxy.Create) && can("flyvemdm:package", glpiproxy.Update) && can("flyvemdm:package", glpiproxy.Purge),
		CanReadPositions:      can("flyvemdm:geolocation", glpiproxy.Read),
		CanReadComputers:      can("computer", glpiproxy.Read),
		CanReadUsers:          can("user", glpiproxy.Read),
	}
}
