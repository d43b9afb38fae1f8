package acceptance

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The README's own commands and answers, tried on the demo as it runs without settings.
func TestTheREADMEIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0")
	for name := range demo.urls {
		if !strings.Contains(readme, "\n"+name) {
			t.Errorf("the README does not show the printed line %q", name)
		}
	}

	requests := regexp.MustCompile(`-d '(\{.*\})'`).FindAllStringSubmatch(readme, -1)
	answers := regexp.MustCompile("(?s)```json\n(\\{.*?)```").FindAllStringSubmatch(readme, -1)
	if len(requests) != 2 || len(answers) != 3 {
		t.Fatalf("%d requests and %d answers in the README; this test knows two and three", len(requests), len(answers))
	}
	ask := func(token, request string) map[string]any {
		var body struct {
			Query string
		}
		if err := json.Unmarshal([]byte(request), &body); err != nil {
			t.Fatal(err)
		}
		a := demo.ask(token, body.Query, nil)
		return decoded(t, string(encode(t, map[string]any{"data": a.Data, "errors": a.Errors})))
	}
	signedIn := ask("", requests[0][1])
	login := signedIn["data"].(map[string]any)["login"].(map[string]any)
	token, _ := login["token"].(string)
	if !strings.HasPrefix(token, "fg1.") {
		t.Fatalf("the README's sign-in answered %v", signedIn)
	}

	// What the README shows of devices is what the demo has, but for their presence, which changes.
	shown, got := decoded(t, answers[1][1]), ask(token, requests[1][1])
	withoutPresence(shown["data"])
	withoutPresence(got["data"])
	if !reflect.DeepEqual(shown["data"], got["data"]) {
		t.Errorf("the README shows\n%v\nand the demo answers\n%v", shown["data"], got["data"])
	}

	mistake := decoded(t, answers[2][1])["errors"].([]any)[0].(map[string]any)
	refused := demo.ask("", `{ agents { totalCount } }`, nil)
	if mistake["message"] != refused.Errors[0].Message || mistake["extensions"].(map[string]any)["code"] != refused.code() {
		t.Errorf("the README shows %v and the demo answers %+v", mistake, refused.Errors)
	}

	subscription := regexp.MustCompile("(?s)```graphql\n(subscription.*?)```").FindStringSubmatch(readme)
	if subscription == nil {
		t.Fatal("no subscription in the README")
	}
	var event struct{ DeviceEvents struct{ Serial string } }
	demo.subscribe("graphql-transport-ws", token, subscription[1], nil).event(&event)
	if event.DeviceEvents.Serial == "" {
		t.Error("the README's subscription brought an event without a serial")
	}
}

// The settings that the README lists are those that the program has.
func TestTheREADMEListsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Settings\n")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(row[1], -1) {
			listed[name[1]] = true
		}
	}
	help, _, _ := once(t, nil, "demo", "--help")
	known := map[string]bool{}
	for _, flag := range regexp.MustCompile(`(?m)^\s+--(?:\[no-\])?([a-z-]+)`).FindAllStringSubmatch(help, -1) {
		known[flag[1]] = true
	}
	delete(known, "help")
	if !reflect.DeepEqual(listed, known) {
		t.Errorf("the README lists %v,\nthe program has %v", listed, known)
	}
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

func withoutPresence(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "presence")
		for _, below := range value {
			withoutPresence(below)
		}
	case []any:
		for _, below := range value {
			withoutPresence(below)
		}
	}
}
