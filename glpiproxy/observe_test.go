package glpiproxy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"fleetgate/glpiproxy"
)

// notes are what an observer was told.
type notes struct {
	tags   []string
	until  time.Time
	spoilt bool
	seen   map[string]string
}

func (n *notes) Rests(until time.Time, tags ...string) {
	n.until, n.tags = until, append(n.tags, tags...)
}
func (n *notes) Same(session, view string) { n.seen[session] = view }
func (n *notes) Spoil()                    { n.spoilt = true }

func TestReadsAreObserved(t *testing.T) {
	d := newDemo(t, 6)
	agent := agentsOf(t, d.acme)[0]
	item, list := fmt.Sprint("PluginFlyvemdmAgent:", agent.ID), "PluginFlyvemdmAgent:*"
	for _, test := range []struct {
		name   string
		read   func(ctx context.Context) error
		tag    string
		spoilt bool
	}{
		{"an item", func(ctx context.Context) error {
			_, err := glpiproxy.Get[glpiproxy.Agent](ctx, d.acme, agent.ID)
			return err
		}, item, false},
		{"some items", func(ctx context.Context) error {
			_, err := glpiproxy.GetMany[glpiproxy.Agent](ctx, d.acme, []int{agent.ID})
			return err
		}, item, false},
		{"a list", func(ctx context.Context) error {
			_, err := glpiproxy.List[glpiproxy.Agent](ctx, d.acme, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 3}})
			return err
		}, list, false},
		{"a count", func(ctx context.Context) error { _, err := glpiproxy.Count[glpiproxy.Agent](ctx, d.acme); return err }, list, false},
		{"a fresh list", func(ctx context.Context) error {
			_, err := glpiproxy.List[glpiproxy.Agent](ctx, d.acme, glpiproxy.ListOptions{Fresh: true})
			return err
		}, list, true},
		{"fresh items", func(ctx context.Context) error {
			_, err := glpiproxy.GetFresh[glpiproxy.Agent](ctx, d.acme, []int{agent.ID})
			return err
		}, "", true},
		{"the viewer's profiles", func(ctx context.Context) error { _, err := d.acme.Profiles(ctx); return err }, "", true},
	} {
		for _, way := range []string{"first", "again"} {
			n := &notes{seen: map[string]string{}}
			if err := test.read(glpiproxy.WithReadObserver(t.Context(), n)); err != nil {
				t.Fatal(err)
			}
			if n.spoilt != test.spoilt || test.tag != "" && !slices.Contains(n.tags, test.tag) {
				t.Errorf("%s, %s: spoilt %t, tags %q, want %q", test.name, way, n.spoilt, n.tags, test.tag)
			}
			scope := must(d.acme.Scope(t.Context()))(t)
			if test.tag != "" && (n.seen[d.acme.String()] != scope.View() || !n.until.After(time.Now())) {
				t.Errorf("%s, %s: until %s, view %v", test.name, way, n.until, n.seen)
			}
		}
	}
	if must(d.acme.Scope(t.Context()))(t).View() == must(d.globex.Scope(t.Context()))(t).View() {
		t.Error("two companies see the same")
	}
}
