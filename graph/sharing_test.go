package graph_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/graph"
	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const plainEvents = `subscription { deviceEvents { cursor kind serial entityId agent { name fleet { name } } } }`

// sameResult tells whether all inboxes hold the very same results, not copies.
func sameResult(inboxes ...*inbox) bool {
	return !slices.ContainsFunc(inboxes[1:], func(in *inbox) bool { return !slices.Equal(in.got(), inboxes[0].got()) })
}

func TestEqualViewersShareOneExecution(t *testing.T) {
	w := newShareWorld(t)
	mine := w.demo.Devices[0]
	ada, again := w.signIn("admin@acme.test"), w.signIn("admin@acme.test")
	w.another("admin@acme.test", "bea@acme.test")
	bea := w.signIn("bea@acme.test")
	filter := `subscription ($f: DeviceEventFilter, $after: String) { deviceEvents(filter: $f, after: $after) { cursor kind agent { name } } }`
	positions := map[string]any{"f": map[string]any{"kinds": []any{"POSITION_REPORTED"}}}
	for name, c := range map[string]struct {
		people    []*person
		queries   []string
		variables []map[string]any
		share     bool
	}{
		"one person's two sessions": {[]*person{ada, again}, []string{plainEvents}, nil, true},
		"two people":                {[]*person{ada, bea}, []string{plainEvents}, nil, true},
		"the words set otherwise":   {[]*person{ada, bea}, []string{plainEvents, "subscription{deviceEvents{cursor,kind serial#!\nentityId agent{name,fleet{name}}}}"}, nil, true},
		"another order of fields":   {[]*person{ada, bea}, []string{plainEvents, `subscription { deviceEvents { kind cursor } }`}, nil, false},
		"another name":              {[]*person{ada, bea}, []string{plainEvents, strings.Replace(plainEvents, "subscription", "subscription X", 1)}, nil, false},
		"equal variables":           {[]*person{ada, bea}, []string{filter}, []map[string]any{positions}, true},
		"other variables": {[]*person{ada, bea}, []string{filter}, []map[string]any{positions, {
			"f": map[string]any{"kinds": []any{"POSITION_REPORTED", "PRESENCE_CHANGED"}},
		}}, false},
		"a person in it":             {[]*person{ada, bea}, []string{`subscription { deviceEvents { cursor agent { owner { username } } } }`}, nil, true},
		"a personal field, twice":    {[]*person{ada, again}, []string{`subscription { deviceEvents { cursor agent { owner { grants { id } } } } }`}, nil, false},
		"a personal one, one socket": {[]*person{ada, ada}, []string{`subscription { deviceEvents { cursor agent { owner { grants { id } } } } }`}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var inboxes []*inbox
			for i, p := range c.people {
				var variables map[string]any
				if len(c.variables) > 0 {
					variables = c.variables[i%len(c.variables)]
				}
				in := w.subscribe(p, c.queries[i%len(c.queries)], variables)
				defer in.leave()
				inboxes = append(inboxes, in)
			}
			w.locate(mine)
			w.locate(mine)
			for _, in := range inboxes {
				in.wait(t, 2)
			}
			if sameResult(inboxes...) != c.share {
				t.Errorf("shared: %v", !c.share)
			}
		})
	}
}

func TestUnequalViewersShareNothing(t *testing.T) {
	w := newShareWorld(t)
	mine := w.demo.Devices[0]
	w.glpi.Grant("Fleet viewer", map[string]glpi.Rights{"flyvemdm:fleet": 0})
	admin, viewer, foreign := w.signIn("admin@acme.test"), w.signIn("viewer@acme.test"), w.signIn("admin@globex.test")
	a, v, f := w.subscribe(admin, plainEvents, nil), w.subscribe(viewer, plainEvents, nil), w.subscribe(foreign, plainEvents, nil)
	for _, in := range []*inbox{a, v, f} {
		defer in.leave()
	}
	count := len(w.locate(mine))
	shown, hidden := a.wait(t, count)[count-1], v.wait(t, count)[count-1]
	if fieldOf(shown, "agent", "fleet", "name") == nil || fieldOf(hidden, "agent", "fleet") != nil || fieldOf(hidden, "agent", "name") == nil {
		t.Errorf("the admin got %s, the viewer %s", shown.JSON, hidden.JSON)
	}
	if got := f.got(); len(got) > 0 {
		t.Errorf("the other company got %s", got[0].JSON)
	}
}

