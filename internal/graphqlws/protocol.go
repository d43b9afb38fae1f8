package graphqlws

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// kind is what a message from the client means, in whichever protocol.
type kind int

const (
	unknown kind = iota
	initialise
	subscribe
	unsubscribe
	ping
	pong
	terminate
)

// dialect is one of the two protocols: they say the same in different words.
type dialect struct {
	name     string
	incoming map[string]kind

	next       string
	keepAlive  []byte // sent at every ping interval; nil: WebSocket's own pings are enough
	initErrors bool   // a refused connection_init is answered before the socket is closed
	confirms   bool   // an unsubscribe is answered with complete
}

// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
var modern = &dialect{
	name: "graphql-transport-ws",
	incoming: map[string]kind{
		"connection_init": initialise,
		"subscribe":       subscribe,
		"complete":        unsubscribe,
		"ping":            ping,
		"pong":            pong,
	},
	next: "next",
}

// https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md
var legacy = &dialect{
	name: "graphql-ws",
	incoming: map[string]kind{
		"connection_init":      initialise,
		"start":                subscribe,
		"stop":                 unsubscribe,
		"connection_terminate": terminate,
	},
	next:       "data",
	keepAlive:  []byte(`{"type":"ka"}`),
	initErrors: true,
	confirms:   true,
}

var dialects = map[string]*dialect{modern.name: modern, legacy.name: legacy}

// message is one from the client.
type message struct {
	kind    kind
	id      string
	payload json.RawMessage // nil when there was none
}

// longestID is how many bytes an operation's id may have: it goes out with each of the operation's results.
const longestID = 256

var errInvalidMessage = errors.New("invalid message")

// parse reads a message; the error says no more than the client needs.
func (d *dialect) parse(data []byte) (message, error) {
	var envelope struct {
		Type    string          `json:"type"`
		ID      string          `json:"id"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return message{}, errInvalidMessage
	}
	m := message{kind: d.incoming[envelope.Type], id: envelope.ID, payload: envelope.Payload}
	if string(m.payload) == "null" {
		m.payload = nil
	}
	named := m.kind == subscribe || m.kind == unsubscribe
	if m.kind == unknown || named && (m.id == "" || len(m.id) > longestID) {
		return message{}, errInvalidMessage
	}
	return m, nil
}

// object reads a payload that may be missing but else is an object.
func (m message) object() (map[string]any, error) {
	if m.payload == nil {
		return nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal(m.payload, &object); err != nil {
		return nil, errInvalidMessage
	}
	return object, nil
}

// parameters reads the payload of an operation.
func (m message) parameters() (*graphql.RawParams, error) {
	var shape struct{ Query *string }
	if m.payload == nil || json.Unmarshal(m.payload, &shape) != nil || shape.Query == nil {
		return nil, errInvalidMessage
	}
	params := &graphql.RawParams{}
	decoder := json.NewDecoder(bytes.NewReader(m.payload))
	decoder.UseNumber() // gqlgen's scalars tell integers from floats
	if err := decoder.Decode(params); err != nil {
		return nil, errInvalidMessage
	}
	return params, nil
}

// text writes a message to the client. payload is JSON or nil; id "" means none.
func text(messageType, id string, payload []byte) []byte {
	b := make([]byte, 0, len(messageType)+len(id)+len(payload)+40)
	b = append(b, `{"type":"`...)
	b = append(b, messageType...)
	b = append(b, '"')
	if id != "" {
		b = append(b, `,"id":`...)
		b = append(b, quote(id)...)
	}
	if payload != nil {
		b = append(b, `,"payload":`...)
		b = append(b, payload...)
	}
	return append(b, '}')
}

func quote(id string) string {
	quoted, _ := json.Marshal(id) // a string always can be
	return string(quoted)
}

// failure ends an operation with errors.
func (d *dialect) failure(id string, errs gqlerror.List) []byte {
	if d != legacy {
		payload, err := json.Marshal(errs)
		if err != nil {
			payload = []byte(`[{"message":"internal error"}]`)
		}
		return text("error", id, payload)
	}
	return text("error", id, legacyError(errs))
}

// legacyError is one error, as the older protocol wants it, that carries the list for clients that look.
func legacyError(errs gqlerror.List) []byte {
	var first gqlerror.Error
	if len(errs) > 0 {
		first = *errs[0]
	}
	payload, err := json.Marshal(struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions,omitempty"`
		Errors     gqlerror.List  `json:"errors,omitempty"`
	}{first.Message, first.Extensions, errs})
	if err != nil {
		return []byte(`{"message":"internal error"}`)
	}
	return payload
}
