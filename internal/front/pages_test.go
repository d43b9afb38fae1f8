package front_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestGraphiQLIsWhole follows the page's references: all are served here, and none leads elsewhere.
func TestGraphiQLIsWhole(t *testing.T) {
	f, _ := newFront(t, nil)
	page := text(t, ask(f, "GET", "/graphiql", ""))
	references := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(references) < 6 {
		t.Fatalf("only %d references in %s", len(references), page)
	}
	for _, reference := range references {
		target := reference[1]
		if target == "data:," {
			continue
		}
		if !strings.HasPrefix(target, "/graphiql/") {
			t.Errorf("%s leads elsewhere", target)
			continue
		}
		if response := ask(f, "GET", target, ""); response.StatusCode != 200 || len(text(t, response)) < 1000 {
			t.Errorf("%s: got %d", target, response.StatusCode)
		}
	}
	if inline := regexp.MustCompile(`<script(?: [^>]*)?>[^<]`).FindString(page); inline != "" {
		t.Errorf("the security policy forbids %s", inline)
	}
	for _, name := range []string{"graphiql", "react", "react-dom", "graphql-ws"} {
		if licence := text(t, ask(f, "GET", "/graphiql/vendor/LICENSE."+name+".txt", "")); !strings.Contains(licence, "MIT") &&
			!strings.Contains(licence, "Permission is hereby granted") {
			t.Errorf("the licence of %s is not there", name)
		}
	}
}
