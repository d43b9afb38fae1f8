package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// answer is what GraphQL over HTTP answers.
type answer struct {
	status int
	Data   json.RawMessage `json:"data"`
	Errors []graphQLError  `json:"errors"`
}

type graphQLError struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code string            `json:"code"`
		GLPI map[string]string `json:"glpi"`
	} `json:"extensions"`
}

// code is that of the first error; "" when there is none.
func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}

// into decodes the data of an answer that must have no errors.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if len(a.Errors) > 0 {
		t.Fatalf("unexpected errors: %+v", a.Errors)
	}
	if err := json.Unmarshal(a.Data, v); err != nil {
		t.Fatalf("decoding %s: %v", a.Data, err)
	}
}

// ask posts a GraphQL operation.
func (p *process) ask(token, query string, variables any) answer {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.urls["graphql"], bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		p.t.Fatalf("status %d, and no JSON: %v", response.StatusCode, err)
	}
	return a
}

// signIn answers a token.
func (p *process) signIn(username, password string) string {
	p.t.Helper()
	var data struct {
		Login struct {
			Token      string
			UserErrors []struct{ Code, Message string }
		}
	}
	p.ask("", `mutation ($input: LoginInput!) { login(input: $input) { token userErrors { code message } } }`,
		map[string]any{"input": map[string]string{"username": username, "password": password}}).into(p.t, &data)
	if data.Login.Token == "" {
		p.t.Fatalf("%s could not sign in: %+v", username, data.Login.UserErrors)
	}
	return data.Login.Token
}

// get fetches a page of the gateway, with its status.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	response, err := http.Get(strings.TrimSuffix(p.urls["dashboard"], "/") + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// frame is a message of either WebSocket protocol.
type frame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// stream is a subscription on a socket of its own.
type stream struct {
	t      *testing.T
	socket *websocket.Conn
	next   string // the protocol's word for a result
}

// subscribe opens a socket with one of the two protocols and subscribes.
func (p *process) subscribe(protocol, token, query string, variables any) *stream {
	p.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{protocol}, HandshakeTimeout: 5 * time.Second}
	socket, _, err := dialer.DialContext(p.t.Context(), "ws"+strings.TrimPrefix(p.urls["graphql"], "http"), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { socket.Close() })
	s := &stream{t: p.t, socket: socket, next: "next"}
	begin := "subscribe"
	if protocol == "graphql-ws" {
		s.next, begin = "data", "start"
	}
	s.send(frame{Type: "connection_init", Payload: encode(p.t, map[string]string{"Authorization": "Bearer " + token})})
	if got := s.read(); got.Type != "connection_ack" {
		p.t.Fatalf("got %s %s, want connection_ack", got.Type, got.Payload)
	}
	s.send(frame{Type: begin, ID: "1", Payload: encode(p.t, map[string]any{"query": query, "variables": variables})})
	return s
}

func (s *stream) send(f frame) {
	s.t.Helper()
	if err := s.socket.WriteJSON(f); err != nil {
		s.t.Fatal(err)
	}
}

// read answers the next message that is not a keep-alive.
func (s *stream) read() frame {
	s.t.Helper()
	f, err := s.tryRead(10 * time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *stream) tryRead(within time.Duration) (frame, error) {
	_ = s.socket.SetReadDeadline(time.Now().Add(within))
	for {
		var f frame
		if err := s.socket.ReadJSON(&f); err != nil {
			return frame{}, err
		}
		if f.Type != "ka" && f.Type != "ping" && f.Type != "pong" {
			return f, nil
		}
	}
}

// event decodes the next result of the subscription.
func (s *stream) event(v any) {
	s.t.Helper()
	f := s.read()
	if f.Type != s.next {
		s.t.Fatalf("got %s %s, want %s", f.Type, f.Payload, s.next)
	}
	var a answer
	if err := json.Unmarshal(f.Payload, &a); err != nil {
		s.t.Fatal(err)
	}
	a.into(s.t, v)
}

func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
