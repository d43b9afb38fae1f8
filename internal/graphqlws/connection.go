package graphqlws

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
)

// closeGrace is how long the other side has to answer a close frame before the connection is cut.
const closeGrace = 2 * time.Second

// connection is one WebSocket.
type connection struct {
	t       *Transport
	ws      *websocket.Conn
	dialect *dialect // nil: none of ours was offered
	exec    graphql.GraphExecutor
	headers http.Header // of the handshake
	outbox  *outbox

	// ctx ends when the connection is to end. Its cause is why: a *CloseError when the client is to be
	// told, a *goneError when it left by itself.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// viewer is what Init made of ctx: nil until the connection is acknowledged. Like initialised and
	// initTimer it belongs to the goroutine that reads; operations get it handed over.
	viewer      context.Context
	initialised bool
	initTimer   *time.Timer
	readEnded   chan struct{}

	mu      sync.Mutex
	active  map[string]*operation // what the client is still told about, by id
	running int                   // goroutines of operations, those that are still stopping too
	wait    sync.WaitGroup        // for them
}

func newConnection(t *Transport, ws *websocket.Conn, r *http.Request, exec graphql.GraphExecutor) *connection {
	ctx, cancel := context.WithCancelCause(r.Context())
	return &connection{
		t:         t,
		ws:        ws,
		dialect:   dialects[ws.Subprotocol()],
		exec:      exec,
		headers:   r.Header,
		outbox:    newOutbox(t.o.QueueFrames, t.o.QueueBytes),
		ctx:       ctx,
		cancel:    cancel,
		readEnded: make(chan struct{}),
		active:    map[string]*operation{},
	}
}

// serve runs the connection until it and all its operations have ended.
func (c *connection) serve() {
	defer c.ws.Close()
	if c.dialect == nil {
		c.close(CloseSubprotocol, "subprotocol not acceptable: offer graphql-transport-ws or graphql-ws")
	}
	c.initTimer = time.AfterFunc(c.t.o.InitTimeout, func() {
		c.close(CloseInitTimeout, "connection initialisation timeout")
	})
	defer c.initTimer.Stop()

	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	c.read()
	<-written
	c.wait.Wait()
	c.t.o.Logger.Debug("a websocket ended", "cause", context.Cause(c.ctx))
}

// close ends the connection: what is queued is still sent, then a close frame. Only the first reason counts.
func (c *connection) close(code int, reason string) {
	c.cancel(&CloseError{Code: code, Reason: reason})
}

// send queues a frame; a client that does not keep up with what it asked for is dropped.
func (c *connection) send(frame []byte) {
	if !c.outbox.put(frame) {
		c.close(CloseTooSlow, "too slow: more waits to be read than is kept")
	}
}

// read takes messages until the connection is over. While it is being closed they are dropped: only the
// answer to the close frame is waited for.
func (c *connection) read() {
	defer close(c.readEnded)
	c.ws.SetReadLimit(c.t.o.MaxMessage)
	c.ws.SetPongHandler(func(string) error { return c.expectMore() })
	for {
		_ = c.expectMore()
		messageType, data, err := c.ws.ReadMessage()
		switch {
		case err != nil:
			c.cancel(gone(err))
			return
		case c.ctx.Err() != nil:
		case messageType != websocket.TextMessage:
			c.close(CloseInvalidMessage, errInvalidMessage.Error())
		default:
			c.handle(data)
		}
	}
}

// expectMore gives the client time until the answer to the next ping.
func (c *connection) expectMore() error {
	return c.ws.SetReadDeadline(time.Now().Add(c.t.o.PingInterval + c.t.o.PongTimeout))
}

// write sends what is queued, and pings, until the connection is to end.
func (c *connection) write() {
	pings := time.NewTicker(c.t.o.PingInterval)
	defer pings.Stop()
	for {
		var err error
		select {
		case <-c.ctx.Done():
			c.sayGoodbye()
			return
		case <-c.outbox.ready:
			err = c.flush(func() bool { return c.ctx.Err() == nil })
		case <-pings.C:
			err = c.ping()
		}
		if err != nil {
			c.cancel(gone(err))
			_ = c.ws.Close() // ends read
			return
		}
	}
}

// flush writes what is queued, as long as it may go on.
func (c *connection) flush(goOn func() bool) error {
	for goOn() {
		frame := c.outbox.take()
		if frame == nil {
			break
		}
		if err := c.put(frame); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) put(frame []byte) error {
	if err := c.ws.SetWriteDeadline(time.Now().Add(c.t.o.WriteTimeout)); err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.TextMessage, frame)
}

// ping asks for a sign of life with WebSocket's own ping, which every client library answers.
func (c *connection) ping() error {
	if c.dialect.keepAlive != nil {
		if err := c.put(c.dialect.keepAlive); err != nil {
			return err
		}
	}
	return c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.t.o.WriteTimeout))
}

// sayGoodbye sends what is queued and the close frame, and waits a little for the answer: a connection that
// is cut at once can lose the frame on its way.
func (c *connection) sayGoodbye() {
	defer c.ws.Close() // ends read
	cause := context.Cause(c.ctx)
	if left := (*goneError)(nil); errors.As(cause, &left) {
		return
	}
	why := &CloseError{Code: websocket.CloseGoingAway, Reason: "going away"}
	errors.As(cause, &why)
	deadline := time.Now().Add(c.t.o.WriteTimeout)
	if why.Code != CloseTooSlow {
		if c.flush(func() bool { return time.Now().Before(deadline) }) != nil {
			return
		}
	}
	if c.ws.WriteControl(websocket.CloseMessage, why.frame(), deadline) != nil {
		return
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-c.readEnded:
	case <-grace.C:
	}
}

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
		c.send(frame("pong", "", m.payload))
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
	c.initTimer.Stop()
	payload, err := m.object()
	if err != nil {
		c.close(CloseInvalidMessage, err.Error())
		return
	}
	viewer, err := c.t.o.Init(c.ctx, payload)
	if err != nil {
		c.refuse(err)
		return
	}
	c.viewer = viewer
	context.AfterFunc(viewer, func() { c.closeFor(context.Cause(viewer)) })
	c.send(frame("connection_ack", "", nil))
	if c.dialect.keepAlive != nil {
		c.send(c.dialect.keepAlive)
	}
}

// refuse ends a connection that Init did not let in.
func (c *connection) refuse(err error) {
	why := &CloseError{Code: CloseForbidden, Reason: "forbidden"}
	errors.As(err, &why)
	if c.dialect.initErrors {
		payload, _ := json.Marshal(map[string]string{"message": why.Reason}) // strings always can be
		c.send(frame("connection_error", "", payload))
	}
	c.close(why.Code, why.Reason)
}

// closeFor ends a connection whose viewer's context has ended, when that was not by the connection's own end.
func (c *connection) closeFor(cause error) {
	why := &CloseError{Code: websocket.CloseGoingAway, Reason: "going away"}
	errors.As(cause, &why)
	c.cancel(why)
}
