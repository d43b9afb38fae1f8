package graph_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleetgate/graph/model"
	sim "fleetgate/internal/sim/glpi"
)

// TestKeptResponsesCanBeTrusted has viewers of several visibilities ask at random, often the same, while they and others
// write, move between entities and profiles, sign out, and while devices speak. A response that may have been kept must be
// the very one that the same viewer gets for the same question in words that were never used before, which is executed;
// and it must have been made for somebody with the same profile, rights, entities and language, whoever that was.
// It goes on for 8 seconds, for 30 with FLEETGATE_REAL=1.
func TestKeptResponsesCanBeTrusted(t *testing.T) {
	budget := 8 * time.Second
	if os.Getenv("FLEETGATE_REAL") != "" {
		budget = 30 * time.Second
	}
	setChecks(t, 1) // a check lasts some seconds: their number is up to the budget
	a := newAudience(t)
	for began := time.Now(); time.Since(began) < budget && !t.Failed(); {
		rapid.Check(t, func(r *rapid.T) {
			r.Repeat(map[string]func(*rapid.T){
				"ask": a.ask, "ask again": a.ask, "ask in a crowd": a.crowd, "pass on": a.passOn, "write": a.write, "write again": a.write, "write amid questions": a.writeAmid,
				"switch entity": a.switchEntity, "switch profile": a.switchProfile, "sign in anew": a.signInAnew, "a device speaks": a.deviceSpeaks,
			})
		})
	}
	if a.hits < 50 || a.misses < 50 {
		t.Errorf("only %d responses were kept ones, %d were not", a.hits, a.misses)
	}
	t.Logf("of %d responses that others could have had, %d were theirs", a.equals, a.shared)
	if a.shared == 0 || a.shared < a.equals/2 {
		t.Errorf("of %d responses that others could have had, only %d were theirs", a.equals, a.shared)
	}
}

// setChecks has rapid make so many checks for the rest of a test.
func setChecks(t *testing.T, count int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if err := checks.Set(strconv.Itoa(count)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Set(before) })
}

// audience is who asks, and what.
type audience struct {
	w         *world
	names     []string
	tokens    []string // by names
	writers   []string // tokens that see a whole company, whatever becomes of the others
	questions []string
	entities  []string // global ids
	profiles  []string
	agents    []any // global ids, of all companies
	fleets    []any
	serials   map[string]bool // of ACME's devices
	unique    int

	hits, misses   int
	equals, shared int // questions that somebody else of the same view had asked before, and those of them whose response was kept
}

func newAudience(t *testing.T) *audience {
	w := newWorld(t)
	glpi := w.operator()
	glpi.grant("admin@acme.test", "Self-Service", "ACME", 1)
	w.glpi.Grant("Fleet viewer", map[string]sim.Rights{"flyvemdm:geolocation": 0}) // no error tells who may not read that in a filter
	glpi.another("bea@acme.test", "Super-Admin", "ACME", "en_GB")
	glpi.another("fleur@acme.test", "Super-Admin", "ACME", "fr_FR")
	glpi.another("vic@acme.test", "Fleet viewer", "ACME", "en_GB")
	a := &audience{w: w, names: []string{
		"admin@acme.test", "admin@acme.test", "admin@globex.test", "viewer@acme.test", "bea@acme.test", "fleur@acme.test", "vic@acme.test",
	}}
	for _, name := range a.names {
		a.tokens = append(a.tokens, w.signIn(name))
	}
	for _, name := range []string{"ACME", "ACME Paris", "ACME Lyon", "Globex"} {
		a.entities = append(a.entities, glpi.entityID(name))
	}
	for _, profile := range w.must(a.tokens[0], `{ viewer { profiles { id } } }`, nil).at("viewer", "profiles").([]any) {
		a.profiles = append(a.profiles, profile.(map[string]any)["id"].(string))
	}
	if len(a.profiles) < 2 {
		t.Fatal("the admin has one profile only")
	}
	a.serials = w.devicesOf(a.tokens[0])
	a.writers = []string{w.signIn("admin@acme.test"), w.signIn("admin@acme.test"), w.signIn("admin@globex.test")}
	for _, token := range a.writers[1:] {
		found := w.must(token, `{ agents(first: 5) { nodes { id } } fleets(first: 5) { nodes { id } } }`, nil)
		for _, node := range found.at("agents", "nodes").([]any) {
			a.agents = append(a.agents, node.(map[string]any)["id"])
		}
		for _, node := range found.at("fleets", "nodes").([]any) {
			a.fleets = append(a.fleets, node.(map[string]any)["id"])
		}
	}
	a.questions = []string{
		pageOfDevices, `{ fleets { totalCount nodes { id name agents(first: 3) { totalCount nodes { name } } } } }`,
		`{ overview { agentCount fleetCount devicesByPresence { state count } devicesByFleet { fleet { name } count } } }`,
		`{ agents(first: 5, filter: {presence: [ONLINE]}) { totalCount nodes { serial } } }`,
		`{ viewer { username activeEntity { name } } agents(first: 1) { totalCount } }`,
		fmt.Sprintf(`{ agent(id: %q) { id name fleet { name } presence { state } } }`, a.agents[0]),
		fmt.Sprintf(`{ nodes(ids: [%q, %q, %q]) { id ... on Agent { name } ... on Fleet { name } } }`, a.agents[1], a.fleets[0], a.agents[6]),
		fmt.Sprintf(`{ node(id: %q) { ... on Entity { completeName } } }`, model.GlobalID("Entity", glpi.idOf("Entity", "ACME Paris"))),
		fmt.Sprintf(`{ user(id: %q) { username displayName isActive emails { address } language comment } }`, model.GlobalID("User", glpi.idOf("User", "bea@acme.test"))),
		fmt.Sprintf(`{ user(id: %q) { username displayName validUntil defaultEntity { name } } }`, model.GlobalID("User", glpi.idOf("User", "admin@acme.test"))),
		`{ agents(first: 9, filter: {search: "a"}) { totalCount nodes { owner { id username } } } }`,
		`{ policies { name description category { completeName } } }`,
	}
	return a
}

