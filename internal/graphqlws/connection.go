package graphqlws

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"

	"fleetgate/internal/delivery"
)

// closeGrace is how long the other side has to answer a close frame before the connection is cut: one that is cut at
// once can lose the frame on its way.
const closeGrace = 2 * time.Second

// connection is one WebSocket.
type connection struct {
	t       *Transport
	ws      *websocket.Conn // for reading
	line    delivery.Line   // for writing
	dialect *dialect        // nil: none of ours was offered
	exec    graphql.GraphExecutor

	// ctx ends when the connection is to end. Its cause is why: a *CloseError when the client is to be
	// told, a *goneError when it left by itself.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// viewer is what Init made of ctx: nil until the connection is acknowledged. Like initialised and
	// initTimer it belongs to the goroutine that reads; operations get it handed over.
	viewer      context.Context
	initialised bool
	initTimer   *time.Timer
	afterwards  func() // called when it is over; nil: Init asked for nothing

	heard  atomic.Int64 // when the client last gave a sign of life, in Unix nanoseconds
	pinged time.Time    // belongs to Visit

	mu      sync.Mutex
	active  []*operation   // what the client is still told about
	running int            // operations that hold resources, those that are still stopping too
	wait    sync.WaitGroup // for their goroutines
}

var (
	_ delivery.Connection = (*connection)(nil)
	_ delivery.Owner      = (*connection)(nil)
	_ delivery.Endings    = (*connection)(nil)
)

// newConnection takes over a connection that has been upgraded. Nothing of the request stays but what Detach keeps:
// net/http's buffers are free when its handler has returned.
func newConnection(t *Transport, ws *websocket.Conn, wire *wire, r *http.Request, exec graphql.GraphExecutor) *connection {
	c := &connection{t: t, ws: ws, dialect: dialects[ws.Subprotocol()], exec: exec, pinged: time.Now()}
	c.ctx, c.cancel = context.WithCancelCause(t.o.Detach(r.Context()))
	c.hear()
	c.line.Open(t.o.Connections, wire.Conn, c)
	wire.line = &c.line
	return c
}

// serve runs the connection until it and all its operations have ended.
func (c *connection) serve(place *delivery.Place) {
	defer place.Leave()
	place.Track(c)
	defer place.Untrack(c)
	c.t.metrics.connections.Inc()
	defer c.t.metrics.connections.Dec()

	if c.dialect == nil {
		c.close(CloseSubprotocol, "subprotocol not acceptable: offer graphql-transport-ws or graphql-ws")
	}
	c.initTimer = time.AfterFunc(c.t.o.InitTimeout, func() {
		c.close(CloseInitTimeout, "connection initialisation timeout")
	})
	c.read()
	c.stopInitTimer()
	c.stopAll()
	c.line.Wait()
	c.wait.Wait()
	if c.afterwards != nil {
		c.afterwards()
	}
	c.t.metrics.closed.WithLabelValues(closeLabel(context.Cause(c.ctx))).Inc()
	c.t.o.Logger.Debug("a websocket ended", "cause", context.Cause(c.ctx))
}

// close ends the connection: what is queued is still sent, then a close frame. Only the first reason counts.
func (c *connection) close(code int, reason string) {
	c.end(&CloseError{Code: code, Reason: reason})
}

// end ends the connection as its cause wants it.
func (c *connection) end(cause error) {
	c.cancel(cause)
	var why *CloseError
	if !errors.As(context.Cause(c.ctx), &why) {
		c.line.Finish(nil, false, 0)
		return
	}
	c.line.Finish(why.frame(), why.Code == CloseTooSlow, closeGrace)
}

// Lost ends a connection that can't be written to any more.
func (c *connection) Lost(err error) {
	if errors.Is(err, delivery.ErrTooSlow) {
		c.close(CloseTooSlow, err.Error())
		return
	}
	c.end(gone(err))
}

// Drain asks the client to connect again, elsewhere or later.
func (c *connection) Drain() {
	c.close(websocket.CloseServiceRestart, "the gateway restarts: connect again")
}

// Cut ends the connection without a word.
func (c *connection) Cut() { c.line.Cut() }

