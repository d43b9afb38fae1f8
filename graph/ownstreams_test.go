package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"pgregory.net/rapid"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
	"fleetgate/internal/sim/glpi"
	"fleetgate/internal/store"
)

// inviting gives the world's gateway invitations.
func (w *shareWorld) inviting() *invitation.Desk {
	w.t.Helper()
	dir := must(os.MkdirTemp("", "invitations"))(w.t)
	kept := must(store.OpenFile(dir))(w.t)
	w.closes = append(w.closes, func() { _, _ = kept.Close(), os.RemoveAll(dir) })
	w.shared.Invitations = must(invitation.NewDesk(invitation.Options{Store: kept, Secret: []byte("sixteen characters")}))(w.t)
	return w.shared.Invitations
}

// follow begins a subscription that has a stream of its own.
func (w *shareWorld) follow(p *person, query string, variables map[string]any) *inbox {
	w.t.Helper()
	ctx, stop := context.WithCancel(p.ctx)
	params := &graphql.RawParams{Query: query}
	must(0, json.Unmarshal(must(json.Marshal(variables))(w.t), &params.Variables))(w.t)
	op, errs := w.exec.CreateOperationContext(graphql.StartOperationTrace(ctx), params)
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	in, ended := &inbox{}, make(chan struct{})
	go func() {
		defer close(ended)
		w.shared.Share(ctx, w.exec, op, in)
	}()
	in.leave = func() { stop(); <-ended }
	return in
}

// TestOwnStreamsShareWithEqualsOnly has random viewers follow invitations, switch and lose rights, while things happen to
// invitations of all companies. Everybody must get what they would have got alone, of their own entities; and a response
// may be another's only where both see the same.
func TestOwnStreamsShareWithEqualsOnly(t *testing.T) {
	setChecks(t, 25)
	shared := 0
	rapid.Check(t, func(r *rapid.T) {
		f := newFollowing(r)
		defer f.w.close()
		defer f.leave()
		r.Repeat(map[string]func(*rapid.T){
			"follow": f.follow, "follow too": f.follow, "happen": f.happen, "happen again": f.happen, "happen once more": f.happen,
			"switch entity": f.switchEntity, "lose rights": f.changeRights,
		})
		shared += f.shared
	})
	if t.Logf("%d responses were shared", shared); shared == 0 {
		t.Error("nothing was shared: this proves nothing")
	}
}

// following is a world with those who follow its invitations.
type following struct {
	w           *shareWorld
	watch       *invitation.Watch
	invitations []glpiproxy.Invitation // of all companies
	people      []*person
	followers   []*follower
	cursor      string // of the latest event
	shared      int
}

// follower is a subscription and its twin, which nobody shares.
type follower struct {
	of    *person
	query string
	both  [2]*inbox
	want  []string // cursors
	views []string // that the viewer had then
}

func newFollowing(r *rapid.T) *following {
	f := &following{w: openShareWorld(r, 8)}
	f.w.another("admin@acme.test", "bea@acme.test")
	f.w.another("viewer@acme.test", "vic@acme.test")
	ctx := context.Background()
	root := must(f.w.plain.SignInWithToken(ctx, f.w.demo.ServiceToken))(r)
	f.invitations = must(glpiproxy.List[glpiproxy.Invitation](ctx, root, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 50}}))(r).Items
	f.watch = must(f.w.inviting().Watch(ctx, ""))(r)
	f.happen(r) // there is a cursor now
	for _, name := range []string{"admin@acme.test", "bea@acme.test", "viewer@acme.test", "vic@acme.test", "admin@globex.test"} {
		f.people = append(f.people, f.w.signIn(name))
	}
	return f
}

func (f *following) leave() {
	for _, p := range f.people {
		p.hangUp()
	}
	for _, one := range f.followers {
		one.both[0].leave()
		one.both[1].leave()
	}
}

// ofInvitations ask for what all see, what some profiles don't, and what depends on the person.
var ofInvitations = []string{
	`cursor kind entityId invitationId`,
	`cursor kind invitation { id state expiresAt user { username emails { address } } entity { name } devicesLeft } agent { name fleet { name } }`,
	`cursor kind agent { name owner { displayName } computer { serial } }`,
	`cursor invitation { user { username grants { profile { name } } } }`,
}

func (f *following) follow(r *rapid.T) {
	if len(f.followers) > 10 {
		return
	}
	p := rapid.SampledFrom(f.people).Draw(r, "person")
	query := fmt.Sprintf(`subscription Follow ($after: String) { invitationEvents(after: $after) { %s } }`, rapid.SampledFrom(ofInvitations).Draw(r, "document"))
	twin := strings.Replace(query, "Follow", fmt.Sprintf("Twin%02d", len(f.followers)), 1)
	after := map[string]any{"after": f.cursor}
	f.followers = append(f.followers, &follower{of: p, query: query, both: [2]*inbox{f.w.follow(p, query, after), f.w.follow(p, twin, after)}})
}

