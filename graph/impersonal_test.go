package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"fleetgate/graph/generated"
)

// personal are the types and the fields ("Type.field") whose answers are never given to anybody but the one who asked, and
// why.
var personal = map[string]string{
	"Viewer": "is the one who asks", "Query.viewer": "is the one who asks",
	"Profile": "is one that the viewer holds", "ProfileEntity": "is where the viewer holds a profile",
	"GrantedEntity": "is what the viewer may switch to", "ViewerRights": "are the viewer's own", "PersonalDetails": "are the viewer's own",

	"Application.downloadUrl": "is made in the viewer's name", "File.downloadUrl": "is made in the viewer's name",

	"Query.dangerZoneOperation": "is shown to whoever confirmed it, too", "Subscription.dangerZoneProgress": "is shown to whoever confirmed it, too",
	"DangerZoneOperation": "is shown to whoever confirmed it, too", "DangerZoneTarget": "is shown to whoever confirmed it, too",

	"Query.gateway": "needs no sign-in, and is as of now", "GatewayStatus": "is as of now", "BackendHealth": "is as of now",
	"PasswordRules": "are the gateway's, read without a sign-in",

	"Query.auditTrail": "the gateway itself keeps it", "AuditEntry": "the gateway itself keeps it", "AuditEntryConnection": "the gateway itself keeps it",
	"AuditEntryEdge": "the gateway itself keeps it",

	"Query.deviceSlots": "what the gateway knows of enrolments", "DeviceSlot": "what the gateway knows of enrolments",
	"DeviceSlotConnection": "what the gateway knows of enrolments", "DeviceSlotEdge": "what the gateway knows of enrolments",
	"DeviceSlotCount": "what the gateway knows of enrolments",

	"Query.invitation": "depends on the moment", "Query.invitations": "depends on the moment",
	"InvitationConnection": "depends on the moment", "InvitationEdge": "depends on the moment",
	"Overview.invitationCount": "invitations depend on the moment", "Overview.pendingInvitationCount": "invitations depend on the moment",

	"Query.users": "nobody tells of sign-ins", "UserConnection": "nobody tells of sign-ins", "UserEdge": "nobody tells of sign-ins",
	"Overview.userCount": "leaves out the gateway's own account", "Query.userFormChoices": "has the profiles that the viewer may give",
	"UserFormChoices": "has the profiles that the viewer may give",

	"Query.entitySettings": "says what the viewer may change", "EntitySettings": "says what the viewer may change",
	"MissingSettingsRight": "says what the viewer may change", "IntSetting": "is of settings", "TextSetting": "is of settings", "EntityContact": "is of settings",

	"User.grants": "nobody has looked closely", "User.defaultProfile": "nobody has looked closely", "ProfileGrant": "nobody has looked closely",
	"Computer.simCards": "nobody has looked closely", "SimCard": "nobody has looked closely", "PhoneLine": "nobody has looked closely",
}

// Every field that a query or a subscription leads to is known to be the one or the other: whoever adds one has to decide,
// and to say why.
func TestEveryFieldIsClassified(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	known := map[string]bool{} // entries of the lists that the schema has
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		definition := schema.Types[name]
		if seen[name] || !definition.IsCompositeType() {
			return
		}
		seen[name] = true
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			for _, entry := range []string{name, name + "." + field.Name} {
				known[entry] = personal[entry] != ""
			}
			isPersonal := known[name] || known[name+"."+field.Name]
			kept, shared := slices.Contains(keepable[name], field.Name), slices.Contains(impersonal[name], field.Name)
			if count := len(slices.DeleteFunc([]bool{isPersonal, kept, shared}, func(is bool) bool { return !is })); count != 1 {
				t.Errorf("%s.%s is to be one of keepable, impersonal and personal, and is %d of them", name, field.Name, count)
			}
			visit(field.Type.Name())
		}
		for _, possible := range schema.GetPossibleTypes(definition) {
			visit(possible.Name)
		}
	}
	visit("Query")
	visit("Subscription")
	for entry, reason := range personal {
		if !known[entry] || reason == "" {
			t.Errorf("nothing leads to %s, or nobody says why it is personal", entry)
		}
	}
	for _, list := range []map[string][]string{keepable, impersonal} {
		for name, fields := range list {
			for _, field := range fields {
				if definition := schema.Types[name]; !seen[name] || field != "__typename" && definition.Fields.ForName(field) == nil {
					t.Errorf("nothing leads to %s.%s", name, field)
				}
			}
		}
	}
}

