package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
	"fleetgate/internal/sim/glpi"
)

// TestSharingIsInvisible has random viewers with random rights come, subscribe, switch, lose rights and go, while
// devices speak. Everybody must get what they would have got alone: each subscription has a twin that differs in its
// name, so that nobody shares it. And both must get the events that GLPI, asked by themselves, says are theirs.
func TestSharingIsInvisible(t *testing.T) {
	var shared, alone int
	rapid.Check(t, func(r *rapid.T) {
		c := newCrowd(r)
		defer c.w.close()
		defer c.leave()
		r.Repeat(map[string]func(*rapid.T){
			"sign in":       c.signIn,
			"subscribe":     c.subscribe,
			"subscribe too": c.subscribe,
			"come back":     c.comeBack,
			"unsubscribe":   c.unsubscribe,
			"speak":         c.speak,
			"speak more":    c.speak,
			"switch entity": c.switchEntity,
			"switch":        c.switchProfile,
			"lose rights":   c.changeRights,
			"log out":       c.logOut,
			"":              c.check,
		})
		shared, alone = shared+c.shared, alone+c.alone
	})
	t.Logf("%d results were shared, %d were one subscriber's alone", shared, alone)
	if shared == 0 {
		t.Error("nothing was shared: this proves nothing")
	}
}

// crowd is a world with its viewers.
type crowd struct {
	w       *shareWorld
	people  []*person
	pairs   []*pair
	named   int      // twins
	cursors []string // of events past

	shared, alone int
}

// pair is a subscription and its twin, and the events that both are to get.
type pair struct {
	of        *person
	query     string
	variables map[string]any
	both      [2]*inbox
	want      []bridge.Event
	over      bool // its viewer has lost the right to it
}

const poorProfile = "Fleet viewer"

func newCrowd(r *rapid.T) *crowd {
	c := &crowd{w: openShareWorld(r, 8)}
	c.w.another("admin@acme.test", "bea@acme.test")
	c.w.another("viewer@acme.test", "vic@acme.test")
	c.w.another("viewer@acme.test", "zoe@acme.test")
	ctx := context.Background()
	root := must(c.w.plain.SignInWithToken(ctx, c.w.demo.ServiceToken))(r)
	admin, poor := c.scopeOf(r, "admin@acme.test"), c.scopeOf(r, "viewer@acme.test")
	must(glpiproxy.CreateItem(ctx, root, glpiproxy.ProfileUserInput{ // two profiles to switch between
		UserID: admin.UserID, ProfileID: poor.Profile.ID, EntityID: admin.EntityID, Recursive: true,
	}))(r)
	for range 3 {
		c.signIn(r)
	}
	return c
}

func (c *crowd) scopeOf(r *rapid.T, name string) *glpiproxy.Scope {
	ctx := context.Background()
	return must(must(c.w.plain.SignIn(ctx, name, glpi.DemoPassword))(r).Scope(ctx))(r)
}

func (c *crowd) leave() {
	for _, p := range c.pairs {
		p.both[0].leave()
		p.both[1].leave()
	}
	for _, p := range c.people {
		p.hangUp()
	}
}

func (c *crowd) signIn(r *rapid.T) {
	if len(c.people) > 8 {
		return
	}
	name := rapid.SampledFrom([]string{
		"admin@acme.test", "bea@acme.test", "viewer@acme.test", "vic@acme.test", "zoe@acme.test", "admin@globex.test", "viewer@globex.test",
	}).Draw(r, "name")
	c.people = append(c.people, c.w.signIn(name))
}

func (c *crowd) person(r *rapid.T) *person {
	if len(c.people) == 0 {
		c.signIn(r)
	}
	return rapid.SampledFrom(c.people).Draw(r, "person")
}

