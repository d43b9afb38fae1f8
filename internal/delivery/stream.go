package delivery

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Framer writes results as a protocol has them.
type Framer interface {
	// AppendResult appends the frame of one result to b.
	AppendResult(b, json []byte, cursor string) []byte
}

// Stream is one subscription on a Line: what Receivers are made of.
type Stream struct {
	line   *Line
	framer Framer

	// The line's lock is for these.
	sent    string // cursor of the last result that was written
	missed  bool   // results after it were dropped
	over    bool   // no results are taken any more
	stopped bool   // none that wait go out either
}

// Open puts a subscription on a line. It must be called before anything else.
func (s *Stream) Open(line *Line, framer Framer) { s.line, s.framer = line, framer }

// Deliver is that of a Receiver.
func (s *Stream) Deliver(results ...*Result) bool {
	l := s.line
	l.mu.Lock()
	defer l.unlock()
	if s.over || l.over {
		return false
	}
	for _, result := range l.straight(s, results) {
		if l.tooLongBehind() {
			l.trouble = ErrTooSlow
			return false
		}
		if l.over || !l.fits(len(result.JSON)) {
			return false
		}
		l.queue.push(waiting{result: result, stream: s})
	}
	return !l.over
}

// Replay is that of a Receiver. It leaves most of the queue to those who can't wait.
func (s *Stream) Replay(ctx context.Context, result *Result) bool {
	l := s.line
	for ctx.Err() == nil {
		room, ok := s.offer(result)
		if room == nil {
			return ok
		}
		if !l.waitFor(ctx, room) {
			break
		}
	}
	return false
}

// offer takes a result if there is room; else it returns what is closed when there may be.
func (s *Stream) offer(result *Result) (room <-chan struct{}, ok bool) {
	const part = 4
	l := s.line
	l.mu.Lock()
	defer l.unlock()
	if s.over || l.over {
		return nil, false
	}
	if !l.queue.room(len(result.JSON), l.shared.o.QueueFrames/part, l.shared.o.QueueBytes/part) {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return l.room, false
	}
	l.queue.push(waiting{result: result, stream: s, kept: true})
	l.flush()
	return nil, !l.over
}

// waitFor waits for room, not longer than a write may take.
func (l *Line) waitFor(ctx context.Context, room <-chan struct{}) bool {
	patience := time.NewTimer(l.shared.o.WriteTimeout)
	defer patience.Stop()
	select {
	case <-room:
		return true
	case <-ctx.Done():
	case <-patience.C:
		l.owner.Lost(ErrTooSlow)
	}
	return false
}

// Stop drops what waits of the subscription and takes nothing more of it: the client does not want it.
func (s *Stream) Stop() {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	s.over, s.stopped = true, true
}

// Last ends a subscription, after what waits of it, with the frame that the protocol has for these errors. Where
// results are missing that no later one can tell of, an error tells of them.
func (s *Stream) Last(errs gqlerror.List, frame func(gqlerror.List) []byte) {
	l := s.line
	l.mu.Lock()
	defer l.unlock()
	if s.over || l.over {
		return
	}
	s.over = true
	if s.missed && len(errs) == 0 {
		errs = gqlerror.List{{
			Message:    "what came last was dropped, since too little was read: subscribe again with after",
			Extensions: resync(s.sent),
		}}
	}
	last := frame(errs)
	if l.fits(len(last)) {
		l.queue.push(waiting{frame: last})
		l.flush()
	}
}

// append appends the frame of a result. It tells of those that are missing before it.
func (s *Stream) append(b []byte, result *Result) []byte {
	if s.stopped {
		return b
	}
	text := result.JSON
	if s.missed {
		s.missed = false
		text = withResync(text, s.sent)
	}
	s.sent = result.Cursor
	return s.framer.AppendResult(b, text, result.Cursor)
}

// resync are the extensions of a response, or of an error, that tells of missing results: the client asks again with
// the cursor, of the last result that it got, as after; null: it got none.
func resync(after string) map[string]any {
	extensions := map[string]any{"code": "RESYNC", "after": nil}
	if after != "" {
		extensions["after"] = after
	}
	return extensions
}

// withResync adds to a response what tells of missing results.
func withResync(response []byte, after string) []byte {
	var parts map[string]json.RawMessage
	if json.Unmarshal(response, &parts) != nil {
		return response // ours always can be read
	}
	extensions := map[string]any{}
	_ = json.Unmarshal(parts["extensions"], &extensions) // none is no error that matters
	for name, value := range resync(after) {
		extensions[name] = value
	}
	parts["extensions"], _ = json.Marshal(extensions) // it came from JSON
	text, err := json.Marshal(parts)
	if err != nil {
		return response
	}
	return text
}
