// Package sealing makes what the gateway's own secrets are sealed with: tokens that clients hold, and values in the store.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Key derives a key of 32 bytes from the gateway's secret for one purpose. It fails for an empty secret.
func Key(secret []byte, purpose string) ([]byte, error) {
	if len(secret) == 0 {
		return nil, errors.New("a secret to derive keys from is missing")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of %q: %w", purpose, err)
	}
	return key, nil
}

// New makes the cipher for one purpose, which puts a random nonce before each box: AES-256-GCM. Gateways with the same
// secret open each other's. It fails for an empty secret.
func New(secret []byte, purpose string) (cipher.AEAD, error) {
	key, err := Key(secret, purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing the key of %q: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("preparing the seal of %q: %w", purpose, err)
	}
	return aead, nil
}
