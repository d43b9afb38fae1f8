package delivery

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrTooSlow is why a connection is lost whose client does not read what it asked for.
var ErrTooSlow = errors.New("too slow: more waits to be read than is kept")

// Owner is told when its Line is lost: ErrTooSlow for a client that does not read what it asked for, or the error of a
// write. It is called without locks, from whichever goroutine finds out, and more than once.
type Owner interface{ Lost(err error) }

const (
	longestWrite = 32 << 10 // bytes after which no further frame is added to a write
	largestKept  = 64 << 10 // bytes of a buffer that is used again
)

// Line is the sending half of one connection. Whoever has something to send writes it straight to the connection
// while nothing waits; what the connection does not take at once waits, in bounds, and a goroutine that lives as long
// as anything waits writes it with a deadline. So a sender never waits, and an idle connection has no goroutine and no
// buffer for writing.
type Line struct {
	shared *Connections
	conn   net.Conn // closed by sever only
	owner  Owner

	mu      sync.Mutex
	socket  socket // of conn, to be used with the lock while it is not cut
	over    bool   // nothing more is taken
	cut     bool   // nothing more is written
	writing bool   // a goroutine is about it; else nothing waits, while the lock is free
	queue   queue
	rest    []byte        // of what was written in part
	trouble error         // what the owner is still to be told
	behind  time.Time     // since when results were dropped; zero: none since nothing waited
	room    chan struct{} // closed when there may be room again; nil: nobody waits for it
	writers sync.WaitGroup

	linger  time.Duration // how long a connection that is over stays open
	closeBy time.Time     // when what waits must be out then
	timer   *time.Timer   // that closes it
}

// Open begins to send on a connection, which nobody else may write to or close from then on. It must be called before
// anything else.
func (l *Line) Open(shared *Connections, conn net.Conn, owner Owner) {
	l.shared, l.conn, l.socket, l.owner = shared, conn, socketOf(conn), owner
}

// Send sends a frame that is never dropped. What does not fit ends the connection as too slow. false: the
// connection is ending.
func (l *Line) Send(frame []byte) bool {
	l.mu.Lock()
	defer l.unlock()
	if l.over || !l.fits(len(frame)) {
		return false
	}
	l.queue.push(waiting{frame: frame})
	l.flush()
	return !l.over
}

// Finish sends what waits, unless it is to be dropped, and the last frame, and closes the connection when that is out
// and the time to linger, in which the client may answer, has passed. Nothing is taken after it.
func (l *Line) Finish(last []byte, drop bool, linger time.Duration) {
	l.mu.Lock()
	defer l.unlock()
	if l.over {
		return
	}
	l.over, l.linger, l.closeBy = true, linger, time.Now().Add(l.shared.o.WriteTimeout)
	if drop {
		l.queue.clear()
	}
	if last != nil {
		l.queue.push(waiting{frame: last})
	}
	l.announceRoom()
	l.flush()
	l.endIfEmpty()
}

// Cut closes the connection at once.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.unlock()
	l.sever()
}

// Wait returns when nothing is written any more; call it after Finish or Cut.
func (l *Line) Wait() { l.writers.Wait() }

// unlock tells the owner of what went wrong, outside of the lock: it will want to say goodbye.
func (l *Line) unlock() {
	trouble := l.trouble
	l.trouble = nil
	l.mu.Unlock()
	if trouble != nil {
		l.owner.Lost(trouble)
	}
}

// sever closes the connection. The lock is held, as for all that follow.
func (l *Line) sever() {
	l.over, l.cut = true, true
	l.queue.clear()
	l.rest = nil
	if l.timer != nil {
		l.timer.Stop()
	}
	l.announceRoom()
	_ = l.conn.Close()
}

