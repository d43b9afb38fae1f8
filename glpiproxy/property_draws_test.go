package glpiproxy_test

import (
	"context"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"fleetgate/glpiproxy"
)

// This file is what TestTheCacheCanBeTrusted draws from: reads and writes.

// probe is a read that can be made by anybody through either client.
type probe struct {
	name string
	read func(*glpiproxy.Session) (any, error)
}

// anyProbe draws a read.
func (w *trial) anyProbe(r *rapid.T) probe {
	return rapid.SampledFrom([]func(*rapid.T) probe{
		func(r *rapid.T) probe { return probeOf[glpiproxy.Fleet](r, w) },
		func(r *rapid.T) probe { return probeOf[glpiproxy.Agent](r, w) },
		func(r *rapid.T) probe { return probeOf[glpiproxy.Computer](r, w) },
		func(r *rapid.T) probe { return probeOf[glpiproxy.Invitation](r, w) },
		func(r *rapid.T) probe { return probeOf[glpiproxy.User](r, w) },
		func(r *rapid.T) probe {
			id := w.anyID(r, "Fleet")
			return probe{fmt.Sprint("agents of fleet ", id), func(s *glpiproxy.Session) (any, error) {
				return glpiproxy.Children[glpiproxy.Fleet, glpiproxy.Agent](context.Background(), s, id, glpiproxy.ListOptions{})
			}}
		},
		func(r *rapid.T) probe {
			id := w.anyID(r, "Agent")
			return probe{fmt.Sprint("statuses of agent ", id), func(s *glpiproxy.Session) (any, error) {
				return glpiproxy.StatusesOfAgent(context.Background(), s, id)
			}}
		},
		func(r *rapid.T) probe {
			id := w.anyID(r, "Computer")
			return probe{fmt.Sprint("positions of computer ", id), func(s *glpiproxy.Session) (any, error) {
				return glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](context.Background(), s, id, glpiproxy.ListOptions{})
			}}
		},
	}).Draw(r, "subject")(r)
}

func (w *trial) anyID(r *rapid.T, name string) int {
	return rapid.SampledFrom(w.ids[name]).Draw(r, name)
}

// probeOf draws a read of a type.
func probeOf[T glpiproxy.Item](r *rapid.T, w *trial) probe {
	ctx, name := context.Background(), typeName[T]()
	window := glpiproxy.Range{Start: rapid.IntRange(0, 3).Draw(r, "start"), Count: rapid.IntRange(1, 20).Draw(r, "count")}
	ids := rapid.SliceOfN(rapid.SampledFrom(w.ids[name]), 1, 12).Draw(r, "ids")
	return rapid.SampledFrom([]probe{
		{fmt.Sprint("list of ", name, window), func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{Range: window})
		}},
		{fmt.Sprint("search for ", name, window), func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.Search[T](ctx, s, glpiproxy.Query{Range: window, Columns: []int{1}})
		}},
		{"count of " + name, func(s *glpiproxy.Session) (any, error) { return glpiproxy.Count[T](ctx, s) }},
		{fmt.Sprint(name, ids[0]), func(s *glpiproxy.Session) (any, error) { return glpiproxy.Get[T](ctx, s, ids[0]) }},
		{fmt.Sprint("some of ", name, ids), func(s *glpiproxy.Session) (any, error) {
			results, err := glpiproxy.GetMany[T](ctx, s, ids)
			items := make([]any, len(results))
			for i, result := range results {
				items[i] = answered(result.Item, result.Err)
			}
			return items, err
		}},
	}).Draw(r, "way")
}

// answered is an answer to compare: what a viewer can't have is not told apart in kinds.
func answered(answer any, err error) any {
	switch kind := glpiproxy.KindOf(err); {
	case err == nil:
		return answer
	case kind == glpiproxy.NotFound, kind == glpiproxy.Forbidden:
		return "out of reach"
	}
	return err.Error()
}

// change is a write, and the tag that it touches.
type change struct {
	tag string
	run func(*glpiproxy.Session) error
}

