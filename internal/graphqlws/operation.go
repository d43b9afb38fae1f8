package graphqlws

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
)

// operation is a query, mutation or subscription under way.
type operation struct {
	stream delivery.Stream
	c      *connection
	id     string
	quoted string          // the id in JSON
	ctx    context.Context // ends with the operation, or before, with the viewer's time
	cancel context.CancelFunc

	// The connection's lock is for these.
	active  bool   // the client is still told about it
	running bool   // it counts as one of those at once
	leave   func() // those with whom it is run together; nil: it is run alone, by a goroutine
}

var (
	_ delivery.Receiver = (*operation)(nil)
	_ delivery.Framer   = (*operation)(nil)
)

// subscribe starts an operation.
func (c *connection) subscribe(m message) {
	if c.viewer == nil {
		c.close(CloseUnauthorized, "unauthorized: send connection_init and wait for its answer")
		return
	}
	params, err := m.parameters()
	if err != nil {
		c.close(CloseInvalidMessage, err.Error())
		return
	}
	params.ReadTime = graphql.TraceTiming{Start: graphql.Now(), End: graphql.Now()}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.find(m.id) != nil {
		c.close(CloseDuplicateOperation, "subscriber for "+m.id+" already exists")
		return
	}
	if c.running >= c.t.o.MaxOperations {
		c.send(c.dialect.failure(m.id, gqlerror.List{{
			Message:    "too many operations at once on this connection",
			Extensions: map[string]any{"code": "RATE_LIMITED"},
		}}))
		return
	}
	ctx, cancel := context.WithCancel(c.viewer)
	op := &operation{c: c, id: m.id, quoted: quote(m.id), ctx: ctx, cancel: cancel, active: true, running: true}
	op.stream.Open(&c.line, op)
	c.active = append(c.active, op)
	c.running++
	c.wait.Go(func() { op.run(params) })
}

// find is the operation of an id that the client is still told about; nil when there is none. The lock is held.
func (c *connection) find(id string) *operation {
	for _, op := range c.active {
		if op.id == id {
			return op
		}
	}
	return nil
}

// unsubscribe stops an operation at the client's wish; one that has just ended by itself is no error.
func (c *connection) unsubscribe(id string) {
	c.mu.Lock()
	op := c.find(id)
	c.mu.Unlock()
	if op == nil {
		return
	}
	op.stop()
	if c.dialect.confirms {
		c.send(text("complete", id, nil))
	}
}

// stopAll stops what is still active when the connection has ended.
func (c *connection) stopAll() {
	c.mu.Lock()
	active := slices.Clone(c.active)
	c.mu.Unlock()
	for _, op := range active {
		op.stop()
	}
}

// stop ends an operation whose results nobody wants.
func (op *operation) stop() {
	op.stream.Stop()
	op.c.mu.Lock()
	op.forget()
	leave := op.leave
	op.c.mu.Unlock()
	op.cancel() // which ends a goroutine of its own
	if leave != nil {
		leave()
	}
}

// forget frees the operation's id. The connection's lock is held, as for the next.
func (op *operation) forget() {
	op.active = false
	op.c.active = slices.DeleteFunc(op.c.active, func(other *operation) bool { return other == op })
	if op.leave != nil {
		op.makeRoom()
	}
}

// makeRoom lets another operation run in this one's place.
func (op *operation) makeRoom() {
	if op.running {
		op.running = false
		op.c.running--
	}
}

// join leaves an operation to those with whom it is run together.
func (op *operation) join(leave func()) {
	op.c.mu.Lock()
	op.leave = leave
	active := op.active
	if !active { // it ended meanwhile
		op.makeRoom()
	}
	op.c.mu.Unlock()
	if !active {
		op.cancel()
		leave()
	}
}

// run executes an operation and tells the client of its responses and its end, unless others do that.
func (op *operation) run(params *graphql.RawParams) {
	defer func() {
		if r := recover(); r != nil {
			op.c.t.o.Logger.Error("an operation panicked", "panic", r, "stack", string(debug.Stack()))
			op.End(gqlerror.List{{Message: "internal error", Extensions: map[string]any{"code": "INTERNAL"}}})
		}
		op.c.mu.Lock()
		defer op.c.mu.Unlock()
		if op.leave == nil {
			op.cancel()
			op.makeRoom()
		}
	}()
	traced := graphql.StartOperationTrace(op.ctx)
	exec := op.c.exec
	opCtx, errs := exec.CreateOperationContext(traced, params)
	if len(errs) > 0 {
		op.End(exec.DispatchError(graphql.WithOperationContext(traced, opCtx), errs).Errors)
		return
	}
	if opCtx.Operation.Operation == ast.Subscription && op.c.t.o.Share != nil {
		if leave, ok := op.c.t.o.Share(op.ctx, exec, opCtx, op); ok {
			op.join(leave)
			return
		}
	}
	delivery.Run(traced, exec, opCtx, op)
}

// Deliver is that of a Receiver. When the viewer's time is over it takes nothing: what happens because of that is no
// result.
func (op *operation) Deliver(results ...*delivery.Result) bool {
	return op.ctx.Err() == nil && op.stream.Deliver(results...)
}

// Replay is that of a Receiver.
func (op *operation) Replay(ctx context.Context, result *delivery.Result) bool {
	return op.ctx.Err() == nil && op.stream.Replay(ctx, result)
}

// End is that of a Receiver. An error ends an operation without a complete after it.
func (op *operation) End(errs gqlerror.List) {
	op.c.mu.Lock()
	defer op.c.mu.Unlock()
	if !op.active {
		return
	}
	op.forget()
	if op.ctx.Err() == nil {
		op.stream.Last(errs, op.last)
	}
	op.cancel()
}

// last is the frame with which the operation ends.
func (op *operation) last(errs gqlerror.List) []byte {
	if len(errs) > 0 {
		return frame(websocket.TextMessage, op.c.dialect.failure(op.id, errs))
	}
	return frame(websocket.TextMessage, text("complete", op.id, nil))
}

// AppendResult is that of a Framer.
func (op *operation) AppendResult(b, response []byte, _ string) []byte {
	const envelope = len(`{"type":"","id":,"payload":}`)
	next := op.c.dialect.next
	b = appendHeader(b, websocket.TextMessage, envelope+len(next)+len(op.quoted)+len(response))
	b = append(b, `{"type":"`...)
	b = append(b, next...)
	b = append(b, `","id":`...)
	b = append(b, op.quoted...)
	b = append(b, `,"payload":`...)
	b = append(b, response...)
	return append(b, '}')
}
