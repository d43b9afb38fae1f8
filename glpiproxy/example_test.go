package glpiproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

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
	default:
		http.NotFound(w, r)
	}
}
