package dangerzone

import (
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sealing"
)

// ErrConfirmation is the one answer to a confirmation that can't be used: made up, another one's, of another session,
// used already or too old. Which of these is nobody's business who tries.
var ErrConfirmation = errors.New("the confirmation can't be used: plan again")

const (
	tokenPurpose = "fleetgate danger zone confirmation 1"
	tokenBegin   = "dz1."
	// longestToken bounds what is taken for one, in bytes: that of MostTargets with the longest note is shorter.
	longestToken = 64 << 10
)

// Confirmed is what a confirmation token stands for.
type Confirmed struct {
	Request
	Nonce     string    // makes it good for once
	UserID    int       // who planned it
	Session   string    // in which session
	ExpiresAt time.Time // until when it can be used
	Prints    []string  // the state of each agent then
}

// seal makes and opens confirmation tokens. Gateways with the same secret open each other's.
type seal struct{ aead cipher.AEAD }

func newSeal(secret []byte) (*seal, error) {
	aead, err := sealing.New(secret, tokenPurpose)
	if err != nil {
		return nil, err
	}
	return &seal{aead}, nil
}

func (s *seal) close(c Confirmed) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return tokenBegin + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(tokenPurpose))), nil
}

func (s *seal) open(token string) (c Confirmed, err error) {
	text, ours := strings.CutPrefix(token, tokenBegin)
	if !ours || len(token) > longestToken || strings.ContainsAny(text, "\r\n") {
		return c, ErrConfirmation
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return c, ErrConfirmation
	}
	plain, err := s.aead.Open(nil, nil, box, []byte(tokenPurpose))
	if err != nil || json.Unmarshal(plain, &c) != nil || len(c.Prints) != len(c.AgentIDs) {
		return Confirmed{}, ErrConfirmation
	}
	return c, nil
}

// Confirm opens a confirmation token for the session in which it was given. It is not used up by that.
func (d *Desk) Confirm(s *glpiproxy.Session, scope *glpiproxy.Scope, token string) (Confirmed, error) {
	c, err := d.seal.open(token)
	if err != nil || c.UserID != scope.UserID || c.Session != s.String() || !d.now().Before(c.ExpiresAt) {
		return Confirmed{}, ErrConfirmation
	}
	return c, nil
}
