package graph

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// GLPI checks values hardly at all (a whole number may be "12abc"), and what it lets through goes to the devices.

// mostValue is how many bytes of a value GLPI keeps; it cuts the rest off without a word.
const mostValue = 255

// undoing is the word that devices take, wherever it stands in a message, for the end of a policy.
const undoing = "default"

// valueFields are the input's fields for the types of policies.
var valueFields = map[model.PolicyType]string{
	model.PolicyTypeBoolean: "boolean", model.PolicyTypeInteger: "integer", model.PolicyTypeString: "text",
	model.PolicyTypeDropdown: "option", model.PolicyTypeDeployApplication: "application", model.PolicyTypeDeployFile: "file",
	model.PolicyTypeRemoveApplication: "packageName", model.PolicyTypeRemoveFile: "path",
}

// given are the fields that an input gives a value in.
func given(v model.TypedValue) []string {
	var names []string
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"boolean", v.Boolean != nil}, {"integer", v.Integer != nil}, {"text", v.Text != nil}, {"option", v.Option != nil},
		{"application", v.Application != nil}, {"file", v.File != nil}, {"packageName", v.PackageName != nil}, {"path", v.Path != nil},
	} {
		if field.given {
			names = append(names, field.name)
		}
	}
	return names
}

// give takes the value of an input that fits the wish's policy.
func (w *wish) give(v model.TypedValue, known mentioned) {
	names, want := given(v), valueFields[w.policy.Type()]
	switch {
	case len(names) == 0:
		w.refuse(badAt(fmt.Sprintf("The policy needs a value: give %q.", want), w.field...))
		return
	case len(names) > 1:
		w.refuse(badAt(fmt.Sprintf("Give one value only, %q.", want), w.field...))
		return
	case names[0] != want:
		w.refuse(badAt(fmt.Sprintf("The policy takes %q, not %q.", want, names[0]), w.at(names[0])...))
		return
	}
	switch w.policy.Type() {
	case model.PolicyTypeBoolean:
		w.value = map[bool]string{false: "0", true: "1"}[*v.Boolean]
	case model.PolicyTypeInteger:
		w.giveInteger(*v.Integer)
	case model.PolicyTypeDropdown:
		w.giveOption(*v.Option)
	case model.PolicyTypeDeployApplication:
		w.giveApplication(v.Application, known)
	case model.PolicyTypeDeployFile:
		w.giveFile(v.File, known)
	case model.PolicyTypeRemoveApplication:
		w.givePackageName(*v.PackageName)
	case model.PolicyTypeRemoveFile:
		w.givePath(*v.Path, known)
	default:
		w.giveText(*v.Text, "text")
	}
}

func (w *wish) giveInteger(n int) {
	if least := w.policy.Minimum(); least != nil && n < *least {
		w.refuse(badAt(fmt.Sprintf("The smallest value is %d.", *least), w.at("integer")...))
		return
	}
	w.value = strconv.Itoa(n)
}

func (w *wish) giveOption(key string) {
	var keys []string
	for _, choice := range w.policy.Choices() {
		keys = append(keys, choice.Key)
	}
	if !slices.Contains(keys, key) {
		w.refuse(badAt("It is none of the choices: "+strings.Join(keys, ", ")+".", w.at("option")...))
		return
	}
	w.value = key
}

// giveText takes a text that reaches devices as it is.
func (w *wish) giveText(text, field string) {
	if wrong := unfit(text); wrong != "" {
		w.refuse(badAt(wrong, w.at(field)...))
		return
	}
	w.value = text
}

// unfit says why a text would not reach devices as it is; "" when it would.
func unfit(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "It is empty."
	case len(text) > mostValue:
		return fmt.Sprintf("It is longer than the %d bytes that GLPI keeps.", mostValue)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "It has control characters."
	case strings.ContainsAny(text, `<>"\`):
		return `It has one of < > " \, which GLPI does not keep as they are.`
	case strings.Contains(text, undoing):
		return fmt.Sprintf("Devices take a message with the word %q for the end of a policy.", undoing)
	}
	return ""
}

// packageForm is the name of an Android package.
var packageForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)

func (w *wish) givePackageName(name string) {
	if w.giveText(name, "packageName"); w.value != "" && !packageForm.MatchString(name) {
		w.refuse(badAt("It is no name of an Android package, such as com.example.app.", w.at("packageName")...))
	}
}

func (w *wish) givePath(path string, known mentioned) {
	if w.giveText(path, "path"); w.value == "" {
		return
	}
	if wrong := known.misplaced(path); wrong != "" {
		w.refuse(badAt(wrong, w.at("path")...))
	} else if slices.Contains(known.paths, strings.TrimSuffix(path, "/")) {
		w.refuse(badAt("It is a well-known path as a whole: name a file below it.", w.at("path")...))
	}
}