// Whoever executes may leave: somebody else does from then on, and nobody misses anything.
func TestThoseLeftGoOn(t *testing.T) {
	w := newShareWorld(t)
	w.another("admin@acme.test", "bea@acme.test")
	mine := w.demo.Devices[0]
	for name, leave := range map[string]func(*person, *inbox){
		"a subscription ends": func(_ *person, in *inbox) { in.leave() },
		"a socket closes":     func(p *person, in *inbox) { p.hangUp() },
		"it does not read":    func(_ *person, in *inbox) { in.full.Store(true) },
		"the session ends":    func(p *person, in *inbox) { _ = p.session.End(p.ctx); w.desk.End(p.session.Token()) },
		"the session ends in GLPI, and nobody tells": func(p *person, in *inbox) {
			if err := w.plain.Resume(p.session.Token()).End(p.ctx); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ada := w.signIn("admin@acme.test")
			first := w.subscribe(ada, plainEvents, nil)
			count := len(w.locate(mine))
			first.wait(t, count) // ada's rights are those that it was executed with
			bea := w.signIn("bea@acme.test")
			second := w.subscribe(bea, plainEvents, nil)
			defer second.leave()
			leave(ada, first)
			w.client.Invalidate("PluginFlyvemdmAgent") // what was read before is of no help
			w.locate(mine)
			got := second.wait(t, 1)[0]
			if fieldOf(got, "agent", "name") == nil || strings.Contains(string(got.JSON), "errors") {
				t.Errorf("who is left got %s", got.JSON)
			}
			if name != "it does not read" && name != "a socket closes" && ada.ctx.Err() == nil && name != "a subscription ends" {
				t.Error("the socket of the session that has ended is open")
			}
			first.leave()
		})
	}
}

func TestASwitchMovesTheViewerAtOnce(t *testing.T) {
	w := newShareWorld(t)
	w.another("admin@acme.test", "bea@acme.test")
	ada, bea := w.signIn("admin@acme.test"), w.signIn("bea@acme.test")
	scope := must(ada.session.Scope(ada.ctx))(t)
	var paris, lyon []glpi.DemoDevice // two of the company's entities
	for _, id := range scope.EntityIDs {
		if found := w.devicesIn(id); len(found) > 0 && paris == nil {
			paris = found
		} else if len(found) > 0 && lyon == nil {
			lyon = found
		}
	}
	a, b := w.subscribe(ada, plainEvents, nil), w.subscribe(bea, plainEvents, nil)
	defer a.leave()
	defer b.leave()
	both := len(w.locate(paris[0])) + len(w.locate(lyon[0]))
	a.wait(t, both)
	b.wait(t, both)
	if !sameResult(a, b) {
		t.Error("not shared before the switch")
	}
	if err := ada.session.SwitchEntity(ada.ctx, lyon[0].EntityID, false); err != nil {
		t.Fatal(err)
	}
	w.desk.ScopeChanged(ada.session.Token())
	hidden := len(w.locate(paris[0]))
	shown := len(w.locate(lyon[0]))
	b.wait(t, both+hidden+shown)
	for _, r := range a.wait(t, both+shown)[both:] {
		if fieldOf(r, "entityId") != model.GlobalID("Entity", lyon[0].EntityID) {
			t.Errorf("after the switch came %s", r.JSON)
		}
	}
	if err := ada.session.SwitchEntity(ada.ctx, scope.EntityID, scope.Recursive); err != nil {
		t.Fatal(err)
	}
	w.desk.ScopeChanged(ada.session.Token())
	seen, theirs := both+shown, both+hidden+shown
	eventually(t, func() bool { // at first what comes may come while ada catches up
		again := len(w.locate(paris[0]))
		seen, theirs = seen+again, theirs+again
		return a.wait(t, seen)[seen-1] == b.wait(t, theirs)[theirs-1]
	})
}

// What was missed is replayed alone, and then the group takes over without a gap or a repetition, though events keep
// coming all the while.
func TestAReplayIsHandedOverWithoutAGap(t *testing.T) {
	w := newShareWorld(t)
	ada := w.signIn("admin@acme.test")
	query := `subscription ($after: String) { deviceEvents(after: $after) { cursor } }`
	mine := w.demo.Devices[0]
	whole := w.subscribe(ada, query, nil)
	defer whole.leave()
	begun := len(w.locate(mine))
	const events, readers = 200, 20
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range events {
			_ = w.broker.Publish(mine.Topic+"/Status/Task/7", fmt.Appendf(nil, `{"status":"%s"}`, []string{"done", "failed"}[i%2]), false)
		}
	}()
	var late []*inbox
	var from []int
	for i := range readers {
		seen := whole.wait(t, begun+i*events/readers/2)
		after := len(seen) / 2
		in := w.subscribe(ada, query, map[string]any{"after": seen[after].Cursor})
		defer in.leave()
		late, from = append(late, in), append(from, after+1)
	}
	<-published
	eventually(t, func() bool { // the group has all of them
		w.locate(mine)
		total := int(w.bridge.Latest())
		last := whole.wait(t, total)[total-1]
		return !slices.ContainsFunc(late, func(in *inbox) bool { return !slices.Contains(in.wait(t, 1), last) })
	})
	want := whole.got()
	for i, in := range late {
		got := in.got()
		if len(got) != len(want)-from[i] {
			t.Errorf("reader %d: %d results, want %d", i, len(got), len(want)-from[i])
		}
		for n, r := range got {
			if string(r.JSON) != string(want[from[i]+n].JSON) {
				t.Fatalf("reader %d: result %d is %s, want %s", i, n, r.JSON, want[from[i]+n].JSON)
			}
		}
	}
}

