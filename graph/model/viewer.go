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
	update := glpiproxy.Can[glpiproxy.Agent](v.Scope, glpiproxy.Update)
	return &ViewerRights{
		CanReadAgents:         glpiproxy.Can[glpiproxy.Agent](v.Scope, glpiproxy.Read),
		CanUpdateAgents:       update,
		CanLocate:             update && glpiproxy.Can[glpiproxy.Geolocation](v.Scope, glpiproxy.Read),
		CanWipe:               update,
		CanUnenroll:           update,
		CanDeleteAgents:       glpiproxy.Can[glpiproxy.Agent](v.Scope, glpiproxy.Purge),
		CanReadInvitations:    glpiproxy.Can[glpiproxy.Invitation](v.Scope, glpiproxy.Read),
		CanInvite:             glpiproxy.Can[glpiproxy.Invitation](v.Scope, glpiproxy.Create),
		CanManageInvitations:  manages[glpiproxy.Invitation](v.Scope),
		CanReadFleets:         glpiproxy.Can[glpiproxy.Fleet](v.Scope, glpiproxy.Read),
		CanManageFleets:       manages[glpiproxy.Fleet](v.Scope),
		CanReadPolicies:       glpiproxy.Can[glpiproxy.Policy](v.Scope, glpiproxy.Read),
		CanManageTasks:        update && holdsAll[glpiproxy.Fleet](v.Scope, glpiproxy.Update) && holdsAll[glpiproxy.Policy](v.Scope, glpiproxy.Read),
		CanReadTaskStatuses:   glpiproxy.Can[glpiproxy.TaskStatus](v.Scope, glpiproxy.Read),
		CanReadFiles:          glpiproxy.Can[glpiproxy.File](v.Scope, glpiproxy.Read),
		CanManageFiles:        manages[glpiproxy.File](v.Scope),
		CanReadApplications:   glpiproxy.Can[glpiproxy.Application](v.Scope, glpiproxy.Read),
		CanManageApplications: manages[glpiproxy.Application](v.Scope),
		CanReadPositions:      glpiproxy.Can[glpiproxy.Geolocation](v.Scope, glpiproxy.Read),
		CanReadComputers:      glpiproxy.Can[glpiproxy.Computer](v.Scope, glpiproxy.Read),
		CanReadUsers:          glpiproxy.Can[glpiproxy.User](v.Scope, glpiproxy.Read),
		CanManageUsers:        holdsAll[glpiproxy.User](v.Scope, glpiproxy.Create, glpiproxy.Update, glpiproxy.Delete),

		CanReadEntitySettings:   glpiproxy.Can[glpiproxy.EntityConfig](v.Scope, glpiproxy.Read),
		CanUpdateEntitySettings: holdsAll[glpiproxy.EntityConfig](v.Scope, glpiproxy.SetDeviceLimit, glpiproxy.SetDownloadURL, glpiproxy.SetTokenLife),
	}
}

// manages says whether a viewer may create, change and delete the items of a type.
func manages[T glpiproxy.Item](s *glpiproxy.Scope) bool {
	return holdsAll[T](s, glpiproxy.Create, glpiproxy.Update, glpiproxy.Purge)
}

// holdsAll says whether a viewer's profile has every one of some rights on the items of a type.
func holdsAll[T glpiproxy.Item](s *glpiproxy.Scope, rights ...glpiproxy.Right) bool {
	for _, right := range rights {
		if !glpiproxy.Can[T](s, right) {
			return false
		}
	}
	return true
}
