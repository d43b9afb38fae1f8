package graphqlsse

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// comment is the sign of life between events: clients skip it.
const comment = ":\n\n"

func setHeader(header http.Header) {
	header.Set("Content-Type", ContentType+"; charset=utf-8")
	header.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold events back
	header.Set("X-Accel-Buffering", "no")                 // and so would nginx
}

// responseHead is what precedes the events of a response that is written past net/http.
func responseHead(header http.Header, r *http.Request) []byte {
	setHeader(header)
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Connection", "close")
	var b bytes.Buffer
	if inChunks(r) {
		header.Set("Transfer-Encoding", "chunked")
		b.WriteString("HTTP/1.1 200 OK\r\n")
	} else {
		b.WriteString("HTTP/1.0 200 OK\r\n")
	}
	_ = header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// inChunks tells whether the client can tell the response's end from a broken connection. Some proxies still speak
// HTTP/1.0, which can't.
func inChunks(r *http.Request) bool { return r.ProtoAtLeast(1, 1) }

// longestID is how many bytes are held of the id with which a client comes back: no cursor is that long.
const longestID = 256

// lastEvent is the id of the event that a client which comes back has had last.
func lastEvent(header http.Header) string {
	id := header.Get("Last-Event-ID")
	return strings.Clone(id[:min(len(id), longestID)])
}

const (
	nextStart = "event: next\n"
	idStart   = "id: "
	dataStart = "data: "
	eventEnd  = "\n\n"
)

// appendNext appends the event of a result. id is what a client sends back as Last-Event-ID; "": none.
func appendNext(b, response []byte, id string) []byte {
	b = append(b, nextStart...)
	if id != "" {
		b = append(b, idStart...)
		b = append(b, id...)
		b = append(b, '\n')
	}
	b = append(b, dataStart...)
	b = append(b, response...)
	return append(b, eventEnd...)
}

// nextLength is how many bytes appendNext appends.
func nextLength(response []byte, id string) int {
	n := len(nextStart) + len(dataStart) + len(response) + len(eventEnd)
	if id != "" {
		n += len(idStart) + len(id) + len("\n")
	}
	return n
}

// appendEnd appends the events with which an operation ends. The protocol has none for errors but a last result.
func appendEnd(b []byte, errs gqlerror.List) []byte {
	if len(errs) > 0 {
		response, err := json.Marshal(map[string]gqlerror.List{"errors": errs})
		if err != nil {
			response = []byte(`{"errors":[{"message":"internal error"}]}`)
		}
		b = appendNext(b, response, "")
	}
	return append(b, "event: complete\ndata: \n\n"...)
}

const (
	endOfLine = "\r\n"
	lastChunk = "0\r\n\r\n"
)

// appendChunkHead begins a piece of the response, as HTTP/1.1 has it, that goes on for that many bytes and an endOfLine.
func appendChunkHead(b []byte, length int) []byte {
	return append(strconv.AppendInt(b, int64(length), 16), endOfLine...)
}
