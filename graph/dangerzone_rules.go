package graph

import (
	"errors"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/dangerzone"
)

// ruleCodes are the codes of what the operator's rules forbid, and the fields at fault.
var ruleCodes = map[dangerzone.Rule]struct {
	code  model.UserErrorCode
	field []string
}{
	dangerzone.RuleProfile: {model.UserErrorCodeForbidden, []string{"input"}},
	dangerzone.RuleTargets: {model.UserErrorCodeBadUserInput, []string{"input", "agentIds"}},
	dangerzone.RuleQuiet:   {model.UserErrorCodeQuietHours, []string{"input"}},
}

// againstRules is which of the operator's rules an action on so many devices would break; nil where it breaks none.
func (r *Resolver) againstRules(scope *glpiproxy.Scope, action dangerzone.Action, targets int) *model.UserError {
	var refusal *dangerzone.Refusal
	if !errors.As(r.DangerZoneRules.Refuse(scope.Profile, action, targets, r.Now()), &refusal) {
		return nil
	}
	broken := ruleCodes[refusal.Rule]
	return userError(broken.code, sentence(refusal.Why), broken.field...)
}
