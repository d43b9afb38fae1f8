package graph

import (
	"slices"
	"testing"
)

// These depend on the moment, on what the gateway remembers, or on the sign-in. The list above would have to be wrong for
// them to be kept; so this one is written down beside it.
func TestWhatIsNeverKeepable(t *testing.T) {
	never := map[string][]string{
		"Query": {"viewer", "gateway", "invitation", "invitations", "deviceSlots", "users", "entitySettings", "userFormChoices", "__schema", "__type"},
		"File":  {"downloadUrl"}, "Application": {"downloadUrl"}, "Agent": {"invitation"}, "User": {"lastLoginAt", "grants", "defaultProfile"},
		"Overview": {"userCount", "invitationCount", "pendingInvitationCount"},
	}
	for name, fields := range never {
		for _, field := range fields {
			if slices.Contains(keepable[name], field) {
				t.Errorf("%s.%s is kept", name, field)
			}
		}
	}
	for _, name := range []string{"Mutation", "Subscription", "Viewer", "GatewayStatus", "Invitation", "InvitationEvent", "DeviceSlot", "PersonalDetails", "__Schema", "__Type"} {
		if fields := keepable[name]; fields != nil {
			t.Errorf("%v of %s are kept", fields, name)
		}
	}
}
