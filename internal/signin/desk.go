package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/graphqlws"
)

// Options configure a Desk. GLPI and Sealer are required.
type Options struct {
	GLPI   *glpiproxy.Client
	Sealer *Sealer
	// AcceptSessionTokens lets existing GLPI clients in with a plain Session-Token; false: sealed tokens only.
	AcceptSessionTokens bool
	// Recheck is how often Run asks GLPI about the sessions in use; 0: one minute.
	Recheck time.Duration
	// Service is the session of an account that may read every user, to see whose account has run out; nil: viewers
	// are looked at with their own rights.
	Service func(context.Context) (*glpiproxy.Session, error)
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: silent
}

// Desk looks at the credentials of every request and socket. It is safe for concurrent use.
type Desk struct {
	o        Options
	sockets  *sockets
	watchers *watchers
	visitors *visitors
}

// NewDesk makes a Desk.
func NewDesk(o Options) (*Desk, error) {
	if o.GLPI == nil || o.Sealer == nil {
		return nil, errors.New("a sign-in desk needs GLPI and a sealer")
	}
	if o.Recheck <= 0 {
		o.Recheck = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Desk{o: o, sockets: newSockets(), watchers: newWatchers(), visitors: newVisitors()}, nil
}

// Seal makes the token that stands for a session in a browser, good until expires.
func (d *Desk) Seal(sessionToken string, expires time.Time) string {
	return d.o.Sealer.Seal(sessionToken, expires)
}

// Authenticate gives the context of an HTTP request: that of a viewer, or one in which FromContext tells why
// there is none. It calls nobody: a session that GLPI has ended shows at the first read.
func (d *Desk) Authenticate(ctx context.Context, header http.Header) context.Context {
	viewer, err := d.open(credentials{header.Get("Authorization"), header.Get("Session-Token")})
	if err == nil {
		d.visitors.note(viewer.Session, d.o.Now())
	}
	return withCaller(ctx, viewer, err)
}

// AuthenticateSocket gives the context of a WebSocket from the payload of its connection_init, for
// graphqlws.Options.Init. Without a credential it is anonymous, so that login works; a bad one is an error
// that closes the socket with 4403. The context is cancelled, with such an error as its cause, when the
// token expires or the session ends.
func (d *Desk) AuthenticateSocket(ctx context.Context, payload map[string]any) (context.Context, error) {
	viewer, err := d.open(credentialsIn(payload))
	if errors.Is(err, ErrNone) {
		return withCaller(ctx, nil, err), nil
	}
	if err != nil {
		return nil, closing(err)
	}
	// A session that GLPI no longer knows is not let in. When GLPI can't be asked, the socket may wait for it.
	if _, err := viewer.Session.Scope(ctx); err != nil && glpiproxy.KindOf(err) == glpiproxy.Unauthenticated {
		return nil, closing(ErrEnded)
	}
	d.visitors.note(viewer.Session, d.o.Now())
	return withCaller(d.sockets.add(ctx, viewer, d.o.Now()), viewer, nil), nil
}

// Hold gives a context for an answer that goes on to whoever asks in ctx. It is cancelled, as that of a socket is, when
// the token expires or the session ends; that of nobody is not.
func (d *Desk) Hold(ctx context.Context) context.Context {
	viewer, err := FromContext(ctx)
	if err != nil {
		return ctx
	}
	return d.sockets.add(ctx, viewer, d.o.Now())
}

// End closes the sockets of a session: it has ended.
func (d *Desk) End(sessionToken string) {
	d.visitors.forget(sessionToken)
	d.sockets.end(sessionToken, ErrEnded)
}

// WatchScope has refresh called whenever what a session sees was changed through this gateway (another profile or
// entity), until stop is called: a stream must ask at once what it may still show.
func (d *Desk) WatchScope(sessionToken string, refresh func()) (stop func()) {
	return d.watchers.add(sessionToken, refresh)
}

// ScopeChanged tells the watchers of a session that it may see something else now. It returns when all have asked
// what that is.
func (d *Desk) ScopeChanged(sessionToken string) { d.watchers.tell(sessionToken) }

// open makes a viewer of credentials. Errors are those for which IsSignInError holds.
func (d *Desk) open(c credentials) (*Viewer, error) {
	switch {
	case c.authorization != "":
		token, isBearer := bearer(c.authorization)
		switch {
		case !isBearer:
			return nil, ErrInvalid
		case token == "": // clients that have none yet send the empty place for it
			return nil, ErrNone
		}
		sealed, err := d.o.Sealer.Open(token)
		if err != nil {
			return nil, err
		}
		return &Viewer{Session: d.o.GLPI.Resume(sealed.SessionToken), ExpiresAt: sealed.ExpiresAt}, nil
	case c.sessionToken == "":
		return nil, ErrNone
	case !d.o.AcceptSessionTokens:
		return nil, ErrNotAccepted
	case !plausible(c.sessionToken):
		return nil, ErrInvalid
	}
	return &Viewer{Session: d.o.GLPI.Stranger(c.sessionToken)}, nil
}

// closing makes of a sign-in error what a socket is closed with: what happened, without the advice.
func closing(err error) *graphqlws.CloseError {
	reason, _, _ := strings.Cut(err.Error(), ":")
	return &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: reason}
}