// happen has something happen to an invitation, and compares what everybody hears of it.
func (f *following) happen(r *rapid.T) {
	about := rapid.SampledFrom(f.invitations).Draw(r, "invitation")
	device := rapid.SampledFrom(f.w.demo.Devices).Draw(r, "device")
	ctx := context.Background()
	must(0, f.w.shared.Invitations.Announce(ctx, invitation.Event{
		Kind: invitation.Enrolled, InvitationID: about.ID, EntityID: about.EntityID, AgentID: device.AgentID,
	}))(r)
	events := must(f.watch.Next(ctx))(r)
	f.cursor = events[len(events)-1].Cursor
	for _, one := range f.followers {
		if scope := must(one.of.session.Scope(one.of.ctx))(r); scope.SeesEntity(about.EntityID) {
			one.want, one.views = append(one.want, f.cursor), append(one.views, scope.View())
		}
	}
	for _, one := range f.followers {
		f.compare(r, one)
	}
}

func (f *following) compare(r *rapid.T, one *follower) {
	mine, alone := one.both[0].wait(r, len(one.want)), one.both[1].wait(r, len(one.want))
	if len(mine) > len(one.want) || len(alone) > len(one.want) {
		r.Fatalf("%s got %d and %d results, want %d", one.of.name, len(mine), len(alone), len(one.want))
	}
	for i, cursor := range one.want {
		if mine[i].Cursor != cursor || alone[i].Cursor != cursor || settled(mine[i]) != settled(alone[i]) {
			r.Fatalf("%s (%s) got\n%s, and alone\n%s, at %s", one.of.name, one.query, mine[i].JSON, alone[i].JSON, cursor)
		}
		for _, other := range f.followers {
			at := slices.Index(other.both[0].got(), mine[i])
			if other == one || at < 0 {
				continue
			}
			if other.query != one.query || other.views[at] != one.views[i] || strings.Contains(one.query, "grants") {
				r.Fatalf("%s and %s share %s", one.of.name, other.of.name, mine[i].JSON)
			}
			f.shared++
		}
	}
}

func (f *following) switchEntity(r *rapid.T) {
	p := rapid.SampledFrom(f.people).Draw(r, "person")
	entity := rapid.SampledFrom(f.w.demo.Devices).Draw(r, "device").EntityID
	_ = p.session.SwitchEntity(p.ctx, entity, rapid.Bool().Draw(r, "recursive")) // which GLPI may refuse
	f.w.desk.ScopeChanged(p.session.Token())
}

// changeRights gives a profile other rights, which one of its viewers has once they take it up again.
func (f *following) changeRights(r *rapid.T) {
	rights := map[string]glpi.Rights{}
	for _, name := range []string{"flyvemdm:fleet", "computer", "user"} {
		rights[name] = rapid.SampledFrom([]glpi.Rights{0, glpi.Read}).Draw(r, name)
	}
	f.w.glpi.Grant(poorProfile, rights)
	p := f.people[rapid.IntRange(2, 3).Draw(r, "viewer")]
	scope := must(p.session.Scope(p.ctx))(r)
	if err := f.w.plain.Resume(p.session.Token()).SwitchProfile(p.ctx, scope.Profile.ID); err != nil {
		r.Fatal(err)
	}
	f.w.late.Add(int64(time.Minute))
	f.w.desk.ScopeChanged(p.session.Token())
}

// Those who see the same of a rollout share what is made of it, and nobody else does.
func TestEqualViewersShareARollout(t *testing.T) {
	w := newShareWorld(t)
	w.another("admin@acme.test", "bea@acme.test")
	device := w.demo.Devices[0]
	people := []*person{w.signIn("admin@acme.test"), w.signIn("bea@acme.test"), w.signIn("viewer@acme.test")}
	query := `subscription ($id: ID!) { rolloutProgress(fleetId: $id) { counts { done failed total } tasks { task { id policy { name } } } } }`
	agent := must(glpiproxy.Get[glpiproxy.Agent](t.Context(), people[0].session, device.AgentID))(t)
	tasks := must(glpiproxy.TasksOf(t.Context(), people[0].session, glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: agent.FleetID}))(t)
	if len(tasks) == 0 {
		t.Fatal("the device's fleet has no tasks")
	}
	var inboxes []*inbox
	for _, p := range people {
		in := w.follow(p, query, map[string]any{"id": model.GlobalID("Fleet", agent.FleetID)})
		defer in.leave()
		in.wait(t, 1)
		inboxes = append(inboxes, in)
	}
	all := func() bool {
		return !slices.ContainsFunc(inboxes, func(in *inbox) bool { return len(in.got()) < 2 })
	}
	for _, status := range []string{"failed", "done"} { // one of them is new
		w.publish(fmt.Sprintf("%s/Status/Task/%d", device.Topic, tasks[0].ID), `{"status":"`+status+`"}`)
		for deadline := time.Now().Add(3 * time.Second); !all() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
	}
	ada, bea, victor := inboxes[0].wait(t, 2)[1], inboxes[1].wait(t, 2)[1], inboxes[2].wait(t, 2)[1]
	if ada != bea || ada == victor || string(ada.JSON) != string(victor.JSON) {
		t.Errorf("got\n%s\n%s\n%s", ada.JSON, bea.JSON, victor.JSON)
	}
}
