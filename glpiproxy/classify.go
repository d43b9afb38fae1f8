package glpiproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// kindOfCode tells the kind of GLPI's error codes. The status is of no use: 401
// is an ended session, a wrong password and a missing right alike.
var kindOfCode = map[string]Kind{
	"ERROR_SESSION_TOKEN_INVALID": Unauthenticated,
	"ERROR_SESSION_TOKEN_MISSING": Unauthenticated,

	"ERROR_GLPI_LOGIN":               BadCredentials,
	"ERROR_GLPI_LOGIN_USER_TOKEN":    BadCredentials,
	"ERROR_LOGIN_PARAMETERS_MISSING": BadCredentials,

	"ERROR_RIGHT_MISSING":  Forbidden,
	"ERROR_ITEM_NOT_FOUND": NotFound,

	"ERROR":                        Invalid,
	"ERROR_BAD_ARRAY":              Invalid,
	"ERROR_RANGE_EXCEED_TOTAL":     Invalid,
	"ERROR_METHOD_NOT_ALLOWED":     Invalid,
	"ERROR_RESOURCE_MISSING":       Invalid,
	"ERROR_JSON_PAYLOAD_INVALID":   Invalid,
	"ERROR_JSON_PAYLOAD_FORBIDDEN": Invalid,
	"ERROR_GLPI_ADD":               Invalid,
	"ERROR_GLPI_UPDATE":            Invalid,
	"ERROR_GLPI_DELETE":            Invalid,

	"ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE": Invalid,

	"ERROR_LOGIN_WITH_CREDENTIALS_DISABLED": Misconfigured,
	"ERROR_NOT_ALLOWED_IP":                  Misconfigured,
	"ERROR_WRONG_APP_TOKEN_PARAMETER":       Misconfigured,
	"ERROR_APP_TOKEN_PARAMETERS_MISSING":    Misconfigured,
	// The types asked for are all known here: the plugin is missing or off.
	"ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM": Unsupported,
	"ERROR_ITEMTYPE_NOT_FOUND_NOR_COMMONDBTM": Unsupported,

	"ERROR_SQL": Upstream,
}

// shutOut are the codes with which GLPI turns the gateway itself away, whoever
// is signed in.
var shutOut = map[string]bool{
	"ERROR":                              true, // as Misconfigured: the API is off
	"ERROR_NOT_ALLOWED_IP":               true,
	"ERROR_WRONG_APP_TOKEN_PARAMETER":    true,
	"ERROR_APP_TOKEN_PARAMETERS_MISSING": true,
}

// apiDisabled is the one failure without a code of its own. GLPI says it before
// it knows the viewer, so it is never translated.
const apiDisabled = "API disabled"

// maxMessage bounds what is kept of a message, in bytes.
const maxMessage = 300

// classify turns an answer with an error status into an *Error.
func classify(operation string, status int, body []byte) *Error {
	e := &Error{Operation: operation, Status: status}
	code, detail, ok := errorPair(body)
	switch {
	case !ok && operation == downloading && status == http.StatusNotFound:
		e.Kind, e.Message = NotFound, "GLPI no longer has the file"
		return e
	case !ok:
		e.Kind, e.Message = kindOfStatus(status)
		return e
	}
	message := textOf(detail)
	e.Code, e.Message = code, tidyMessage(message)
	kind, known := kindOfCode[code]
	switch {
	case !known:
		kind = Upstream
	case code == "ERROR" && (operation == "initSession" || strings.HasPrefix(message, apiDisabled)):
		kind = Misconfigured
	case strings.HasPrefix(code, "ERROR_GLPI_") && kind == Invalid:
		return e.refusedWrite(detail)
	}
	e.Kind = kind
	return e
}

// refusedWrite reads why a write was refused: a message, one a item, or null where
// there is no such item.
func (e *Error) refusedWrite(detail json.RawMessage) *Error {
	e.Kind = Invalid
	switch items, _ := parseOutcomes(e.Operation, detail); {
	case leading(detail) == '[' && len(items) > 0:
		e.Items, e.Message = items, items[0].Message
	case leading(detail) == 'n':
		e.Kind = NotFound
	}
	e.Message = cmp.Or(e.Message, silentRefusal)
	return e
}

// errorPair reads GLPI's ["CODE", "message"], also after a PHP warning.
func errorPair(body []byte) (code string, detail json.RawMessage, ok bool) {
	var pair []json.RawMessage
	if json.Unmarshal(body, &pair) != nil {
		start := max(bytes.LastIndex(body, []byte(`["ERROR`)), 0)
		if json.NewDecoder(bytes.NewReader(body[start:])).Decode(&pair) != nil {
			return "", nil, false
		}
	}
	if len(pair) == 0 {
		return "", nil, false
	}
	if len(pair) > 1 {
		detail = pair[1]
	}
	code = plain(pair[0])
	return code, detail, strings.HasPrefix(code, "ERROR")
}

// kindOfStatus is for answers that are not in GLPI's words: from a proxy before
// it, a web server without GLPI, or a PHP that died.
func kindOfStatus(status int) (Kind, string) {
	switch {
	case status == http.StatusInternalServerError:
		return Upstream, "GLPI failed without saying why"
	case status >= 500, status == http.StatusTooManyRequests:
		return Unavailable, "the web server before GLPI answered " + http.StatusText(status)
	case status == http.StatusRequestEntityTooLarge:
		return Invalid, "the upload is too large for the web server"
	case status == http.StatusRequestURITooLong:
		return Upstream, "the request was too long for the web server"
	case status >= 400:
		return Unavailable, "the answer is not GLPI's: " + http.StatusText(status)
	case status >= 300:
		return Unavailable, "redirected: the URL is not that of GLPI's API"
	}
	return Upstream, errNotJSON.Error()
}

// tidyMessage drops the pointer to the documentation and bounds the rest.
func tidyMessage(s string) string {
	s, _, _ = strings.Cut(s, "; view documentation")
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}
