package gqlgen

import (
	"errors"
	"io"
	"net/http"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/gorilla/websocket"
)

// gorilla puts gorilla/websocket beneath gqlgen's transport, the way gqlgen itself did up to v0.17.91.
type gorilla struct{}

// Accept opens a WebSocket.
func (gorilla) Accept(w http.ResponseWriter, r *http.Request, o transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	upgrader := websocket.Upgrader{Subprotocols: o.Subprotocols}
	ws, err := upgrader.Upgrade(w, r, o.ResponseHeader)
	if err != nil {
		return nil, err
	}
	return socket{ws}, nil
}

// socket is a gorilla connection as gqlgen wants it.
type socket struct{ *websocket.Conn }

// NextReader tells a close by its own error.
func (s socket) NextReader() (int, io.Reader, error) {
	kind, reader, err := s.Conn.NextReader()
	if closed := (*websocket.CloseError)(nil); errors.As(err, &closed) {
		err = transport.ErrWebsocketClosed
	}
	return kind, reader, err
}

// WriteClose sends a close frame.
func (s socket) WriteClose(code int, message string) error {
	return s.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, message))
}
