package graphqlws_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"fleetgate/internal/graphqlws"
)

func TestCloseCodes(t *testing.T) {
	const (
		hello   = `{"type":"connection_init"}`
		forever = `{"type":"subscribe","id":"a","payload":{"query":"subscription{forever}"}}`
	)
	foreverLong := strings.Replace(forever, "a", strings.Repeat("é", 100), 1)
	options := graphqlws.Options{
		InitTimeout: 1500 * time.Millisecond,
		MaxMessage:  2048,
		Init: func(ctx context.Context, payload map[string]any) (context.Context, error) {
			switch payload["token"] {
			case "expired":
				return nil, &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "the sign-in has expired"}
			case "secret":
				return nil, errors.New("the secret is not hunter2")
			case "ending":
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(50*time.Millisecond, func() {
					cancel(&graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "session ended"})
				})
				return ctx, nil
			}
			return ctx, nil
		},
	}
	tests := []struct {
		name     string
		messages []string
		code     int
		reason   string
	}{
		{"silence", nil, 4408, "connection initialisation timeout"},
		{"odd payload of connection_init", []string{`{"type":"connection_init","payload":7}`}, 4400, "invalid message"},
		{"not JSON", []string{"hello"}, 4400, "invalid message"},
		{"empty", []string{""}, 4400, "invalid message"},
		{"not an object", []string{"[]"}, 4400, "invalid message"},
		{"no type", []string{"{}"}, 4400, "invalid message"},
		{"unknown type", []string{`{"type":"dance"}`}, 4400, "invalid message"},
		{"unknown type after the acknowledgement", []string{hello, `{"type":"dance"}`}, 4400, "invalid message"},
		{"a server's type", []string{hello, `{"type":"connection_ack"}`}, 4400, "invalid message"},
		{"trailing data", []string{hello + hello}, 4400, "invalid message"},
		{"numeric id", []string{hello, `{"type":"subscribe","id":1,"payload":{"query":"{hello}"}}`}, 4400, "invalid message"},
		{"no id", []string{hello, `{"type":"subscribe","payload":{"query":"{hello}"}}`}, 4400, "invalid message"},
		{"long id", []string{hello, `{"type":"subscribe","id":"` + strings.Repeat("x", 257) + `","payload":{"query":"{hello}"}}`}, 4400, "invalid message"},
		{"no payload", []string{hello, `{"type":"subscribe","id":"a"}`}, 4400, "invalid message"},
		{"no query", []string{hello, `{"type":"subscribe","id":"a","payload":{}}`}, 4400, "invalid message"},
		{"odd query", []string{hello, `{"type":"subscribe","id":"a","payload":{"query":1}}`}, 4400, "invalid message"},
		{"odd variables", []string{hello, `{"type":"subscribe","id":"a","payload":{"query":"{hello}","variables":[]}}`}, 4400, "invalid message"},
		{"subscribe before connection_init", []string{forever}, 4401, "unauthorized: send connection_init and wait for its answer"},
		{"refused sign-in", []string{`{"type":"connection_init","payload":{"token":"expired"}}`}, 4403, "the sign-in has expired"},
		{"failed sign-in tells nothing", []string{`{"type":"connection_init","payload":{"token":"secret"}}`}, 4403, "forbidden"},
		{"ended sign-in", []string{`{"type":"connection_init","payload":{"token":"ending"}}`, forever}, 4403, "session ended"},
		{"duplicate id", []string{hello, forever, forever}, 4409, "subscriber for a already exists"},
		{"duplicate long id", []string{hello, foreverLong, foreverLong}, 4409, "subscriber for " + strings.Repeat("é", 54)},
		{"second connection_init", []string{hello, hello}, 4429, "too many initialisation requests"},
		{"too large", []string{hello, `{"type":"subscribe","id":"` + strings.Repeat("x", 2048) + `"}`}, 1009, ""}, // written at once: the answer does not wait for the rest
	}
	_, address := serve(t, options)
	forBoth(t, func(t *testing.T, protocol string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, address, protocol)
				for _, message := range test.messages {
					c.send(message)
				}
				if closed := c.wantsClose(test.code); closed.Text != test.reason {
					t.Errorf("reason %q, want %q", closed.Text, test.reason)
				}
			})
		}
	})
}

