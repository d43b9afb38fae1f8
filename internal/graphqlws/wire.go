package graphqlws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"fleetgate/internal/delivery"
)

// wire is the connection as gorilla sees it. Gorilla shakes hands and reads; what it writes after that are whole
// control frames (answers to pings and closes), which take their turn among our own frames.
type wire struct {
	net.Conn
	line *delivery.Line // nil: shaking hands
}

// Write sends a whole control frame.
func (w *wire) Write(frame []byte) (int, error) {
	if w.line == nil {
		return w.Conn.Write(frame)
	}
	if !w.line.Send(bytes.Clone(frame)) {
		return 0, net.ErrClosed
	}
	return len(frame), nil
}

// SetWriteDeadline leaves deadlines to the line, once there is one.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.line == nil {
		return w.Conn.SetWriteDeadline(t)
	}
	return nil
}

// handshake is a ResponseWriter that hands out a wire for the connection.
type handshake struct {
	http.ResponseWriter
	wire *wire
}

// Hijack gives gorilla the connection.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.Conn = conn
	return h.wire, buffered, nil
}

const final = 0x80 // a message in one frame

// appendHeader appends the header of a frame whose payload has that length. Servers mask nothing (RFC 6455, 5.2).
func appendHeader(b []byte, messageType byte, length int) []byte {
	b = append(b, final|messageType)
	switch {
	case length <= 125:
		return append(b, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(b, 127), uint64(length))
}

// frame is a whole frame.
func frame(messageType int, payload []byte) []byte {
	return append(appendHeader(make([]byte, 0, len(payload)+10), byte(messageType), len(payload)), payload...)
}

var pingFrame = frame(websocket.PingMessage, nil)
