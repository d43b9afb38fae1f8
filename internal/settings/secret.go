package settings

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SealingSecret is what sign-in tokens are sealed with: the setting, or else the one kept in the data
// folder (made at the first start), or else a new one that dies with the process. kept says whether
// tokens survive a restart.
func (g *Gateway) SealingSecret() (secret string, kept bool, err error) {
	if g.Secret != "" {
		return g.Secret, true, nil
	}
	if g.DataDir == "" {
		return rand.Text(), false, nil
	}
	secret, err = secretFile(filepath.Join(g.DataDir, "secret"))
	if err != nil {
		return "", false, fmt.Errorf("--data-dir: %w", err)
	}
	return secret, true, nil
}

// secretFile reads the secret, or makes the file. Two processes that start at once agree: the file is
// linked into place whole, and whoever comes second reads the first one's.
func secretFile(path string) (string, error) {
	held, err := os.ReadFile(path)
	if err == nil {
		secret := strings.TrimSpace(string(held))
		if len(secret) < shortestSecret {
			return "", fmt.Errorf("%s holds no secret: remove it to have a new one made", path)
		}
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "secret-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(fresh.Name())
	if _, err := fresh.WriteString(rand.Text() + rand.Text() + "\n"); err != nil {
		fresh.Close()
		return "", err
	}
	if err := fresh.Close(); err != nil {
		return "", err
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return secretFile(path)
}
