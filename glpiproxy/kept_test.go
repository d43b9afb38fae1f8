package glpiproxy_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"fleetgate/glpiproxy"
)

// kept are the ids of the agents that are in memory for a viewer.
func kept(ctx context.Context, t *testing.T, s *glpiproxy.Session, ids ...int) []int {
	t.Helper()
	found := map[int]bool{}
	for id, result := range glpiproxy.Kept[glpiproxy.Agent](ctx, s, ids) {
		if result.Err == nil && result.Item.ID != id {
			t.Errorf("%d is %d", id, result.Item.ID)
		}
		found[id] = true
	}
	return slices.Sorted(maps.Keys(found))
}

func TestWhatIsKeptIsGivenWithoutACall(t *testing.T) {
	d := newDemo(t, 6)
	agents := agentsOf(t, d.acme)
	one, other, theirs := agents[0].ID, agents[1].ID, agentsOf(t, d.globex)[0].ID
	d.takeCalls(false)
	if got := kept(t.Context(), t, d.acme, one, other); len(got) > 0 {
		t.Errorf("nothing was read by its id, got %v", got)
	}
	if calls := d.takeCalls(false); len(calls) > 0 {
		t.Errorf("calls %q", calls)
	}
	must(glpiproxy.GetMany[glpiproxy.Agent](t.Context(), d.acme, []int{one, theirs}))(t)
	d.takeCalls(false)
	n := &notes{seen: map[string]string{}}
	observed := glpiproxy.WithReadObserver(t.Context(), n)
	if got, want := kept(observed, t, d.acme, one, other, theirs, one), slices.Sorted(slices.Values([]int{one, theirs})); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n.spoilt || !slices.Contains(n.tags, "PluginFlyvemdmAgent:"+strconv.Itoa(one)) || n.seen[d.acme.String()] == "" {
		t.Errorf("observed were %+v", n)
	}
	for id, result := range glpiproxy.Kept[glpiproxy.Agent](t.Context(), d.acme, []int{theirs}) {
		if result.Err == nil {
			t.Errorf("another company's agent %d: %v", id, result.Err)
		}
	}
	if got := kept(t.Context(), t, d.globex, one, other); len(got) > 0 {
		t.Errorf("another company has %v", got)
	}
	if calls := d.takeCalls(false); len(calls) > 0 {
		t.Errorf("calls %q", calls)
	}
	d.client.DeviceChanged(glpiproxy.DeviceCommanded)
	if got := kept(t.Context(), t, d.acme, one); len(got) > 0 {
		t.Errorf("it has changed since, got %v", got)
	}
	stranger := d.client.Resume("a session that nobody has opened")
	if got := kept(t.Context(), t, stranger, one); len(got) > 0 || len(d.takeCalls(false)) > 0 {
		t.Errorf("who is not known has %v", got)
	}
}

func TestWaitingForGLPIIsTold(t *testing.T) {
	d := newDemo(t, 6)
	agent := agentsOf(t, d.acme)[0]
	var told atomic.Int32
	ctx := glpiproxy.BeforeWaiting(t.Context(), func(ctx context.Context) {
		if ctx.Value(kindOfCall{}) != "mine" {
			t.Error("it is not the caller's context")
		}
		told.Add(1)
	})
	ctx = context.WithValue(ctx, kindOfCall{}, "mine")
	for _, test := range []struct {
		name  string
		read  func() error
		waits bool
	}{
		{"an item", func() error { _, err := glpiproxy.Get[glpiproxy.Agent](ctx, d.acme, agent.ID); return err }, true},
		{"an item in memory", func() error { _, err := glpiproxy.Get[glpiproxy.Agent](ctx, d.acme, agent.ID); return err }, false},
		{"items in memory", func() error {
			_, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, d.acme, []int{agent.ID})
			return err
		}, false},
		{"a fresh list", func() error {
			_, err := glpiproxy.List[glpiproxy.Agent](ctx, d.acme, glpiproxy.ListOptions{Fresh: true})
			return err
		}, true},
		{"a write", func() error {
			_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "Paris", EntityID: agent.EntityID})
			return err
		}, true},
	} {
		told.Store(0)
		if err := test.read(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if waits := told.Load() > 0; waits != test.waits {
			t.Errorf("%s: told of waiting: %t", test.name, waits)
		}
	}
}

type kindOfCall struct{}
