package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Config is what GLPI tells of its own set-up, as far as clients need it.
type Config struct {
	Version   string // "9.3.1"
	Languages []Language
	Password  PasswordRules
	SendsMail bool   // GLPI's notifications and its mail are on
	APIURL    string // the REST API as GLPI tells it to devices; "": not set
}

// Language is a language that GLPI speaks.
type Language struct {
	Code string // "en_GB"
	Name string // in itself: "English"
}

// PasswordRules are what GLPI asks of a new password.
type PasswordRules struct {
	MinLength                           int // characters, 0: any
	Digit, Lowercase, Uppercase, Symbol bool
}

// Config reads GLPI's set-up. All else that GLPI answers with it, such as the hosts
// of mail and directories, is dropped.
func (s *Session) Config(ctx context.Context) (Config, error) {
	const operation = "getGlpiConfig"
	r := reading{operation: operation, itemtype: "Config", key: operation, tag: listTag("Config")}
	config, err := cachedRead(ctx, s, r, func(ctx context.Context, _ *Scope) (Config, error) {
		a, raw, err := s.callJSON(ctx, call{operation: operation, path: "/getGlpiConfig"})
		if err != nil {
			return Config{}, err
		}
		config, err := decodeConfig(raw)
		if err != nil {
			return Config{}, unexpected(operation, a.status, err)
		}
		return config, nil
	})
	config.Languages = slices.Clone(config.Languages)
	return config, err
}

func decodeConfig(raw json.RawMessage) (Config, error) {
	outer, err := parseRow(raw)
	if err != nil {
		return Config{}, err
	}
	r, err := parseRow(outer["cfg_glpi"])
	if err != nil {
		return Config{}, errors.New("no configuration in the answer")
	}
	config := Config{
		Version:   r.text("version"),
		SendsMail: r.bool("use_notifications") && r.bool("notifications_mailing"),
		APIURL:    strings.TrimRight(r.text("url_base_api"), "/"),
	}
	if r.bool("use_password_security") {
		config.Password = PasswordRules{
			MinLength: r.int("password_min_length"), Digit: r.bool("password_need_number"),
			Lowercase: r.bool("password_need_letter"), Uppercase: r.bool("password_need_caps"), Symbol: r.bool("password_need_symbol"),
		}
	}
	languages, _ := members(r["languages"])
	for _, m := range languages {
		names, _ := members(m.value)
		if m.key != "" && len(names) > 0 {
			config.Languages = append(config.Languages, Language{Code: m.key, Name: textOf(names[0].value)})
		}
	}
	slices.SortFunc(config.Languages, func(a, b Language) int { return strings.Compare(a.Code, b.Code) })
	return config, nil
}
