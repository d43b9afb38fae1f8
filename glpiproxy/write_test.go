package glpiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

func ptr[V any](v V) *V { return &v }

// managed is a fleet of the company that isn't the default one.
func managed(t *testing.T, s *glpiproxy.Session, entity int) glpiproxy.Fleet {
	t.Helper()
	for _, fleet := range fleetsOf(t, s) {
		if !fleet.Default && fleet.EntityID == entity {
			return fleet
		}
	}
	t.Fatal("no fleet to work with")
	return glpiproxy.Fleet{}
}

func TestFleetsAreWrittenOneByOneAndManyAtOnce(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	before := len(fleetsOf(t, d.acme))
	name := `O'Brien & <sons> "1"`
	id := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: name, EntityID: d.acmeID}))(t)
	if fleet := must(glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, id))(t); fleet.Name != name || fleet.EntityID != d.acmeID || fleet.Default || fleet.Recursive {
		t.Errorf("%+v", fleet)
	}
	if after := len(fleetsOf(t, d.acme)); after != before+1 {
		t.Errorf("%d fleets after one was made of %d: the list is stale", after, before)
	}
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.FleetChange{Name: ptr("Paris"), Recursive: ptr(true)}); err != nil {
		t.Error(err)
	}
	if fleet := must(glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, id))(t); fleet.Name != "Paris" || !fleet.Recursive {
		t.Errorf("%+v: stale after its own change", fleet)
	}
	foreign := managed(t, d.globex, d.globID)
	d.takeCalls(false)
	outcomes := must(glpiproxy.UpdateMany(ctx, d.acme, []glpiproxy.Edit[glpiproxy.FleetChange]{
		{ID: 99999, Change: glpiproxy.FleetChange{Name: ptr("x")}},
		{ID: id, Change: glpiproxy.FleetChange{Name: ptr("Lyon")}},
		{ID: foreign.ID, Change: glpiproxy.FleetChange{Name: ptr("stolen")}},
		{ID: -1, Change: glpiproxy.FleetChange{Name: ptr("x")}},
	}))(t)
	if calls := d.takeCalls(true); len(calls) != 1 || calls[0] != fmt.Sprintf("PUT /PluginFlyvemdmFleet/%d", id) {
		t.Errorf("%q", calls)
	}
	wantKinds(t, outcomes, glpiproxy.NotFound, done, glpiproxy.NotFound, glpiproxy.Invalid)
	var e *glpiproxy.Error
	if err := outcomes.Err(); !errors.As(err, &e) || e.Kind != glpiproxy.Partial || len(e.Items) != 4 || e.Items[1].ID != id {
		t.Errorf("%+v", e)
	}
	if err := glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, d.acme, foreign.ID); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Error(err)
	}
	if fleet := must(glpiproxy.Get[glpiproxy.Fleet](ctx, d.globex, foreign.ID))(t); fleet != foreign {
		t.Errorf("%+v was changed by ACME", fleet)
	}
	if err := glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, d.acme, id); err != nil {
		t.Error(err)
	}
	if _, err := glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, id); glpiproxy.KindOf(err) != glpiproxy.NotFound {
		t.Error(err)
	}
}

// done stands for no error where kinds are wanted.
const done glpiproxy.Kind = -1

func wantKinds(t *testing.T, outcomes glpiproxy.Outcomes, kinds ...glpiproxy.Kind) {
	t.Helper()
	if len(outcomes) != len(kinds) {
		t.Fatalf("%d outcomes, want %d", len(outcomes), len(kinds))
	}
	for i, outcome := range outcomes {
		if kinds[i] == done != (outcome.Err == nil) || outcome.Err != nil && glpiproxy.KindOf(outcome.Err) != kinds[i] {
			t.Errorf("outcome %d of item %d: %v, want %v", i, outcome.ID, outcome.Err, kinds[i])
		}
	}
}

func TestBulkCreationKeepsItsOrder(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	inputs := []glpiproxy.FleetInput{
		{Name: "b1", EntityID: d.acmeID}, {Name: "", EntityID: d.acmeID}, {Name: "spy", EntityID: d.globID}, {Name: "b2", EntityID: d.acmeID},
	}
	outcomes := must(glpiproxy.CreateMany(ctx, d.acme, inputs))(t)
	wantKinds(t, outcomes, done, glpiproxy.Invalid, glpiproxy.NotFound, done)
	for i, name := range map[int]string{0: "b1", 3: "b2"} {
		if fleet := must(glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, outcomes[i].ID))(t); fleet.Name != name {
			t.Errorf("%d: %+v", i, fleet)
		}
	}
	many := make([]glpiproxy.FleetInput, glpiproxy.MaxWrites+1)
	_, err := glpiproxy.CreateMany(ctx, d.acme, many)
	wantKind(t, err, glpiproxy.Invalid)
	_, err = glpiproxy.DeleteMany[glpiproxy.Fleet](ctx, d.acme, []int{outcomes[0].ID, outcomes[0].ID})
	wantKind(t, err, glpiproxy.Invalid)
}

