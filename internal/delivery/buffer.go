package delivery

import "syscall"

// buffer is what one write is put together in, with the write itself: a closure for each would be garbage.
type buffer struct {
	bytes   []byte
	written int
	err     error
	attempt func(fd uintptr) (done bool)
}

func newBuffer() any {
	b := &buffer{}
	b.attempt = b.once
	return b
}

// writeTo writes what the connection takes without waiting, and tells how much that was; nothing, without a raw
// connection.
func (b *buffer) writeTo(raw syscall.RawConn) (int, error) {
	if raw == nil {
		return 0, nil
	}
	b.written, b.err = 0, nil
	if err := raw.Write(b.attempt); err != nil {
		return 0, err
	}
	return b.written, b.err
}

func (c *Connections) borrow() *buffer { return c.buffers.Get().(*buffer) }

func (c *Connections) giveBack(b *buffer) {
	if cap(b.bytes) <= largestKept {
		c.buffers.Put(b)
	}
}
