package graph_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/sim/glpi"
)

// eventSource is a client of Server-Sent Events as browsers have it: when a response breaks off it asks for the same
// again, and says which event it has had last.
type eventSource struct {
	w              *world
	token, address string
	last           string // the id of the last event
	response       *http.Response
	lines          *bufio.Scanner
}

func (w *world) listen(token, query string) *eventSource {
	s := &eventSource{w: w, token: token, address: w.url + "/graphql?query=" + url.QueryEscape(query)}
	w.t.Cleanup(s.cut)
	return s
}

// cut breaks the connection.
func (s *eventSource) cut() {
	if s.response != nil {
		s.response.Body.Close()
		s.response = nil
	}
}

func (s *eventSource) connect() {
	s.w.t.Helper()
	request, err := http.NewRequestWithContext(s.w.t.Context(), http.MethodGet, s.address, nil)
	if err != nil {
		s.w.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+s.token)
	if s.last != "" {
		request.Header.Set("Last-Event-ID", s.last)
	}
	if s.response, err = http.DefaultClient.Do(request); err != nil {
		s.w.t.Fatal(err)
	}
	s.lines = bufio.NewScanner(s.response.Body)
}

// next waits for an event.
func (s *eventSource) next() (kind string, a answer) {
	s.w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if s.response == nil {
			s.connect()
		}
		id := s.last // that of an event counts once the event is whole
		for s.lines.Scan() {
			field, value, _ := strings.Cut(s.lines.Text(), ": ")
			switch {
			case field == "event":
				kind = value
			case field == "id":
				id = value
			case field == "data" && value != "":
				if err := json.Unmarshal([]byte(value), &a); err != nil {
					s.w.t.Fatal(err)
				}
				a.text = value
			case field == "" && kind != "":
				s.last = id
				return kind, a
			}
		}
		s.cut()
	}
	s.w.t.Fatal("no event came")
	return
}

const positionsOnly = `subscription { deviceEvents(filter: {kinds: [POSITION_REPORTED]}%s) { cursor ... on PositionReported { position { latitude } } } }`

// Who comes back goes on after the last event that it has had, though its request is the same as before.
func TestAnEventSourceComesBack(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	w.chatter(func(i int) {
		w.publish(mine.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":%g,"longitude":2.35,"datetime":"%d"}`, float64(i)/1000, time.Now().Unix()))
	})
	query := fmt.Sprintf(positionsOnly, "")
	source, other := w.listen(token, query), w.subscribe(token, query, nil)
	var before float64
	for i := range 60 {
		if i%20 == 19 {
			source.cut()
			for range 5 { // it misses some
				other()
			}
		}
		kind, a := source.next()
		latitude, _ := a.at("deviceEvents", "position", "latitude").(float64)
		if kind != "next" || source.last != a.at("deviceEvents", "cursor") {
			t.Fatalf("got %s %s, with the id %q", kind, a.text, source.last)
		}
		if gap := latitude - before - 0.001; i > 0 && (gap > 1e-9 || gap < -1e-9) {
			t.Fatalf("event %d is at %g after %g: one was lost or came twice", i, latitude, before)
		}
		before = latitude
	}
}

func TestWhereAnEventSourceGoesOn(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	mine, _ := w.deviceOf(token)
	w.chatter(func(i int) {
		w.publish(mine.Topic+"/Status/Geolocation", fmt.Sprintf(`{"latitude":%g,"longitude":2.35,"datetime":"%d"}`, float64(i)/1000, time.Now().Unix()))
	})
	events := w.listen(token, fmt.Sprintf(positionsOnly, ""))
	events.next()
	first := events.last
	_, second := events.next()

	for name, c := range map[string]struct{ query, last, code string }{
		"an id that is none":     {fmt.Sprintf(positionsOnly, ""), "nonsense", "RESYNC"},
		"an event of long ago":   {fmt.Sprintf(positionsOnly, ""), "MTIz", "RESYNC"},
		"of invitations":         {`subscription { invitationEvents { cursor } }`, "1-1", "RESYNC"},
		"it goes before `after`": {fmt.Sprintf(positionsOnly, `, after: "nonsense"`), first, ""},
		"what has no cursors":    {`{ viewer { username } }`, "nonsense", ""},
		"a cursor that is null":  {fmt.Sprintf(positionsOnly, ", after: null"), "nonsense", "RESYNC"},
	} {
		t.Run(name, func(t *testing.T) {
			source := w.listen(token, c.query)
			source.last = c.last
			kind, a := source.next()
			if kind != "next" || a.code() != c.code {
				t.Fatalf("got %s %s, want %q", kind, a.text, c.code)
			}
			if name == "it goes before `after`" && a.at("deviceEvents", "cursor") != second.at("deviceEvents", "cursor") {
				t.Errorf("got %s, want %s", a.text, second.text)
			}
			if c.code != "" {
				if kind, _ := source.next(); kind != "complete" {
					t.Errorf("then came %s", kind)
				}
			}
		})
	}
}

func TestAnEventSourceOfInvitationsComesBack(t *testing.T) {
	w := newWorldOf(t, glpi.Options{}, withService)
	token := w.signIn("admin@acme.test")
	first := w.invite(token, map[string]any{"email": "first@mail.test"}).at("results", 0, "invitation", "id")
	source := w.listen(token, `subscription { invitationEvents { cursor kind invitationId } }`)
	source.last = w.invitationCursor(token, first).(string)
	for i := range 3 {
		next := w.invite(token, map[string]any{"email": fmt.Sprintf("next%d@mail.test", i)}).at("results", 0, "invitation", "id")
		for {
			kind, a := source.next()
			if kind != "next" || source.last != a.at("invitationEvents", "cursor") {
				t.Fatalf("got %s %s, with the id %q", kind, a.text, source.last)
			}
			if a.at("invitationEvents", "invitationId") == first {
				continue // it was renewed, to have a cursor
			}
			if a.at("invitationEvents", "invitationId") != next || a.at("invitationEvents", "kind") != "CREATED" {
				t.Fatalf("%d: got %s, want that %s was made", i, a.text, next)
			}
			break
		}
		source.cut() // it is away when the next one is made
	}
}
