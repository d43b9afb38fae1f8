package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTheExamplesWork runs what docs/examples.md shows, in its order, against a running demonstration. Comments in the
// document, which a reader doesn't see, say what to keep of an answer for later and which mistake is meant.
func TestTheExamplesWork(t *testing.T) {
	text, err := os.ReadFile("../../docs/examples.md")
	if err != nil {
		t.Fatal(err)
	}
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "40", "--events-per-second", "40")
	reader := &exampleReader{t: t, demo: demo, kept: map[string]string{}}
	steps := exampleSteps(string(text))
	for i, step := range steps {
		if !reader.follow(step) {
			t.Fatalf("the document breaks off at step %d of %d", i+1, len(steps))
		}
	}
	if reader.operations < 20 {
		t.Errorf("only %d operations were found in the document", reader.operations)
	}
}

// exampleStep is one fenced block or one comment of the document.
type exampleStep struct{ kind, text, variables string }

var exampleParts = regexp.MustCompile("(?ms)^```(graphql|json|sh)\n(.*?)^```$|^<!-- (keep|expect) (.*?) -->$")

// exampleSteps takes the document apart; a json block holds the variables of the operation before it.
func exampleSteps(text string) (steps []exampleStep) {
	for _, part := range exampleParts.FindAllStringSubmatch(text, -1) {
		switch {
		case part[1] == "json":
			steps[len(steps)-1].variables = part[2]
		case part[1] != "":
			steps = append(steps, exampleStep{kind: part[1], text: part[2]})
		default:
			steps = append(steps, exampleStep{kind: part[3], text: part[4]})
		}
	}
	return steps
}

// exampleReader does what the document says.
type exampleReader struct {
	t          *testing.T
	demo       *process
	kept       map[string]string
	expected   string // the code of the mistake that is meant
	last       any    // the data of the answer before
	operations int
}

func (r *exampleReader) follow(step exampleStep) bool {
	switch step.kind {
	case "expect":
		r.expected = step.text
		return true
	case "keep":
		return r.keep(step.text)
	case "sh":
		return r.shell(step.text)
	}
	r.operations++
	variables := map[string]any{}
	if step.variables != "" {
		if err := json.Unmarshal([]byte(r.fill(step.variables)), &variables); err != nil {
			r.t.Errorf("the variables are no JSON: %v\n%s", err, step.variables)
			return false
		}
	}
	var a answer
	if strings.HasPrefix(strings.TrimSpace(step.text), "subscription") {
		s := r.demo.subscribe("graphql-transport-ws", r.kept["token"], step.text, variables)
		f := s.read()
		if f.Type != "next" {
			r.t.Errorf("%s\nanswered %s %s", step.text, f.Type, f.Payload)
			return false
		}
		if err := json.Unmarshal(f.Payload, &a); err != nil {
			r.t.Error(err)
			return false
		}
	} else {
		a = r.demo.ask(r.kept["token"], step.text, variables)
	}
	return r.check(step.text, a)
}

// check wants no error, and only the mistake that is meant.
func (r *exampleReader) check(what string, a answer) bool {
	if len(a.Errors) > 0 {
		r.t.Errorf("%s\nanswered with errors: %+v", what, a.Errors)
		return false
	}
	if err := json.Unmarshal(a.Data, &r.last); err != nil {
		r.t.Error(err)
		return false
	}
	code := firstMistake(r.last)
	if code != r.expected {
		r.t.Errorf("%s\nanswered with the mistake %q instead of %q: %s", what, code, r.expected, a.Data)
	}
	r.expected = ""
	return true
}

// firstMistake is the code of a userError, wherever it is in the data.
func firstMistake(data any) string {
	switch data := data.(type) {
	case map[string]any:
		if wrong, _ := data["userErrors"].([]any); len(wrong) > 0 {
			code, _ := wrong[0].(map[string]any)["code"].(string)
			return code
		}
		for _, value := range data {
			if code := firstMistake(value); code != "" {
				return code
			}
		}
	case []any:
		for _, value := range data {
			if code := firstMistake(value); code != "" {
				return code
			}
		}
	}
	return ""
}

// keep takes "name = path.in.the.answer".
func (r *exampleReader) keep(what string) bool {
	name, path, _ := strings.Cut(what, " = ")
	value := r.last
	for _, step := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			if i, err := strconv.Atoi(step); err == nil && i < len(v) {
				value = v[i]
				continue
			}
			value = nil
		default:
			value = nil
		}
	}
	text, ok := value.(string)
	if !ok || text == "" {
		r.t.Errorf("there is no %s in %v", path, r.last)
		return false
	}
	r.kept[name] = text
	return true
}

var placeholder = regexp.MustCompile(`<(\w+)>`)

func (r *exampleReader) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, known := r.kept[name[1:len(name)-1]]
		if !known {
			r.t.Errorf("%s stands for nothing", name)
		}
		return value
	})
}

// shell runs a command of the document beside a file to upload.
func (r *exampleReader) shell(text string) bool {
	if _, err := exec.LookPath("curl"); err != nil {
		r.t.Skip("no curl here")
	}
	folder := r.t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "manual.pdf"), []byte(strings.Repeat("%PDF ", 1000)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	command := exec.CommandContext(r.t.Context(), "sh", "-c", text)
	command.Dir = folder
	command.Env = append(os.Environ(), "URL="+r.demo.urls["graphql"], "TOKEN="+r.kept["token"])
	out, err := command.Output()
	if err != nil {
		r.t.Errorf("%s\nended with %v: %s", text, err, out)
		return false
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		r.t.Error(fmt.Errorf("%w in %s", err, out))
		return false
	}
	r.operations++
	return r.check(text, a)
}