func TestSubscriptionsThatCantBe(t *testing.T) {
	w := newShareWorld(t)
	admin, sally := w.signIn("admin@acme.test"), w.signIn("sally@acme.test")
	for name, c := range map[string]struct {
		p     *person
		query string
		code  string
	}{
		"no right":          {sally, plainEvents, "FORBIDDEN"},
		"a strange cursor":  {admin, `subscription { deviceEvents(after: "MTIz") { kind } }`, "RESYNC"},
		"a strange device":  {admin, fmt.Sprintf(`subscription { deviceEvents(filter: {agentIds: [%q]}) { kind } }`, model.GlobalID("Agent", 987654)), "NOT_FOUND"},
		"no kinds":          {admin, `subscription { deviceEvents(filter: {kinds: []}) { kind } }`, "BAD_USER_INPUT"},
		"a stranger's id":   {admin, `subscription { deviceEvents(filter: {fleetIds: ["x"]}) { kind } }`, "BAD_USER_INPUT"},
		"nobody signed in?": {&person{ctx: t.Context()}, plainEvents, "UNAUTHENTICATED"},
	} {
		t.Run(name, func(t *testing.T) {
			in := w.subscribe(c.p, c.query, nil)
			in.leave()
			if in.code() != c.code {
				t.Errorf("ended with %q, want %s", in.code(), c.code)
			}
			if in.errors[0].Path.String() != "deviceEvents" {
				t.Errorf("at %s", in.errors[0].Path)
			}
		})
	}
}

// The places that a person's subscriptions take are free again, however those end.
func TestPlacesAreFreed(t *testing.T) {
	w := newShareWorld(t)
	ada := w.signIn("admin@acme.test")
	left, deaf, refused := w.subscribe(ada, plainEvents, nil), w.subscribe(ada, plainEvents, nil), w.signIn("viewer@acme.test")
	stopped := w.subscribe(refused, plainEvents, nil)
	if open := graph.OpenStreams(w.shared); open != 3 {
		t.Fatalf("%d open, want 3", open)
	}
	w.subscribe(ada, `subscription { deviceEvents(after: "MTIz") { kind } }`, nil)
	left.leave()
	left.leave()
	deaf.full.Store(true)
	w.locate(w.demo.Devices[0])
	_ = w.plain.Resume(refused.session.Token()).End(t.Context())
	w.late.Add(int64(time.Minute))
	w.desk.ScopeChanged(refused.session.Token())
	eventually(t, func() bool { return graph.OpenStreams(w.shared) == 0 })
	if stopped.code() == "" && refused.ctx.Err() == nil {
		t.Error("a subscription goes on whose session has ended")
	}
}

// The gateway shares what comes over its sockets.
func TestSocketsShareExecutions(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	first, second := w.subscribe(token, plainEvents, nil), w.subscribe(w.signIn("admin@acme.test"), plainEvents, nil)
	alone := w.subscribe(token, `subscription { deviceEvents { agent { owner { grants { id } } } } }`, nil)
	w.chatter(func(i int) { w.publish(mine.Topic+"/Status/Online", fmt.Sprintf(`{"online": %v}`, i%2 == 0)) })
	for name, next := range map[string]func() (string, answer){"first": first, "second": second, "alone": alone} {
		if kind, a := next(); kind != "next" || len(a.Errors) > 0 {
			t.Errorf("%s: %s %s", name, kind, a.text)
		}
	}
	response, err := http.Get(w.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"fleetgate_event_groups 2", `fleetgate_event_subscriptions{state="in a group"} 3`, "fleetgate_event_sessions 2"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// A transport that knows nothing of sharing, such as gqlgen's own, gets the same events, until the viewer may not see any.
func TestATransportThatExecutesByItself(t *testing.T) {
	w := newShareWorld(t)
	ada := w.signIn("admin@acme.test")
	ctx := graphql.StartOperationTrace(ada.ctx)
	op, errs := w.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: plainEvents})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	responses, ctx := w.exec.DispatchOperation(ctx, op)
	in := w.subscribe(ada, plainEvents, nil)
	defer in.leave()
	for _, r := range in.wait(t, len(w.locate(w.demo.Devices[0]))) {
		response := responses(ctx)
		if response == nil || len(response.Errors) > 0 || !strings.Contains(string(response.Data), r.Cursor) {
			t.Fatalf("got %+v, want %s", response, r.JSON)
		}
	}
	_ = w.plain.Resume(ada.session.Token()).End(t.Context())
	w.late.Add(int64(time.Minute))
	w.desk.ScopeChanged(ada.session.Token())
	if response := responses(ctx); response != nil {
		t.Errorf("after the session's end came %s", response.Data)
	}
	eventually(t, func() bool { return graph.OpenStreams(w.shared) == 0 })
}
