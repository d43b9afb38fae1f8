package glpiproxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Credential is what an account signs in with. It prints as "[credential]".
type Credential struct{ username, password, userToken string }

// Password is the credential of a user name and a password.
func Password(username, password string) Credential {
	return Credential{username: username, password: password}
}

// UserToken is a user's API token.
func UserToken(token string) Credential { return Credential{userToken: token} }

// Format hides the credential, whatever the verb.
func (Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[credential]") }

// As is the guise in which an account's session is opened. The zero As is what GLPI
// chooses for the user; with any field set, an EntityID of 0 is the root entity.
type As struct {
	ProfileID int // 0: the one that GLPI chooses
	EntityID  int
	Recursive bool // with the entity's descendants
}

// maxGuises bounds the sessions of one account.
const maxGuises = 50

// Account keeps the sessions of one stored credential: one for each profile, entity
// and recursion. A session that GLPI has ended is opened anew when it is next used.
// It is safe for concurrent use; end it with Close.
type Account struct {
	client     *Client
	credential Credential
	key        string // in keys and maps, without giving the credential away

	mu       sync.Mutex
	sessions map[As]*Session
	closed   bool
}

// guise ties a session to its account, which knows its token of the moment.
type guise struct {
	account *Account
	as      As
	token   string // "": not open; guarded by the account's mu
}

// Format names the account without its credential.
func (a *Account) Format(f fmt.State, _ rune) { fmt.Fprint(f, "account:", a.key) }

// Account gives the account of a credential, the same for equal ones until it is
// closed. It makes no call.
func (c *Client) Account(credential Credential) *Account {
	text := fmt.Sprintf("%q %q %q", credential.username, credential.password, credential.userToken)
	sum := sha256.Sum256([]byte(text))
	key := hex.EncodeToString(sum[:16])
	c.accountsMu.Lock()
	defer c.accountsMu.Unlock()
	a, ok := c.accounts[key]
	if !ok {
		a = &Account{client: c, credential: credential, key: key, sessions: map[As]*Session{}}
		c.accounts[key] = a
	}
	return a
}

// Session gives the account's session in a guise, open at this moment. Reads of it
// survive that GLPI ends the session: it is opened anew, once, and the read repeated.
// A write that meets an ended session is Unauthenticated and never repeated; the next
// call opens the session. Its profile and entity can't be switched. Errors:
// BadCredentials, Forbidden (no such profile or entity for this user), Unavailable,
// Timeout.
func (a *Account) Session(ctx context.Context, as As) (*Session, error) {
	s, err := a.session(as)
	if err != nil {
		return nil, err
	}
	if _, err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (a *Account) session(as As) (*Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.sessions[as]; ok {
		return s, nil
	}
	switch {
	case a.closed:
		return nil, accountClosed()
	case as.ProfileID < 0 || as.EntityID < 0:
		return nil, &Error{Kind: Invalid, Operation: "initSession", Message: "ids of profiles and entities are not negative"}
	case len(a.sessions) == maxGuises:
		return nil, &Error{Kind: Invalid, Operation: "initSession", Message: fmt.Sprintf("an account has at most %d sessions", maxGuises)}
	}
	s := &Session{client: a.client, tag: fmt.Sprintf("session:account:%s:%+v", a.key, as), guise: &guise{account: a, as: as}}
	a.sessions[as] = s
	return s, nil
}

// Check makes sure that GLPI takes the credential.
func (a *Account) Check(ctx context.Context) error {
	s, err := a.Session(ctx, As{})
	if err == nil {
		_, err = s.Scope(ctx)
	}
	return err
}

// Close ends all sessions of the account in GLPI. Those that had already ended are
// no error.
func (a *Account) Close(ctx context.Context) error {
	a.client.accountsMu.Lock()
	if a.client.accounts[a.key] == a {
		delete(a.client.accounts, a.key)
	}
	a.client.accountsMu.Unlock()
	a.mu.Lock()
	a.closed = true
	sessions := slices.Collect(maps.Values(a.sessions))
	clear(a.sessions)
	var open []string
	for _, s := range sessions {
		if s.guise.token != "" {
			open = append(open, s.guise.token)
		}
		s.guise.token = ""
	}
	a.mu.Unlock()
	var errs []error
	for _, token := range open {
		errs = append(errs, a.client.Resume(token).End(ctx))
	}
	for _, s := range sessions {
		s.forget()
	}
	return errors.Join(errs...)
}

func accountClosed() *Error {
	return &Error{Kind: Unauthenticated, Operation: "initSession", Message: "the account is closed"}
}

// callAnew makes a call of an account's session, opening the session where it is
// known to have ended, and once more for a read that shows that it has.
func (s *Session) callAnew(ctx context.Context, k call) (*answer, error) {
	for again := false; ; again = true {
		token, err := s.open(ctx)
		if err != nil {
			return nil, err
		}
		a, err := s.callWith(ctx, token, k)
		if err == nil || KindOf(err) != Unauthenticated {
			return a, err
		}
		s.ended(token)
		if again || k.once {
			return nil, err
		}
	}
}

// open gives the token of an account's session, which it opens if it is not.
func (s *Session) open(ctx context.Context) (string, error) {
	if token := s.openToken(); token != "" {
		return token, nil
	}
	opened, _, err := s.client.flights.do(ctx, "open|"+s.tag, "initSession", func(ctx context.Context) (any, error) {
		if token := s.openToken(); token != "" {
			return token, nil
		}
		return s.guise.open(ctx)
	})
	if err != nil {
		return "", err
	}
	return opened.(string), nil
}

func (s *Session) openToken() string {
	s.guise.account.mu.Lock()
	defer s.guise.account.mu.Unlock()
	return s.guise.token
}

// ended notes that GLPI no longer knows a token.
func (s *Session) ended(token string) {
	s.guise.account.mu.Lock()
	defer s.guise.account.mu.Unlock()
	if s.guise.token == token {
		s.guise.token = ""
	}
}

// open signs in and takes the profile and the entity.
func (g *guise) open(ctx context.Context) (token string, err error) {
	a := g.account
	if err := g.publish(""); err != nil { // before GLPI is troubled
		return "", err
	}
	s, err := a.client.signIn(ctx, a.credential)
	if err != nil {
		return "", err
	}
	if err = g.take(ctx, s); err == nil {
		err = g.publish(s.token)
	}
	if err != nil { // nobody will use it
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.client.timeout)
		defer cancel()
		_ = s.End(leaving)
		return "", err
	}
	return s.token, nil
}

func (c *Client) signIn(ctx context.Context, credential Credential) (*Session, error) {
	if credential.userToken != "" {
		return c.SignInWithToken(ctx, credential.userToken)
	}
	return c.SignIn(ctx, credential.username, credential.password)
}

// take switches a fresh session to the guise, and looks whether GLPI did.
func (g *guise) take(ctx context.Context, s *Session) error {
	if g.as == (As{}) {
		return nil
	}
	if g.as.ProfileID > 0 {
		if err := s.SwitchProfile(ctx, g.as.ProfileID); err != nil {
			return err
		}
	}
	if err := s.SwitchEntity(ctx, g.as.EntityID, g.as.Recursive); err != nil {
		return err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return err
	}
	if scope.EntityID != g.as.EntityID || scope.Recursive != g.as.Recursive || g.as.ProfileID > 0 && scope.Profile.ID != g.as.ProfileID {
		return &Error{Kind: Forbidden, Operation: "initSession", Message: "GLPI did not take the profile and the entity"}
	}
	return nil
}

// publish has the session's next calls use a token.
func (g *guise) publish(token string) error {
	g.account.mu.Lock()
	defer g.account.mu.Unlock()
	if g.account.closed {
		return accountClosed()
	}
	g.token = token
	return nil
}
