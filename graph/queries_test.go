package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const agentFields = `id databaseId name serial version mdmType enrollStatus notificationType
  entity { id databaseId name completeName level } fleet { id databaseId name isDefault isRecursive entity { id } }
  owner { id username displayName firstName lastName phone mobile isActive }
  computer { id databaseId name serial uuid model manufacturer type comment modifiedAt }
  presence { state since lastContact source } wipeRequested lockRequested lastPosition { latitude longitude at }`

func TestAPageOfDevicesIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `{ agents(first: 50) { totalCount nodes { id name serial entity { name } fleet { name } owner { displayName }
	  computer { name serial } presence { state } } } }`
	var a answer
	cold := w.callsOf(func() { a = w.must(token, query, nil) })
	if len(cold) > 5 {
		t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
	}
	for i, node := range a.at("agents", "nodes").([]any) {
		for _, field := range []string{"name", "serial", "entity", "fleet", "owner", "computer", "presence"} {
			if node.(map[string]any)[field] == nil {
				t.Errorf("device %d has no %s", i, field)
			}
		}
	}
	if warm := w.callsOf(func() { w.must(token, query, nil) }); len(warm) != 0 {
		t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
	}
}

func TestTheViewerAsksForTheProfilesOnce(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	calls := w.callsOf(func() {
		a := w.must(token, `{ viewer { profile { name } profiles { name } } }`, nil)
		if name := a.at("viewer", "profile", "name"); name == nil || name != a.at("viewer", "profiles", 0, "name") {
			t.Errorf("got %s", a.text)
		}
	})
	if len(calls) != 1 {
		t.Errorf("%d calls to GLPI: %q", len(calls), calls)
	}
}

