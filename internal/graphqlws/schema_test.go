package graphqlws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"fleetgate/internal/delivery"
	"fleetgate/internal/graphqlws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// schema is what the tests execute, written by hand: one field for each way an operation can go.
var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query {
		hello: String
		panics: String
		waits: String
		viewer: String
	}
	type Mutation { set(value: Int!): Int! }
	type Subscription {
		count(to: Int!): Int!
		forever: Int!
		flood(bytes: Int!): String!
		breaks: Int!
		refused: Int!
	}
`})

type viewerKey struct{}

// executable executes the schema. Like generated code it starts an operation in Exec and makes its responses
// one by one.
func executable() graphql.ExecutableSchema {
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) {
			return 0, false
		},
		ExecFunc: execute,
	}
}

func execute(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	field := operation.Operation.SelectionSet[0].(*ast.Field)
	arguments := field.ArgumentMap(operation.Variables)
	argument := func(name string) int {
		n, _ := strconv.Atoi(fmt.Sprint(arguments[name]))
		return n
	}
	data := func(format string, args ...any) *graphql.Response {
		return &graphql.Response{Data: fmt.Appendf(nil, format, args...)}
	}
	switch field.Name {
	case "hello":
		return graphql.OneShot(data(`{"hello":"world"}`))
	case "viewer":
		return graphql.OneShot(data(`{"viewer":%q}`, ctx.Value(viewerKey{})))
	case "set":
		return graphql.OneShot(data(`{"set":%d}`, argument("value")))
	case "panics":
		return func(context.Context) *graphql.Response { panic("a resolver's mistake") }
	case "waits":
		return func(ctx context.Context) *graphql.Response {
			<-ctx.Done()
			return &graphql.Response{Data: []byte(`{"waits":null}`)}
		}
	case "refused":
		return graphql.OneShot(graphql.ErrorResponse(ctx, "refused by the resolver"))
	case "count":
		sent := 0
		return func(context.Context) *graphql.Response {
			if sent == argument("to") {
				return nil
			}
			sent++
			return data(`{"count":%d}`, sent)
		}
	case "breaks":
		sent := false
		return func(ctx context.Context) *graphql.Response {
			if sent {
				delivery.Fail(ctx, errors.New("the source broke"))
				return nil
			}
			sent = true
			return data(`{"breaks":1}`)
		}
	case "flood":
		filler := strings.Repeat("x", argument("bytes"))
		return func(context.Context) *graphql.Response { return data(`{"flood":%q}`, filler) }
	case "forever":
		sent := false
		return func(ctx context.Context) *graphql.Response {
			if sent {
				<-ctx.Done()
				return nil
			}
			sent = true
			return data(`{"forever":1}`)
		}
	}
	panic("unknown field " + field.Name)
}

// serve starts a server with the transport and returns what looks after its connections, and its ws:// address.
func serve(t *testing.T, o graphqlws.Options) (*delivery.Connections, string) {
	t.Helper()
	return serveWith(t, delivery.Options{}, o)
}

func serveWith(t *testing.T, limits delivery.Options, o graphqlws.Options) (*delivery.Connections, string) {
	t.Helper()
	connections, err := delivery.New(limits)
	if err != nil {
		t.Fatal(err)
	}
	o.Connections = connections
	sockets, err := graphqlws.New(o)
	if err != nil {
		t.Fatal(err)
	}
	graphqlServer := handler.New(executable())
	graphqlServer.AddTransport(sockets)
	graphqlServer.SetRecoverFunc(func(context.Context, any) error { return errors.New("internal error") })
	server := httptest.NewServer(graphqlServer)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := connections.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return connections, "ws" + strings.TrimPrefix(server.URL, "http")
}

// client is a raw WebSocket client that speaks either protocol.
type client struct {
	*testing.T
	ws     *websocket.Conn
	legacy bool
}

const (
	modern = "graphql-transport-ws"
	legacy = "graphql-ws"
)

func dial(t *testing.T, address, protocol string) *client {
	t.Helper()
	ws, _, err := (&websocket.Dialer{Subprotocols: []string{protocol}}).Dial(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	if protocol != "" && ws.Subprotocol() != protocol {
		t.Fatalf("negotiated %q, want %q", ws.Subprotocol(), protocol)
	}
	return &client{T: t, ws: ws, legacy: protocol == legacy}
}

// connect dials and initialises.
func connect(t *testing.T, address, protocol string) *client {
	t.Helper()
	c := dial(t, address, protocol)
	c.send(`{"type":"connection_init"}`)
	c.wants(`{"type":"connection_ack"}`)
	if c.legacy {
		c.wants(`{"type":"ka"}`)
	}
	return c
}

// send writes a message, given in the modern protocol's words.
func (c *client) send(message string) {
	c.Helper()
	if c.legacy {
		message = strings.NewReplacer(
			`"type":"subscribe"`, `"type":"start"`, `"type":"complete"`, `"type":"stop"`).Replace(message)
	}
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		c.Fatal(err)
	}
}

func (c *client) subscribe(id, query string) {
	c.Helper()
	c.send(fmt.Sprintf(`{"type":"subscribe","id":%q,"payload":{"query":%q}}`, id, query))
}

func (c *client) read() string {
	c.Helper()
	_ = c.ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		c.Fatalf("reading a message: %v", err)
	}
	return string(data)
}

// wants reads a message, given in the modern protocol's words.
func (c *client) wants(message string) {
	c.Helper()
	if c.legacy {
		message = strings.Replace(message, `"type":"next"`, `"type":"data"`, 1)
	}
	if got := c.read(); got != message {
		c.Fatalf("got  %s\nwant %s", got, message)
	}
}

// wantsClose reads, past messages that are under way, until the socket is closed.
func (c *client) wantsClose(code int) *websocket.CloseError {
	c.Helper()
	_ = c.ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, _, err := c.ws.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case err == nil:
		case !errors.As(err, &closed):
			c.Fatalf("got %v, want close %d", err, code)
		case closed.Code != code:
			c.Fatalf("got close %d %q, want %d", closed.Code, closed.Text, code)
		default:
			return closed
		}
	}
}

func forBoth(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range []string{modern, legacy} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}
