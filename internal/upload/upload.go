// Package upload is a file on its way: what the HTTP front takes out of a multipart request and the resolvers hand
// on to GLPI. It is a stream, read once and never held whole, in memory or on disk.
package upload

import (
	"errors"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// File is a file that a client is sending: GraphQL's scalar Upload.
type File struct {
	Name        string // as the client named it, unchecked
	ContentType string // as the client named it; "" where it did not
	body        *body
}

// New makes a File of what from gives, of which no more than limit bytes are taken.
func New(name, contentType string, from io.Reader, limit int64) File {
	return File{Name: name, ContentType: contentType, body: &body{from: from, limit: limit}}
}

// Read reads on. What was read before, by an earlier field of the same operation, does not come again. The errors
// beside io.EOF are a *TooLargeError and those that wrap ErrCutShort.
func (f File) Read(p []byte) (int, error) { return f.body.read(p) }

// Failure is why the file could not be read to its end, as far as it was read; nil when nothing went wrong. Who
// handed the File to others finds here what they may have wrapped.
func (f File) Failure() error { return f.body.failure }

// ErrCutShort tells that the client gave up before the end of its file.
var ErrCutShort = errors.New("the upload ended before the end of the file")

// TooLargeError tells that a file is larger than what is taken.
type TooLargeError struct {
	Limit int64 // bytes
}

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the file has more than %d bytes", e.Limit)
}

// body is shared by the copies of a File.
type body struct {
	from    io.Reader
	limit   int64
	taken   int64
	failure error
}

func (b *body) read(p []byte) (int, error) {
	if b.failure != nil {
		return 0, b.failure
	}
	n, err := b.from.Read(p)
	b.taken += int64(n)
	var tooLarge *TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		b.failure = err
	case b.taken > b.limit:
		b.failure = &TooLargeError{Limit: b.limit}
	case err != nil && err != io.EOF:
		b.failure = fmt.Errorf("%w: %w", ErrCutShort, err)
	default:
		return n, err
	}
	return 0, b.failure
}

// UnmarshalFile takes a File from among the variables. Nothing that stands in JSON is one.
func UnmarshalFile(v any) (File, error) {
	file, ok := v.(File)
	if !ok {
		return File{}, gqlerror.Errorf("send the file in a multipart request, with null in its place among the variables")
	}
	return file, nil
}

// MarshalFile answers null: files are only sent to the gateway, and downloaded from URLs.
func MarshalFile(File) graphql.Marshaler { return graphql.Null }