// documents ask for fields that all see, that some profiles don't, and that depend on the person; not for what a device said last,
// which depends on when one looks.
var documents = []string{
	`cursor kind serial entityId`,
	`kind agent { name wipeRequested entity { name completeName } }`,
	`kind agent { fleet { name tasks { policy { name } } } computer { serial model os { name } } positions(first: 1) { totalCount } }`,
	`kind agent { tasks { task { id } status { state } } positions(first: 2) { totalCount } }`,
	`kind agent { version computer { memoryBytes processors { name } batteries { name } disks { name totalBytes } networkPorts { name ips }
    installedApplications(first: 2) { totalCount nodes { name } } } fleet { rollout { counts { total } tasks { percentDone } } }
    tasks { via effect task { valueText value { ... on BooleanValue { boolean } ... on OptionValue { option label } ... on DeployedFile { fileId } }
    policy { name choices { key label } category { name } platforms { supported } effectiveOn { effect } } statuses(first: 1) { totalCount } } } }`,
	`kind agent { owner { username displayName emails { address } } }`,
	`kind agent { owner { username grants { profile { name } entity { name } } } }`,
	`kind ... on PositionReported { position { latitude longitude } agent { id } } ... on TaskStatusChanged { taskStatus { state task { id } agent { name } } }`,
}

func (c *crowd) subscribe(r *rapid.T) { c.ask(r, c.person(r), "") }

// comeBack subscribes to what comes after an event of the past.
func (c *crowd) comeBack(r *rapid.T) {
	if len(c.cursors) > 0 {
		c.ask(r, c.person(r), rapid.SampledFrom(c.cursors).Draw(r, "cursor"))
	}
}

func (c *crowd) ask(r *rapid.T, p *person, after string) {
	if len(c.pairs) > 12 {
		return
	}
	c.named++
	query := fmt.Sprintf(`subscription ($f: DeviceEventFilter, $after: String) { deviceEvents(filter: $f, after: $after) { cursor %s } }`,
		rapid.SampledFrom(documents).Draw(r, "document"))
	variables := map[string]any{"f": c.filter(r)}
	if after != "" {
		variables["after"] = after
	}
	twin := strings.Replace(query, "subscription", fmt.Sprint("subscription Twin", c.named), 1)
	one := &pair{of: p, query: query, variables: variables, both: [2]*inbox{c.w.subscribe(p, query, variables), c.w.subscribe(p, twin, variables)}}
	if a, b := one.both[0].code(), one.both[1].code(); a != "" || b != "" {
		if a != b {
			r.Fatalf("%s subscribing to %s %v got %s, and alone %s", p.name, query, variables, a, b)
		}
		return
	}
	c.pairs = append(c.pairs, one)
	if after != "" {
		one.want = c.past(r, one, after)
	}
}

// past are the events after a cursor that a pair is to get.
func (c *crowd) past(r *rapid.T, one *pair, after string) (events []bridge.Event) {
	all := must(c.w.bridge.Subscribe(bridge.Filter{AllEntities: true}, after))(r)
	defer all.Close()
	sees := c.sees(r, one)
	for {
		event, ok, err := all.TryNext()
		if err != nil {
			r.Fatal(err)
		}
		if !ok {
			return events
		}
		if sees(event) {
			events = append(events, event)
		}
	}
}

// filter is a random one, mostly none.
func (c *crowd) filter(r *rapid.T) any {
	f := map[string]any{}
	device := rapid.SampledFrom(c.w.demo.Devices).Draw(r, "device")
	switch rapid.IntRange(0, 7).Draw(r, "filter") {
	case 0:
		f["kinds"] = []any{"POSITION_REPORTED", "PRESENCE_CHANGED"}
	case 1:
		f["kinds"] = []any{"TASK_STATUS_CHANGED"}
	case 2:
		f["entityIds"] = []any{model.GlobalID("Entity", device.EntityID)}
	case 3:
		f["agentIds"] = []any{model.GlobalID("Agent", device.AgentID)}
	default:
		return nil
	}
	return f
}