func (w *wish) giveApplication(in *model.ApplicationDeploymentInput, known mentioned) {
	id, wrong := inputID("Application", in.ID, w.at("application", "id")...)
	if wrong != nil {
		w.refuse(wrong)
		return
	}
	application, ok := known.applications[id]
	switch {
	case !ok:
		w.refuse(unknownAt(w.at("application", "id")...))
	case application.ParseStatus == "failed":
		w.refuse(badAt("GLPI could not read this application's package.", w.at("application", "id")...))
	case strings.Contains(application.PackageName, undoing):
		w.refuse(badAt(unfit(application.PackageName), w.at("application", "id")...))
	default:
		w.deploy = &glpiproxy.Deployment{ApplicationID: id, RemoveOnDelete: in.RemoveOnDelete}
		w.leaves = application.PackageName
	}
}

func (w *wish) giveFile(in *model.FileDeploymentInput, known mentioned) {
	id, wrong := inputID("File", in.ID, w.at("file", "id")...)
	if wrong == nil && known.files[id] == nil {
		wrong = unknownAt(w.at("file", "id")...)
	}
	if wrong != nil {
		w.refuse(wrong)
	}
	if why := unfit(in.Destination); why != "" {
		w.refuse(badAt(why, w.at("file", "destination")...))
	} else if why := known.misplaced(in.Destination); why != "" {
		w.refuse(badAt(why, w.at("file", "destination")...))
	} else if len(deploymentText(in.Destination)) > mostValue {
		w.refuse(badAt("It is longer than GLPI keeps of a deployment.", w.at("file", "destination")...))
	}
	if len(w.wrong) > 0 {
		return
	}
	w.deploy = &glpiproxy.Deployment{FileID: id, Destination: in.Destination, RemoveOnDelete: in.RemoveOnDelete}
	w.leaves = leftPath(in.Destination, known.files[id].Name)
}

// deploymentText is as long as what GLPI keeps of a file's deployment.
func deploymentText(destination string) string {
	return `{"destination":` + strconv.QuoteToASCII(destination) + `,"remove_on_delete":"0"}`
}

// leftPath is where a deployed file lies on devices.
func leftPath(destination, name string) string {
	return strings.TrimSuffix(destination, "/") + "/" + name
}

// mentioned are the objects and paths that values mention, as far as the viewer may see them.
type mentioned struct {
	applications map[int]*glpiproxy.Application
	files        map[int]*glpiproxy.File
	paths        []string // the well-known ones
}

// misplaced says why a path is not below a well-known one; "" when it is. Agents follow "..", and they put a slash
// behind the path first.
func (m mentioned) misplaced(path string) string {
	for _, trick := range []string{"/../", "/./"} {
		if strings.Contains(path+"/", trick) {
			return "It has . or .. in it."
		}
	}
	if strings.Contains(path, "//") {
		return "It has an empty part."
	}
	for _, known := range m.paths {
		if path == known || strings.HasPrefix(path, known+"/") {
			return ""
		}
	}
	return "It does not begin with a well-known path: " + strings.Join(m.paths, ", ") + "."
}

// readMentioned reads, side by side, what values mention.
func readMentioned(ctx context.Context, values []model.TypedValue) (mentioned, error) {
	var applicationIDs, fileIDs []int
	usesPaths := false
	for _, v := range values {
		if v.Application != nil {
			applicationIDs = appendID(applicationIDs, "Application", v.Application.ID)
		}
		if v.File != nil {
			fileIDs = appendID(fileIDs, "File", v.File.ID)
		}
		usesPaths = usesPaths || v.File != nil || v.Path != nil
	}
	var m mentioned
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		m.applications, err = visible[glpiproxy.Application](ctx, applicationIDs)
		return err
	})
	group.Go(func() (err error) { m.files, err = visible[glpiproxy.File](ctx, fileIDs); return err })
	if usesPaths {
		group.Go(func() (err error) {
			m.paths, err = catalogue(ctx, func(p glpiproxy.WellKnownPath) string { return p.Name })
			return err
		})
	}
	return m, group.Wait()
}

// appendID leaves out what is no id, which is refused later, at its place.
func appendID(ids []int, typename, globalID string) []int {
	if found, id, err := model.ParseGlobalID(globalID); err == nil && found == typename {
		return append(ids, id)
	}
	return ids
}

// visible reads those of some items that the viewer may see.
func visible[T glpiproxy.Item](ctx context.Context, ids []int) (map[int]*T, error) {
	found := map[int]*T{}
	if len(ids) == 0 {
		return found, nil
	}
	results, err := readMany[T](ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		switch {
		case result.Err == nil:
			found[ids[i]] = &result.Item
		case !isUnreadable(result.Err):
			return nil, result.Err
		}
	}
	return found, nil
}
