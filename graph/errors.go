package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/signin"
)

// Code is what `extensions.code` says, for clients to branch on.
type Code string

// The codes of the API. userErrors have their own.
const (
	CodeUnauthenticated     Code = "UNAUTHENTICATED"
	CodeForbidden           Code = "FORBIDDEN"
	CodeNotFound            Code = "NOT_FOUND"
	CodeBadUserInput        Code = "BAD_USER_INPUT"
	CodeConflict            Code = "CONFLICT"
	CodeCapabilityMissing   Code = "CAPABILITY_MISSING"
	CodeRateLimited         Code = "RATE_LIMITED"
	CodeUpstreamError       Code = "UPSTREAM_ERROR"
	CodeUpstreamTimeout     Code = "UPSTREAM_TIMEOUT"
	CodeUpstreamUnavailable Code = "UPSTREAM_UNAVAILABLE"
	CodeQueryTooComplex     Code = "QUERY_TOO_COMPLEX"
	CodeResync              Code = "RESYNC"
	CodeInternal            Code = "INTERNAL"
)

// coded is an error of ours that clients may see as it is.
type coded struct {
	code    Code
	message string
}

func (e *coded) Error() string { return e.message }

func badInput(format string, args ...any) error {
	return &coded{CodeBadUserInput, fmt.Sprintf(format, args...)}
}

// notFound is the one answer for what is not there and for what another company owns: no oracle.
func notFound() error { return &coded{CodeNotFound, "not found"} }

func forbidden() error { return &coded{CodeForbidden, "your profile does not allow this"} }

// capabilityMissing answers for what a plugin would bring that this GLPI lacks.
func capabilityMissing() error {
	return &coded{CodeCapabilityMissing, glpiCodes[glpiproxy.Unsupported].message}
}

// hidden makes an unreadable single item look like a missing one.
func hidden(err error) error {
	if isUnreadable(err) {
		return notFound()
	}
	return err
}

// isUnseen says whether an item is not there for this viewer, in GLPI's words or in ours.
func isUnseen(err error) bool {
	var own *coded
	return isUnreadable(err) || errors.As(err, &own) && own.code == CodeNotFound
}

// isUnreadable says whether GLPI keeps an item from this viewer, as against being unable to answer.
func isUnreadable(err error) bool {
	kind := glpiproxy.KindOf(err)
	return kind == glpiproxy.Forbidden || kind == glpiproxy.NotFound
}

// glpiCodes translate what a failed call to GLPI means to what clients are told.
var glpiCodes = map[glpiproxy.Kind]struct {
	code    Code
	message string
}{
	glpiproxy.Unauthenticated: {CodeUnauthenticated, "the session has ended: sign in again"},
	glpiproxy.BadCredentials:  {CodeUnauthenticated, "the credentials are not right"},
	glpiproxy.Forbidden:       {CodeForbidden, "your profile does not allow this"},
	glpiproxy.NotFound:        {CodeNotFound, "not found"},
	glpiproxy.Invalid:         {CodeBadUserInput, "GLPI refused the request"},
	glpiproxy.Conflict:        {CodeConflict, "GLPI holds something that contradicts this"},
	glpiproxy.Partial:         {CodeUpstreamError, "GLPI did not do all of it"},
	glpiproxy.Unchanged:       {CodeUpstreamError, "GLPI accepted it, but nothing has changed"},
	glpiproxy.Throttled:       {CodeRateLimited, "GLPI was asked for this too often of late: wait a while"},
	glpiproxy.Misconfigured:   {CodeUpstreamError, "GLPI does not accept the gateway: an operator has to look"},
	glpiproxy.Unsupported:     {CodeCapabilityMissing, "this GLPI lacks the plugin that it needs: see viewer.capabilities"},
	glpiproxy.Unavailable:     {CodeUpstreamUnavailable, "GLPI can't be reached"},
	glpiproxy.Timeout:         {CodeUpstreamTimeout, "GLPI did not answer in time"},
	glpiproxy.Canceled:        {CodeInternal, "the request was given up"},
	glpiproxy.Upstream:        {CodeUpstreamError, "GLPI gave an answer that makes no sense"},
}

// PresentError makes of any error what clients may see: a code, a message without secrets and the place.
// What nobody foresaw is logged and shown as INTERNAL.
func (r *Resolver) PresentError(ctx context.Context, err error) *gqlerror.Error {
	presented := graphql.DefaultErrorPresenter(ctx, err)
	if presented.Extensions == nil {
		presented.Extensions = map[string]any{}
	}
	var own *coded
	var glpi *glpiproxy.Error
	switch {
	case errors.As(err, &own):
		present(presented, own.code, own.message)
	case errors.As(err, &glpi):
		said, known := glpiCodes[glpi.Kind]
		if !known {
			said = glpiCodes[glpiproxy.Upstream]
		}
		present(presented, said.code, said.message)
		if glpi.Kind == glpiproxy.Invalid && glpi.Status == 0 { // GLPI was not asked: the reason is our own
			presented.Message = glpi.Message
		}
		if glpi.Code != "" {
			presented.Extensions["glpi"] = map[string]any{"code": glpi.Code, "message": glpi.Message}
		}
	case signin.IsSignInError(err):
		present(presented, CodeUnauthenticated, presented.Message)
	case errors.Is(err, bridge.ErrResync):
		present(presented, CodeResync, "events were missed: read the page again, then subscribe without a cursor")
	case errors.Is(err, context.DeadlineExceeded):
		present(presented, CodeUpstreamTimeout, glpiCodes[glpiproxy.Timeout].message)
	case errors.Is(err, context.Canceled):
		present(presented, CodeInternal, glpiCodes[glpiproxy.Canceled].message)
	case presented.Extensions["code"] != nil:
		presentLanguageError(presented)
	case isLanguageError(err):
		presented.Extensions["code"] = CodeBadUserInput
	default:
		r.Logger.ErrorContext(ctx, "a resolver failed", "path", presented.Path.String(), "error", err)
		present(presented, CodeInternal, "something went wrong in the gateway")
	}
	return presented
}

func present(e *gqlerror.Error, code Code, message string) {
	e.Message = message
	e.Extensions["code"] = code
}

// presentLanguageError gives gqlgen's own codes for documents that don't parse or don't fit the schema the
// one code that this API has for them.
func presentLanguageError(e *gqlerror.Error) {
	switch e.Extensions["code"] {
	case "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED":
		e.Extensions["code"] = CodeBadUserInput
	}
}

// addErrorAt reports the error of one element of a list, which is null for it; the others stand.
func addErrorAt(ctx context.Context, index int, err error) {
	graphql.AddError(graphql.WithPathContext(ctx, graphql.NewPathWithIndex(index)), err)
}

// isLanguageError says whether gqlgen itself refused the document or its variables.
func isLanguageError(err error) bool {
	var refused *gqlerror.Error
	return errors.As(err, &refused) && refused.Err == nil
}