func TestWhatIsPersonal(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	for query, want := range map[string]bool{
		`{ deviceEvents { __typename kind agent { __typename name fleet { name } } } }`:                                                    false,
		`{ deviceEvents { ...E } } fragment E on DeviceEvent { agent { ...A } } fragment A on Agent { name }`:                              false,
		`{ deviceEvents { ...E } } fragment E on DeviceEvent { agent { ...A } } fragment A on Agent { owner { grants { id } } }`:           true,
		`{ deviceEvents { agent { invitation { id state user { username } } } } }`:                                                         false,
		`{ deviceEvents { agent { owner { username emails { address } lastLoginAt } } } }`:                                                 false,
		`{ deviceEvents { agent { owner { username grants { id } } } } }`:                                                                  true,
		`{ deviceEvents { ... on TaskStatusChanged { agent { computer { simCards { iccid } } } } } }`:                                      true,
		`{ deviceEvents { agent @skip(if: true) { owner { grants { id } } } } }`:                                                           true,
		`{ deviceEvents { agent { fleet { agents { totalCount nodes { owner { id } } } } } } }`:                                            false,
		`{ deviceEvents { agent { tasks { task { target { __typename } value { __typename ... on DeployedFile { file { id } } } } } } } }`: false,
		`{ deviceEvents { agent { tasks { task { value { ... on DeployedFile { file { downloadUrl } } } } } } } }`:                         true,
		`{ rolloutProgress(fleetId: "x") { percentDone } }`:                                                                                false,
		`{ dangerZoneProgress(operationId: "x") { done } }`:                                                                                true,
		`{ invitationEvents { invitation { agent { computer { simCards { iccid } } } } } }`:                                                true,
	} {
		document, errs := gqlparser.LoadQueryWithRules(schema, "subscription "+query, rules.NewDefaultRules())
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := isPersonal(&graphql.OperationContext{Operation: document.Operations[0]}); got != want {
			t.Errorf("%s is personal: %v", query, got)
		}
	}
}

// What is asked for is the same in whichever words, but for the cursor to begin after; everything else counts.
func TestTheKeyOfARequest(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	type request struct {
		query     string
		variables map[string]any
	}
	keyOf := func(r request) string {
		document, errs := gqlparser.LoadQueryWithRules(schema, r.query, rules.NewDefaultRules())
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return requestKey(&graphql.OperationContext{Doc: document, Operation: document.Operations[0], Variables: r.variables}, eventFilter{})
	}
	plain := request{query: `subscription { deviceEvents { kind } }`}
	withAfter := request{`subscription ($a: String) { deviceEvents(after: $a) { kind } }`, map[string]any{"a": "x"}}
	twice := func(cursor string) request {
		return request{`subscription ($a: String) { deviceEvents(after: $a) { agent { positions(after: $a) { totalCount } } } }`, map[string]any{"a": cursor}}
	}
	for name, c := range map[string]struct {
		a, b request
		same bool
	}{
		"blanks and commas":        {plain, request{query: "subscription\n{deviceEvents,{kind #\n}}"}, true},
		"another cursor":           {withAfter, request{withAfter.query, map[string]any{"a": "y"}}, true},
		"no cursor":                {withAfter, plain, true},
		"a cursor in the document": {request{query: `subscription { deviceEvents(after: "x") { kind } }`}, plain, true},
		"a cursor used twice":      {twice("x"), twice("y"), false},
		"another field":            {plain, request{query: `subscription { deviceEvents { kind at } }`}, false},
		"another alias":            {plain, request{query: `subscription { e: deviceEvents { kind } }`}, false},
		"another name":             {plain, request{query: `subscription X { deviceEvents { kind } }`}, false},
		"another filter":           {plain, request{query: `subscription { deviceEvents(filter: {kinds: [AGENT_ENROLLED]}) { kind } }`}, false},
		"another variable": {
			request{`subscription ($s: Boolean!) { deviceEvents { kind at @skip(if: $s) } }`, map[string]any{"s": true}},
			request{`subscription ($s: Boolean!) { deviceEvents { kind at @skip(if: $s) } }`, map[string]any{"s": false}}, false,
		},
		"another fragment": {
			request{query: `subscription { deviceEvents { ...F } } fragment F on DeviceEvent { kind }`},
			request{query: `subscription { deviceEvents { ...F } } fragment F on DeviceEvent { at }`}, false,
		},
	} {
		if (keyOf(c.a) == keyOf(c.b)) != c.same {
			t.Errorf("%s: the keys are the same: %v", name, !c.same)
		}
	}
}
