package graph_test

import (
	"slices"
	"testing"
)

func TestTheStatesOfATaskPageByPage(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	task := w.fleetWithTasks(token)["tasks"].([]any)[0].(map[string]any)
	query := `query ($id: ID!, $after: String, $states: [TaskState!]) { node(id: $id) { ... on Task { statuses(first: 2, after: $after, states: $states) {
	  totalCount pageInfo { hasNextPage endCursor } edges { cursor } nodes { state agent { databaseId } } } } } }`
	seen, after, byState := []float64{}, any(nil), map[any]int{}
	for {
		a := w.must(token, query, map[string]any{"id": task["id"], "after": after})
		for _, node := range a.at("node", "statuses", "nodes").([]any) {
			seen = append(seen, node.(map[string]any)["agent"].(map[string]any)["databaseId"].(float64))
			byState[node.(map[string]any)["state"]]++
		}
		if after = a.at("node", "statuses", "pageInfo", "endCursor"); a.at("node", "statuses", "pageInfo", "hasNextPage") != true {
			if total := a.at("node", "statuses", "totalCount"); total != float64(len(seen)) {
				t.Errorf("%v in all, %d seen", total, len(seen))
			}
			break
		}
	}
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) || len(seen) < 3 {
		t.Errorf("got %v", seen)
	}
	for state, n := range byState {
		a := w.must(token, query, map[string]any{"id": task["id"], "states": []any{state}})
		if got := a.at("node", "statuses", "totalCount"); got != float64(n) {
			t.Errorf("%v %v, want %d", got, state, n)
		}
	}
}

func TestTheStatesOfADevicePageByPage(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	query := `query ($id: ID!, $first: Int, $after: String, $states: [TaskState!]) { agent(id: $id) { taskStatuses(first: $first, after: $after, states: $states) {
	  totalCount pageInfo { hasNextPage endCursor } nodes { taskId state task { databaseId } } } } }`
	device := w.must(token, `{ agents(first: 500) { nodes { id taskStatuses { totalCount } } } }`, nil)
	id := device.at("agents", "nodes", 0, "id")
	for i := range device.at("agents", "nodes").([]any) {
		if device.at("agents", "nodes", i, "taskStatuses", "totalCount").(float64) > 2 {
			id = device.at("agents", "nodes", i, "id")
		}
	}
	all := w.must(token, query, map[string]any{"id": id}).at("agent", "taskStatuses", "nodes").([]any)
	var walked, tasks []any
	for after := any(nil); len(walked) <= len(all); {
		a := w.must(token, query, map[string]any{"id": id, "first": 1, "after": after})
		walked = append(walked, a.at("agent", "taskStatuses", "nodes", 0, "taskId"))
		tasks = append(tasks, a.at("agent", "taskStatuses", "nodes", 0, "task", "databaseId"))
		if after = a.at("agent", "taskStatuses", "pageInfo", "endCursor"); a.at("agent", "taskStatuses", "pageInfo", "hasNextPage") != true {
			break
		}
	}
	byState := map[any]int{}
	for i, status := range all {
		byState[status.(map[string]any)["state"]]++
		if i >= len(walked) || walked[i] != status.(map[string]any)["taskId"] {
			t.Errorf("walked %v, want %v", walked, all)
		}
	}
	if len(walked) != len(all) || len(all) < 3 || !slices.IsSortedFunc(tasks, func(a, b any) int { return int(a.(float64) - b.(float64)) }) {
		t.Errorf("walked %v of %v", tasks, all)
	}
	for state, n := range byState {
		if got := w.must(token, query, map[string]any{"id": id, "states": []any{state}}).at("agent", "taskStatuses", "totalCount"); got != float64(n) {
			t.Errorf("%v %v, want %d", got, state, n)
		}
	}
}
