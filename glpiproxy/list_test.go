package glpiproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestListPlaysTranscripts(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	s := g.client().Resume(alice)

	g.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	fleets := must(List[Fleet](ctx, s, ListOptions{}))(t)
	if fleets.Total != 6 || len(fleets.Items) != 6 || fleets.Items[5].Name != "Field <b>& co" || !fleets.Items[0].Default || fleets.Items[2].EntityID != 4 {
		t.Errorf("%+v", fleets)
	}
	g.on("/PluginFlyvemdmAgent", recorded(t, "130-agent-list"))
	agents := must(List[Agent](ctx, s, ListOptions{}))(t)
	if agents.Total != 2 || agents.Items[1].Name != "erin@acme.test" || agents.Items[1].Version != "2.1.0" || agents.Items[1].FleetID != 1 {
		t.Errorf("%+v", agents)
	}
	g.on("/Computer", recorded(t, "136-computer-list"))
	if computers := must(List[Computer](ctx, s, ListOptions{}))(t); computers.Total != 0 || len(computers.Items) != 0 {
		t.Errorf("%+v", computers)
	}
	g.on("/PluginFlyvemdmPolicy", recorded(t, "025-policy-list"))
	policies := must(List[Policy](ctx, s, ListOptions{Range: Range{Count: 100}}))(t)
	if policies.Total != 41 || policies.Items[0].Symbol != "deployApp" || policies.Items[0].AndroidMinVersion != "4.3" {
		t.Errorf("%d %+v", policies.Total, policies.Items[0])
	}
	g.on("/PluginFlyvemdmPolicy", recorded(t, "620-range-eq-total"))
	if page := must(List[Policy](ctx, s, ListOptions{Range: Range{Start: 41, Count: 10}}))(t); page.Total != 41 || len(page.Items) != 0 || page.Start != 41 {
		t.Errorf("%+v", page)
	}
}

func TestListOptionsAreSent(t *testing.T) {
	g := newGLPI(t)
	g.on("/Computer", says(200, `[]`))
	s := g.client().Resume(alice)
	must(List[Computer](context.Background(), s, ListOptions{}))(t)
	must(List[Computer](context.Background(), s, ListOptions{
		Range: Range{Start: 20, Count: 10}, Sort: "name", Descending: true, Filter: map[string]string{"serial": `O'Brien "1"`, "is_deleted": "0"},
	}))(t)
	first, second := g.requests("/Computer")[0].URL.Query(), g.requests("/Computer")[1].URL.Query()
	if fmt.Sprint(first) != "map[get_hateoas:[false] order:[ASC] range:[0-49] sort:[id]]" {
		t.Error(first)
	}
	if fmt.Sprint(second) != `map[get_hateoas:[false] order:[DESC] range:[20-29] searchText[is_deleted]:[^0$] searchText[serial]:[^O\'Brien \"1\"$] sort:[name]]` {
		t.Error(second)
	}
}

