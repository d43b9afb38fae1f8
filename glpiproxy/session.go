package glpiproxy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Session is one viewer's PHP session in GLPI: what it sees is decided there. It
// is safe for concurrent use; GLPI runs reads of one session in parallel.
type Session struct {
	client *Client
	token  string
	tag    string // names the session in keys, without giving its token away
	guise  *guise // of an account's session, which has no token of its own; else nil
	// stranger says that anybody may have made the token up.
	stranger bool
}

// SignIn opens a session with a user name and a password. Errors: BadCredentials,
// Misconfigured (sign-in by password is off), Unavailable, Timeout.
func (c *Client) SignIn(ctx context.Context, username, password string) (*Session, error) {
	switch {
	case username == "" || password == "":
		return nil, &Error{Kind: BadCredentials, Operation: "initSession", Message: "user name and password are needed"}
	case strings.Contains(username, ":"):
		return nil, &Error{Kind: BadCredentials, Operation: "initSession", Message: "no user name has a colon"}
	}
	basic := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return c.open(ctx, "Basic "+basic, basic, password)
}

// SignInWithToken opens a session with a user's API token ("user_token").
func (c *Client) SignInWithToken(ctx context.Context, userToken string) (*Session, error) {
	if userToken == "" || !printable(userToken) {
		return nil, &Error{Kind: BadCredentials, Operation: "initSession", Message: "this can't be a user token"}
	}
	return c.open(ctx, "user_token "+userToken, userToken)
}

// open makes a session. No Session-Token goes with it: GLPI would destroy that
// session.
func (c *Client) open(ctx context.Context, authorize string, secrets ...string) (*Session, error) {
	a, err := c.do(ctx, call{operation: "initSession", path: "/initSession", authorize: authorize, secrets: secrets, once: true})
	if err != nil {
		return nil, err
	}
	return c.opened(a)
}

func (c *Client) opened(a *answer) (*Session, error) {
	raw, err := a.json("initSession")
	if err != nil {
		return nil, err
	}
	r, err := parseRow(raw)
	if err != nil {
		return nil, unexpected("initSession", a.status, err)
	}
	token := plain(r["session_token"])
	if token == "" || !printable(token) {
		return nil, unexpected("initSession", a.status, errors.New("no session token in the answer"))
	}
	return c.Resume(token), nil
}

// Resume stands for a session that is already open, by its Session-Token. It
// makes no call; Scope tells whether the session lives.
func (c *Client) Resume(token string) *Session {
	sum := sha256.Sum256([]byte(token))
	return &Session{client: c, token: token, tag: "session:" + hex.EncodeToString(sum[:16])}
}

// Stranger is Resume for a token that anybody may have made up, since it came as it
// is. All those of which GLPI has not said yet that they live take turns as one
// caller, or whoever makes up many would leave no turns to others.
func (c *Client) Stranger(token string) *Session {
	s := c.Resume(token)
	s.stranger = true
	return s
}

// Token is the Session-Token, of an account's session the one of this moment ("": it
// is not open). Keep it out of logs and browsers.
func (s *Session) Token() string {
	if s.guise != nil {
		return s.openToken()
	}
	return s.token
}

// String names the session without its token.
func (s Session) String() string { return s.tag }

// GoString is String: %#v must not show the token either.
func (s Session) GoString() string { return s.tag }

// call sends a request of this session. A session that turns out to have ended
// is forgotten at once.
func (s *Session) call(ctx context.Context, k call) (*answer, error) {
	if s.guise != nil {
		return s.callAnew(ctx, k)
	}
	return s.callWith(ctx, s.token, k)
}

