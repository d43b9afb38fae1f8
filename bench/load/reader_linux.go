package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Reading is what came of reading over HTTP.
type Reading struct {
	Requests int
	Elapsed  time.Duration
	Median   time.Duration // from a request to the end of its answer
	Bytes    int           // of the body of an answer
}

// Readers ask a server for the same over a few connections that stay open, each for one answer after another.
type Readers struct {
	Server      netip.AddrPort
	Path        string
	Header      http.Header
	Body        []byte // posted
	Connections int
	// Check says whether a body is right. It is asked about each that is not the same as one it has let pass.
	Check func(body []byte) error
}

// Read has the readers read for a time.
func (r *Readers) Read(ctx context.Context, lasts time.Duration) (Reading, error) {
	request, err := r.request()
	if err != nil {
		return Reading{}, err
	}
	began := time.Now()
	var all sync.WaitGroup
	var total, length atomic.Int64
	failures := make([]error, r.Connections)
	took := make([]time.Duration, r.Connections)
	for i := range r.Connections {
		all.Go(func() {
			wire, err := net.Dial("tcp", r.Server.String())
			if err != nil {
				failures[i] = err
				return
			}
			defer wire.Close()
			reader := &reader{wire: wire, in: bufio.NewReaderSize(wire, 64<<10), request: request, check: r.Check}
			for failures[i] == nil && ctx.Err() == nil && time.Since(began) < lasts {
				failures[i] = reader.once()
			}
			total.Add(int64(len(reader.took)))
			length.Store(int64(len(reader.right)))
			took[i] = middle(reader.took)
		})
	}
	all.Wait()
	return Reading{int(total.Load()), time.Since(began), middle(took), int(length.Load())}, errors.Join(failures...)
}

func (r *Readers) request() ([]byte, error) {
	request, err := http.NewRequest(http.MethodPost, "http://"+r.Server.String()+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	request.Header = r.Header
	var text bytes.Buffer
	err = request.Write(&text)
	return text.Bytes(), err
}

// reader is one connection.
type reader struct {
	wire    net.Conn
	in      *bufio.Reader
	request []byte
	check   func([]byte) error
	body    []byte // of the last answer
	right   []byte // a body that is right
	took    []time.Duration
}

// once asks and reads the answer.
func (r *reader) once() error {
	began := time.Now()
	if err := r.wire.SetDeadline(began.Add(patience)); err != nil {
		return err
	}
	if _, err := r.wire.Write(r.request); err != nil {
		return err
	}
	length, err := r.head()
	if err != nil {
		return err
	}
	if r.body = r.body[:0]; length >= 0 {
		err = r.take(length)
	} else {
		err = r.chunks()
	}
	r.took = append(r.took, time.Since(began))
	if err != nil || bytes.Equal(r.body, r.right) {
		return err
	}
	if !json.Valid(r.body) {
		return fmt.Errorf("not JSON: %.200s", r.body)
	}
	if err := r.check(r.body); err != nil {
		return err
	}
	r.right = bytes.Clone(r.body)
	return nil
}

// head reads the head of an answer, which must be 200; the length of the body is -1 when it comes in chunks.
func (r *reader) head() (length int, err error) {
	length = -1
	for first := true; ; first = false {
		line, err := r.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			rest, _ := r.in.Peek(r.in.Buffered())
			return 0, fmt.Errorf("the server answered %q %.300q", line, rest)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return length, nil
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
}

// take reads a part of the body.
func (r *reader) take(length int) error {
	at := len(r.body)
	if cap(r.body) < at+length {
		r.body = append(make([]byte, 0, at+length+1024), r.body...)
	}
	r.body = r.body[:at+length]
	_, err := io.ReadFull(r.in, r.body[at:])
	return err
}

// chunks reads a body in HTTP's chunks.
func (r *reader) chunks() error {
	for {
		line, err := r.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		length, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("a chunk's length: %w", err)
		}
		if err := r.take(int(length)); err != nil {
			return err
		}
		if _, err := r.in.Discard(2); err != nil { // its end of line
			return err
		}
		if length == 0 {
			return nil
		}
	}
}

// middle is the median; 0 of none.
func middle(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
