package graph

import (
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"fleetgate/graph/generated"
)

// personal are the types that an event leads to and whose fields may depend on who asks: people, whom GLPI shows to
// themselves in another way than to others, links that are made in the viewer's name, and what is found by searching for
// people.
var personal = []string{
	"User", "UserEmail", "NamedEntry", "ProfileGrant",
	"Application", "File", "Invitation", "InvitationDelivery", "InvitationLogEntry",
	"AgentConnection", "AgentEdge",
	"SimCard", "PhoneLine", // nobody has looked closely
}

// Every type that an event leads to is known to be the one or the other: whoever adds one has to decide.
func TestEveryTypeBehindAnEventIsClassified(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		definition := schema.Types[name]
		if seen[name] || !definition.IsCompositeType() {
			return
		}
		seen[name] = true
		if slices.Contains(impersonal, name) == slices.Contains(personal, name) {
			t.Errorf("%s is to be either personal or impersonal", name)
		}
		for _, field := range definition.Fields {
			visit(field.Type.Name())
		}
		for _, possible := range schema.GetPossibleTypes(definition) {
			visit(possible.Name)
		}
	}
	visit("DeviceEvent")
	for _, name := range slices.Concat(impersonal, personal) {
		if !seen[name] && name != "Subscription" {
			t.Errorf("no event leads to %s", name)
		}
	}
}

func TestWhatIsPersonal(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	for query, want := range map[string]bool{
		`{ deviceEvents { __typename kind agent { __typename name fleet { name } } } }`:                               false,
		`{ deviceEvents { ...E } } fragment E on DeviceEvent { agent { ...A } } fragment A on Agent { name }`:         false,
		`{ deviceEvents { ...E } } fragment E on DeviceEvent { agent { ...A } } fragment A on Agent { owner { id } }`: true,
		`{ deviceEvents { agent { owner { username } } } }`:                                                           true,
		`{ deviceEvents { ... on TaskStatusChanged { agent { owner { id } } } } }`:                                    true,
		`{ deviceEvents { agent @skip(if: true) { owner { id } } } }`:                                                 true,
		`{ deviceEvents { agent { fleet { agents { totalCount } } } } }`:                                              true,
		`{ deviceEvents { agent { tasks { task { value { ... on DeployedFile { fileId } } } } } } }`:                  false,
		`{ deviceEvents { agent { tasks { task { value { ... on DeployedFile { file { id } } } } } } } }`:             true,
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
