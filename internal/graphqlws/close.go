package graphqlws

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
)

// The codes with which sockets are closed, beside those of RFC 6455.
const (
	CloseTooSlow             = 4290 // the client does not read what it asked for
	CloseInvalidMessage      = 4400 // not JSON, not of the protocol, or of an unknown type
	CloseUnauthorized        = 4401 // an operation before the connection was acknowledged
	CloseForbidden           = 4403 // the sign-in is refused or has ended
	CloseSubprotocol         = 4406 // none of our subprotocols was offered
	CloseInitTimeout         = 4408 // no connection_init in time
	CloseDuplicateOperation  = 4409 // an operation with the id of one under way
	CloseTooManyInitialising = 4429 // a second connection_init
)

// CloseError is why a socket is closed: the code and the reason that the client is told.
type CloseError struct {
	Code   int
	Reason string // at most 123 bytes reach the client
}

// Error tells the code and the reason.
func (e *CloseError) Error() string { return fmt.Sprintf("websocket closed: %d %s", e.Code, e.Reason) }

// frame is the close frame. Control frames are short, and their text is UTF-8.
func (e *CloseError) frame() []byte {
	const most = 123
	reason := strings.ToValidUTF8(e.Reason[:min(len(e.Reason), most)], "")
	return frame(websocket.CloseMessage, websocket.FormatCloseMessage(e.Code, reason))
}

// goneError is a connection that ended from the other side.
type goneError struct{ code int }

func (e *goneError) Error() string { return fmt.Sprintf("websocket ended by the client: %d", e.code) }

// gone tells from a failed read how the connection ended.
func gone(err error) *goneError {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return &goneError{closed.Code}
	case errors.Is(err, websocket.ErrReadLimit):
		return &goneError{websocket.CloseMessageTooBig}
	}
	return &goneError{websocket.CloseAbnormalClosure}
}

// closeLabel is the metrics' label for why a connection ended. Clients choose their codes freely: those that
// nobody knows share one label.
func closeLabel(cause error) string {
	code := websocket.CloseGoingAway
	var ours *CloseError
	var theirs *goneError
	switch {
	case errors.As(cause, &ours):
		code = ours.Code
	case errors.As(cause, &theirs):
		code = theirs.code
	}
	switch code {
	case CloseTooSlow, CloseInvalidMessage, CloseUnauthorized, CloseForbidden, CloseSubprotocol,
		CloseInitTimeout, CloseDuplicateOperation, CloseTooManyInitialising,
		websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived,
		websocket.CloseAbnormalClosure, websocket.CloseMessageTooBig, websocket.CloseInternalServerErr,
		websocket.CloseServiceRestart:
		return strconv.Itoa(code)
	}
	return "other"
}
