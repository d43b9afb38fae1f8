package dangerzone

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"fleetgate/glpiproxy"
)

// Rules are what an operator allows beside what GLPI's profiles do: they only ever forbid. CANCEL_WIPE is free of them:
// it saves devices. The zero Rules refuse nothing.
type Rules struct {
	// Profiles are the names or ids of GLPI's profiles whose people may wipe, unenrol and delete; none: all of them.
	Profiles []string
	// MostTargets is how many devices there may be at once; 0: MostTargets of the package.
	MostTargets int
	// Quiet are the hours in which nothing is begun; nil: none.
	Quiet Hours
	// Reauthenticate says that the password is wanted again when a plan is confirmed.
	Reauthenticate bool
}

// Hours are times of the day.
type Hours interface {
	Contains(time.Time) bool
	String() string // as the operator wrote them
}

// Rule is which of the rules was broken.
type Rule string

// The rules.
const (
	RuleProfile Rule = "PROFILE"
	RuleTargets Rule = "TARGETS"
	RuleQuiet   Rule = "QUIET"
)

// Refusal is the error of what the operator's rules forbid.
type Refusal struct {
	Rule Rule
	Why  string // for a person
}

// Error says why.
func (r *Refusal) Error() string { return r.Why }

// Refuse says whether the rules forbid somebody with a profile an action on so many devices now. The error is a *Refusal.
func (r Rules) Refuse(who glpiproxy.ProfileRef, action Action, targets int, now time.Time) error {
	most := r.MostTargets
	if most == 0 {
		most = MostTargets
	}
	switch {
	case action == CancelWipe:
		return nil
	case len(r.Profiles) > 0 && !slices.Contains(r.Profiles, who.Name) && !slices.Contains(r.Profiles, strconv.Itoa(who.ID)):
		return &Refusal{RuleProfile, "the operator of this gateway does not let your profile do this"}
	case targets > most:
		return &Refusal{RuleTargets, fmt.Sprintf("the operator of this gateway allows %d devices at once", most)}
	case r.Quiet != nil && r.Quiet.Contains(now):
		return &Refusal{RuleQuiet, fmt.Sprintf("the operator of this gateway does not allow it in the quiet hours, %s", r.Quiet)}
	}
	return nil
}

// Wants says whether the password is wanted again for an action.
func (r Rules) Wants(action Action) bool { return r.Reauthenticate && action != CancelWipe }