func TestListRefusesBeforeAsking(t *testing.T) {
	g := newGLPI(t)
	s := g.client().Resume(alice)
	for name, o := range map[string]ListOptions{
		"a secret column":       {Filter: map[string]string{"api_token": "a"}},
		"SQL":                   {Sort: "id;DROP TABLE x"},
		"a reserved word":       {Sort: "lock"},
		"an unknown column":     {Sort: "nope"},
		"a backslash":           {Filter: map[string]string{"name": `x\`}},
		"a control character":   {Filter: map[string]string{"name": "x\x00"}},
		"broken text":           {Filter: map[string]string{"name": "\xff"}},
		"a long text":           {Filter: map[string]string{"name": strings.Repeat("x", 256)}},
		"a negative start":      {Range: Range{Start: -1}},
		"too many rows at once": {Range: Range{Count: 1001}},
	} {
		_, err := List[Agent](context.Background(), s, o)
		if KindOf(err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := List[Geolocation](context.Background(), s, ListOptions{})
	wantKind(t, err, Invalid)
	_, err = List[UserEmail](context.Background(), s, ListOptions{})
	wantKind(t, err, Invalid)
	if len(g.requests("")) != 0 {
		t.Error("GLPI was asked")
	}
}

func TestListPastTheEndTellsTheTrueTotal(t *testing.T) {
	g := newGLPI(t)
	answers := 0
	past, first := recorded(t, "027-policy-list-out-of-range"), says(206, `[{"id":1}]`, "Content-Range", "0-0/41")
	g.on("/PluginFlyvemdmPolicy", past)
	s := g.client().Resume(alice)
	// Even the first row is past the end: that is no list but a query that failed.
	wantKind(t, second(List[Policy](context.Background(), s, ListOptions{Range: Range{Start: 900}})), Upstream)
	wantKind(t, second(List[Policy](context.Background(), s, ListOptions{})), Upstream)
	g.on("/PluginFlyvemdmPolicy", func(w responseWriter, r *request) {
		if answers++; answers == 1 {
			past(w, r)
			return
		}
		if r.URL.Query().Get("range") != "0-0" {
			t.Errorf("asked for %v", r.URL.Query())
		}
		first(w, r)
	})
	page := must(List[Policy](context.Background(), s, ListOptions{Range: Range{Start: 901}}))(t)
	if page.Total != 41 || len(page.Items) != 0 || page.Start != 901 {
		t.Errorf("%+v", page)
	}
}

func TestListsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ body, contentRange string }{
		"a failed query":       {`[]`, "0-0/1"},
		"more rows than asked": {`[{"id":1},{"id":2},{"id":3}]`, "0-2/3"},
		"no total":             {`[{"id":1}]`, ""},
		"no list":              {`{"id":1}`, "0-0/1"},
		"a text":               {`"hello"`, "0-0/1"},
		"a warning first":      {`<b>Warning</b>[{"id":1}]`, "0-0/1"},
		"cut short":            {`[{"id":1},`, "0-1/2"},
		"nothing at all":       {``, ""},
		"a row without id":     {`[{"name":"x"}]`, "0-0/1"},
	} {
		g := newGLPI(t)
		g.on("/PluginFlyvemdmFleet", says(200, c.body, "Content-Range", c.contentRange))
		_, err := List[Fleet](context.Background(), g.client().Resume(alice), ListOptions{Range: Range{Count: 2}})
		if KindOf(err) != Upstream || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := newGLPI(t)
	g.on("/PluginFlyvemdmAgent", recorded(t, "full-354-Agent-list-searchText-unknown"))
	_, err := List[Agent](context.Background(), g.client().Resume(alice), ListOptions{})
	wantKind(t, err, Upstream)
	g.on("/PluginFlyvemdmFleet", says(206, `{"3":{"id":3},"7":{"id":"7"}}`, "Content-Range", "0-1/9")) // PHP's other array
	if page := must(List[Fleet](context.Background(), g.client().Resume(alice), ListOptions{}))(t); page.Total != 9 || page.Items[1].ID != 7 {
		t.Errorf("%+v", page)
	}
}

func TestChildren(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	s := g.client().Resume(alice)
	g.on("/Computer/2/PluginFlyvemdmGeolocation", recorded(t, "402-geolocation-list"))
	page := must(Children[Computer, Geolocation](ctx, s, 2, ListOptions{Sort: "date", Descending: true}))(t)
	if page.Total != 2 || !page.Items[0].Available || page.Items[0].Latitude != 48.8566 || page.Items[1].Available || page.Items[1].ComputerID != 2 {
		t.Errorf("%+v", page)
	}
	g.on("/User/10/UserEmail", says(200, `[{"id":4,"users_id":10,"is_default":1,"email":"bob@acme.test"}]`, "Content-Range", "0-15/1"))
	emails := must(Children[User, UserEmail](ctx, s, 10, ListOptions{}))(t)
	if len(emails.Items) != 1 || emails.Items[0].Email != "bob@acme.test" || !emails.Items[0].Default {
		t.Errorf("%+v", emails)
	}
	for _, err := range []error{
		second(Children[Agent, Geolocation](ctx, s, 2, ListOptions{})), // GLPI would answer with everybody's
		second(Children[User, Agent](ctx, s, 2, ListOptions{})),
		second(Children[Computer, Geolocation](ctx, s, 0, ListOptions{})),
		second(Children[Computer, Geolocation](ctx, s, -1, ListOptions{})),
	} {
		wantKind(t, err, Invalid)
	}
	g.on("/Computer/3/PluginFlyvemdmGeolocation", says(200, `[{"id":1,"computers_id":2}]`, "Content-Range", "0-0/1"))
	wantKind(t, second(Children[Computer, Geolocation](ctx, s, 3, ListOptions{})), Upstream) // not the rows of that computer
}

func TestGuestsReadNoAgents(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	g.on("/getFullSession", says(200, strings.Replace(sessionBody(8, 1), `"id":4`, `"id":9`, 1)))
	g.on("/PluginFlyvemdmAgent/2", recorded(t, "126-enroll-get-agent-as-guest"))
	s := g.client().Resume(alice)
	for _, err := range []error{
		second(Get[Agent](ctx, s, 2)), second(GetMany[Agent](ctx, s, []int{2})), second(List[Agent](ctx, s, ListOptions{})),
		second(Children[Computer, Agent](ctx, s, 1, ListOptions{})), second(Count[Agent](ctx, s)),
	} {
		wantKind(t, err, Forbidden)
	}
	if n := len(g.requests("")); n != 0 {
		t.Errorf("%d calls, each of which may change the device's password", n)
	}
}

func TestAgentsBySerial(t *testing.T) {
	ctx := context.Background()
	g := newGLPI(t)
	g.on("/Computer", says(200, `[{"id":1,"serial":"SN_1"},{"id":2,"serial":"SNX1"}]`, "Content-Range", "0-1/2"))
	g.on("/Computer/1/PluginFlyvemdmAgent", says(200, `[{"id":11,"computers_id":1,"entities_id":1},{"id":12,"computers_id":1,"entities_id":2}]`, "Content-Range", "0-1/2"))
	s := g.client().Resume(alice)
	for range 2 {
		agents := must(AgentsBySerial(ctx, s, 1, "SN_1"))(t)
		if len(agents) != 1 || agents[0].ID != 11 {
			t.Errorf("%+v", agents)
		}
	}
	if n := len(g.requests("")); n != 2 {
		t.Errorf("%d calls", n)
	}
	if q := g.requests("/Computer")[0].URL.Query(); q.Get("searchText[serial]") != "^SN_1$" {
		t.Error(q)
	}
	g.on("/Computer", says(200, `[{"id":1,"serial":12}]`, "Content-Range", "0-0/1")) // what GLPI makes of 0012
	if agents := must(AgentsBySerial(ctx, s, 1, "0012"))(t); len(agents) != 1 {
		t.Errorf("%+v", agents)
	}
	_, err := AgentsBySerial(ctx, s, 1, " ")
	wantKind(t, err, Invalid)
}
