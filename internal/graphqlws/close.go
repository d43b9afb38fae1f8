package graphqlws

import "fmt"

// The codes with which sockets are closed, beside those of RFC 6455.
const (
	CloseInvalidMessage      = 4400 // not JSON, not of the protocol, or of an unknown type
	CloseUnauthorized        = 4401 // an operation before the connection was acknowledged
	CloseForbidden           = 4403 // the sign-in is refused or has ended
	CloseSubprotocol         = 4406 // none of our subprotocols was offered
	CloseInitTimeout         = 4408 // no connection_init in time
	CloseDuplicateOperation  = 4409 // an operation with the id of one under way
	CloseTooManyInitialising = 4429 // a second connection_init
	CloseTooSlow             = 4290 // the client does not read what it asked for
)

// CloseError is why a socket is closed: the code and the reason that the client is told.
type CloseError struct {
	Code   int
	Reason string // at most 123 bytes reach the client
}

// Error tells the code and the reason.
func (e *CloseError) Error() string { return fmt.Sprintf("websocket closed: %d %s", e.Code, e.Reason) }