// fits makes room by the rule for slow readers where there is none. Where that does not help it gives the connection up.
func (l *Line) fits(size int) bool {
	o := &l.shared.o
	if l.queue.room(size, o.QueueFrames, o.QueueBytes) {
		return true
	}
	if o.SlowReader != CloseAtOnce && !l.tooLongBehind() {
		dropped := l.queue.keepLatest()
		l.shared.metrics.dropped.Add(float64(dropped))
		if dropped > 0 && l.behind.IsZero() {
			l.behind = time.Now()
		}
		if l.queue.room(size, o.QueueFrames, o.QueueBytes) {
			return true
		}
	}
	l.trouble = ErrTooSlow
	return false
}

func (l *Line) tooLongBehind() bool {
	return !l.behind.IsZero() && time.Since(l.behind) > l.shared.o.MaxBehind
}

// flush writes what waits without waiting itself. What the connection does not take is left to a goroutine.
func (l *Line) flush() {
	if l.writing || l.cut {
		return
	}
	b := l.shared.borrow()
	defer l.shared.giveBack(b)
	for len(l.queue.items) > 0 {
		b.bytes = l.fill(b.bytes[:0])
		if !l.write(b) {
			return
		}
	}
}

// straight writes results past the queue, as long as nothing waits. It returns those that are left.
func (l *Line) straight(s *Stream, results []*Result) []*Result {
	if l.writing || l.cut || len(results) == 0 {
		return results
	}
	b := l.shared.borrow()
	defer l.shared.giveBack(b)
	b.bytes = b.bytes[:0]
	for i, result := range results {
		b.bytes = s.append(b.bytes, result)
		if len(b.bytes) < longestWrite && i < len(results)-1 {
			continue
		}
		if !l.write(b) {
			return results[i+1:]
		}
		b.bytes = b.bytes[:0]
	}
	return nil
}

// write writes a buffer, and tells whether all of it went out at once; else a goroutine takes over.
func (l *Line) write(b *buffer) bool {
	written, err := l.socket.write(b.bytes)
	switch {
	case err != nil:
		l.trouble = err
		l.sever()
		return false
	case written < len(b.bytes):
		l.rest = slices.Clone(b.bytes[written:])
		l.writing = true
		l.writers.Go(l.drain)
		return false
	}
	return true
}

// fill appends frames of what waits, as many as go out in one write.
func (l *Line) fill(b []byte) []byte {
	for len(l.queue.items) > 0 && len(b) < longestWrite {
		w := l.queue.pop()
		if w.result == nil {
			b = append(b, w.frame...)
			continue
		}
		b = w.stream.append(b, w.result)
	}
	return b
}

// drain writes what waits until nothing does.
func (l *Line) drain() {
	var buffer []byte
	for {
		l.mu.Lock()
		chunk := l.rest
		if l.rest = nil; chunk == nil {
			buffer = l.fill(buffer[:0])
			chunk = buffer
			l.announceRoom()
		}
		if len(chunk) == 0 {
			l.writing = false
			l.behind = time.Time{}
			l.endIfEmpty()
			l.unlock()
			return
		}
		deadline := time.Now().Add(l.shared.o.WriteTimeout)
		if l.over && l.closeBy.Before(deadline) {
			deadline = l.closeBy
		}
		l.mu.Unlock()
		_ = l.conn.SetWriteDeadline(deadline)
		if _, err := l.conn.Write(chunk); err != nil {
			l.lose(err)
			return
		}
	}
}

// lose ends a connection that did not take what was written to it.
func (l *Line) lose(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTooSlow
	}
	l.owner.Lost(err) // first: that the connection is closed must not look like the client's doing
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.sever()
}

// endIfEmpty closes the connection, once all that was to be sent is out.
func (l *Line) endIfEmpty() {
	if !l.over || l.cut || l.writing || len(l.queue.items) > 0 {
		return
	}
	if l.linger == 0 {
		l.sever()
	} else if l.timer == nil {
		l.timer = time.AfterFunc(l.linger, l.Cut)
	}
}

// announceRoom wakes those who wait for room.
func (l *Line) announceRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}