func (c *crowd) unsubscribe(r *rapid.T) {
	if len(c.pairs) == 0 {
		return
	}
	i := rapid.IntRange(0, len(c.pairs)-1).Draw(r, "pair")
	c.pairs[i].both[0].leave()
	c.pairs[i].both[1].leave()
	c.pairs = slices.Delete(c.pairs, i, i+1)
}

// speak has some devices say something.
func (c *crowd) speak(r *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(r, "messages") {
		d := rapid.SampledFrom(c.w.demo.Devices).Draw(r, "device")
		switch rapid.IntRange(0, 3).Draw(r, "kind") {
		case 0:
			c.w.publish(d.Topic+"/Status/Online", `{"online": false}`)
		case 1:
			c.w.publish(d.Topic+"/Status/Inventory", `<REQUEST/>`)
		case 2:
			c.w.publish(d.Topic+"/Status/Task/1", `{"status":"done"}`)
		}
		c.note(r, c.w.locate(d))
	}
}

// note notes who is to get events.
func (c *crowd) note(r *rapid.T, events []bridge.Event) {
	for _, one := range c.pairs {
		if one.over {
			continue
		}
		sees := c.sees(r, one)
		for _, event := range events {
			if sees(event) {
				one.want = append(one.want, event)
			}
		}
	}
	for _, event := range events {
		c.cursors = append(c.cursors, event.Cursor)
	}
}

// sees tells, as GLPI has it now, whether an event is one for a pair.
func (c *crowd) sees(r *rapid.T, one *pair) func(bridge.Event) bool {
	scope := must(c.w.plain.Resume(one.of.session.Token()).Scope(context.Background()))(r)
	filter, _ := one.variables["f"].(map[string]any)
	allows := func(name string, value any) bool {
		list, given := filter[name].([]any)
		return !given || slices.Contains(list, value)
	}
	return func(e bridge.Event) bool {
		device := slices.IndexFunc(c.w.demo.Devices, func(d glpi.DemoDevice) bool {
			return d.Serial == e.Device.Serial && d.EntityID == e.Device.EntityID
		})
		switch {
		case !scope.SeesEntity(e.Device.EntityID), !allows("kinds", string(e.Kind)),
			!allows("entityIds", model.GlobalID("Entity", e.Device.EntityID)),
			!allows("agentIds", model.GlobalID("Agent", c.w.demo.Devices[device].AgentID)):
			return false
		case e.Kind == bridge.PositionReported:
			return scope.Can("flyvemdm:geolocation", glpiproxy.Read)
		case e.Kind == bridge.TaskStatusChanged:
			return scope.Can("flyvemdm:taskstatus", glpiproxy.Read)
		}
		return true
	}
}

// switchEntity has somebody look at another entity, or at all of theirs.
func (c *crowd) switchEntity(r *rapid.T) {
	p := c.person(r)
	c.settle(r)
	entity := rapid.SampledFrom(c.w.demo.Devices).Draw(r, "device").EntityID
	_ = p.session.SwitchEntity(p.ctx, entity, rapid.Bool().Draw(r, "recursive")) // which GLPI may refuse
	c.changed(r, p)
}

func (c *crowd) switchProfile(r *rapid.T) {
	p := c.person(r)
	c.settle(r)
	profile := c.scopeOf(r, rapid.SampledFrom([]string{"admin@globex.test", "viewer@globex.test"}).Draw(r, "profile of")).Profile.ID
	_ = p.session.SwitchProfile(p.ctx, profile)
	c.changed(r, p)
}

