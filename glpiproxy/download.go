package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const downloading = "download"

const (
	// segment is how many bytes of a download are fetched at once, and in memory.
	segment = 2 << 20
	// lossy: GLPI forgets the last byte of a range whose two ends are a multiple of
	// this apart, which includes single bytes.
	lossy = 16384
)

// Download is the content of a file or an application, for reading and seeking, as
// http.ServeContent does. It fetches what is read, in segments, within the context
// that it was opened with. It is not safe for concurrent use.
type Download struct {
	Name       string
	Size       int64     // bytes
	ModifiedAt time.Time // UTC; when it was uploaded

	ctx  context.Context
	s    *Session
	path string

	position int64  // of the next Read
	start    int64  // of buffer
	buffer   []byte // the segment that was fetched last
}

// Open looks at the content behind an item that the viewer may see. Errors:
// NotFound (also when GLPI has lost the file), Forbidden.
func Open[T Uploadable](ctx context.Context, s *Session, id int) (*Download, error) {
	item, err := Get[T](ctx, s, id)
	if err != nil {
		return nil, err
	}
	d := &Download{ctx: ctx, s: s, path: "/" + item.itemtype() + "/" + strconv.Itoa(id)}
	_, _, d.Name = fileOf(item)
	a, err := d.call(0, 1)
	if err != nil {
		return nil, err
	}
	_, total, ok := contentRange(strings.TrimPrefix(a.header.Get("Content-Range"), "bytes "))
	if !ok {
		return nil, unexpected(downloading, a.status, errors.New("GLPI did not say how large the file is"))
	}
	d.Size = int64(total)
	for _, layout := range []string{time.RFC1123Z, time.RFC1123} {
		if t, err := time.Parse(layout, a.header.Get("Last-Modified")); err == nil {
			d.ModifiedAt = t.UTC()
		}
	}
	return d, nil
}

// Read reads on; its errors are this package's, or io.EOF.
func (d *Download) Read(p []byte) (int, error) {
	switch {
	case d.position >= d.Size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if d.position < d.start || d.position >= d.start+int64(len(d.buffer)) {
		if err := d.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.buffer[d.position-d.start:])
	d.position += int64(n)
	return n, nil
}

// Seek sets where the next Read begins. It makes no call.
func (d *Download) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.position
	case io.SeekEnd:
		offset += d.Size
	}
	if offset < 0 {
		return 0, &Error{Kind: Invalid, Operation: downloading, Message: "before the file's first byte"}
	}
	d.position = offset
	return offset, nil
}

// fetch gets the segment at the position.
func (d *Download) fetch() error {
	first, last := segmentAt(d.position, d.Size)
	a, err := d.call(first, last)
	if err != nil {
		return err
	}
	begin, total, ok := contentRange(strings.TrimPrefix(a.header.Get("Content-Range"), "bytes "))
	wanted := min(last, d.Size-1) - first + 1
	switch {
	case !ok || int64(begin) != first || int64(total) != d.Size || a.status != http.StatusPartialContent:
		return unexpected(downloading, a.status, errors.New("GLPI answered with another part of the file"))
	case int64(len(a.body)) != wanted:
		return unexpected(downloading, a.status, fmt.Errorf("GLPI sent %d bytes of %d", len(a.body), wanted))
	}
	d.start, d.buffer = first, a.body
	return nil
}

// segmentAt is the range to ask for so that it holds the byte at the position and
// GLPI loses none: its ends are never a multiple of lossy apart.
func segmentAt(position, size int64) (first, last int64) {
	first, last = position, min(position+segment, size)-1
	switch {
	case (last-first)%lossy != 0:
	case last > first: // the last two bytes by themselves
		last -= 2
	case first > 0: // the file's last byte, with the one before it
		first--
	default: // the only byte: GLPI takes a range past the end
		last++
	}
	return first, last
}

// call asks for a range, both ends included.
func (d *Download) call(first, last int64) (*answer, error) {
	return d.s.call(d.ctx, call{
		operation: downloading, path: d.path, accept: "application/octet-stream",
		bytes: fmt.Sprintf("bytes=%d-%d", first, last), short: last >= d.Size,
	})
}
