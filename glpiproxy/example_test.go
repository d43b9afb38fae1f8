package glpiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"fleetgate/glpiproxy"
)

// Sign in, read a page of agents, and their fleets in one more call.
func Example() {
	glpi := httptest.NewServer(http.HandlerFunc(answer)) // stands for https://glpi.example.com
	defer glpi.Close()

	client, err := glpiproxy.New(glpiproxy.Options{URL: glpi.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	session, err := client.SignIn(ctx, "admin@acme.test", "demo")
	if err != nil {
		fmt.Println(err)
		return
	}
	agents, err := glpiproxy.List[glpiproxy.Agent](ctx, session, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var fleetIDs []int
	for _, agent := range agents.Items {
		fleetIDs = append(fleetIDs, agent.FleetID)
	}
	fleets, err := glpiproxy.GetMany[glpiproxy.Fleet](ctx, session, fleetIDs)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d agents\n", len(agents.Items), agents.Total)
	for i, agent := range agents.Items {
		fmt.Printf("%s is in %q\n", agent.Name, fleets[i].Item.Name)
	}

	// Output:
	// 2 of 40 agents
	// dave@acme.test is in "Paris fleet"
	// erin@acme.test is in "Lyon & co"
}

// Find devices by what people type, and tell which kind of error ended a call.
func ExampleSearch() {
	glpi := httptest.NewServer(http.HandlerFunc(answer))
	defer glpi.Close()
	client, err := glpiproxy.New(glpiproxy.Options{URL: glpi.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	session := client.Resume("pic40pmtmv70r7biqb5gkbkkt0") // as SignIn gave it
	const name, serial = 1, 5                              // GLPI's search options, see SearchOptions
	found, err := glpiproxy.Search[glpiproxy.Computer](ctx, session, glpiproxy.Query{
		Criteria: []glpiproxy.Criterion{{Field: name, Type: glpiproxy.Contains, Value: "O'Brien"}},
		Columns:  []int{name, serial},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range found.Rows {
		fmt.Println(row.ID(), row.Text(name), row.Text(serial))
	}
	_, err = glpiproxy.Get[glpiproxy.Computer](ctx, session, 4711)
	var e *glpiproxy.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind)
	}

	// Output:
	// 3 Phone of O'Brien SN-3
	// not found
}

// Answers that are older than they should be, since GLPI is away, are reported.
func ExampleWithStaleReport() {
	glpi := httptest.NewServer(http.HandlerFunc(answer))
	now := time.Now()
	client, err := glpiproxy.New(glpiproxy.Options{URL: glpi.URL, Now: func() time.Time { return now }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	session := client.Resume("pic40pmtmv70r7biqb5gkbkkt0")
	show := func() {
		ctx, report := glpiproxy.WithStaleReport(context.Background())
		agents, err := glpiproxy.List[glpiproxy.Agent](ctx, session, glpiproxy.ListOptions{Range: glpiproxy.Range{Count: 2}})
		_, old := report.Since()
		fmt.Println(len(agents.Items), "agents, old:", old, err)
	}
	show()
	glpi.Close()
	now = now.Add(time.Minute)
	show()

	// Output:
	// 2 agents, old: false <nil>
	// 2 agents, old: true <nil>
}

// answer plays GLPI's part.
func answer(w http.ResponseWriter, r *http.Request) {
	switch path := strings.TrimPrefix(r.URL.Path, "/apirest.php"); path {
	case "/initSession":
		fmt.Fprint(w, `{"session_token":"pic40pmtmv70r7biqb5gkbkkt0"}`)
	case "/getFullSession":
		fmt.Fprint(w, `{"session":{"glpiID":8,"glpiactive_entity":1,"glpiactiveentities":{"1":1},"glpiactiveprofile":{"id":4,"flyvemdm:agent":115}}}`)
	case "/PluginFlyvemdmAgent":
		w.Header().Set("Content-Range", "0-1/40")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, `[{"id":1,"name":"dave@acme.test","plugin_flyvemdm_fleets_id":6},{"id":2,"name":"erin@acme.test","plugin_flyvemdm_fleets_id":7}]`)
	case "/getMultipleItems":
		fmt.Fprint(w, `[{"id":6,"name":"Paris fleet"},{"id":7,"name":"Lyon &amp; co"}]`)
	case "/search/Computer":
		fmt.Fprint(w, `{"totalcount":1,"count":1,"data":[{"2":3,"1":"Phone of O&#039;Brien","5":"SN-3"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `["ERROR_ITEM_NOT_FOUND","Item not found"]`)
	}
}
