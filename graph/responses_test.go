package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

// reply is a response as it came over HTTP.
type reply struct {
	status int
	header http.Header
	text   string
}

// came is how the response came about: HIT, MISS or BYPASS.
func (r reply) came() string { return r.header.Get("Fleetgate-Cache") }

// post sends the very same bytes for the same query.
func (w *world) post(token, query string) reply {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send(token, http.MethodPost, w.url+"/graphql", body, "Content-Type", "application/json")
}

func (w *world) send(token, method, address string, body []byte, headers ...string) reply {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// wantReply compares how a response came about, and its text where one is wanted.
func wantReply(t *testing.T, what string, got reply, came, text string) {
	t.Helper()
	if got.came() != came || text != "" && got.text != text {
		t.Errorf("%s: a %s with\n%s\nwant a %s with\n%s", what, got.came(), got.text, came, text)
	}
}

const pageOfDevices = `{ agents(first: 50) { totalCount nodes { id name serial version presence { state lastContact } fleet { id name } owner { displayName } computer { model } } } }`

func TestTheSameRequestGetsTheSameBytes(t *testing.T) {
	w := newWorld(t)
	admin, again, other := w.signIn("admin@acme.test"), w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	first := w.post(admin, pageOfDevices)
	wantReply(t, "first", first, "MISS", "")
	var second reply
	if calls := w.callsOf(func() { second = w.post(admin, pageOfDevices) }); len(calls) > 0 {
		t.Errorf("what is kept took %v", calls)
	}
	wantReply(t, "second", second, "HIT", first.text)
	if got, want := second.header.Get("Content-Type"), first.header.Get("Content-Type"); got != want || second.status != http.StatusOK {
		t.Errorf("got %d %s, want %s", second.status, got, want)
	}
	wantReply(t, "another session that sees the same", w.post(again, pageOfDevices), "HIT", first.text)
	glpi := w.operator()
	glpi.another("bea@acme.test", "Super-Admin", "ACME", "en_GB")
	glpi.another("fleur@acme.test", "Super-Admin", "ACME", "fr_FR")
	glpi.another("vic@acme.test", "Fleet viewer", "ACME", "en_GB")
	wantReply(t, "another person who sees the same", w.post(w.signIn("bea@acme.test"), pageOfDevices), "HIT", first.text)
	wantReply(t, "another language", w.post(w.signIn("fleur@acme.test"), pageOfDevices), "MISS", "")
	wantReply(t, "another profile", w.post(w.signIn("vic@acme.test"), pageOfDevices), "MISS", "")
	wantReply(t, "another document", w.post(admin, pageOfDevices+" "), "MISS", first.text)
	foreign := w.post(other, pageOfDevices)
	wantReply(t, "another company", foreign, "MISS", "")
	if foreign.text == first.text {
		t.Error("two companies see the same devices")
	}
	wantReply(t, "another company again", w.post(other, pageOfDevices), "HIT", foreign.text)
	wantReply(t, "nobody", w.post("", pageOfDevices), "BYPASS", "")
}

func TestWhatIsNeverKept(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	for _, test := range []struct{ query, came string }{
		{`{ viewer { username sessionExpiresAt } }`, "BYPASS"},
		{`{ gateway { broker { reachable } } }`, "BYPASS"},
		{`{ agents(first: 1) { nodes { id ...more } } } fragment more on Agent { invitation { id } }`, "BYPASS"},
		{`{ files(first: 1) { nodes { downloadUrl } } }`, "BYPASS"},
		{`{ invitations(first: 1) { totalCount } }`, "BYPASS"},
		{`{ overview { agentCount userCount } }`, "BYPASS"},
		{`{ __schema { queryType { name } } }`, "BYPASS"},
		{`mutation { updateAgent(input: {id: "none"}) { agent { id } userErrors { code } } }`, "BYPASS"},
		{`{ agent(id: "none") { id } }`, "MISS"}, // errors are not kept
		{`{ __typename }`, "MISS"},               // nor what rests on nothing
		{`{ overview { agentCount fleetCount devicesByPresence { state count } } }`, "HIT"},
		{`{ policies { id name } }`, "HIT"},
	} {
		w.post(admin, test.query)
		wantReply(t, test.query, w.post(admin, test.query), test.came, "")
	}
}

func TestGetAsksWhetherItStillHolds(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	address := w.url + "/graphql?query=" + url.QueryEscape(`{ fleets { nodes { id name } } }`)
	get := func(headers ...string) reply {
		return w.send(admin, http.MethodGet, address, nil, append(headers, "Apollo-Require-Preflight", "1")...)
	}
	first := get()
	wantReply(t, "first", first, "MISS", "")
	second := get()
	tag := second.header.Get("ETag")
	wantReply(t, "second", second, "HIT", first.text)
	if tag == "" || !strings.Contains(second.header.Get("Cache-Control"), "private") || !strings.Contains(strings.Join(second.header.Values("Vary"), ","), "Authorization") {
		t.Errorf("headers %v", second.header)
	}
	if third := get("If-None-Match", tag); third.status != http.StatusNotModified || third.text != "" {
		t.Errorf("got %d %s", third.status, third.text)
	}
	if fourth := get("If-None-Match", `"another"`); fourth.status != http.StatusOK || fourth.text != first.text {
		t.Errorf("got %d %s", fourth.status, fourth.text)
	}
}

func TestWritesDropResponses(t *testing.T) {
	w := newWorld(t)
	admin, again := w.signIn("admin@acme.test"), w.signIn("admin@acme.test")
	id := w.must(admin, `{ agents(first: 1) { nodes { id } } }`, nil).at("agents", "nodes", 0, "id")
	const files = `{ files { nodes { id name } } }`
	for _, query := range []string{pageOfDevices, files} {
		w.post(again, query)
		wantReply(t, "before", w.post(again, query), "HIT", "")
	}
	for i := range 3 {
		name := fmt.Sprint("renamed ", i)
		w.must(admin, `mutation ($id: ID!, $name: String!) { updateAgent(input: {id: $id, name: $name}) { userErrors { message } } }`, map[string]any{"id": id, "name": name})
		got := w.post(again, pageOfDevices)
		wantReply(t, "after", got, "MISS", "")
		if !strings.Contains(got.text, name) {
			t.Errorf("the new name is missing: %s", got.text)
		}
		wantReply(t, "once more", w.post(again, pageOfDevices), "HIT", got.text)
		wantReply(t, "another type", w.post(again, files), "HIT", "")
	}
}

func TestDevicesDropResponses(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn("admin@acme.test")
	mine := w.devicesOf(admin)
	states := `{ agents(first: 500) { nodes { serial presence { state lastContact } lastPosition { latitude } } } }`
	for _, device := range w.demo.Devices {
		if !mine[device.Serial] {
			continue
		}
		// Asking again in other words goes past the responses that are kept: it tells when the bridge has heard.
		await := func(part string) reply {
			t.Helper()
			for deadline := time.Now().Add(10 * time.Second); ; {
				if a := w.post(admin, states+" # "+fmt.Sprint(time.Now().UnixNano())); strings.Contains(a.text, part) {
					return a
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s never came", part)
				}
			}
		}
		w.post(admin, states)
		w.publish(device.Topic+"/Status/Online", `{"online":true}`)
		truth := await(fmt.Sprintf(`"serial":%q,"presence":{"state":"ONLINE"`, device.Serial))
		wantReply(t, "online", w.post(admin, states), "MISS", truth.text)
		w.publish(device.Topic+"/Status/Geolocation", `{"latitude":"12.5","longitude":"2.5","datetime":"1795300000"}`)
		truth = await(`"latitude":12.5`)
		if got := w.post(admin, states); got.text != truth.text {
			t.Errorf("after a position:\n%s\nwant\n%s", got.text, truth.text)
		}
		return
	}
}

func TestSilenceEndsResponses(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.StaleAfter = 2 * time.Second })
	admin := w.signIn("admin@acme.test")
	mine := w.devicesOf(admin)
	const states = `{ agents(first: 500) { nodes { serial presence { state } } } }`
	for _, device := range w.demo.Devices {
		if !mine[device.Serial] {
			continue
		}
		w.publish(device.Topic+"/Status/Ping", `!`)
		shows := func(state string) bool {
			return strings.Contains(w.post(admin, states).text, fmt.Sprintf(`"serial":%q,"presence":{"state":%q`, device.Serial, state))
		}
		for _, state := range []string{"ONLINE", "STALE"} {
			for deadline := time.Now().Add(8 * time.Second); !shows(state); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the device is never shown as %s", state)
				}
			}
		}
		return
	}
}

