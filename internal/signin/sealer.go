// Package signin knows who is asking: it seals GLPI sessions into the tokens that browsers hold, opens the
// credentials of requests and WebSockets, and ends the sockets of a session that has ended. It does not
// check passwords (GLPI does) and gives no rights (GLPI does).
package signin

import (
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"fleetgate/internal/sealing"
)

const (
	version = "fg1." // goes before the text of a token, so that the form can change
	purpose = "fleetgate sign-in token 1"

	stamps        = 16   // bytes before the session token: issued at, expires at
	longestSealed = 1024 // characters; a GLPI session token has 26
)

// Sealed is what a token holds.
type Sealed struct {
	SessionToken string // GLPI's; keep it out of logs and browsers
	IssuedAt     time.Time
	ExpiresAt    time.Time
}

// Sealer makes and opens tokens. It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	now  func() time.Time
}

// NewSealer makes a Sealer whose key is derived from the secret. Gateways with the same secret open each
// other's tokens. now is the clock; nil means time.Now.
func NewSealer(secret []byte, now func() time.Time) (*Sealer, error) {
	if now == nil {
		now = time.Now
	}
	aead, err := sealing.New(secret, purpose)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead, now: now}, nil
}

// Seal makes a URL-safe token that is good until expires.
func (s *Sealer) Seal(sessionToken string, expires time.Time) string {
	return s.seal(purpose, sessionToken, expires)
}

// Open takes a token apart. Errors: ErrExpired for one of ours whose time is over, ErrInvalid for all else,
// without telling why: who tries tokens learns nothing.
func (s *Sealer) Open(token string) (Sealed, error) { return s.open(purpose, token) }

// seal makes what can be opened for the same use only.
func (s *Sealer) seal(use, sessionToken string, expires time.Time) string {
	plain := make([]byte, stamps, stamps+len(sessionToken))
	binary.BigEndian.PutUint64(plain, uint64(s.now().Unix()))
	binary.BigEndian.PutUint64(plain[8:], uint64(expires.Unix()))
	plain = append(plain, sessionToken...)
	return version + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(use)))
}

func (s *Sealer) open(use, token string) (Sealed, error) {
	text, ours := strings.CutPrefix(token, version)
	if !ours || len(token) > longestSealed || strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return Sealed{}, ErrInvalid
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Sealed{}, ErrInvalid
	}
	plain, err := s.aead.Open(nil, nil, box, []byte(use))
	if err != nil || len(plain) <= stamps {
		return Sealed{}, ErrInvalid
	}
	sealed := Sealed{
		IssuedAt:     time.Unix(int64(binary.BigEndian.Uint64(plain)), 0).UTC(),
		ExpiresAt:    time.Unix(int64(binary.BigEndian.Uint64(plain[8:])), 0).UTC(),
		SessionToken: string(plain[stamps:]),
	}
	if !s.now().Before(sealed.ExpiresAt) {
		return Sealed{}, ErrExpired
	}
	return sealed, nil
}
