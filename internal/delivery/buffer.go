package delivery

// buffer is what one write is put together in.
type buffer struct{ bytes []byte }

func (c *Connections) borrow() *buffer { return c.buffers.Get().(*buffer) }

func (c *Connections) giveBack(b *buffer) {
	if cap(b.bytes) <= largestKept {
		c.buffers.Put(b)
	}
}
