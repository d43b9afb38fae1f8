package graph

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// passwordRules are what GLPI asks of a new password, asked in a session.
func passwordRules(ctx context.Context, s *glpiproxy.Session) (*model.PasswordRules, error) {
	config, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	p := config.Password
	return &model.PasswordRules{MinLength: p.MinLength, Digit: p.Digit, Lowercase: p.Lowercase, Uppercase: p.Uppercase, Symbol: p.Symbol}, nil
}

// publicPasswordRules are the rules for those who aren't signed in; nil where the gateway has no session to ask in.
func (r *Resolver) publicPasswordRules(ctx context.Context) (*model.PasswordRules, error) {
	if r.Signups == nil {
		return nil, nil
	}
	s, err := r.Signups.session(ctx)
	if err != nil {
		return nil, err
	}
	return passwordRules(ctx, s)
}

// weaknesses are the rules that a password breaks. GLPI drops such a password and says that all went well.
func weaknesses(rules glpiproxy.PasswordRules, password string) []*model.UserError {
	var broken []*model.UserError
	breaks := func(isRule bool, counts func(rune) bool, text string) {
		if isRule && !strings.ContainsFunc(password, counts) {
			broken = append(broken, badAt(text, "input", "password"))
		}
	}
	if len(password) < rules.MinLength {
		broken = append(broken, badAt(fmt.Sprintf("It is too short: %d characters at least.", rules.MinLength), "input", "password"))
	}
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	breaks(rules.Digit, digit, "It needs a digit.")
	breaks(rules.Lowercase, func(r rune) bool { return 'a' <= r && r <= 'z' }, "It needs a lower case letter.")
	breaks(rules.Uppercase, func(r rune) bool { return 'A' <= r && r <= 'Z' }, "It needs an upper case letter.")
	breaks(rules.Symbol, func(r rune) bool { return !unicode.IsLetter(r) && !digit(r) }, "It needs a symbol.")
	return broken
}
