package glpiproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what a failed call means to the caller, whatever words and HTTP
// status GLPI chose for it.
type Kind int

const (
	// Upstream is an answer that GLPI should not have given: not JSON, cut
	// short, a PHP or SQL error. Nothing can be concluded from it.
	Upstream Kind = iota
	// Unauthenticated: the session has ended or never was.
	Unauthenticated
	// BadCredentials: the user name, password or user token is wrong.
	BadCredentials
	// Forbidden: the viewer's profile or entities do not allow it.
	Forbidden
	// NotFound: no such item for this viewer.
	NotFound
	// Invalid: the request itself is wrong (an id, a column, a value).
	Invalid
	// Conflict: the request contradicts what GLPI already holds.
	Conflict
	// Partial: some items of a write were refused; Items has each one's outcome.
	Partial
	// Unchanged: GLPI said that a write succeeded, and nothing of it, or not all,
	// can be seen afterwards.
	Unchanged
	// Throttled: GLPI was asked for this too often of late.
	Throttled
	// Misconfigured: the API is off, or refuses this address or app token. An
	// operator has to mend it.
	Misconfigured
	// Unsupported: this GLPI knows no such items; the plugin that brings them is
	// missing or off.
	Unsupported
	// Unavailable: GLPI could not be reached or does not answer as GLPI.
	Unavailable
	// Timeout: GLPI did not answer within Options.Timeout.
	Timeout
	// Canceled: the caller gave up.
	Canceled
)

var kindNames = [...]string{
	Upstream: "upstream", Unauthenticated: "unauthenticated", BadCredentials: "bad credentials",
	Forbidden: "forbidden", NotFound: "not found", Invalid: "invalid", Conflict: "conflict",
	Partial: "partial", Unchanged: "unchanged", Throttled: "throttled",
	Misconfigured: "misconfigured", Unsupported: "unsupported",
	Unavailable: "unavailable", Timeout: "timeout", Canceled: "canceled",
}

// String names the kind in lower case.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Error is the one error type of this package. It never carries a token, a
// password or a query string.
type Error struct {
	Kind      Kind
	Operation string // what was called: "initSession", "get", "list", "search", …
	Status    int    // GLPI's HTTP status, 0 when there was no answer
	Code      string // GLPI's error code ("ERROR_RIGHT_MISSING"), "" when it gave none
	Message   string // GLPI's message in the session's language, or our own reason
	Err       error  // the cause, when there is one

	Items  []Outcome // what became of each item of a write; of Partial and some refusals
	Fields []string  // the columns that did not take their values; of Unchanged

	unsent bool // GLPI never saw the call
}

// Error tells the operation, the kind and what GLPI said, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "glpi %s: %s", e.Operation, e.Kind)
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsAway says whether an error means that GLPI could not answer, as against having refused.
func IsAway(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case Unavailable, Timeout, Upstream, Misconfigured, Canceled:
		return true
	}
	return false
}

// KindOf tells the kind of an error: that of the *Error in its chain, Canceled
// or Timeout for a context's own error, Upstream for anything else.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Upstream
}