// Visit asks for a sign of life with WebSocket's own ping, which every client library answers, and cuts a connection
// that gives none.
func (c *connection) Visit(now time.Time) {
	o := c.t.o.Connections.Options()
	if now.UnixNano()-c.heard.Load() > int64(o.PingInterval+o.PongTimeout) {
		c.cancel(&goneError{websocket.CloseAbnormalClosure})
		c.line.Cut()
		return
	}
	if now.Sub(c.pinged) < o.PingInterval || c.dialect == nil {
		return
	}
	c.pinged = now
	if c.dialect.keepAlive != nil {
		c.send(c.dialect.keepAlive)
	}
	c.line.Send(pingFrame)
}

// send queues a message; a client that does not keep up with what it asked for is dropped.
func (c *connection) send(message []byte) { c.line.Send(frame(websocket.TextMessage, message)) }

// read takes messages until the connection is over. While it is being closed they are dropped: only the
// answer to the close frame is waited for.
func (c *connection) read() {
	c.ws.SetReadLimit(c.t.o.MaxMessage)
	c.ws.SetPongHandler(func(string) error {
		c.hear()
		return nil
	})
	for {
		messageType, data, err := c.ws.ReadMessage()
		c.hear()
		switch {
		case err != nil:
			c.end(gone(err))
			return
		case c.ctx.Err() != nil:
		case messageType != websocket.TextMessage:
			c.close(CloseInvalidMessage, errInvalidMessage.Error())
		default:
			c.handleApart(data)
		}
	}
}

// handleApart acts on one message on another stack: the one of the goroutine that reads stays while the connection is
// idle, and would stay as large as handling needs it.
func (c *connection) handleApart(data []byte) {
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		c.handle(data)
	}()
	<-handled
}

// hear notes a sign of life.
func (c *connection) hear() { c.heard.Store(time.Now().UnixNano()) }

// handle acts on one message.
func (c *connection) handle(data []byte) {
	defer func() {
		if r := recover(); r != nil {
			c.t.o.Logger.Error("handling a websocket message panicked", "panic", r, "stack", string(debug.Stack()))
			c.close(websocket.CloseInternalServerErr, "internal error")
		}
	}()
	m, err := c.dialect.parse(data)
	if err != nil {
		c.close(CloseInvalidMessage, err.Error())
		return
	}
	switch m.kind {
	case initialise:
		c.initialise(m)
	case subscribe:
		c.subscribe(m)
	case unsubscribe:
		c.unsubscribe(m.id)
	case ping:
		c.send(text("pong", "", m.payload))
	case pong: // any message is a sign of life
	case terminate:
		c.close(websocket.CloseNormalClosure, "terminated by the client")
	}
}

// initialise answers connection_init.
func (c *connection) initialise(m message) {
	if c.initialised {
		c.close(CloseTooManyInitialising, "too many initialisation requests")
		return
	}
	c.initialised = true
	c.stopInitTimer()
	payload, err := m.object()
	if err != nil {
		c.close(CloseInvalidMessage, err.Error())
		return
	}
	viewer, err := c.t.o.Init(delivery.WithEndings(c.ctx, c), payload)
	if err != nil {
		c.refuse(err)
		return
	}
	c.viewer = viewer
	delivery.OnEnd(viewer, c.ctx, c.EndFor)
	c.send(text("connection_ack", "", nil))
	if c.dialect.keepAlive != nil {
		c.send(c.dialect.keepAlive)
	}
}

// stopInitTimer lets go of the timer, which nobody needs twice.
func (c *connection) stopInitTimer() {
	if c.initTimer != nil {
		c.initTimer.Stop()
		c.initTimer = nil
	}
}

// refuse ends a connection that Init did not let in.
func (c *connection) refuse(err error) {
	why := &CloseError{Code: CloseForbidden, Reason: "forbidden"}
	errors.As(err, &why)
	if c.dialect.initErrors {
		payload, _ := json.Marshal(map[string]string{"message": why.Reason}) // strings always can be
		c.send(text("connection_error", "", payload))
	}
	c.close(why.Code, why.Reason)
}

// Afterwards is that of Endings. Init takes the viewer in, and runs in the goroutine that reads, as serve does.
func (c *connection) Afterwards(f func()) { c.afterwards = f }

// EndFor ends a connection whose viewer's time is over.
func (c *connection) EndFor(cause error) {
	why := &CloseError{Code: websocket.CloseGoingAway, Reason: "going away"}
	errors.As(cause, &why)
	c.end(why)
}
