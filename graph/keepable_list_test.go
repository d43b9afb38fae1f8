package graph

import (
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/graph/schema"
)

// What a response may rest on is told field by field, by hand: a name that is misspelt would never be kept.
func TestWhatIsKeepableIsInTheSchema(t *testing.T) {
	parsed := gqlparser.MustLoadSchema(&ast.Source{Input: schema.SDL()})
	for name, fields := range keepable {
		definition := parsed.Types[name]
		if definition == nil {
			t.Errorf("the schema has no type %s", name)
			continue
		}
		for _, field := range fields {
			if field != "__typename" && definition.Fields.ForName(field) == nil {
				t.Errorf("%s has no field %s", name, field)
			}
		}
	}
}

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