// anyChange draws a write. Many are refused: by the viewer's rights, or since the item is gone.
func (w *trial) anyChange(r *rapid.T) change {
	ctx := context.Background()
	w.created++
	name := fmt.Sprint("name ", w.created)
	fleet, agent, user, invitation := w.anyID(r, "Fleet"), w.anyID(r, "Agent"), w.anyID(r, "User"), w.anyID(r, "Invitation")
	entity, recursive := rapid.SampledFrom(w.entities).Draw(r, "entity"), rapid.Bool().Draw(r, "recursive")
	status := "done"
	return rapid.SampledFrom([]change{
		{fmt.Sprint("PluginFlyvemdmFleet:", fleet), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, fleet, glpiproxy.FleetChange{Name: &name})
		}},
		{fmt.Sprint("PluginFlyvemdmFleet:", fleet), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, fleet, glpiproxy.FleetChange{Recursive: &recursive})
		}},
		{fmt.Sprint("PluginFlyvemdmFleet:", fleet), func(s *glpiproxy.Session) error {
			return glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, s, fleet)
		}},
		{"PluginFlyvemdmFleet", func(s *glpiproxy.Session) error {
			return second(glpiproxy.CreateItem(ctx, s, glpiproxy.FleetInput{Name: name, EntityID: entity, Recursive: recursive}))
		}},
		{fmt.Sprint("PluginFlyvemdmAgent:", agent), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, agent, glpiproxy.AgentChange{Name: &name})
		}},
		{fmt.Sprint("PluginFlyvemdmAgent:", agent), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, agent, glpiproxy.AgentChange{FleetID: &fleet})
		}},
		{fmt.Sprint("PluginFlyvemdmAgent:", agent), func(s *glpiproxy.Session) error {
			return glpiproxy.DeleteItem[glpiproxy.Agent](ctx, s, agent)
		}},
		{fmt.Sprint("User:", user), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, user, glpiproxy.UserChange{Person: glpiproxy.Person{Phone: &name}})
		}},
		{fmt.Sprint("User:", user), func(s *glpiproxy.Session) error {
			if slices.ContainsFunc(w.viewers, func(v *glpiproxy.Session) bool {
				scope, err := v.Scope(ctx)
				return err != nil || scope.UserID == user
			}) {
				return nil // nobody cuts the branch they sit on
			}
			return second(glpiproxy.PurgeUsers(ctx, s, []int{user}))
		}},
		{fmt.Sprint("PluginFlyvemdmInvitation:", invitation), func(s *glpiproxy.Session) error {
			return glpiproxy.UpdateItem(ctx, s, invitation, glpiproxy.InvitationChange{Status: &status})
		}},
		{fmt.Sprint("PluginFlyvemdmInvitation:", invitation), func(s *glpiproxy.Session) error {
			return glpiproxy.DeleteItem[glpiproxy.Invitation](ctx, s, invitation)
		}},
		{"PluginFlyvemdmInvitation", func(s *glpiproxy.Session) error {
			return second(glpiproxy.CreateItem(ctx, s, glpiproxy.InvitationInput{UserID: user, EntityID: entity}))
		}},
	}).Draw(r, "change")
}

// check makes sure that a write failed only for reasons of its own.
func check(r *rapid.T, err error) {
	r.Helper()
	switch glpiproxy.KindOf(err) {
	case glpiproxy.Unauthenticated, glpiproxy.Unavailable, glpiproxy.Timeout, glpiproxy.Canceled:
		if err != nil {
			r.Fatal(err)
		}
	}
}

// landmarks are reads that show most of what a change may touch.
func (w *trial) landmarks() (all []probe) {
	all = slices.Concat(landmarksOf[glpiproxy.Fleet](w), landmarksOf[glpiproxy.Agent](w), landmarksOf[glpiproxy.Computer](w),
		landmarksOf[glpiproxy.Invitation](w), landmarksOf[glpiproxy.User](w))
	ctx := context.Background()
	for _, device := range w.devices {
		all = append(all, probe{fmt.Sprint("statuses of agent ", device.AgentID), func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.StatusesOfAgent(ctx, s, device.AgentID)
		}}, probe{fmt.Sprint("positions of computer ", device.ComputerID), func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](ctx, s, device.ComputerID, glpiproxy.ListOptions{})
		}})
	}
	return all
}

func landmarksOf[T glpiproxy.Item](w *trial) []probe {
	ctx, name, window := context.Background(), typeName[T](), glpiproxy.Range{Count: 100}
	return []probe{
		{"list of " + name, func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{Range: window})
		}},
		{"search for " + name, func(s *glpiproxy.Session) (any, error) {
			return glpiproxy.Search[T](ctx, s, glpiproxy.Query{Range: window, Columns: []int{1}})
		}},
		{"one by one: " + name, func(s *glpiproxy.Session) (any, error) {
			var items []any
			for _, id := range w.ids[name][:min(6, len(w.ids[name]))] {
				item, err := glpiproxy.Get[T](ctx, s, id)
				items = append(items, answered(item, err))
			}
			return items, nil
		}},
	}
}
