package signin_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/signin"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func sealer(t *testing.T, secret string, now func() time.Time) *signin.Sealer {
	t.Helper()
	s, err := signin.NewSealer([]byte(secret), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedTokens(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	s := sealer(t, "one secret of many", clock)
	const sessionToken = "83af7e620c83a50a18d3eac2f6ed05a3ca0bea62"
	token := s.Seal(sessionToken, noon.Add(time.Hour))

	if strings.Contains(token, sessionToken) || url.QueryEscape(token) != token {
		t.Errorf("the token shows the session or is not URL-safe: %s", token)
	}
	if s.Seal(sessionToken, noon.Add(time.Hour)) == token {
		t.Error("two tokens of one session are the same")
	}
	now = noon.Add(time.Hour - time.Second)
	opened, err := s.Open(token)
	want := signin.Sealed{SessionToken: sessionToken, IssuedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	if err != nil || opened != want {
		t.Errorf("got %+v, %v\nwant %+v", opened, err, want)
	}
	if _, err := sealer(t, "one secret of many", clock).Open(token); err != nil {
		t.Errorf("another gateway with the same secret: %v", err)
	}
	if _, err := sealer(t, "another secret", clock).Open(token); !errors.Is(err, signin.ErrInvalid) {
		t.Errorf("another secret: got %v, want ErrInvalid", err)
	}
	now = noon.Add(time.Hour)
	if _, err := s.Open(token); !errors.Is(err, signin.ErrExpired) {
		t.Errorf("at its end: got %v, want ErrExpired", err)
	}
}

func TestNoOtherTokenOpens(t *testing.T) {
	s := sealer(t, "one secret of many", func() time.Time { return noon })
	token := s.Seal("83af7e620c83a50a18d3eac2f6ed05a3", noon.Add(time.Hour))
	tokens := []string{"", "fg1.", "fg1.AAAA", "fg2." + token[4:], token[4:], token + "A", token + "=", token[:len(token)-1],
		" " + token, token + "\n", token + strings.Repeat("A", 4096), "fg1.!!!!", s.Seal("", noon.Add(time.Hour))}
	for i := 4; i < len(token); i++ { // every single character counts
		other := byte('A')
		if token[i] == other {
			other = 'Q'
		}
		tokens = append(tokens, token[:i]+string(other)+token[i+1:])
	}
	for _, tried := range tokens {
		if opened, err := s.Open(tried); err != signin.ErrInvalid || opened != (signin.Sealed{}) {
			t.Errorf("%.100q: got %v, %v, want ErrInvalid and nothing", tried, opened, err)
		}
	}
}

func TestASecretIsNeeded(t *testing.T) {
	if _, err := signin.NewSealer(nil, nil); err == nil {
		t.Error("no secret was accepted")
	}
}

func FuzzOpen(f *testing.F) {
	const sessionToken = "83af7e620c83a50a18d3eac2f6ed05a3"
	s, err := signin.NewSealer([]byte("one secret of many"), func() time.Time { return noon })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Seal(sessionToken, noon.Add(time.Hour)))
	f.Add("fg1.")
	f.Fuzz(func(t *testing.T, token string) {
		if opened, err := s.Open(token); err == nil && opened.SessionToken != sessionToken {
			t.Errorf("%q was opened: %v", token, opened)
		}
	})
}