func (a *audience) question(r *rapid.T) string {
	return rapid.SampledFrom(a.questions).Draw(r, "question")
}
func (a *audience) someone(r *rapid.T) int { return rapid.IntRange(0, len(a.tokens)-1).Draw(r, "who") }

// ask compares what may have been kept with what is true.
func (a *audience) ask(r *rapid.T) { a.compare(r, a.someone(r), a.question(r)) }

func (a *audience) compare(r *rapid.T, who int, question string) {
	r.Helper()
	a.unique++
	got := a.w.post(a.tokens[who], question)
	truth := a.w.post(a.tokens[who], fmt.Sprint(question, " # ", a.unique))
	if inOrder(got.text) != inOrder(truth.text) {
		r.Fatalf("%s asks %s\nand gets a %s with\n%s\nwhen this is true:\n%s", a.names[who], question, got.came(), got.text, truth.text)
	}
	if got.came() == "HIT" {
		a.hits++
	} else {
		a.misses++
	}
	if strings.Contains(question, "viewer") && got.came() != "BYPASS" {
		r.Fatalf("what depends on the sign-in is a %s", got.came())
	}
}

// inOrder has the errors of a response, which come in any order, sorted.
func inOrder(text string) string {
	errs, data, ok := strings.Cut(text, `],"data":`)
	if !ok {
		return text
	}
	each := strings.Split(strings.TrimPrefix(errs, `{"errors":[`), `},{"message"`)
	for i := range each {
		each[i] = strings.Trim(strings.TrimPrefix(each[i], `{"message"`), "}")
	}
	slices.Sort(each)
	return fmt.Sprint(each, data)
}

// crowd has all ask the same at once.
func (a *audience) crowd(r *rapid.T) {
	question := a.question(r)
	var wg sync.WaitGroup
	for _, token := range a.tokens {
		wg.Go(func() { a.w.post(token, question) })
	}
	wg.Wait()
	for who := range a.tokens {
		a.compare(r, who, question)
	}
}

// passOn has everybody ask, one after the other, what nobody has asked in these words before: what is kept of it is for
// those only who see the same as somebody who has asked already.
func (a *audience) passOn(r *rapid.T) {
	views := make([]string, len(a.tokens))
	for who, token := range a.tokens {
		views[who] = a.w.post(token, `{ viewer { language profile { id } activeEntity { id } activeEntityRecursive entities { id } } }`).text
	}
	for range 4 {
		a.passOnOne(r, views)
	}
}

func (a *audience) passOnOne(r *rapid.T, views []string) {
	a.unique++
	question := fmt.Sprint(a.question(r), " # passed on ", a.unique)
	had := map[string]string{} // responses, by who may have them
	for _, who := range rapid.Permutation(a.everybody()).Draw(r, "order") {
		view, got := views[who], a.w.post(a.tokens[who], question)
		kept, equal := had[view]
		switch {
		case got.came() == "HIT" && !equal:
			r.Fatalf("%s asks %s\nand gets what was made for somebody who sees something else:\n%s", a.names[who], question, got.text)
		case got.came() == "HIT" && got.text != kept:
			r.Fatalf("%s asks %s\nand gets\n%s\nwhen others like them got\n%s", a.names[who], question, got.text, kept)
		case equal && keptIf(got):
			a.equals++
		}
		if got.came() == "HIT" {
			a.shared++
		}
		had[view] = got.text
	}
}

// keptIf tells of responses that are kept where nothing changes meanwhile.
func keptIf(got reply) bool { return got.came() != "BYPASS" && !strings.Contains(got.text, `"errors"`) }

func (a *audience) everybody() []int {
	all := make([]int, len(a.tokens))
	for i := range all {
		all[i] = i
	}
	return all
}

