package signin

import "strings"

// credentials are what a request or a connection_init brings, unchecked. The authorization counts when both
// are there.
type credentials struct {
	authorization string // "Bearer TOKEN"
	sessionToken  string // GLPI's own
}

// credentialsIn looks for the headers' names, in any case, among the keys of a connection_init payload or
// of its "headers": clients do either.
func credentialsIn(payload map[string]any) credentials {
	headers, _ := field(payload, "headers").(map[string]any)
	text := func(name string) string {
		if s, isText := field(payload, name).(string); isText && s != "" {
			return s
		}
		s, _ := field(headers, name).(string)
		return s
	}
	return credentials{authorization: text("Authorization"), sessionToken: text("Session-Token")}
}

// field finds a value by its key in any case; the exact one first.
func field(object map[string]any, name string) any {
	if value, exact := object[name]; exact {
		return value
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// bearer takes the token out of an Authorization.
func bearer(authorization string) (token string, isBearer bool) {
	scheme, token, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// plausible tells whether a text can be one of PHP's session ids: nothing else goes on to GLPI.
func plausible(sessionToken string) bool {
	if len(sessionToken) > 256 {
		return false
	}
	for _, r := range sessionToken {
		known := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == ',' || r == '-'
		if !known {
			return false
		}
	}
	return true
}