func TestOtherCloseCodes(t *testing.T) {
	_, address := serve(t, graphqlws.Options{})
	t.Run("no subprotocol", func(t *testing.T) { dial(t, address, "").wantsClose(4406) })
	t.Run("unknown subprotocol", func(t *testing.T) {
		ws, _, err := (&websocket.Dialer{Subprotocols: []string{"mqtt"}}).Dial(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		(&client{T: t, ws: ws}).wantsClose(4406)
	})
	t.Run("binary message", func(t *testing.T) {
		c := dial(t, address, modern)
		if err := c.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"connection_init"}`)); err != nil {
			t.Fatal(err)
		}
		c.wantsClose(4400)
	})
	t.Run("the older protocol knows no ping message", func(t *testing.T) {
		c := connect(t, address, legacy)
		c.send(`{"type":"ping"}`)
		c.wantsClose(4400)
	})
	t.Run("the older protocol's way to leave", func(t *testing.T) {
		c := connect(t, address, legacy)
		c.send(`{"type":"connection_terminate"}`)
		c.wantsClose(1000)
	})
}

func TestRefusedInitOfTheOlderProtocolIsAnswered(t *testing.T) {
	_, address := serve(t, graphqlws.Options{Init: func(context.Context, map[string]any) (context.Context, error) {
		return nil, &graphqlws.CloseError{Code: 4403, Reason: "no"}
	}})
	c := dial(t, address, legacy)
	c.send(`{"type":"connection_init"}`)
	c.wants(`{"type":"connection_error","payload":{"message":"no"}}`)
	c.wantsClose(4403)
}

func TestOperations(t *testing.T) {
	_, address := serve(t, graphqlws.Options{
		Init: func(ctx context.Context, payload map[string]any) (context.Context, error) {
			return context.WithValue(ctx, viewerKey{}, "ada"), nil
		},
	})
	tests := []struct {
		query string
		want  []string // after which nothing comes for this operation
	}{
		{`{hello}`, []string{
			`{"type":"next","id":"a","payload":{"data":{"hello":"world"}}}`, `{"type":"complete","id":"a"}`}},
		{`{viewer}`, []string{
			`{"type":"next","id":"a","payload":{"data":{"viewer":"ada"}}}`, `{"type":"complete","id":"a"}`}},
		{`mutation{set(value:7)}`, []string{
			`{"type":"next","id":"a","payload":{"data":{"set":7}}}`, `{"type":"complete","id":"a"}`}},
		{`subscription{count(to:2)}`, []string{
			`{"type":"next","id":"a","payload":{"data":{"count":1}}}`,
			`{"type":"next","id":"a","payload":{"data":{"count":2}}}`, `{"type":"complete","id":"a"}`}},
		{`}`, []string{`{"type":"error","id":"a","payload":[{"message":"Unexpected }","locations":[{"line":1,"column":1}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}`}},
		{`{hallo}`, []string{`{"type":"error","id":"a","payload":[{"message":"Cannot query field \"hallo\" on type \"Query\". Did you mean \"hello\"?","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`}},
		{`subscription{refused}`, []string{`{"type":"error","id":"a","payload":[{"message":"refused by the resolver"}]}`}},
		{`subscription{breaks}`, []string{
			`{"type":"next","id":"a","payload":{"data":{"breaks":1}}}`,
			`{"type":"error","id":"a","payload":[{"message":"the source broke"}]}`}},
		{`{panics}`, []string{`{"type":"error","id":"a","payload":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`}},
	}
	forBoth(t, func(t *testing.T, protocol string) {
		for _, test := range tests {
			t.Run(test.query, func(t *testing.T) {
				c := connect(t, address, protocol)
				c.subscribe("a", test.query)
				for _, want := range test.want {
					if c.legacy && strings.Contains(want, `"type":"error"`) {
						got := c.read()
						list := want[strings.Index(want, "["):strings.LastIndex(want, "}")]
						if !strings.Contains(got, `"type":"error","id":"a","payload":{"message":`) || !strings.Contains(got, list) {
							t.Errorf("got %s\nwant one error with the list %s", got, list)
						}
						continue
					}
					c.wants(want)
				}
				// Nothing comes after the end, and the id is free again.
				c.subscribe("a", `{hello}`)
				c.wants(`{"type":"next","id":"a","payload":{"data":{"hello":"world"}}}`)
			})
		}
	})
}

func TestVariablesAndOperationName(t *testing.T) {
	_, address := serve(t, graphqlws.Options{})
	c := connect(t, address, modern)
	c.send(`{"type":"subscribe","id":"a","payload":{"query":"query q{hello} mutation m($n:Int!){set(value:$n)}",` +
		`"operationName":"m","variables":{"n":9007199254740993},"extensions":{}}}`)
	c.wants(`{"type":"next","id":"a","payload":{"data":{"set":9007199254740993}}}`)
}

func TestPingIsEchoed(t *testing.T) {
	_, address := serve(t, graphqlws.Options{})
	c := dial(t, address, modern)
	c.send(`{"type":"ping"}`) // before connection_init too
	c.wants(`{"type":"pong"}`)
	c.send(`{"type":"ping","payload":{"at":[1,"two"]}}`)
	c.wants(`{"type":"pong","payload":{"at":[1,"two"]}}`)
	c.send(`{"type":"pong"}`)
	c.send(`{"type":"connection_init","payload":null}`)
	c.wants(`{"type":"connection_ack"}`)
}