func TestWhoseSignInOrRightsHaveEndedGetsNothing(t *testing.T) {
	w := newWorld(t)
	admin, again := w.signIn("admin@acme.test"), w.signIn("admin@acme.test")
	kept := w.post(admin, pageOfDevices)
	wantReply(t, "before", w.post(admin, pageOfDevices), "HIT", kept.text)
	w.must(admin, `mutation { logout { ended } }`, nil)
	gone := w.post(admin, pageOfDevices)
	if gone.came() == "HIT" || !strings.Contains(gone.text, "UNAUTHENTICATED") {
		t.Errorf("after logout: a %s with %s", gone.came(), gone.text)
	}
	if got := w.post(again, pageOfDevices); got.text != kept.text {
		t.Errorf("the other session gets\n%s", got.text)
	}
	if got := w.post("made up", pageOfDevices); got.came() == "HIT" || !strings.Contains(got.text, "UNAUTHENTICATED") {
		t.Errorf("with a token that nobody gave: a %s with %s", got.came(), got.text)
	}
}

func TestResponsesNeedNotBeKept(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.ResponseCacheMB = 0 })
	admin := w.signIn("admin@acme.test")
	first := w.post(admin, pageOfDevices)
	wantReply(t, "second", w.post(admin, pageOfDevices), "BYPASS", first.text)
}