// callJSON is call for an answer that is JSON.
func (s *Session) callJSON(ctx context.Context, k call) (*answer, json.RawMessage, error) {
	a, err := s.call(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	raw, err := a.json(k.operation)
	return a, raw, err
}

func (s *Session) callWith(ctx context.Context, token string, k call) (*answer, error) {
	if token == "" || !printable(token) {
		return nil, &Error{Kind: Unauthenticated, Operation: k.operation, Message: "this can't be a session token"}
	}
	spoil(ctx)
	waits(ctx)
	k.session, k.caller = token, s.caller()
	a, err := s.client.do(ctx, k)
	if err == nil {
		meter(ctx, a)
	}
	if err != nil && KindOf(err) == Unauthenticated && (!s.stranger || s.Known()) { // of who never was there is nothing
		s.forget()
	}
	return a, err
}

// caller names whose turn a call takes: the user, who would gain by many sessions
// otherwise, or the session as long as nobody knows whose it is.
func (s *Session) caller() string {
	if found, _, ok := s.client.scopes.stale(s.tag); ok {
		return fmt.Sprint("user|", found.(*Scope).UserID)
	}
	if s.stranger {
		return "strangers"
	}
	return s.tag
}

// forget drops what is cached of the session: who it is, and what it has read.
func (s *Session) forget() {
	s.client.scopes.void(s.tag)
	s.client.void(s.tag)
}

// Epoch is another one whenever what the session sees was changed by this client, or it was found to have ended: between
// two equal ones everything was read with the same eyes. settled is false while a change is under way.
func (s *Session) Epoch() (epoch uint64, settled bool) {
	last := s.client.scopes.lastVoided([]string{s.tag})
	return last, last != held
}

// End closes the session in GLPI and forgets everything cached for it. A session
// that had already ended is no error.
func (s *Session) End(ctx context.Context) error {
	if s.guise != nil {
		return &Error{Kind: Invalid, Operation: "killSession", Message: "an account's sessions end with the account"}
	}
	defer s.forget()
	_, err := s.call(ctx, call{operation: "killSession", path: "/killSession", once: true})
	if err != nil && KindOf(err) == Unauthenticated {
		return nil
	}
	return err
}

// SwitchProfile changes the session's active profile, and with it the active
// entity. It holds for everyone who uses this Session-Token.
func (s *Session) SwitchProfile(ctx context.Context, id int) error {
	if id <= 0 {
		return &Error{Kind: Invalid, Operation: "changeActiveProfile", Message: "a profile's id is positive"}
	}
	return s.change(ctx, "changeActiveProfile", map[string]any{"profiles_id": id})
}

// SwitchEntity changes the session's active entity; recursive adds its
// descendants. GLPI on PHP 7 takes 0 for all entities of the profile. It holds for
// everyone who uses this Session-Token.
func (s *Session) SwitchEntity(ctx context.Context, id int, recursive bool) error {
	if id < 0 {
		return &Error{Kind: Invalid, Operation: "changeActiveEntities", Message: "an entity's id is not negative"}
	}
	return s.change(ctx, "changeActiveEntities", map[string]any{"entities_id": id, "is_recursive": recursive})
}

// SwitchToAllEntities makes every entity that the active profile reaches active,
// those below included. It holds for everyone who uses this Session-Token.
func (s *Session) SwitchToAllEntities(ctx context.Context) error {
	return s.change(ctx, "changeActiveEntities", map[string]any{"is_recursive": false}) // no entities_id: all
}

// change alters what the session is. Reads of the session that are under way may
// see either state, so nothing of it is cached until the change is over.
func (s *Session) change(ctx context.Context, operation string, body any) error {
	if s.guise != nil {
		return &Error{Kind: Invalid, Operation: operation, Message: "an account's session keeps its profile and entity"}
	}
	s.client.scopes.hold(s.tag)
	s.client.rows.hold(s.tag)
	s.client.tell([]string{s.tag})
	defer s.forget()
	a, err := s.call(ctx, call{operation: operation, method: http.MethodPost, path: "/" + operation, body: body, once: true})
	var e *Error
	switch {
	case errors.As(err, &e) && e.Code == "ERROR" && e.Kind == Invalid:
		return &Error{Kind: Forbidden, Operation: operation, Status: e.Status, Code: e.Code, Message: e.Message}
	case err != nil:
		return err
	case plain(a.body) == "false": // GLPI 10 refuses so
		return &Error{Kind: Forbidden, Operation: operation, Status: a.status}
	}
	return nil
}
