package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// What GLPI changed by itself shows as soon as the device is heard of, long before the cache's time is over.
func TestDevicesThatSpeakAreReadAgain(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	device := w.demo.Devices[0]
	name := func() any {
		return w.must(token, `query ($id: ID!) { agent(id: $id) { name } }`, map[string]any{"id": model.GlobalID("Agent", device.AgentID)}).at("agent", "name")
	}
	before := name()
	w.rename(device.AgentID, "renamed in GLPI")
	if got := name(); got != before {
		t.Fatalf("the name is %v at once: nothing was cached, and this test shows nothing", got)
	}
	for deadline := time.Now().Add(5 * time.Second); name() != "renamed in GLPI"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the old name is still shown")
		}
		w.publish(device.Topic+"/Status/Ping", "!")
	}
}

// rename changes an agent past the gateway.
func (w *world) rename(agentID int, name string) {
	w.t.Helper()
	client, err := glpiproxy.New(glpiproxy.Options{URL: w.rest})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	session, err := client.SignIn(w.t.Context(), "admin@acme.test", "demo")
	if err != nil {
		w.t.Fatal(err)
	}
	body := strings.NewReader(fmt.Sprintf(`{"input":{"name":%q}}`, name))
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, fmt.Sprint(w.rest, "/PluginFlyvemdmAgent/", agentID), body)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Session-Token", session.Token())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("renaming: %s", response.Status)
	}
}
