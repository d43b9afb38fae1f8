package glpiproxy

import (
	"context"
	"errors"
)

var errNotYet = errors.New("not written yet")

// Session is one viewer's PHP session in GLPI: what it sees is decided there. It
// is safe for concurrent use; GLPI runs reads of one session in parallel.
type Session struct{}

// SignIn opens a session with a user name and a password. Errors: BadCredentials,
// Misconfigured (sign-in by password is off), Unavailable, Timeout.
func (c *Client) SignIn(ctx context.Context, username, password string) (*Session, error) {
	return nil, errNotYet
}

// SignInWithToken opens a session with a user's API token ("user_token").
func (c *Client) SignInWithToken(ctx context.Context, userToken string) (*Session, error) {
	return nil, errNotYet
}

// Resume stands for a session that is already open, by its Session-Token. It
// makes no call; Scope tells whether the session lives.
func (c *Client) Resume(token string) *Session { return &Session{} }

// Token is the Session-Token. Keep it out of logs and browsers.
func (s *Session) Token() string { return "" }

// End closes the session in GLPI and forgets everything cached for it. A session
// that had already ended is no error.
func (s *Session) End(ctx context.Context) error { return errNotYet }

// Profile is a profile that the viewer may take, with the entities it holds in.
type Profile struct {
	ID       int
	Name     string
	Entities []ProfileEntity
}

// ProfileEntity is an entity in which a profile was granted.
type ProfileEntity struct {
	ID        int
	Name      string
	Recursive bool // with its descendants
}

// Profiles lists the profiles that the viewer may take.
func (s *Session) Profiles(ctx context.Context) ([]Profile, error) { return nil, errNotYet }

// SwitchProfile changes the session's active profile, and with it the active
// entity. It holds for everyone who uses this Session-Token.
func (s *Session) SwitchProfile(ctx context.Context, id int) error { return errNotYet }

// SwitchEntity changes the session's active entity; recursive adds its
// descendants. It holds for everyone who uses this Session-Token.
func (s *Session) SwitchEntity(ctx context.Context, id int, recursive bool) error { return errNotYet }
