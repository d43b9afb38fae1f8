package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

// add creates an item and answers its id.
func (o *operator) add(itemtype string, input map[string]any) int {
	o.w.t.Helper()
	var created struct{ ID int }
	o.call(http.MethodPost, "/"+itemtype, input, &created)
	return created.ID
}

const userFields = `id databaseId username displayName firstName lastName phone phone2 mobile emails { address isDefault }
  isActive isDeleted validFrom validUntil registrationNumber title { id databaseId name } category { name } location { name }
  language defaultEntity { id name } defaultProfile { name } comment lastLoginAt modifiedAt`

// peopleOf are the people whom a token sees, by user name.
func (w *world) peopleOf(token, arguments, fields string) map[string]answer {
	w.t.Helper()
	a := w.must(token, `{ users(first: 500`+arguments+`) { totalCount nodes { username `+fields+` } } }`, nil)
	found := map[string]answer{}
	for _, node := range a.at("users", "nodes").([]any) {
		person := answer{Data: node.(map[string]any)}
		found[person.at("username").(string)] = person
	}
	if total := a.at("users", "totalCount"); total != float64(len(found)) {
		w.t.Errorf("%v people in all, %d listed", total, len(found))
	}
	return found
}

func TestPeopleAreListedWithoutMachines(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.peopleOf(w.signIn("admin@acme.test"), "", "id"), w.peopleOf(w.signIn("admin@globex.test"), "", "id")
	for title, found := range map[string]map[string]answer{"acme.test": acme, "globex.test": globex} {
		if _, self := found["admin@"+title]; !self || len(found) < 10 {
			t.Errorf("%s: %d people, oneself among them: %t", title, len(found), self)
		}
		for username := range found {
			if strings.HasPrefix(username, "flyvemdm-") || strings.HasPrefix(username, "flyvenologin") {
				t.Errorf("%s: %s is no person", title, username)
			}
			if other := map[string]string{"acme.test": "@globex.test", "globex.test": "@acme.test"}[title]; strings.HasSuffix(username, other) {
				t.Errorf("%s sees %s", title, username)
			}
		}
	}
	counted := w.must(w.signIn("admin@acme.test"), `{ overview { userCount } }`, nil).at("overview", "userCount")
	if counted != float64(len(acme)) {
		t.Errorf("%v counted, %d listed", counted, len(acme))
	}
}

// The gateway's own account is nobody either.
func TestPeopleAreListedWithoutTheGateway(t *testing.T) {
	with, without := newWorldOf(t, glpi.Options{}, withService), newWorld(t)
	seen, all := with.peopleOf(with.signIn("admin@acme.test"), "", "id"), without.peopleOf(without.signIn("admin@acme.test"), "", "id")
	if _, there := seen["fleetgate-service"]; there || len(seen) != len(all)-1 {
		t.Errorf("%d people with a service account, %d without", len(seen), len(all))
	}
	found := with.peopleOf(with.signIn("admin@acme.test"), `, filter: {search: "fleetgate"}`, "id")
	if counted := with.must(with.signIn("admin@acme.test"), `{ overview { userCount } }`, nil).at("overview", "userCount"); counted != float64(len(seen)) || len(found) != 0 {
		t.Errorf("%v counted, %d listed, %d found", counted, len(seen), len(found))
	}
}

func TestAPageOfPeopleIsAHandfulOfCalls(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `{ users(first: 50) { totalCount nodes { ` + userFields + ` } } }`
	var a answer
	cold := w.callsOf(func() { a = w.must(token, query, nil) })
	if len(cold) > 8 {
		t.Errorf("%d calls to GLPI, cold: %q", len(cold), cold)
	}
	if warm := w.callsOf(func() { w.must(token, query, nil) }); len(warm) != 0 {
		t.Errorf("%d calls to GLPI, warm: %q", len(warm), warm)
	}
	titled, withEmail := 0, 0
	for _, node := range a.at("users", "nodes").([]any) {
		person := answer{Data: node.(map[string]any)}
		if person.at("title", "name") != nil {
			titled++
		}
		if address, _ := person.at("emails", 0, "address").(string); strings.Contains(address, "@acme.test") && person.at("emails", 0, "isDefault") == true {
			withEmail++
		}
	}
	if titled < 20 || withEmail < 20 {
		t.Errorf("%d with a title, %d with an address of ACME's: %s", titled, withEmail, a.text)
	}
	for _, secret := range []string{"token", "password", w.demo.Devices[0].APIToken} {
		if strings.Contains(strings.ToLower(a.text), strings.ToLower(secret)) {
			t.Errorf("the answer holds %q", secret)
		}
	}
}