// anyWrite draws a mutation of one of the companies' admins; some are refused, as with the other company's devices.
func (a *audience) anyWrite(r *rapid.T) (writer, query string, variables map[string]any) {
	a.unique++
	variables = map[string]any{
		"agent": rapid.SampledFrom(a.agents).Draw(r, "agent"), "fleet": rapid.SampledFrom(a.fleets).Draw(r, "fleet"), "name": fmt.Sprint("name ", a.unique),
	}
	writer = rapid.SampledFrom(a.writers).Draw(r, "writer")
	return writer, rapid.SampledFrom([]string{
		`mutation ($agent: ID!, $name: String!) { updateAgent(input: {id: $agent, name: $name}) { userErrors { code } } }`,
		`mutation ($agent: ID!, $fleet: ID!) { moveAgents(input: {agentIds: [$agent], fleetId: $fleet}) { userErrors { code } } }`,
		`mutation ($fleet: ID!, $name: String!) { updateFleet(input: {id: $fleet, name: $name}) { userErrors { code } } }`,
		`mutation ($name: String!) { createFleet(input: {name: $name}) { userErrors { code } } }`,
	}).Draw(r, "write"), variables
}

// around has everybody ask before something, so that there is something to forget, and after it.
func (a *audience) around(r *rapid.T, do func()) {
	questions := []string{pageOfDevices, a.questions[1], a.question(r)}
	for _, question := range questions {
		for _, token := range a.tokens {
			a.w.post(token, question)
		}
	}
	do()
	for _, question := range questions {
		for who := range a.tokens {
			a.compare(r, who, question)
		}
	}
}

func (a *audience) write(r *rapid.T) {
	writer, query, variables := a.anyWrite(r)
	a.around(r, func() { a.w.ask(writer, query, variables) })
}

// writeAmid has everybody ask while somebody writes: none of the responses that were being made may stay.
func (a *audience) writeAmid(r *rapid.T) {
	question := a.question(r)
	writer, query, variables := a.anyWrite(r)
	var wg sync.WaitGroup
	for _, token := range a.tokens {
		wg.Go(func() { a.w.post(token, question) })
	}
	a.w.ask(writer, query, variables)
	wg.Wait()
	for who := range a.tokens {
		a.compare(r, who, question)
	}
}

func (a *audience) switchEntity(r *rapid.T) {
	who, entity := a.someone(r), rapid.SampledFrom(a.entities).Draw(r, "entity")
	a.switching(r, who, switchEntity, map[string]any{"entity": entity, "recursive": rapid.Bool().Draw(r, "recursive")})
}

func (a *audience) switchProfile(r *rapid.T) {
	who := rapid.IntRange(0, 1).Draw(r, "who")
	a.switching(r, who, switchProfile, map[string]any{"profile": rapid.SampledFrom(a.profiles).Draw(r, "profile")})
}

// switching has a session see something else, while that very session asks.
func (a *audience) switching(r *rapid.T, who int, query string, variables map[string]any) {
	question := a.question(r)
	a.around(r, func() {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { a.w.post(a.tokens[who], question) })
		}
		a.w.ask(a.tokens[who], query, variables)
		wg.Wait()
	})
	for each := range a.tokens {
		a.compare(r, each, question)
	}
}

func (a *audience) signInAnew(r *rapid.T) {
	who := a.someone(r)
	ended := a.tokens[who]
	question := a.question(r)
	a.around(r, func() {
		a.w.must(ended, `mutation { logout { ended } }`, nil)
		a.tokens[who] = a.w.signIn(a.names[who])
	})
	if got := a.w.post(ended, question); got.came() == "HIT" || !strings.Contains(got.text, "UNAUTHENTICATED") {
		r.Fatalf("whose session has ended gets a %s with %s", got.came(), got.text)
	}
}

// deviceSpeaks waits until the bridge has heard a device, which an answer that is not kept tells: what it says is news, or
// nothing would tell.
func (a *audience) deviceSpeaks(r *rapid.T) {
	device := rapid.SampledFrom(a.w.demo.Devices).Draw(r, "device")
	if !a.serials[device.Serial] {
		return
	}
	listener := a.w.signIn("admin@acme.test")
	shows := func(state string) bool {
		a.unique++
		heard := a.w.post(listener, fmt.Sprint(`{ agents(first: 500) { nodes { serial presence { state } } } } # `, a.unique))
		return strings.Contains(heard.text, fmt.Sprintf(`"serial":%q,"presence":{"state":%q`, device.Serial, state))
	}
	online := !shows("ONLINE")
	state := map[bool]string{true: "ONLINE", false: "OFFLINE"}[online]
	a.around(r, func() {
		a.w.publish(device.Topic+"/Status/Online", fmt.Sprintf(`{"online":%t}`, online))
		for deadline := time.Now().Add(10 * time.Second); !shows(state); {
			if time.Now().After(deadline) {
				r.Fatalf("the bridge never heard %s", device.Serial)
			}
		}
	})
}
