package invitation

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"fleetgate/internal/sealing"
)

// seal hides what lies in the store: values are encrypted, and names that are secrets themselves are hashed with a key.
type seal struct {
	aead  cipher.AEAD
	index []byte
}

func newSeal(secret []byte) (*seal, error) {
	aead, err := sealing.New(secret, "fleetgate invitation seal 1")
	if err != nil {
		return nil, err
	}
	index, err := sealing.Key(secret, "fleetgate invitation index 1")
	if err != nil {
		return nil, err
	}
	return &seal{aead, index}, nil
}

// close encrypts a value for one place in the store: moved to another one it doesn't open.
func (s *seal) close(place string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, plain, []byte(place)), nil
}

// open decrypts what close made for the place.
func (s *seal) open(place string, box []byte, value any) error {
	plain, err := s.aead.Open(nil, nil, box, []byte(place))
	if err != nil {
		return errors.New("what the store holds was sealed with another secret")
	}
	return json.Unmarshal(plain, value)
}

// mac is the keyed hash of a text of some kind.
func (s *seal) mac(kind string, text ...string) []byte {
	h := hmac.New(sha256.New, s.index)
	for _, part := range append([]string{kind}, text...) {
		fmt.Fprintf(h, "%d:%s", len(part), part) // so that no two lists of parts read the same
	}
	return h.Sum(nil)
}

// name is the keyed hash as a key of the store.
func (s *seal) name(kind string, text ...string) string {
	return hex.EncodeToString(s.mac(kind, text...))
}