func TestPeopleAreFiltered(t *testing.T) {
	w := newWorld(t)
	token, admin := w.signIn("admin@acme.test"), w.operator()
	all := w.peopleOf(token, "", userFields)
	ada := all["admin@acme.test"]
	var paris any
	for _, e := range w.must(token, `{ viewer { entities { id name } } }`, nil).at("viewer", "entities").([]any) {
		if e.(map[string]any)["name"] == "ACME Paris" {
			paris = e.(map[string]any)["id"]
		}
	}
	_, parisID, _ := model.ParseGlobalID(paris.(string))
	odd := admin.add("User", map[string]any{
		"name": "zoe.lemaire", "firstname": "Zoé Anne", "realname": "Le Maire", "is_active": "0",
		"_profiles_id": 1, "_entities_id": parisID, "_useremails": map[string]string{"-1": "first@mail.test"},
	})
	admin.add("UserEmail", map[string]any{"users_id": odd, "email": "second@mail.test"})
	title := ""
	for _, person := range all {
		if name, _ := person.at("title", "name").(string); name == "Driver" {
			title = person.at("title", "id").(string)
		}
	}
	drivers := 0
	for _, person := range all {
		if person.at("title", "name") == "Driver" {
			drivers++
		}
	}
	for name, c := range map[string]struct {
		filter string
		found  []string // all of them; nil: count
		count  int
	}{
		"by user name":              {`{search: "admin@ac"}`, []string{"admin@acme.test"}, 0},
		"by both names":             {`{search: "Ada Martin"}`, []string{"admin@acme.test"}, 0},
		"by both names, last first": {`{search: "martin ada"}`, []string{"admin@acme.test"}, 0},
		"by names of two words":     {`{search: "Le Maire Zoé"}`, []string{"zoe.lemaire"}, 0},
		"by the second address":     {`{search: "second@mail"}`, []string{"zoe.lemaire"}, 0},
		"by names and entity":       {`{search: "Zoé Anne Le Maire", entityIds: ["` + paris.(string) + `"]}`, []string{"zoe.lemaire"}, 0},
		"not in that entity":        {`{search: "Ada Martin", entityIds: ["` + paris.(string) + `"]}`, []string{}, 0},
		"inactive":                  {`{isActive: false}`, []string{"zoe.lemaire"}, 0},
		"of a title":                {`{titleId: "` + title + `"}`, nil, drivers},
		"nobody":                    {`{search: "no such person"}`, []string{}, 0},
		"a machine":                 {`{search: "flyvemdm-"}`, []string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.peopleOf(token, ", filter: "+c.filter, "id")
			if c.found == nil {
				if len(got) != c.count || c.count == 0 {
					t.Errorf("%d found, want %d", len(got), c.count)
				}
				return
			}
			var names []string
			for username := range got {
				names = append(names, username)
			}
			if slices.Sort(names); !slices.Equal(names, c.found) {
				t.Errorf("found %q, want %q", names, c.found)
			}
		})
	}
	zoe := w.must(token, `query ($id: ID!) { user(id: $id) { emails { address isDefault } } }`, map[string]any{"id": model.GlobalID("User", odd)})
	if got := fmt.Sprint(zoe.at("user", "emails")); got != "[map[address:first@mail.test isDefault:true] map[address:second@mail.test isDefault:false]]" {
		t.Errorf("addresses: %s", got)
	}
	if ada.at("defaultProfile", "name") != "Super-Admin" || ada.at("defaultEntity", "name") != "ACME" || ada.at("language") != "en_GB" {
		t.Errorf("Ada is %v", ada.Data)
	}
}

