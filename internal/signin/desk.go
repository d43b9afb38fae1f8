package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
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
	// Recheck is how often Run asks GLPI whether the sessions behind open sockets still live; 0: one minute.
	Recheck time.Duration
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: silent
}

// Desk looks at the credentials of every request and socket. It is safe for concurrent use.
type Desk struct {
	o Options

	mu      sync.Mutex
	sockets map[string]map[*socket]struct{} // by session token
}

// socket is a context handed out for a WebSocket.
type socket struct {
	session *glpiproxy.Session
	cancel  context.CancelCauseFunc
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
	return &Desk{o: o, sockets: map[string]map[*socket]struct{}{}}, nil
}

// Seal makes the token that stands for a session in a browser, good until expires.
func (d *Desk) Seal(sessionToken string, expires time.Time) string {
	return d.o.Sealer.Seal(sessionToken, expires)
}

// Authenticate gives the context of an HTTP request: that of a viewer, or one in which FromContext tells why
// there is none. It calls nobody: a session that GLPI has ended shows at the first read.
func (d *Desk) Authenticate(ctx context.Context, header http.Header) context.Context {
	viewer, err := d.open(credentials{
		authorization: header.Get("Authorization"),
		sessionToken:  header.Get("Session-Token"),
	})
	return withCaller(ctx, viewer, err)
}

// AuthenticateSocket gives the context of a WebSocket from the payload of its connection_init, for
// graphqlws.Options.Init. Without a credential it is anonymous, so that login works; a bad one is an error
// that closes the socket with 4403. The context is cancelled, with such an error as its cause, when the
// token expires or the session ends.
func (d *Desk) AuthenticateSocket(ctx context.Context, payload map[string]any) (context.Context, error) {
	viewer, err := d.open(credentialsOf(payload))
	if errors.Is(err, ErrNone) {
		return withCaller(ctx, nil, err), nil
	}
	if err != nil {
		return nil, forbidden(err)
	}
	if _, err := viewer.Session.Scope(ctx); glpiproxy.KindOf(err) == glpiproxy.Unauthenticated {
		return nil, forbidden(ErrEnded)
	}
	return withCaller(d.register(ctx, viewer), viewer, nil), nil
}

// End closes the sockets of a session: it has ended.
func (d *Desk) End(sessionToken string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.sockets[sessionToken] {
		s.cancel(forbidden(ErrEnded))
	}
}

func forbidden(err error) *graphqlws.CloseError {
	reason, _, _ := strings.Cut(err.Error(), ":")
	return &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: reason}
}

// Run asks GLPI from time to time whether the sessions behind open sockets still live, and ends those that
// don't: GLPI tells nobody when it ends one. It returns when ctx is done.
func (d *Desk) Run(ctx context.Context) error {
	panic("not written yet")
}

func (d *Desk) register(ctx context.Context, viewer *Viewer) context.Context { return ctx }

type credentials struct{ authorization, sessionToken string }

func credentialsOf(payload map[string]any) credentials { return credentials{} }

func (d *Desk) open(c credentials) (*Viewer, error) { return nil, ErrNone }
