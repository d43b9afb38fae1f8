// Package serviceaccount keeps the gateway's own session in GLPI, opened with the service token that an
// operator gives. Viewers never read through it: they read with their own rights.
package serviceaccount

import (
	"context"
	"fmt"
	"sync"

	"fleetgate/glpiproxy"
)

// Account is the service account; its session is opened when first needed and again when GLPI has ended it.
// It is safe for concurrent use.
type Account struct {
	glpi  *glpiproxy.Client
	token string

	mu      sync.Mutex
	session *glpiproxy.Session
}

// New makes an Account for an API token of GLPI's. It makes no call.
func New(glpi *glpiproxy.Client, token string) *Account {
	return &Account{glpi: glpi, token: token}
}

// Session gives the account's session, which is opened or opened again where that is needed.
func (a *Account) Session(ctx context.Context) (*glpiproxy.Session, error) {
	if err := a.Check(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session, nil
}

// Check makes sure that GLPI takes the token. The error never holds it.
func (a *Account) Check(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session != nil {
		_, err := a.session.Scope(ctx)
		if err == nil {
			return nil
		}
		if glpiproxy.KindOf(err) != glpiproxy.Unauthenticated {
			return fmt.Errorf("asking GLPI about the service account: %w", err)
		}
		a.session = nil
	}
	s, err := a.glpi.SignInWithToken(ctx, a.token)
	if err != nil {
		return fmt.Errorf("signing in with the service token: %w", err)
	}
	a.session = s
	return nil
}

// Close ends the account's session in GLPI, if there is one.
func (a *Account) Close(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == nil {
		return nil
	}
	err := a.session.End(ctx)
	a.session = nil
	return err
}
