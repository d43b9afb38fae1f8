package graphqlws

import "sync"

// outbox is the queue of frames between a connection's operations and its writer. It is bounded in frames
// and bytes, and costs nothing while it is empty: most connections are idle.
type outbox struct {
	maxFrames, maxBytes int
	ready               chan struct{} // holds a token while there may be frames

	mu     sync.Mutex
	frames [][]byte
	bytes  int
}

func newOutbox(maxFrames, maxBytes int) *outbox {
	return &outbox{maxFrames: maxFrames, maxBytes: maxBytes, ready: make(chan struct{}, 1)}
}

// put appends a frame and reports whether there was room. A frame that alone is over the byte limit goes
// through when nothing else waits: the limit is for readers that don't keep up, not for large answers.
func (o *outbox) put(frame []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.frames) >= o.maxFrames || o.bytes > 0 && o.bytes+len(frame) > o.maxBytes {
		return false
	}
	o.frames = append(o.frames, frame)
	o.bytes += len(frame)
	select {
	case o.ready <- struct{}{}:
	default:
	}
	return true
}

// take removes the oldest frame; nil when there is none.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.frames) == 0 {
		return nil
	}
	frame := o.frames[0]
	o.frames[0] = nil
	o.frames = o.frames[1:]
	o.bytes -= len(frame)
	if len(o.frames) == 0 {
		o.frames = nil
	}
	return frame
}