// The accounts that GLPI makes for devices are not people.
func TestPeopleAreCountedWithoutTheDevices(t *testing.T) {
	w := newWorld(t)
	service, err := glpiproxy.New(glpiproxy.Options{URL: w.rest})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	admin, err := service.SignIn(t.Context(), "admin@acme.test", glpi.DemoPassword)
	if err != nil {
		t.Fatal(err)
	}
	users, err := glpiproxy.List[glpiproxy.User](t.Context(), admin, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	people := 0
	for _, user := range users.Items {
		if !strings.HasPrefix(user.Username, "flyvemdm-") {
			people++
		}
	}
	counted := w.must(w.signIn("admin@acme.test"), `{ overview { userCount } }`, nil).at("overview", "userCount")
	if counted != float64(people) || people == len(users.Items) {
		t.Errorf("%v people counted, want %d of the %d users", counted, people, len(users.Items))
	}
}

func TestEveryFieldOfEveryTypeCanBeRead(t *testing.T) {
	w := newWorld(t)
	for _, admin := range []string{"admin@acme.test", "admin@globex.test"} {
		token := w.signIn(admin)
		a := w.must(token, `{
		  viewer { username displayName language user { id username } profile { id databaseId name entities { entityId name recursive } }
		    profiles { name } activeEntity { id name } activeEntityRecursive entities { id completeName }
		    rights { canReadAgents canUpdateAgents canWipe canUnenroll canDeleteAgents canReadInvitations canInvite canReadFleets
		      canManageFleets canReadPolicies canReadFiles canManageFiles canReadApplications canManageApplications canReadPositions
		      canReadComputers canReadUsers }
		    capabilities sessionExpiresAt }
		  gateway { version glpi { reachable since } broker { reachable since } capabilities }
		  overview { agentCount fleetCount invitationCount pendingInvitationCount fileCount applicationCount userCount }
		  agents(first: 5) { totalCount edges { cursor node { `+agentFields+` } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
		  fleets(first: 5) { totalCount nodes { id name agents(first: 3) { totalCount nodes { name } } } }
		  invitations(first: 5) { totalCount nodes { id databaseId state expiresAt user { username } entity { name } } }
		  policies { id databaseId symbol name group type choices { key label } minimum unique category { name completeName parent { name } }
		    description defaultValue recommendedValue requiresSystemPrivilege androidMinVersion androidMaxVersion appleMinVersion appleMaxVersion }
		  policyCategories { id databaseId name completeName parent { id } }
		}`, nil)
		if got := a.at("viewer", "username"); got != admin {
			t.Errorf("viewer is %v, want %s", got, admin)
		}
		if got := len(a.at("policies").([]any)); got != 41 {
			t.Errorf("%d policies, want the 41 that are shipped", got)
		}
		if got := a.at("viewer", "rights", "canWipe"); got != true {
			t.Errorf("an administrator may not wipe")
		}
		total, counted := a.at("agents", "totalCount"), a.at("overview", "agentCount")
		if total != counted || total.(float64) < 2 {
			t.Errorf("%v agents listed, %v counted", total, counted)
		}
	}
}

func TestSingleObjectsByTheirIDs(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	first := w.must(token, `{ agents(first: 1) { nodes { id databaseId entity { id } fleet { id } owner { id } computer { id } } }
	  invitations(first: 1) { nodes { id } } policies { id } policyCategories { id } }`, nil)
	ids := []string{}
	for _, path := range [][]any{
		{"agents", "nodes", 0, "id"}, {"agents", "nodes", 0, "entity", "id"}, {"agents", "nodes", 0, "fleet", "id"},
		{"agents", "nodes", 0, "owner", "id"}, {"agents", "nodes", 0, "computer", "id"}, {"invitations", "nodes", 0, "id"},
		{"policies", 0, "id"}, {"policyCategories", 0, "id"},
	} {
		ids = append(ids, first.at(path...).(string))
	}
	nodes := w.must(token, `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }`, map[string]any{"ids": ids})
	for i, id := range ids {
		one := w.must(token, `query ($id: ID!) { node(id: $id) { __typename id } }`, map[string]any{"id": id})
		if one.at("node", "id") != id || nodes.at("nodes", i, "id") != id || one.at("node", "__typename") != nodes.at("nodes", i, "__typename") {
			t.Errorf("%s came back as %v and %v", id, one.at("node"), nodes.at("nodes", i))
		}
	}
	for field, id := range map[string]string{"agent": ids[0], "fleet": ids[2], "invitation": ids[5]} {
		a := w.must(token, fmt.Sprintf(`query ($id: ID!) { %s(id: $id) { id } }`, field), map[string]any{"id": id})
		if a.at(field, "id") != id {
			t.Errorf("%s: got %v", field, a.at(field))
		}
	}
}

// A type that says it is a Node and that node can't find would break every Relay client.
func TestEveryNodeTypeOfTheSchemaCanBeFoundByItsID(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	types := w.must(token, `{ __type(name: "Node") { possibleTypes { name } } }`, nil).at("__type", "possibleTypes").([]any)
	for _, possible := range types {
		name := possible.(map[string]any)["name"].(string)
		a := w.ask(token, `query ($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": model.GlobalID(name, 987654)})
		if a.code() != "NOT_FOUND" {
			t.Errorf("a %s that is not there: %s", name, a.text)
		}
	}
	if len(types) < 8 {
		t.Errorf("only %d types of nodes", len(types))
	}
}

func TestManyNodesAreABatchForEachType(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	var ids []any
	for _, node := range w.must(token, `{ agents(first: 25) { nodes { id } } }`, nil).at("agents", "nodes").([]any) {
		ids = append(ids, node.(map[string]any)["id"])
	}
	calls := w.callsOf(func() {
		w.must(token, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": ids})
	})
	if len(calls) > 2 {
		t.Errorf("%d calls for %d nodes: %q", len(calls), len(ids), calls)
	}
}

// What is not there, what another company owns and what can't be an id must not be told apart by anyone who tries.
func TestNothingTellsAnotherCompanysObjectsFromMissingOnes(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	theirs := w.must(acme, `{ agents(first: 1) { nodes { id fleet { id } entity { id } computer { id } owner { id } } } invitations(first: 1) { nodes { id } } }`, nil)
	for typename, id := range map[string]any{
		"Agent": theirs.at("agents", "nodes", 0, "id"), "Fleet": theirs.at("agents", "nodes", 0, "fleet", "id"),
		"Entity": theirs.at("agents", "nodes", 0, "entity", "id"), "Computer": theirs.at("agents", "nodes", 0, "computer", "id"),
		"User": theirs.at("agents", "nodes", 0, "owner", "id"), "Invitation": theirs.at("invitations", "nodes", 0, "id"),
	} {
		query := `query ($id: ID!) { node(id: $id) { id } }`
		foreign := w.ask(globex, query, map[string]any{"id": id})
		missing := w.ask(globex, query, map[string]any{"id": model.GlobalID(typename, 987654)})
		if foreign.code() != "NOT_FOUND" || foreign.at("node") != nil {
			t.Errorf("another company's %s: %s", typename, foreign.text)
		}
		if foreign.Errors[0].Message != missing.Errors[0].Message || foreign.code() != missing.code() {
			t.Errorf("another company's %s answers %s, a missing one %s", typename, foreign.text, missing.text)
		}
		many := w.ask(globex, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": []any{id}})
		if many.code() != "NOT_FOUND" || many.at("nodes", 0) != nil {
			t.Errorf("another company's %s among nodes: %s", typename, many.text)
		}
	}
	for field, id := range map[string]any{
		"agent": theirs.at("agents", "nodes", 0, "id"), "fleet": theirs.at("agents", "nodes", 0, "fleet", "id"),
		"invitation": theirs.at("invitations", "nodes", 0, "id"),
	} {
		if a := w.ask(globex, fmt.Sprintf(`query ($id: ID!) { %s(id: $id) { id } }`, field), map[string]any{"id": id}); a.code() != "NOT_FOUND" || a.Data[field] != nil {
			t.Errorf("another company's %s: %s", field, a.text)
		}
	}
	mine, others := w.devicesOf(globex), w.devicesOf(acme)
	if len(mine)+len(others) != devices {
		t.Errorf("%d and %d devices, want %d together", len(mine), len(others), devices)
	}
	for serial := range mine {
		if others[serial] {
			t.Errorf("both companies see %s", serial)
		}
	}
}

func TestBadInputIsRefusedWithTheArgumentNamed(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	fleet := model.GlobalID("Fleet", 1)
	for query, named := range map[string]string{
		`{ agent(id: "17") { id } }`:                                                                  "id",
		`{ agent(id: "` + fleet + `") { id } }`:                                                       "Agent",
		`{ node(id: "` + model.GlobalID("Secret", 1) + `") { id } }`:                                  "Secret",
		`{ node(id: "QWdlbnQ6MA") { id } }`:                                                           "id", // Agent:0, with which GLPI answers a whole list
		`{ agents(first: 501) { totalCount } }`:                                                       "first",
		`{ agents(first: -1) { totalCount } }`:                                                        "first",
		`{ agents(first: 1, last: 1) { totalCount } }`:                                                "first",
		`{ agents(after: "x") { totalCount } }`:                                                       "after",
		`{ fleets(last: 501) { totalCount } }`:                                                        "last",
		`{ invitations(before: "x") { totalCount } }`:                                                 "before",
		`{ agents(filter: {fleetIds: []}) { totalCount } }`:                                           "fleetIds",
		`{ agents(filter: {fleetIds: ["x"]}) { totalCount } }`:                                        "fleetIds",
		`{ agents(filter: {entityIds: ["` + fleet + `"]}) { totalCount } }`:                           "entityIds",
		`{ agents(filter: {search: "a\\b"}) { totalCount } }`:                                         "backslashes",
		`{ agents(filter: {search: "` + strings.Repeat("a", 256) + `"}) { totalCount } }`:             "255",
		`{ agents(filter: {ownerIds: ["` + fleet + `"]}) { totalCount } }`:                            "ownerIds",
		`{ agents(filter: {presence: []}) { totalCount } }`:                                           "presence",
		`{ agents(filter: {os: []}) { totalCount } }`:                                                 "os",
		`{ agents(filter: {fleetIds: [` + strings.Repeat(`"`+fleet+`",`, 41) + `]}) { totalCount } }`: "fleetIds",
		`{ agents(orderBy: {field: COLOUR}) { totalCount } }`:                                         "COLOUR",
		`{ nonsense }`:     "nonsense",
		`{ agents(first: `: "",
		`query ($n: Int!) { agents(first: $n) { totalCount } }`:                  "n",
		`mutation { login(input: {username: "", password: "x"}) { token } } x {`: "",
	} {
		a := w.ask(token, query, nil)
		if a.code() != "BAD_USER_INPUT" || !strings.Contains(a.Errors[0].Message, named) {
			t.Errorf("%s: %s", query, a.text)
		}
	}
}

func TestErrorsAreInWordsForPeople(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ token, code, message string }{
		{"", "UNAUTHENTICATED", "sign in first"},
		{"fg1.nonsense", "UNAUTHENTICATED", "the sign-in token is not valid: sign in again"},
		{w.signIn("sally@acme.test"), "FORBIDDEN", "your profile does not allow this"},
	} {
		a := w.ask(c.token, `{ agents { totalCount } }`, nil)
		if a.code() != c.code || a.Errors[0].Message != c.message || a.at("agents") != nil {
			t.Errorf("got %s, want %s: %s", a.text, c.code, c.message)
		}
	}
}

// Whoever guesses somebody's password is slowed down; the one whose name it is can still sign in from elsewhere.
func TestGuessingIsSlowedDown(t *testing.T) {
	w := newWorld(t)
	try := func(password string) string {
		return w.must("", `mutation ($p: String!) { login(input: {username: "viewer@acme.test", password: $p}) { token userErrors { code } } }`,
			map[string]any{"p": password}).text
	}
	for i := range 10 {
		if got := try("wrong"); !strings.Contains(got, "UNAUTHENTICATED") {
			t.Fatalf("try %d: %s", i, got)
		}
	}
	if got := try("wrong"); !strings.Contains(got, "RATE_LIMITED") {
		t.Errorf("the eleventh try: %s", got)
	}
	if got := try("demo"); !strings.Contains(got, "RATE_LIMITED") {
		t.Errorf("the right password just after: %s", got)
	}
	w.signIn("admin@acme.test") // another name from the same address
}

// A device whose GPS is off was somewhere before.
func TestTheLastPositionOutlivesTheGPS(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	client, err := glpiproxy.New(glpiproxy.Options{URL: w.rest})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	device, err := client.SignInWithToken(t.Context(), mine.APIToken)
	if err != nil {
		t.Fatal(err)
	}
	report := func(at int, place string) {
		t.Helper()
		body := fmt.Sprintf(`{"input":{"_agents_id":%d,"computers_id":%d,"_datetime":"%d",%s}}`, mine.AgentID, mine.ComputerID, at, place)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.rest+"/PluginFlyvemdmGeolocation", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Session-Token", device.Token())
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("reporting %s: status %d", place, response.StatusCode)
		}
	}
	const noon = 2_000_000_000 // later than what the demonstration begins with
	report(noon, `"latitude":"48.5","longitude":"2.25"`)
	report(noon+60, `"_gps":"off"`)
	a := w.must(token, `query ($id: ID!) { agent(id: $id) { lastPosition { latitude longitude at } } }`, map[string]any{"id": model.GlobalID("Agent", mine.AgentID)})
	if a.at("agent", "lastPosition", "latitude") != 48.5 || a.at("agent", "lastPosition", "at") != "2033-05-18T03:33:20Z" {
		t.Errorf("got %s", a.text)
	}
}

// The transports send one response: what a query would put off comes with it, and nothing is left waiting to be fetched.
func TestWhatIsDeferredComesAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	a := w.must(admin, `{ agents(first: 2) { nodes { id ... @defer(label: "rest") { name fleet { name } entity { name } } } ... @defer { totalCount } } }`, nil)
	if strings.Contains(a.text, "hasNext") || a.at("agents", "nodes", 1, "fleet", "name") == nil || a.at("agents", "totalCount") == nil {
		t.Errorf("got %s", a.text)
	}
}

// An object may be asked for a field twice, by way of an interface and of its own type.
func TestAFieldThatIsSelectedTwiceComesOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	id := w.must(admin, `{ agents(first: 1) { nodes { id } } }`, nil).at("agents", "nodes", 0, "id")
	a := w.must(admin, `query ($id: ID!) { node(id: $id) { id ...on Agent { id name id } ...more } } fragment more on Agent { name databaseId id }`, map[string]any{"id": id})
	for _, field := range []string{`"id":`, `"name":`, `"databaseId":`} {
		if strings.Count(a.text, field) != 1 {
			t.Errorf("%s comes %d times: %s", field, strings.Count(a.text, field), a.text)
		}
	}
}
