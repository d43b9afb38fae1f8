package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// Subscription is what a subscriber asks for.
type Subscription struct {
	Authorization string // of the viewer; "": none is sent
	Query         string // a GraphQL document, or MQTT's topic filter
	Variables     map[string]any
}

// Protocol is how a subscriber speaks with a server.
type Protocol struct {
	Name string
	// ask opens the subscription on a fresh connection.
	ask func(w *wire, host string, s Subscription) error
	// next takes the first message off a stream; used is 0 as long as not all of it is there.
	next func(stream []byte) (message frame, used int)
}

// The protocols for events. The two of GraphQL over WebSockets differ in words alone.
var (
	GraphQLTransportWS = Protocol{"graphql-transport-ws", graphqlSocket("graphql-transport-ws", "subscribe"), parseFrame}
	GraphQLWS          = Protocol{"graphql-ws", graphqlSocket("graphql-ws", "start"), parseFrame}
	SSE                = Protocol{"SSE", askSSE, parseSSE}
	MQTT               = Protocol{"MQTT over WebSocket", askMQTT, parseFrame}
)

// graphqlSocket asks in either of GraphQL's subprotocols.
func graphqlSocket(subprotocol, subscribe string) func(*wire, string, Subscription) error {
	return func(w *wire, host string, s Subscription) error {
		if err := w.write(upgrade(host, "/graphql", subprotocol)); err != nil {
			return err
		}
		if err := w.headers("101"); err != nil {
			return err
		}
		for _, message := range []map[string]any{
			{"type": "connection_init", "payload": map[string]string{"Authorization": s.Authorization}},
			{"type": subscribe, "id": "1", "payload": map[string]any{"query": s.Query, "variables": s.Variables}},
		} {
			text, err := json.Marshal(message)
			if err != nil {
				return err
			}
			if err := w.write(clientFrame(opText, text)); err != nil {
				return err
			}
			if message["type"] == subscribe {
				return nil // nobody answers that
			}
			if answer, err := w.frame(); err != nil || !bytes.Contains(answer, []byte("connection_ack")) {
				return fmt.Errorf("no connection_ack: %q: %w", answer, err)
			}
		}
		return nil
	}
}

// askSSE asks in the way of GraphQL over server-sent events, one operation a connection.
func askSSE(w *wire, host string, s Subscription) error {
	body, err := json.Marshal(map[string]any{"query": s.Query, "variables": s.Variables})
	if err != nil {
		return err
	}
	var request strings.Builder
	fmt.Fprintf(&request, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n", host)
	if s.Authorization != "" {
		fmt.Fprintf(&request, "Authorization: %s\r\n", s.Authorization)
	}
	fmt.Fprintf(&request, "Content-Length: %d\r\n\r\n%s", len(body), body)
	if err := w.write([]byte(request.String())); err != nil {
		return err
	}
	return w.headers("200")
}

// parseSSE takes everything up to the empty line that ends an event; the lengths of HTTP's chunks are left in it.
func parseSSE(stream []byte) (frame, int) {
	end := bytes.Index(stream, []byte("\n\n"))
	if end < 0 {
		return frame{}, 0
	}
	return frame{opText, stream[:end]}, end + 2
}

// askMQTT connects and subscribes at QoS 0, in MQTT 3.1.1.
func askMQTT(w *wire, host string, s Subscription) error {
	if err := w.write(upgrade(host, "/", "mqtt")); err != nil {
		return err
	}
	if err := w.headers("101"); err != nil {
		return err
	}
	connect := append([]byte{0x10, 0}, "\x00\x04MQTT\x04\x02\x00\x00\x00\x00"...) // a clean session, no keep-alive, no name
	subscribe := binary.BigEndian.AppendUint16([]byte{0x82, 0, 0, 1}, uint16(len(s.Query)))
	subscribe = append(append(subscribe, s.Query...), 0)
	for _, exchange := range []struct {
		packet []byte
		answer byte
	}{{connect, 0x20}, {subscribe, 0x90}} {
		exchange.packet[1] = byte(len(exchange.packet) - 2)
		if err := w.write(clientFrame(opBinary, exchange.packet)); err != nil {
			return err
		}
		if answer, err := w.frame(); err != nil || len(answer) == 0 || answer[0] != exchange.answer {
			return fmt.Errorf("the broker answered %x: %w", answer, err)
		}
	}
	return nil
}
