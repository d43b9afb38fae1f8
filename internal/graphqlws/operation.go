package graphqlws

import (
	"context"
	"encoding/json"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
)

// operation is a query, mutation or subscription under way.
type operation struct {
	id     string
	viewer context.Context // of the connection
	cancel context.CancelFunc
}

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
	params.Headers = c.headers
	params.ReadTime = graphql.TraceTiming{Start: graphql.Now(), End: graphql.Now()}

	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.active[m.id]; taken {
		c.close(CloseDuplicateOperation, "subscriber for "+m.id+" already exists")
		return
	}
	if c.running >= c.t.o.MaxOperations {
		c.send(c.dialect.errorFrame(m.id, gqlerror.List{{
			Message:    "too many operations at once on this connection",
			Extensions: map[string]any{"code": "RATE_LIMITED"},
		}}))
		return
	}
	ctx, cancel := context.WithCancel(c.viewer)
	op := &operation{id: m.id, viewer: c.viewer, cancel: cancel}
	c.active[m.id] = op
	c.running++
	c.wait.Add(1)
	go c.run(ctx, op, params)
}

// unsubscribe stops an operation at the client's wish; one that has just ended by itself is no error.
func (c *connection) unsubscribe(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op, known := c.active[id]
	if !known {
		return
	}
	delete(c.active, id)
	op.cancel()
	if c.dialect.confirms {
		c.send(frame("complete", id, nil))
	}
}

// run executes an operation and tells the client of its responses and its end.
func (c *connection) run(ctx context.Context, op *operation, params *graphql.RawParams) {
	defer c.wait.Done()
	defer func() {
		op.cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
	}()
	defer func() {
		if r := recover(); r != nil {
			c.t.o.Logger.Error("an operation panicked", "panic", r, "stack", string(debug.Stack()))
			c.finish(op, c.dialect.errorFrame(op.id, gqlerror.List{{
				Message:    "internal error",
				Extensions: map[string]any{"code": "INTERNAL"},
			}}))
		}
	}()
	c.finish(op, c.execute(ctx, op, params))
}

// execute sends the responses of an operation and returns the frame that ends it. An error ends it without
// a complete after it.
func (c *connection) execute(ctx context.Context, op *operation, params *graphql.RawParams) []byte {
	ctx = graphql.StartOperationTrace(ctx)
	opCtx, errs := c.exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		response := c.exec.DispatchError(graphql.WithOperationContext(ctx, opCtx), errs)
		return c.dialect.errorFrame(op.id, response.Errors)
	}
	ctx, failures := delivery.WithFailures(graphql.WithOperationContext(ctx, opCtx))
	responses, ctx := c.exec.DispatchOperation(ctx, opCtx)
	for {
		response := responses(ctx)
		if response == nil {
			break
		}
		if response.Data == nil && len(response.Errors) > 0 {
			return c.dialect.errorFrame(op.id, response.Errors) // nothing was executed
		}
		payload, err := json.Marshal(response)
		if err != nil {
			panic(err) // a resolver's scalar wrote what is not JSON
		}
		if !c.deliver(op, frame(c.dialect.next, op.id, payload)) {
			return nil
		}
	}
	if errs := failures.List(); len(errs) > 0 {
		response := c.exec.DispatchError(ctx, errs)
		return c.dialect.errorFrame(op.id, response.Errors)
	}
	return frame("complete", op.id, nil)
}

// deliver sends a frame of an operation, unless the client has stopped it or the viewer's time is over: what
// happens because of that is no result. It reports whether the operation goes on.
func (c *connection) deliver(op *operation, frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[op.id] != op || op.viewer.Err() != nil {
		return false
	}
	c.send(frame)
	return true
}

// finish sends the last frame of an operation and frees its id.
func (c *connection) finish(op *operation, frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[op.id] != op {
		return
	}
	delete(c.active, op.id)
	if op.viewer.Err() == nil {
		c.send(frame)
	}
}
