package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// This file makes, out of the schema, a call of every mutation for every place of an id in its input, so that a mutation
// which is added later is tried too.

// objects are one object of each type, by its type's name.
type objects map[string]string

// objectsOf finds objects that belong to the company of an administrator.
func (w *world) objectsOf(admin string) objects {
	w.t.Helper()
	token := w.signIn(admin)
	a := w.must(token, `{ agents(first: 500) { nodes { id entity { id } computer { id } owner { id } fleet { id isDefault tasks { id } } } }
	  invitations(first: 1) { nodes { id } } files(first: 1) { nodes { id } } applications(first: 1) { nodes { id } } policies { id symbol }
	  users(first: 100) { nodes { id grants { id } } } viewer { profile { id } } }`, nil)
	found := objects{
		"Invitation": a.at("invitations", "nodes", 0, "id").(string), "File": a.at("files", "nodes", 0, "id").(string),
		"Application": a.at("applications", "nodes", 0, "id").(string), "Profile": a.at("viewer", "profile", "id").(string),
		"Policy": a.at("policies", 0, "id").(string),
	}
	for i, node := range a.at("agents", "nodes").([]any) {
		agent := node.(map[string]any)
		fleet, _ := agent["fleet"].(map[string]any)
		if fleet == nil || fleet["isDefault"] == true || len(fleet["tasks"].([]any)) == 0 || agent["owner"] == nil {
			continue
		}
		found["Agent"], found["Fleet"] = agent["id"].(string), fleet["id"].(string)
		for typename, path := range map[string][]any{"Computer": {"computer", "id"}, "Entity": {"entity", "id"}, "User": {"owner", "id"}, "Task": {"fleet", "tasks", 0, "id"}} {
			found[typename] = a.at(append([]any{"agents", "nodes", i}, path...)...).(string)
		}
		break
	}
	for i, user := range a.at("users", "nodes").([]any) {
		if grants := user.(map[string]any)["grants"].([]any); len(grants) > 0 {
			found["ProfileGrant"] = a.at("users", "nodes", i, "grants", 0, "id").(string)
		}
	}
	if found["Agent"] == "" || found["ProfileGrant"] == "" {
		w.t.Fatalf("%s has no device in a fleet with tasks: %v", admin, found)
	}
	return found
}

// idTypes tell what the ids of an input are of; `id` and `ids` are of what the mutation is named after.
var idTypes = map[string]string{
	"agentId": "Agent", "agentIds": "Agent", "fleetId": "Fleet", "entityId": "Entity", "copyTasksFrom": "Fleet", "policyId": "Policy",
	"ownerId": "User", "userId": "User", "removeGrantIds": "ProfileGrant", "defaultEntityId": "Entity", "application.id": "Application",
	"file.id": "File", "invitationId": "Invitation", "invitationIds": "Invitation", "applicationId": "Application", "fileId": "File",
}

// unreached are places of ids that come to nothing before they are looked at: the task in the way is of another policy.
var unreached = []string{"updateTask/application.id", "updateTask/file.id"}

// shared are the ids of what belongs to nobody in particular.
var shared = []string{"profileId", "defaultProfileId", "titleId", "categoryId", "locationId", "captchaId", "policyId"}

// attempt is a mutation that needs no more than it must, but for one id of something foreign.
type attempt struct {
	mutation, path, typename string
	input                    map[string]any
}

// attempts are one for each place of an id in the input of each mutation.
func attempts(t *testing.T, parsed *ast.Schema, own, foreign objects) []attempt {
	var all []attempt
	for _, mutation := range parsed.Mutation.Fields {
		if len(mutation.Arguments) == 0 {
			continue
		}
		f := filler{t, parsed, mutation.Name, own}
		input := parsed.Types[mutation.Arguments[0].Type.Name()]
		f.eachID(input, nil, func(path []string, typename string) {
			id, known := foreign[typename]
			if !known {
				t.Errorf("%s: no foreign %s to try at %v", mutation.Name, typename, path)
				return
			}
			filled := f.fill(input, path, id)
			f.satisfy(input, filled)
			all = append(all, attempt{mutation.Name, strings.Join(path, "."), typename, filled})
		})
	}
	return all
}

// filler makes inputs.
type filler struct {
	t        *testing.T
	schema   *ast.Schema
	mutation string
	own      objects
}