// changeRights gives a profile other rights, which its viewers have once they take it up again.
func (c *crowd) changeRights(r *rapid.T) {
	c.settle(r)
	rights := map[string]glpi.Rights{}
	for _, name := range []string{"flyvemdm:geolocation", "flyvemdm:taskstatus", "flyvemdm:fleet", "flyvemdm:policy", "computer", "user"} {
		rights[name] = rapid.SampledFrom([]glpi.Rights{0, glpi.Read, glpi.Read}).Draw(r, name)
	}
	rights["flyvemdm:agent"] = rapid.SampledFrom([]glpi.Rights{glpi.Read, glpi.Read, glpi.Read, 0}).Draw(r, "flyvemdm:agent")
	c.w.glpi.Grant(poorProfile, rights)
	p := c.person(r)
	scope := must(p.session.Scope(p.ctx))(r)
	past := c.w.plain.Resume(p.session.Token()) // past the gateway, which hears of it when it looks
	if err := past.SwitchProfile(p.ctx, scope.Profile.ID); err != nil {
		r.Fatal(err)
	}
	c.w.late.Add(int64(time.Minute))
	c.changed(r, p)
}

// changed has the gateway look what somebody sees.
func (c *crowd) changed(r *rapid.T, p *person) {
	c.w.desk.ScopeChanged(p.session.Token())
	for _, one := range c.pairs {
		if one.of != p {
			continue
		}
		one.over = one.over || one.both[1].code() != ""
		if (one.both[0].code() != "") != one.over {
			r.Fatalf("%s's subscription ended with %q, and alone with %q", p.name, one.both[0].code(), one.both[1].code())
		}
		if scope := must(c.w.plain.Resume(p.session.Token()).Scope(p.ctx))(r); !glpiproxy.Can[glpiproxy.Agent](scope, glpiproxy.Read) && !one.over {
			r.Fatalf("%s's subscription goes on without the right to it", p.name)
		}
	}
}

func (c *crowd) logOut(r *rapid.T) {
	p := c.person(r)
	c.settle(r)
	if err := p.session.End(p.ctx); err != nil {
		r.Fatal(err)
	}
	c.w.desk.End(p.session.Token())
	c.people = slices.DeleteFunc(c.people, func(other *person) bool { return other == p })
	c.pairs = slices.DeleteFunc(c.pairs, func(one *pair) bool {
		if one.of != p {
			return false
		}
		defer one.both[0].leave() // the connection does so once it is closed
		defer one.both[1].leave()
		return true
	})
}

func (c *crowd) check(r *rapid.T) { c.settle(r) }

// settle waits until everybody has what they are to get, and compares it.
func (c *crowd) settle(r *rapid.T) {
	eventually(r, func() bool { return graph.Census(c.w.shared).CatchingUp == 0 })
	for _, one := range c.pairs {
		got := [2][]*delivery.Result{}
		for i, in := range one.both {
			got[i] = in.wait(r, len(one.want))
			if len(got[i]) > len(one.want) {
				r.Fatalf("%s got %d results, the last one %s, and %d are theirs", one.of.name, len(got[i]), got[i][len(got[i])-1].JSON, len(one.want))
			}
		}
		for i, event := range one.want {
			mine, alone := got[0][i], got[1][i]
			if mine.Cursor != event.Cursor || alone.Cursor != event.Cursor {
				r.Fatalf("%s got %s, and alone %s, in the place of %s %v", one.of.name, mine.JSON, alone.JSON, event.Kind, event.Device)
			}
			if settled(mine) != settled(alone) {
				r.Fatalf("%s (%s) got\n%s, and alone\n%s", one.of.name, one.query, mine.JSON, alone.JSON)
			}
		}
		c.count(one, got[0])
	}
}

// settled is a result with its errors in a settled order: fields are looked up side by side.
func settled(r *delivery.Result) string {
	var response struct {
		Errors     []json.RawMessage
		Data       json.RawMessage
		Extensions json.RawMessage
	}
	if err := json.Unmarshal(r.JSON, &response); err != nil {
		return err.Error()
	}
	slices.SortFunc(response.Errors, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return fmt.Sprintf("%s %s %s", response.Data, response.Errors, response.Extensions)
}

// count counts results that were shared with another subscriber.
func (c *crowd) count(one *pair, results []*delivery.Result) {
	for _, other := range c.pairs {
		if other != one && len(results) > 0 && slices.Contains(other.both[0].got(), results[len(results)-1]) {
			c.shared++
			return
		}
	}
	c.alone++
}
