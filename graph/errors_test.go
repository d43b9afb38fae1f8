package graph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph"
	"fleetgate/internal/signin"
)

// Whatever goes wrong has a code to branch on and words without secrets; only what nobody foresaw is logged.
func TestEveryErrorHasACodeAndWords(t *testing.T) {
	fromGLPI := func(kind glpiproxy.Kind) error {
		return fmt.Errorf("reading entities: %w", &glpiproxy.Error{
			Kind: kind, Operation: "get", Status: 400, Message: "hush", Err: errors.New("dial tcp 10.0.0.7:80: hush"),
		})
	}
	coded := func(code string) error {
		return &gqlerror.Error{Message: "as it was said", Extensions: map[string]any{"code": code}}
	}
	for name, c := range map[string]struct {
		err     error
		code    graph.Code
		message string
		logged  bool
	}{
		"session ended":       {err: fromGLPI(glpiproxy.Unauthenticated), code: graph.CodeUnauthenticated, message: "the session has ended: sign in again"},
		"wrong credentials":   {err: fromGLPI(glpiproxy.BadCredentials), code: graph.CodeUnauthenticated, message: "the credentials are not right"},
		"forbidden":           {err: fromGLPI(glpiproxy.Forbidden), code: graph.CodeForbidden, message: "your profile does not allow this"},
		"not found":           {err: fromGLPI(glpiproxy.NotFound), code: graph.CodeNotFound, message: "not found"},
		"refused by GLPI":     {err: fromGLPI(glpiproxy.Invalid), code: graph.CodeBadUserInput, message: "GLPI refused the request"},
		"conflict":            {err: fromGLPI(glpiproxy.Conflict), code: graph.CodeConflict, message: "GLPI holds something that contradicts this"},
		"misconfigured":       {err: fromGLPI(glpiproxy.Misconfigured), code: graph.CodeUpstreamError, message: "GLPI does not accept the gateway: an operator has to look"},
		"not all of it":       {err: fromGLPI(glpiproxy.Partial), code: graph.CodeUpstreamError, message: "GLPI did not do all of it"},
		"no effect":           {err: fromGLPI(glpiproxy.Unchanged), code: graph.CodeUpstreamError, message: "GLPI accepted it, but nothing has changed"},
		"too often":           {err: fromGLPI(glpiproxy.Throttled), code: graph.CodeRateLimited, message: "GLPI was asked for this too often of late: wait a while"},
		"plugin missing":      {err: fromGLPI(glpiproxy.Unsupported), code: graph.CodeCapabilityMissing, message: "this GLPI lacks the plugin that it needs: see viewer.capabilities"},
		"unavailable":         {err: fromGLPI(glpiproxy.Unavailable), code: graph.CodeUpstreamUnavailable, message: "GLPI can't be reached"},
		"timeout":             {err: fromGLPI(glpiproxy.Timeout), code: graph.CodeUpstreamTimeout, message: "GLPI did not answer in time"},
		"nonsense":            {err: fromGLPI(glpiproxy.Upstream), code: graph.CodeUpstreamError, message: "GLPI gave an answer that makes no sense"},
		"given up":            {err: fromGLPI(glpiproxy.Canceled), code: graph.CodeInternal, message: "the request was given up"},
		"given up before":     {err: fmt.Errorf("waiting: %w", context.Canceled), code: graph.CodeInternal, message: "the request was given up"},
		"took too long":       {err: fmt.Errorf("waiting: %w", context.DeadlineExceeded), code: graph.CodeUpstreamTimeout, message: "GLPI did not answer in time"},
		"refused before GLPI": {err: &glpiproxy.Error{Kind: glpiproxy.Invalid, Operation: "search", Message: "nothing to search for"}, code: graph.CodeBadUserInput, message: "nothing to search for"},
		"nobody is signed in": {err: fmt.Errorf("asking: %w", signin.ErrNone), code: graph.CodeUnauthenticated, message: "asking: sign in first"},
		"expired":             {err: signin.ErrExpired, code: graph.CodeUnauthenticated, message: signin.ErrExpired.Error()},
		"events were missed":  {err: bridge.ErrResync, code: graph.CodeResync, message: "events were missed: read the page again, then subscribe without a cursor"},
		"fell behind":         {err: bridge.ErrLagged, code: graph.CodeResync, message: "events were missed: read the page again, then subscribe without a cursor"},
		"does not parse":      {err: coded("GRAPHQL_PARSE_FAILED"), code: graph.CodeBadUserInput, message: "as it was said"},
		"does not validate":   {err: coded("GRAPHQL_VALIDATION_FAILED"), code: graph.CodeBadUserInput, message: "as it was said"},
		"too complex":         {err: coded("QUERY_TOO_COMPLEX"), code: graph.CodeQueryTooComplex, message: "as it was said"},
		"a wrong variable":    {err: gqlerror.Errorf("cannot use map as ID"), code: graph.CodeBadUserInput, message: "cannot use map as ID"},
		"nobody foresaw it":   {err: errors.New("hush"), code: graph.CodeInternal, message: "something went wrong in the gateway", logged: true},
		"nor this":            {err: gqlerror.Wrap(errors.New("hush")), code: graph.CodeInternal, message: "something went wrong in the gateway", logged: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			r := &graph.Resolver{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			got := r.PresentError(t.Context(), c.err)
			if code := fmt.Sprint(got.Extensions["code"]); code != string(c.code) || got.Message != c.message {
				t.Errorf("got %s: %s, want %s: %s", code, got.Message, c.code, c.message)
			}
			if strings.Contains(fmt.Sprint(got.Message, got.Extensions), "hush") {
				t.Errorf("it tells too much: %s %v", got.Message, got.Extensions)
			}
			if logged := log.Len() > 0; logged != c.logged {
				t.Errorf("logged: %q", log.String())
			}
		})
	}
}

func TestWhatGLPISaidGoesAlongWithItsPlace(t *testing.T) {
	r := &graph.Resolver{Logger: slog.New(slog.DiscardHandler)}
	ctx := graphql.WithPathContext(t.Context(), graphql.NewPathWithField("agent"))
	got := r.PresentError(ctx, &glpiproxy.Error{
		Kind: glpiproxy.Forbidden, Operation: "get", Status: 401, Code: "ERROR_RIGHT_MISSING", Message: "You don't have permission",
	})
	if want := (ast.Path{ast.PathName("agent")}); !reflect.DeepEqual(got.Path, want) {
		t.Errorf("the path is %v, want %v", got.Path, want)
	}
	want := map[string]any{"code": graph.CodeForbidden, "glpi": map[string]any{"code": "ERROR_RIGHT_MISSING", "message": "You don't have permission"}}
	if !reflect.DeepEqual(got.Extensions, want) {
		t.Errorf("got %v, want %v", got.Extensions, want)
	}
}
