package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// streaming serves GraphQL's events over WebSockets: the messages, whatever was asked for.
func streaming(t *testing.T, messages ...string) netip.AddrPort {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for _, message := range append([]string{`{"type":"connection_ack"}`}, messages...) {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
			for _, part := range strings.Split(message, "\n") {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(part))
			}
		}
		_, _, _ = ws.ReadMessage() // until the client leaves
	}))
	t.Cleanup(server.Close)
	return netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://"))
}

func position(number int) string {
	return fmt.Sprintf(`{"id":"1","type":"next","payload":{"data":{"deviceEvents":{"latitude":%.6f}}}}`, float64(number)/1e6)
}

// TestCrowdChecksWhatItGets: events must come in order, be JSON and be no errors; signs of life are none.
func TestCrowdChecksWhatItGets(t *testing.T) {
	for name, c := range map[string]struct {
		sent []string
		want string // in the error; "" none
	}{
		"in order":   {[]string{position(7), `{"type":"ping"}`, position(8), position(9)}, ""},
		"one missed": {[]string{position(7), position(9), position(10)}, "got event 9, not 8"},
		"one twice":  {[]string{position(7), position(7), position(8)}, "got event 7, not 8"},
		"not JSON":   {[]string{position(7), position(8), strings.Replace(position(9), `"type"`, `type`, 1)}, "not JSON"},
		"an error":   {[]string{position(7), `{"id":"1","type":"next","payload":{"errors":[{}]}}`}, "errors"},
		"too few":    {[]string{position(7)}, "of 30 events"},
	} {
		t.Run(name, func(t *testing.T) {
			crowd, err := NewCrowd()
			if err != nil {
				t.Fatal(err)
			}
			defer crowd.Close()
			group := &Group{Protocol: GraphQLTransportWS, Subscription: Subscription{Query: "subscription { deviceEvents }"}}
			if err := crowd.Join(t.Context(), streaming(t, strings.Join(c.sent, "\n")), group, 10, func(int) string { return "" }); err != nil {
				t.Fatal(err)
			}
			err = crowd.Await(t.Context(), 30, time.Second)
			if err == nil {
				err = crowd.Each(group, 3)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want %q", err, c.want)
			}
		})
	}
}

// TestMessagesComeInPieces: a stream may be cut anywhere.
func TestMessagesComeInPieces(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		protocol Protocol
		stream   string
		want     []string
	}{
		"short and long frames": {GraphQLWS, "\x81\x02hi\x81\x7e\x01\x2c" + long, []string{"hi", long}},
		"a very long frame":     {GraphQLWS, "\x81\x7f\x00\x00\x00\x00\x00\x00\x01\x2c" + long, []string{long}},
		"server-sent events":    {SSE, "data: 1\n\n:\n\ndata: 2\n\n", []string{"data: 1", ":", "data: 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for from, to := 0, 1; to <= len(c.stream); to++ {
				message, used := c.protocol.next([]byte(c.stream[from:to]))
				if used > 0 {
					got = append(got, string(message.payload))
					from += used
				}
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestReadersCheckAnswers reads answers of either kind, and holds that a wrong one is told.
func TestReadersCheckAnswers(t *testing.T) {
	body := `{"page":"` + strings.Repeat("x", 5000) + `"}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"with a length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			fmt.Fprint(w, body)
		}, ""},
		"in chunks": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, body[:1000])
			w.(http.Flusher).Flush()
			fmt.Fprint(w, body[1000:])
		}, ""},
		"refused": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "429"},
		"wrong":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }, "no page"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			readers := Readers{
				Server: netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://")), Path: "/", Connections: 2, Body: []byte("{}"),
				Header: http.Header{}, Check: func(b []byte) error {
					if string(b) != body {
						return fmt.Errorf("no page: %.20s", b)
					}
					return nil
				},
			}
			came, err := readers.Read(t.Context(), 50*time.Millisecond)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got the error %v, want %q", err, c.want)
			}
			if err == nil && (came.Requests == 0 || came.Bytes != len(body)) {
				t.Errorf("read %+v", came)
			}
		})
	}
}