func TestTextsThatGLPIWouldSpoil(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	fleet := managed(t, d.acme, d.acmeID)
	d.takeCalls(false)
	for name, text := range map[string]string{
		"empty": " ", "two lines": "a\nb", "a zero byte": "a\x00b", "broken": "\xff", "too long": strings.Repeat("x", 256),
		"too long when escaped": strings.Repeat("<", 64), "NULL": "NULL", "emoji": "Paris 😀",
	} {
		err := glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, glpiproxy.FleetChange{Name: &text})
		if glpiproxy.KindOf(err) != glpiproxy.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q", calls)
	}
	for _, text := range []string{strings.Repeat("x", 255), "007", "1e5", "&lt;b&gt;", " padded ", "null", "漢字 é"} {
		if err := glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, glpiproxy.FleetChange{Name: &text}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAnAgentMovesWithinItsEntityOnly(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 30)
	agent := agentsOf(t, d.acme)[0]
	foreign := managed(t, d.globex, d.globID)
	err := glpiproxy.UpdateItem(ctx, d.acme, agent.ID, glpiproxy.AgentChange{FleetID: &foreign.ID})
	wantKind(t, err, glpiproxy.NotFound)
	_, unknown := glpiproxy.UpdateMany(ctx, d.acme, []glpiproxy.Edit[glpiproxy.AgentChange]{{ID: agent.ID, Change: glpiproxy.AgentChange{FleetID: ptr(99999)}}})
	if unknown != nil {
		t.Error(unknown)
	}
	if now := must(glpiproxy.Get[glpiproxy.Agent](ctx, d.root, agent.ID))(t); now.FleetID != agent.FleetID {
		t.Error("the agent is in another company's fleet")
	}
	for _, c := range []struct {
		entity    int
		recursive bool
		want      glpiproxy.Kind
	}{{agent.EntityID, false, done}, {agent.EntityID, true, done}, {otherEntity(t, d, agent.EntityID), false, glpiproxy.Invalid}} {
		fleet := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "f", EntityID: c.entity, Recursive: c.recursive}))(t)
		err := glpiproxy.UpdateItem(ctx, d.acme, agent.ID, glpiproxy.AgentChange{FleetID: &fleet, Name: ptr("Erin's")})
		wantKinds(t, glpiproxy.Outcomes{{Err: err}}, c.want)
		now := must(glpiproxy.Get[glpiproxy.Agent](ctx, d.acme, agent.ID))(t)
		if moved := now.FleetID == fleet; moved != (c.want == done) {
			t.Errorf("%+v: %+v", c, now)
		}
	}
}

// otherEntity is one of ACME's entities that is neither the given one nor above it.
func otherEntity(t *testing.T, d *demo, not int) int {
	t.Helper()
	for _, id := range must(d.acme.Scope(context.Background()))(t).EntityIDs {
		if id != not && id != d.acmeID {
			return id
		}
	}
	t.Fatal("ACME has only one entity")
	return 0
}

func TestARecursiveFleetTakesTheAgentsBelow(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 60)
	for _, agent := range agentsOf(t, d.acme) {
		if agent.EntityID == d.acmeID {
			continue
		}
		for recursive, want := range map[bool]glpiproxy.Kind{true: done, false: glpiproxy.Invalid} {
			fleet := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: "all", EntityID: d.acmeID, Recursive: recursive}))(t)
			err := glpiproxy.UpdateItem(ctx, d.acme, agent.ID, glpiproxy.AgentChange{FleetID: &fleet})
			wantKinds(t, glpiproxy.Outcomes{{Err: err}}, want)
		}
		return
	}
	t.Fatal("no agent below ACME itself")
}

func TestCommandsSendZeroAndOne(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 6)
	agents := agentsOf(t, d.acme)
	ids := []int{agents[0].ID, agents[1].ID}
	state := func() string {
		a := must(glpiproxy.Get[glpiproxy.Agent](ctx, d.acme, ids[0]))(t)
		return fmt.Sprint(a.Lock, a.Wipe, " "+a.EnrollStatus)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context, *glpiproxy.Session, []int) (glpiproxy.Outcomes, error)
		want string
		kind glpiproxy.Kind
	}{
		{"lock", glpiproxy.Lock, "true false enrolled", done},
		{"unlock", glpiproxy.Unlock, "false false enrolled", done},
		{"cancel no wipe", glpiproxy.CancelWipe, "false false enrolled", done},
		{"wipe", glpiproxy.Wipe, "false true enrolled", done},
		{"lock what is to be wiped", glpiproxy.Lock, "false true enrolled", glpiproxy.Unchanged},
		{"cancel", glpiproxy.CancelWipe, "false false enrolled", done},
		{"unenroll", glpiproxy.Unenroll, "false false unenrolling", done},
	} {
		outcomes := must(step.do(ctx, d.acme, ids))(t)
		wantKinds(t, outcomes, step.kind, step.kind)
		if got := state(); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	foreign := agentsOf(t, d.globex)[0]
	outcomes := must(glpiproxy.Wipe(ctx, d.acme, []int{foreign.ID, 99999}))(t)
	wantKinds(t, outcomes, glpiproxy.NotFound, glpiproxy.NotFound)
	if now := must(glpiproxy.Get[glpiproxy.Agent](ctx, d.globex, foreign.ID))(t); now.Wipe {
		t.Error("ACME wiped Globex's device")
	}
}