func TestPeopleAreSorted(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	for field, column := range map[string]string{"USERNAME": "username", "LAST_NAME": "lastName"} {
		var names []string
		for _, node := range w.must(token, `{ users(first: 500, orderBy: {field: `+field+`}) { nodes { username lastName } } }`, nil).at("users", "nodes").([]any) {
			name, _ := node.(map[string]any)[column].(string)
			names = append(names, strings.ToLower(name))
		}
		if !slices.IsSorted(names) {
			t.Errorf("by %s: %q", field, names)
		}
	}
	first := w.must(token, `{ users(first: 3, orderBy: {field: LAST_NAME, direction: DESC}) { nodes { id } pageInfo { endCursor hasNextPage } } }`, nil)
	next := w.must(token, `query ($c: String) { users(first: 3, after: $c, orderBy: {field: LAST_NAME, direction: DESC}) { nodes { id } } }`,
		map[string]any{"c": first.at("users", "pageInfo", "endCursor")})
	six := w.must(token, `{ users(first: 6, orderBy: {field: LAST_NAME, direction: DESC}) { nodes { id } } }`, nil)
	if got, want := fmt.Sprint(first.at("users", "nodes"), next.at("users", "nodes")), six.at("users", "nodes").([]any); got != fmt.Sprint(want[:3], want[3:]) {
		t.Errorf("pages of three: %s, of six: %v", got, want)
	}
}

func TestWhoMaySeePeople(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	ada := w.peopleOf(acme, "", "id grants { profile { name } entity { name } isRecursive }")["admin@acme.test"]
	if got := fmt.Sprint(ada.at("grants")); got != "[map[entity:map[name:ACME] isRecursive:true profile:map[name:Super-Admin]]]" {
		t.Errorf("Ada holds %s", got)
	}
	lyon := w.must(acme, `{ viewer { entities { id } } }`, nil).at("viewer", "entities", 0, "id")
	for name, c := range map[string]struct{ token, query, code string }{
		"another company's person": {globex, `{ user(id: "` + ada.at("id").(string) + `") { id } }`, "NOT_FOUND"},
		"nobody":                   {globex, `{ user(id: "` + model.GlobalID("User", 987654) + `") { id } }`, "NOT_FOUND"},
		"another company's entity": {globex, `{ users(filter: {entityIds: ["` + lyon.(string) + `"]}) { totalCount } }`, "NOT_FOUND"},
		"no right":                 {w.signIn("sally@acme.test"), `{ users { totalCount } }`, "FORBIDDEN"},
		"no right to one":          {w.signIn("sally@acme.test"), `{ user(id: "` + ada.at("id").(string) + `") { id } }`, "FORBIDDEN"},
		"nobody signed in":         {"", `{ users { totalCount } }`, "UNAUTHENTICATED"},
		"no id":                    {acme, `{ user(id: "7") { id } }`, "BAD_USER_INPUT"},
		"an id of something else":  {acme, `{ users(filter: {titleId: "` + ada.at("id").(string) + `"}) { totalCount } }`, "BAD_USER_INPUT"},
		"too much":                 {acme, `{ users(filter: {search: "` + strings.Repeat("é", 250) + `"}) { totalCount } }`, "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.ask(c.token, c.query, nil); a.code() != c.code {
				t.Errorf("got %s, want %s", a.text, c.code)
			}
		})
	}
}

func TestWhatFormsAboutPeopleOffer(t *testing.T) {
	w := newWorld(t)
	a := w.must(w.signIn("admin@acme.test"), `{ userFormChoices { titles { id name } categories { id } locations { id name } profiles { id name } } }`, nil)
	var titles []string
	for _, entry := range a.at("userFormChoices", "titles").([]any) {
		titles = append(titles, entry.(map[string]any)["name"].(string))
	}
	if !slices.Contains(titles, "Driver") || !slices.IsSorted(titles) {
		t.Errorf("titles: %q", titles)
	}
	for _, mine := range []string{"Super-Admin", "Self-Service", "Fleet viewer"} {
		if !strings.Contains(a.text, `"name":"`+mine+`"`) {
			t.Errorf("an administrator may give %s: %s", mine, a.text)
		}
	}
	// The viewer's profile may not read profiles: that list alone is missing.
	a = w.ask(w.signIn("viewer@acme.test"), `{ userFormChoices { titles { id } profiles { id } } }`, nil)
	if a.at("userFormChoices", "titles") == nil || a.at("userFormChoices", "profiles") != nil || a.code() != "FORBIDDEN" {
		t.Errorf("the viewer gets %s", a.text)
	}
}
