package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Whoever may do nothing can't push what others did out of the trail by trying, and takes nothing from those others.
func TestTheTrailIsNotFlooded(t *testing.T) {
	w := newWorld(t)
	admin, viewer := w.signIn("admin@acme.test"), w.signIn("viewer@acme.test")
	agent := w.objectsOf("admin@acme.test")["Agent"]
	var tries strings.Builder
	for i := range 30 {
		fmt.Fprintf(&tries, `t%d: updateAgent(input: {id: %q, name: "x"}) { agent { id } }`, i, agent)
	}
	var codes []string
	for range 40 {
		for _, wrong := range w.ask(viewer, "mutation {"+tries.String()+"}", nil).Errors {
			codes = append(codes, fmt.Sprint(wrong.Extensions["code"]))
		}
	}
	if most := slices.Index(codes, "RATE_LIMITED"); most < 990 || most > 1010 || codes[0] != "FORBIDDEN" || codes[len(codes)-1] != "RATE_LIMITED" {
		t.Errorf("of %d tries the first to be refused as one too many is number %d", len(codes), most)
	}
	w.must(admin, updateAgent, map[string]any{"in": map[string]any{"id": agent, "name": "renamed"}})
	total := w.must(admin, trailQuery, map[string]any{"f": map[string]any{"userId": w.must(viewer, `{ viewer { user { id } } }`, nil).at("viewer", "user", "id")}, "first": 1}).at("auditTrail", "totalCount")
	if n, _ := total.(float64); n < 1990 || n > 2050 {
		t.Errorf("%v entries are about one who tried in vain", total)
	}
}