func TestWritesInDoubtAreLookedAt(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	fleet := managed(t, d.acme, d.acmeID)
	carryOut := func(w http.ResponseWriter, r *http.Request, simulated http.Handler) {
		simulated.ServeHTTP(httptest.NewRecorder(), r)
	}
	answers := map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"an empty 500": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(500) },
		"a proxy's 502": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "<html>bad gateway", http.StatusBadGateway)
		},
		"a cut connection": func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
		"an empty 200":     func(http.ResponseWriter, *http.Request, http.Handler) {},
		"SQL text": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = w.Write([]byte("<b>SQL error</b>"))
		},
		"half a result":   func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = w.Write([]byte(`[{"1":tr`)) },
		"others' results": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = w.Write([]byte(`"true"`)) },
	}
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		answer := answers[name]
		t.Run(name, func(t *testing.T) {
			d.meddle(func(w http.ResponseWriter, r *http.Request, simulated http.Handler) {
				carryOut(w, r, simulated)
				answer(w, r, simulated)
			})
			defer d.meddle(nil)
			change := glpiproxy.FleetChange{Name: ptr("after " + name)}
			if err := glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, change); err != nil {
				t.Errorf("an update that was carried out: %v", err)
			}
			d.takeCalls(false)
			_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.FleetInput{Name: name, EntityID: d.acmeID})
			if err == nil || !strings.Contains(err.Error(), "may have been carried out") {
				t.Errorf("a creation that nobody knows of: %v", err)
			}
			if calls := d.takeCalls(true); len(calls) != 1 {
				t.Errorf("sent %d times: %q", len(calls), calls)
			}
			made := fleetsOf(t, d.acme)
			if last := made[len(made)-1]; last.Name != name {
				t.Errorf("the new fleet isn't in the list: %+v", last)
			} else if err := glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, d.acme, last.ID); err != nil {
				t.Errorf("a deletion that was carried out: %v", err)
			}
			d.meddle(answer)
			change.Name = ptr("never")
			if err := glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, change); err == nil {
				t.Error("an update that was not carried out counts as done")
			}
			if err := glpiproxy.DeleteItem[glpiproxy.Fleet](ctx, d.acme, fleet.ID); err == nil {
				t.Error("a deletion that was not carried out counts as done")
			}
		})
	}
}

func TestSuccessThatChangedNothing(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	fleet := managed(t, d.acme, d.acmeID)
	d.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = fmt.Fprintf(w, `[{"%d":true,"message":""}]`, fleet.ID)
	})
	err := glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, glpiproxy.FleetChange{Name: ptr("new"), Recursive: ptr(fleet.Recursive)})
	var e *glpiproxy.Error
	if !errors.As(err, &e) || e.Kind != glpiproxy.Unchanged || !slices.Equal(e.Fields, []string{"name"}) {
		t.Errorf("%v", err)
	}
}

// What was never sent is not in doubt.
func TestWritesThatWereNotSent(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	must(d.acme.Scope(ctx))(t)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err := glpiproxy.CreateItem(gone, d.acme, glpiproxy.FleetInput{Name: "x", EntityID: d.acmeID})
	if glpiproxy.KindOf(err) != glpiproxy.Canceled || strings.Contains(err.Error(), "may have been") {
		t.Error(err)
	}
}

func TestWritesWithoutTheRightAreNotSent(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 4)
	viewer := powerless(t, d)
	agent := agentsOf(t, d.acme)[0]
	d.takeCalls(false)
	_, err := glpiproxy.CreateItem(ctx, viewer, glpiproxy.FleetInput{Name: "x", EntityID: d.acmeID})
	wantKind(t, err, glpiproxy.Forbidden)
	_, err = glpiproxy.Wipe(ctx, viewer, []int{agent.ID})
	wantKind(t, err, glpiproxy.Forbidden)
	_, err = glpiproxy.DeleteMany[glpiproxy.Agent](ctx, viewer, []int{agent.ID})
	wantKind(t, err, glpiproxy.Forbidden)
	wantKind(t, glpiproxy.UpdateItem(ctx, viewer, d.acmeID, glpiproxy.EntityConfigChange{DeviceLimit: ptr(1)}), glpiproxy.Forbidden)
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q", calls)
	}
}

// powerless signs in somebody of ACME's whose profile has no right on Flyve MDM.
func powerless(t *testing.T, d *demo) *glpiproxy.Session {
	t.Helper()
	ctx := context.Background()
	input := glpiproxy.UserInput{Username: "bob@acme.test", Password: ptr("bob.pw"), EntityID: d.acmeID, ProfileID: 1}
	must(glpiproxy.CreateItem(ctx, d.acme, input))(t)
	return must(d.client.SignIn(ctx, "bob@acme.test", "bob.pw"))(t)
}