// typeOf is the type of the object that an id means; "" where that belongs to nobody.
func (f filler) typeOf(path []string) string {
	name := path[len(path)-1]
	if slices.Contains(shared, name) {
		return ""
	}
	if typename, known := idTypes[name]; known {
		return typename
	}
	if len(path) > 1 {
		return idTypes[path[len(path)-2]+"."+name]
	}
	for _, typename := range []string{"Agent", "Application", "File", "Fleet", "Invitation", "Task", "User"} {
		if strings.HasSuffix(strings.TrimSuffix(f.mutation, "s"), typename) && (name == "id" || name == "ids") {
			return typename
		}
	}
	f.t.Errorf("%s: of which type is the id %v? Add it to idTypes", f.mutation, path)
	return ""
}

func (f filler) eachID(input *ast.Definition, above []string, do func(path []string, typename string)) {
	for _, field := range input.Fields {
		path := append(above[:len(above):len(above)], field.Name)
		of := f.schema.Types[field.Type.Name()]
		switch {
		case of.Name == "ID":
			if typename := f.typeOf(path); typename != "" {
				do(path, typename)
			}
		case of.Kind == ast.InputObject:
			f.eachID(of, path, do)
		}
	}
}

// fill gives an input what it must have, and an id at a path.
func (f filler) fill(input *ast.Definition, path []string, id string) map[string]any {
	filled := map[string]any{}
	for _, field := range input.Fields {
		onTheWay := len(path) > 0 && path[0] == field.Name
		if !onTheWay && (!field.Type.NonNull || field.DefaultValue != nil) {
			continue
		}
		var rest []string
		if onTheWay {
			rest = path[1:]
		}
		value := f.value(field, rest, id, onTheWay && len(rest) == 0)
		if field.Type.Elem != nil {
			value = []any{value}
		}
		filled[field.Name] = value
	}
	return filled
}

func (f filler) value(field *ast.FieldDefinition, rest []string, id string, isTarget bool) any {
	of := f.schema.Types[field.Type.Name()]
	switch {
	case isTarget:
		return id
	case of.Kind == ast.InputObject:
		filled := f.fill(of, rest, id)
		if of.Name == "PolicyValueInput" {
			f.complete(filled)
		}
		return filled
	case of.Kind == ast.Enum:
		return of.EnumValues[0].Name
	}
	switch of.Name {
	case "ID":
		if field.Name == "profileId" {
			return f.own["Profile"]
		}
		return f.own[f.typeOf([]string{field.Name})]
	case "Int":
		return 1000
	case "Boolean":
		return true
	case "EmailAddress":
		return "new@globex.test"
	case "Upload":
		return nil
	}
	return "%SDCARD%/x"
}

// satisfy gives an input what it needs though the schema doesn't say so: something to act on, and little time.
func (f filler) satisfy(input *ast.Definition, filled map[string]any) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return filled[name] != nil })
	}
	takes := func(name string) bool { return input.Fields.ForName(name) != nil }
	if takes("fleetId") && takes("agentId") && !has("fleetId", "agentId") {
		filled["fleetId"] = f.own["Fleet"]
	}
	if takes("packageName") && !has("packageName", "applicationId") {
		filled["packageName"] = "org.example"
	}
	if takes("supportName") {
		filled["supportName"] = "Somebody else"
	}
	if takes("timeoutMs") {
		filled["timeoutMs"] = 100
	}
}

// complete names the policy that a deployment is of.
func (f filler) complete(policy map[string]any) {
	switch {
	case policy["application"] != nil:
		policy["symbol"] = "deployApp"
	case policy["file"] != nil:
		policy["symbol"] = "deployFile"
	default:
		policy["symbol"], policy["boolean"] = "disableBluetooth", true
	}
}

// run executes an attempt with another object in the place of the foreign one, and hides that object in the answer.
func (w *world) run(token string, parsed *ast.Schema, a attempt, foreign, other string) (answer, string) {
	w.t.Helper()
	text, err := json.Marshal(a.input)
	if err != nil {
		w.t.Fatal(err)
	}
	var input map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), foreign, other)), &input); err != nil {
		w.t.Fatal(err)
	}
	field := parsed.Mutation.Fields.ForName(a.mutation)
	inner := ""
	if results := parsed.Types[field.Type.Name()].Fields.ForName("results"); results != nil {
		inner = " results { userErrors { code message field } }"
	}
	query := fmt.Sprintf(`mutation ($in: %s) { %s(input: $in) { userErrors { code message field }%s } }`, field.Arguments[0].Type, a.mutation, inner)
	got := w.ask(token, query, map[string]any{"in": input})
	return got, strings.ReplaceAll(got.text, other, "ID")
}
