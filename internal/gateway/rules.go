package gateway

import (
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/settings"
)

// rulesOf are what the operator allows of what can't be undone.
func rulesOf(s settings.Gateway) (dangerzone.Rules, error) {
	rules := dangerzone.Rules{Profiles: s.DangerZoneProfiles, MostTargets: s.DangerZoneTargets, Reauthenticate: s.DangerZoneReauth}
	quiet, err := s.QuietHours()
	if quiet != nil {
		rules.Quiet = quiet
	}
	return rules, err
}
