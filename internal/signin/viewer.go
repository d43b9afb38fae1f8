package signin

import (
	"context"
	"errors"
	"time"

	"fleetgate/glpiproxy"
)

// What can be wrong with a credential. Each is safe to show.
var (
	ErrNone        = errors.New("sign in first")
	ErrExpired     = errors.New("the sign-in has expired: sign in again")
	ErrInvalid     = errors.New("the sign-in token is not valid: sign in again")
	ErrEnded       = errors.New("session ended: sign in again")
	ErrNotAccepted = errors.New("plain session tokens are not accepted here: sign in")
)

// IsSignInError tells whether an error means that nobody is signed in, for whatever reason.
func IsSignInError(err error) bool {
	for _, known := range []error{ErrNone, ErrExpired, ErrInvalid, ErrEnded, ErrNotAccepted} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Viewer is who is asking.
type Viewer struct {
	Session   *glpiproxy.Session
	ExpiresAt time.Time // of the sign-in token; zero for a plain session token
}

// View is the same text for sessions that may be given the same answers, as glpiproxy.Scope has it. GLPI is asked where it
// was not lately; the error says why nothing may be shown.
func (v *Viewer) View(ctx context.Context) (string, error) {
	scope, err := v.Session.Scope(ctx)
	if err != nil {
		return "", err
	}
	return scope.View(), nil
}

type (
	viewerKey  struct{}
	addressKey struct{}
	originKey  struct{}
)

// caller is what a request's credential came to: a viewer or the reason why there is none.
type caller struct {
	viewer *Viewer
	err    error
}

func withCaller(ctx context.Context, viewer *Viewer, err error) context.Context {
	return context.WithValue(ctx, viewerKey{}, caller{viewer, err})
}

// NewContext gives a context in which the viewer is asking.
func NewContext(ctx context.Context, viewer *Viewer) context.Context {
	return withCaller(ctx, viewer, nil)
}

// FromContext tells who is asking, or with an error for which IsSignInError holds why nobody is.
func FromContext(ctx context.Context) (*Viewer, error) {
	c, known := ctx.Value(viewerKey{}).(caller)
	switch {
	case !known:
		return nil, ErrNone
	case c.err != nil:
		return nil, c.err
	}
	return c.viewer, nil
}

// WithClientAddress notes the network address that a request came from, without its port.
func WithClientAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// ClientAddress is the network address that a request came from, to count failed sign-ins by; "" when it is
// not known. Behind a reverse proxy that is not trusted it is the proxy's.
func ClientAddress(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

// WithOrigin notes the address that a request came to ("https://fleet.example"), as its client knows it.
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// Origin is the address that a request came to; "" when it is not known. It is what the client says: good for links
// that go back to it, and for nothing else.
func Origin(ctx context.Context) string {
	origin, _ := ctx.Value(originKey{}).(string)
	return origin
}

// Detach gives a context for what goes on when the request is over: it knows what is known here of a request and who is
// asking, and holds nothing else of it.
func Detach(ctx context.Context) context.Context {
	kept := WithOrigin(WithClientAddress(context.Background(), ClientAddress(ctx)), Origin(ctx))
	if c, known := ctx.Value(viewerKey{}).(caller); known {
		kept = context.WithValue(kept, viewerKey{}, c)
	}
	return kept
}
