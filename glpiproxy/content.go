package glpiproxy

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// content is the body of an upload, made of a caller's reader.
type content struct {
	kind     string // its Content-Type
	size     int64  // of the whole body, 0: not known
	limit    int64  // of the file, 0: none
	expected int64  // of the file, 0: not known
	all      io.Reader
	moved    func() // told of each further step

	reading sync.Mutex // held while source is read, for however long that takes
	source  io.Reader

	mu    sync.Mutex
	read  int64  // bytes of the file so far
	err   *Error // why the file could not be sent
	ended bool
}

// step is how many bytes must move within Options.SlowTimeout.
const step = 64 << 10

// Read gives the body's next bytes to the transport.
func (c *content) Read(p []byte) (int, error) { return c.all.Read(p) }

// fileReader is the file within a content.
type fileReader struct{ *content }

// Read reads on in the caller's reader, unless the call is over.
func (f fileReader) Read(p []byte) (int, error) {
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.over() {
		return 0, errUploadEnded
	}
	n, err := f.source.Read(p)
	if refusal := f.count(n, err); refusal != nil {
		return 0, refusal
	}
	return n, err
}

var errUploadEnded = errors.New("the upload is over")

func (c *content) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended || c.err != nil
}

// count takes note of n more bytes, and says what is wrong with the file so far.
func (c *content) count(n int, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.read / step
	c.read += int64(n)
	if c.moved != nil && (c.read/step > before || err == io.EOF) {
		c.moved()
	}
	ended := err == io.EOF
	switch {
	case err != nil && !ended:
		c.err = &Error{Kind: Canceled, Operation: uploading, Message: "the file could not be read to its end", Err: err}
	case c.limit > 0 && c.read > c.limit:
		c.err = uploadError(Invalid, tooLarge(c.limit))
	case ended && c.read == 0:
		c.err = uploadError(Invalid, "the file is empty")
	case c.expected > 0 && (c.read > c.expected || ended && c.read < c.expected):
		c.err = uploadError(Invalid, "the file has another size than announced")
	default:
		return nil
	}
	return c.err
}

// end waits until nobody reads the caller's reader any more, and tells how many bytes
// were read.
func (c *content) end() int64 {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.read
}

// failure is why the file could not be sent; nil for a call without one.
func (c *content) failure() *Error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// limit bounds a call's time: that of an upload by how slowly it may move.
func (c *Client) limit(ctx context.Context, k call) (context.Context, context.CancelFunc) {
	if k.content == nil {
		return context.WithTimeout(ctx, c.timeoutOf(k))
	}
	limited, cancel := context.WithCancel(ctx)
	watch := time.AfterFunc(c.timeoutOf(k), cancel)
	k.content.moved = func() { watch.Reset(c.timeoutOf(k)) }
	return limited, func() {
		watch.Stop()
		cancel()
	}
}
