package graphqlsse

import (
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
)

const (
	closeGrace    = 2 * time.Second // for the client to close the connection when it has read the end
	longestUnread = 64 << 10        // bytes that a client may send after its request, which nobody reads
)

// response is one that goes on.
type response struct {
	t      *Transport
	conn   net.Conn // for reading
	line   delivery.Line
	stream delivery.Stream
	chunks bool
	// ctx ends with the response, viewer with the sign-in too.
	ctx, viewer context.Context
	cancel      context.CancelCauseFunc
	stop        context.CancelFunc // of viewer
	visited     time.Time          // belongs to Visit
	afterwards  func()             // called when it is over; nil: Hold asked for nothing

	mu    sync.Mutex
	gone  bool   // the client is
	leave func() // those with whom it is run together; nil: it is run alone, or not yet
	wait  sync.WaitGroup
}

var (
	_ delivery.Connection = (*response)(nil)
	_ delivery.Owner      = (*response)(nil)
	_ delivery.Receiver   = (*response)(nil)
	_ delivery.Framer     = (*response)(nil)
	_ delivery.Endings    = (*response)(nil)
)

func newResponse(t *Transport, conn net.Conn, r *http.Request, head []byte) *response {
	s := &response{t: t, conn: conn, chunks: inChunks(r), visited: time.Now()}
	ctx := delivery.WithLastCursor(t.o.Detach(r.Context()), lastEvent(r.Header))
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.line.Open(t.o.Connections, conn, s)
	s.stream.Open(&s.line, s)
	s.line.Send(head) // before the sign-in can end
	held := t.o.Hold(delivery.WithEndings(s.ctx, s))
	delivery.OnEnd(held, s.ctx, s.EndFor)
	s.viewer, s.stop = context.WithCancel(held)
	return s
}

// serve runs the response until nothing of it is left.
func (s *response) serve(place *delivery.Place, exec graphql.GraphExecutor, op *graphql.OperationContext) {
	defer place.Leave()
	s.t.open.Inc()
	defer s.t.open.Dec()
	place.Track(s)
	defer place.Untrack(s)
	s.wait.Go(func() { s.run(exec, op) })
	s.read()
	s.line.Cut()
	s.abandon()
	s.line.Wait()
	s.wait.Wait()
	if s.afterwards != nil {
		s.afterwards()
	}
}

// read notices that the client leaves. It has nothing more to say; io.Copy would hold a large buffer to find that out.
func (s *response) read() {
	unread := make([]byte, 64)
	for left := longestUnread; left > 0; {
		n, err := s.conn.Read(unread)
		if err != nil {
			return
		}
		left -= n
	}
}

// run executes the operation, unless it is run together with others.
func (s *response) run(exec graphql.GraphExecutor, op *graphql.OperationContext) {
	defer func() {
		if r := recover(); r != nil {
			s.t.o.Logger.Error("an operation panicked", "panic", r, "stack", string(debug.Stack()))
			s.End(gqlerror.List{{Message: "internal error", Extensions: map[string]any{"code": "INTERNAL"}}})
		}
	}()
	if op.Operation.Operation == ast.Subscription && s.t.o.Share != nil {
		if leave, ok := s.t.o.Share(s.viewer, exec, op, s); ok {
			s.join(leave)
			return
		}
	}
	delivery.Run(s.viewer, exec, op, s)
}

// join leaves the operation to those with whom it is run together.
func (s *response) join(leave func()) {
	s.mu.Lock()
	s.leave = leave
	gone := s.gone
	s.mu.Unlock()
	if gone {
		leave()
	}
}

// abandon stops the operation: its client is gone.
func (s *response) abandon() {
	s.stream.Stop()
	s.cancel(nil)
	s.stop()
	s.mu.Lock()
	s.gone = true
	leave := s.leave
	s.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// Deliver is that of a Receiver. When the viewer's time is over it takes nothing: what happens because of that is no
// result.
func (s *response) Deliver(results ...*delivery.Result) bool {
	return s.viewer.Err() == nil && s.stream.Deliver(results...)
}

// Replay is that of a Receiver.
func (s *response) Replay(ctx context.Context, result *delivery.Result) bool {
	return s.viewer.Err() == nil && s.stream.Replay(ctx, result)
}

// End is that of a Receiver.
func (s *response) End(errs gqlerror.List) {
	if s.viewer.Err() == nil {
		s.end(errs)
	}
}

// Afterwards is that of Endings: the viewer is taken in before the response is served.
func (s *response) Afterwards(f func()) { s.afterwards = f }

// EndFor ends a response whose viewer's time is over.
func (s *response) EndFor(cause error) {
	s.cancel(cause)
	s.end(gqlerror.List{s.t.o.Ended(cause)})
}

func (s *response) end(errs gqlerror.List) {
	s.stream.Last(errs, func(errs gqlerror.List) []byte {
		last := s.frame(appendEnd(nil, errs))
		if s.chunks {
			last = append(last, lastChunk...)
		}
		return last
	})
	if s.chunks {
		s.line.Finish(nil, false, closeGrace)
	} else { // what ends the response is that the connection does
		s.line.Finish(nil, false, 0)
	}
}

// AppendResult is that of a Framer.
func (s *response) AppendResult(b, response []byte, cursor string) []byte {
	if !s.chunks {
		return appendNext(b, response, cursor)
	}
	b = appendChunkHead(b, nextLength(response, cursor))
	return append(appendNext(b, response, cursor), endOfLine...)
}

func (s *response) frame(piece []byte) []byte {
	if !s.chunks {
		return piece
	}
	return append(append(appendChunkHead(nil, len(piece)), piece...), endOfLine...)
}

// Visit sends a sign of life: proxies cut what is silent, and a client that is gone is noticed sooner.
func (s *response) Visit(now time.Time) {
	if now.Sub(s.visited) < s.t.o.Connections.Options().PingInterval {
		return
	}
	s.visited = now
	s.line.Send(s.frame([]byte(comment)))
}

// Lost ends a response that nobody reads: it breaks off, which a client does not take for its end.
func (s *response) Lost(error) { s.line.Cut() }

// Drain breaks the response off after what waits, so that its client asks again.
func (s *response) Drain() { s.line.Finish(nil, false, 0) }

// Cut breaks the response off.
func (s *response) Cut() { s.line.Cut() }
